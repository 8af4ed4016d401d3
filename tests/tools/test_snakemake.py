"""A real Snakemake has its jobs run on a test host through us, as docs/snakemake.md says, and reports right.

These take as long as Snakemake does: each of its jobs starts it once more, on the job host.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hosts import MakeHost

from . import pages
from .reader import Reader

ROOT = Path(__file__).parents[2]
PLACE = Path(os.environ.get("SNAKEMAKE_VENV") or ROOT / ".venv-snakemake")
SHARED = pages.section("snakemake.md", "Where the job host shares the filesystem")
SEPARATE = pages.section("snakemake.md", "Where it does not")
PARTS = 18
WORKFLOW = f"""
rule all:
    input: "all", "bad"

for number in range({PARTS}):
    rule:
        name: f"part{{number}}"
        output: f"out/{{number}}"
        shell: "hostname >{{output}}"

rule collect:
    input: [f"out/{{number}}" for number in range({PARTS})]
    output: "all"
    shell: "cat {{input}} >{{output}}"

rule bad:
    output: "bad"
    shell: "echo half >{{output}}; exit 3"
"""
QUICK = "--seconds-between-status-checks 1 --latency-wait 1 --nocolor"

pytestmark = [
    pytest.mark.tools,
    pytest.mark.xdist_group("snakemake"),
    pytest.mark.skipif(not PLACE.exists(), reason=f"no Snakemake in {PLACE}: `./dev test tests/tools` puts it there"),
]


@pytest.fixture
def reader(tmp_path: Path, make_host: MakeHost) -> Reader:
    """Who has followed the page: the job host sees the workflow and Snakemake at the same paths. The user is the same
    there, because Snakemake keeps its job scripts to itself."""
    user = Reader(tmp_path, make_host(shared={str(tmp_path): str(tmp_path), str(PLACE): str(PLACE)}))
    user.follow(pages.blocks(SHARED, "yaml")[0])
    user.be_root_there()
    pages.write(SHARED, user.run_directory)
    user.write("Snakefile", WORKFLOW)
    for program in ("snakemake", "python"):
        (tmp_path / "bin" / program).symlink_to(PLACE / "bin" / program)
    return user


def test_twenty_rules_of_which_one_fails_run_on_the_host_and_are_told_right(reader: Reader) -> None:
    install, snakemake = pages.lines(SHARED)
    assert reader.type(install)[0] == 0
    code, shown = reader.type(f"{snakemake} {QUICK} --keep-going")
    assert code == 1, shown
    assert (reader.run_directory / "all").read_text() == f"{reader.host.name}\n" * PARTS, shown
    assert not (reader.run_directory / "bad").exists()
    assert re.findall(r"^Error in rule (\w+)", shown, re.MULTILINE) == ["bad"], shown
    assert f"{PARTS + 1} of {PARTS + 3} steps" in shown
    states = {job.partition(".")[0]: state for job, state in reader.told().items()}
    assert states.pop("bad") == "failed"
    assert states == {**{f"part{number}": "succeeded" for number in range(PARTS)}, "collect": "succeeded"}


def test_a_workflow_that_is_interrupted_ends_its_jobs(reader: Reader) -> None:
    reader.write("Snakefile", 'rule long:\n    output: "x"\n    shell: "sleep 666"\n')
    install, snakemake = pages.lines(SHARED)
    assert reader.type(install)[0] == 0
    # Snakemake forgets to end what it asks about just then: here it does so after 15 s for the first time, and it ends
    # no sooner.
    workflow = reader.begin(f"exec {snakemake} --seconds-between-status-checks 15 --nocolor")
    try:
        sleeps(reader, True)
        os.killpg(workflow.pid, signal.SIGINT)
        shown, _ = workflow.communicate(timeout=60)
    finally:
        workflow.kill()
    assert workflow.returncode == 1, shown
    sleeps(reader, False)
    until = time.monotonic() + 20
    while reader.leftovers() and time.monotonic() < until:  # what ended the job is told so
        time.sleep(0.05)
    assert reader.leftovers() == []


def sleeps(reader: Reader, wanted: bool) -> None:
    """Wait until a job sleeps on the host, or until none does."""
    until = time.monotonic() + 40
    while any(one.args == "sleep 666" for one in reader.host.processes("root")) != wanted:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_rules_that_name_the_host_need_no_shared_filesystem(tmp_path: Path, make_host: MakeHost) -> None:
    reader = Reader(tmp_path, make_host())
    reader.follow()
    pages.write(SEPARATE, reader.run_directory)
    reader.write("Snakefile", pages.blocks(SEPARATE, "python")[0])
    reader.write("data/words", "one\ntwo\n")
    (typed,) = pages.lines(SEPARATE)
    snakemake = typed.replace("snakemake", str(PLACE / "bin/snakemake"))
    code, shown = reader.type(snakemake)
    assert code == 0, shown
    assert (reader.run_directory / "results/report").read_text() == "lines: 2 data/words\n"
    assert ".snakemake" not in reader.host.run(["ls", "-a", reader.there]).stdout
    reader.write("there.sh", "#!/bin/sh\nexec remote-install run . -p hpc -- false\n", 0o755)
    assert reader.type(f"{snakemake} --forceall")[0] == 1


def test_this_is_the_snakemake_that_the_page_names() -> None:
    done = subprocess.run([PLACE / "bin/snakemake", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("9.")
