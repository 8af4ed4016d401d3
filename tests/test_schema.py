"""The JSON Schemas that editors get: made from the tables of keys, so that both say the same of a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from test_mistakes import MISTAKES

from remote_install.run_yaml import RUN_YAML
from transfer.hosts_yaml import HOSTS_YAML
from transfer.keys import Key, Kind
from transfer.schema import json_schema
from transfer.settings import read_settings

GOOD = {
    "hosts": """\
defaults:
platforms:
  hpc:
    hosts: [login1, login2]
    run_root: /scratch/$USER/runs
    job_runner: background
    shell: bash -l
    ssh: {user: me, port: 22, connect_timeout: 10, multiplex: true, options: {Ciphers: aes128-gcm@openssh.com}}
    rsync: {options: [--bwlimit=1m], root: /home/me/box}
    retry: {attempts: 5, max_wait: 0.5}
    symlink_dirs: {work: /scratch/$USER, log/job/: ~/logs}
    environment: {OMP_NUM_THREADS: 4, DEBUG: no, TEXT: "a\\nb"}
    secrets: [API_KEY]
    init_script: |
      module load gcc
      ulimit -s unlimited
    directives: {--account: climate, --exclusive: }
    polling: {first: 1, max: 30}
  "/desktop\\\\d+/": {job_runner: {name: background}}
groups:
  anywhere: {platforms: [hpc, desktop7], select: in-order}
""",
    "run": """\
id: forecast/north
install: {exclude: [data/raw/, "*.tmp"], command: ./build.sh}
jobs:
  train: {platform: hpc, command: ./train.sh --epochs 3, directives: {--ntasks: 4}, environment: {SEED: 1}, retries: 2}
  list: {command: [./train.sh, 3]}
  long:
    command: |
      ./a
      ./b
fetch: [results/]
""",
}
TABLES = {"hosts": HOSTS_YAML, "run": RUN_YAML}
# What only the table can know: expressions of YAML itself, and rules about values.
NOT_OF_A_SCHEMA = (
    "given twice", "this is not YAML", "a tab", "stands inside", "UTF-8", "can't be set", "is not used here", "merge",
    "mapping or a list of mappings", "there is no platform", "is set by us", "no path of results", "second document",
    "tags such as", "<<",
)  # fmt: skip


def errors(table: Key, text: str) -> list[str]:
    """What the schema says of a file."""
    schema = json_schema(table)
    jsonschema.Draft7Validator.check_schema(schema)
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text))]


@pytest.mark.parametrize("which", ["hosts", "run"])
def test_a_file_with_every_key_is_right_for_both(which: str, tmp_path: Path) -> None:
    assert errors(TABLES[which], GOOD[which]) == []
    path = tmp_path / "file.yaml"
    path.write_text(GOOD[which])
    assert read_settings(str(path), TABLES[which])


@pytest.mark.parametrize(
    ("which", "content"),
    [
        (which, content)
        for which, content, _, message, _ in MISTAKES
        if isinstance(content, str) and not any(phrase in message for phrase in NOT_OF_A_SCHEMA)
    ],
)
def test_a_mistake_is_one_for_the_schema_too(which: str, content: str) -> None:
    assert errors(TABLES[which], content)


def keys(table: Key) -> list[Key]:
    below = [*table.keys.values(), *(key for key in (table.item, table.name) if key)]
    return [table, *(found for key in below for found in keys(key))]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_kind_of_key_has_its_schema_and_a_line_for_people(table: Key) -> None:
    for key in keys(table):
        assert key.about
        assert "\n" not in key.about
    assert set(Kind) >= {key.kind for key in keys(table)}


def schema(*words: str, cwd: Path) -> Any:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    argv = [sys.executable, "-m", "remote_install", "schema", *words]
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_the_command_prints_one_or_both(tmp_path: Path) -> None:
    assert schema("run.yaml", cwd=tmp_path) == json_schema(RUN_YAML)
    assert schema(cwd=tmp_path) == {"hosts.yaml": json_schema(HOSTS_YAML), "run.yaml": json_schema(RUN_YAML)}
