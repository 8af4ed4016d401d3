"""What keeps a start fast: what is not imported. tests/benchmarks/start_up.py tells how fast it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[1])
OF_OURS = {
    "remote_install",
    "remote_install.cli",
    "remote_install.cli.arguments",
    "remote_install.cli.commands",
    "remote_install.cli.options",
    "remote_install.cli.signals",
    "transfer",
    "transfer.durations",
    "transfer.errors",
}
# What a command needs besides that tells what is known here, and asks nobody.
OF_A_LIST = OF_OURS | {
    *(
        f"remote_install.{name}"
        for name in ("durable", "known", "record", "report", "run_directory", "run_settings", "talk")
    ),
    *(f"remote_install.cli.{name}" for name in ("ci", "colours", "context", "listing", "output", "prefixed", "screen")),
    *(f"remote_install.jobhost{name}" for name in ("", ".files", ".layout", ".meanwhile", ".status", ".wire")),
    *("transfer.command", "transfer.progress", "transfer.wording"),
}
OF_HOSTS = {
    *("yaml", "sh", "tenacity", "rich", "asyncio", "concurrent.futures", "email", "hashlib", "logging", "pathlib"),
    *("random", "secrets", "selectors", "shutil", "socket", "subprocess", "tempfile", "zipfile"),
}
EXPENSIVE = OF_HOSTS | {"dataclasses", "inspect", "json", "threading", "typing"}

# What the interpreter itself imports (site, a .pth file), or argparse, is not our doing.
PROGRAM = """
import argparse, sys
before = set(sys.modules)
from remote_install.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps(loaded), file=sys.stderr)
"""


def of_ours(names: set[str]) -> set[str]:
    return {name for name in names if name.partition(".")[0] in ("remote_install", "transfer")}


def loaded(*words: str) -> set[str]:
    """The modules that a command imports, which must have said something."""
    line = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, check=True)
    assert done.stdout != b""
    return set(json.loads(done.stderr))


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["run", "--help"], ["poll", "-h"]], ids=" ".join)
def test_a_help_text_imports_nothing_that_takes_time(words: list[str]) -> None:
    found = loaded(*words)
    assert found & EXPENSIVE == set()
    assert of_ours(found) == OF_OURS


def test_what_is_known_here_is_listed_without_what_talks_to_hosts_or_reads_yaml(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("id: demo\n")
    job = tmp_path / "log/job/train"
    job.mkdir(parents=True)
    (job / "token.1").write_text(json.dumps({"token": "0" * 32, "platform": "hpc"}))
    found = loaded("list", str(tmp_path))
    assert found & OF_HOSTS == set()
    assert of_ours(found) == OF_A_LIST
    assert "yaml" in loaded("list", str(tmp_path), "--json")  # which names the run, as run.yaml does


@pytest.mark.parametrize(("columns", "width"), [("60", 60), ("200", 200), ("0", 80), ("wide", 80), ("", 80)])
def test_a_help_text_is_as_wide_as_the_terminal(columns: str, width: int) -> None:
    line = [sys.executable, "-m", "remote_install", "--help"]
    env = {**os.environ, "PYTHONPATH": ROOT, "COLUMNS": columns}
    told = subprocess.run(line, env=env, capture_output=True, check=True, text=True).stdout
    assert ("the pre-run install step: the run directory to each install target\n" in told) == (width == 200)
    wrapped = told.partition("positional arguments:")[2].partition("exit codes:")[0]
    assert width - 40 < max(map(len, wrapped.splitlines())) <= width or width == 200


def test_the_package_alone_imports_nothing() -> None:
    program = "import sys; before = set(sys.modules); import remote_install; print(*set(sys.modules) - before)"
    line = [sys.executable, "-c", program]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["remote_install"]


def test_one_look_at_jobs_imports_nothing_of_what_moves_files_or_watches() -> None:
    program = "import sys, remote_install.cli.looks, remote_install.cli.meant; print(*sys.modules)"
    line = [sys.executable, "-c", program]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, check=True, text=True)
    others = {"transfer.rsync", "transfer.sync", "rich"}
    others |= {f"remote_install.{name}" for name in ("contact", "fetch", "install", "plan", "source", "watch")}
    assert set(done.stdout.split()) & others == set()
