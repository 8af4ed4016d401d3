"""docs/job-runners.md, docs/inside-a-job.md and CONTRIBUTING.md: a job runner of one's own, and what jobs see.

There is no batch system here: its commands replay what LSF's were published to say (tests/batch/replayed.py)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch.replayed import Replayed
from hosts import JobHost, MakeHost

from remote_install.jobhost.runners import own

from . import pages
from .follower import Follower

ROOT = Path(__file__).parents[2]
MINE = """
import re
NAME = "mine"
ID = "$LSB_JOBID"


def submit(job, settings):
    return ["bsub", "-rn", "-o", "job.log", *options(job.directives), "-J", job.tag, "/bin/sh", "./job.batch"]


def parse_submit(said):
    found = re.search(r"^Job <(\\d+)> is submitted", said.out)
    return found.group(1) if found else ""


def listing(ids, settings):
    return ["bjobs", "-a", "-u", settings.user, "-noheader", "-o", "jobid stat exit_reason job_name delimiter='|'"]


def parse_listing(said, settings):
    if "No job found" in said.err:
        return {}
    if said.code != 0:
        return None
    words = {"PEND": QUEUED, "PSUSP": QUEUED, "RUN": RUNNING}
    rows = [line.split("|") for line in said.out.splitlines()]
    return {row[0]: Listed(row[3], words.get(row[1], GONE), "") for row in rows}


def kill(ids, settings):
    return ["bkill", *ids]
"""


@pytest.fixture
def reader(tmp_path: Path, job_host: JobHost) -> Iterator[Follower]:
    """A user whose run directory is new on the shared job host."""
    yield Follower(tmp_path, job_host)
    job_host.run(["sh", "-c", "kill -9 -1; rm -rf remote-install-run .bash_profile"])


def test_a_runner_of_one_file_needs_what_the_page_says_and_runs_jobs(tmp_path: Path, make_host: MakeHost) -> None:
    section = pages.section("job-runners.md", "A site's own")
    told = set(re.findall(r"^\| `(\w+)", section, re.MULTILINE))
    assert told == set(own.NEEDED)
    assert set(own.DEFAULTS) | set(own.GIVEN) <= {*re.findall(r"\w+", section), "QUEUED", "RUNNING", "GONE"}
    host = make_host()
    Replayed(host, "lsf").start()
    reader = Follower(tmp_path, host)
    (settings,) = pages.blocks(pages.section("job-runners.md").partition("\n## ")[0], "yaml")
    reader.know(settings, {"box": host, "login9": host})
    reader.write_run("runners", {"mine.py": MINE})
    reader.write_run("forecast", {"train.sh": "#!/bin/sh\necho $LSB_JOBID; exit 3\n"})
    assert reader.type("remote-install check small ours -q") == (0, "")
    code, said = reader.type("remote-install run forecast -p ours -q -- ./train.sh")
    assert (code, re.findall(r"failed \(exit 3\) on ours \(login9, mine (\d+)\)", said)) == (1, said.split()[:1]), said
    for name in ("small", "ours"):
        words = f"remote-install submit forecast -p {name} --name {name} -q -- sleep 600"
        assert reader.type(words)[0] == 0
        code, said = reader.type(f"remote-install kill forecast {name}")
        assert (code, f"{name} 01 killed" in said) == (0, True), said


def test_what_a_job_says_is_shown(reader: Follower) -> None:
    (line,) = pages.blocks(pages.section("inside-a-job.md", "Messages"), "sh")
    reader.know("platforms:\n  hpc: {hosts: [login1]}\n", {"login1": reader.host})
    reader.write_run("forecast", {"train.sh": f"#!/bin/sh\n{line}"})
    assert reader.type("remote-install run forecast -p hpc -q -- ./train.sh")[0] == 0
    code, said = reader.type("remote-install poll forecast")
    assert (code, said.splitlines()[-1]) == (0, "  job says: epoch 3 of 10")


def test_modules_are_loaded_as_the_page_says(reader: Follower) -> None:
    """Where there are none: `module` is a function of the login's shell, as it is where there are."""
    (settings,) = pages.blocks(pages.section("inside-a-job.md").partition("\n## ")[0], "yaml")
    reader.know(settings, {"hpc": reader.host})
    reader.host.write_file(".bash_profile", 'module() { export LOADED="$*"; }\n')
    reader.write_run("forecast", {"train.sh": "#!/bin/sh\necho $LOADED\n"})
    assert reader.type("remote-install run forecast -p hpc -q -- ./train.sh") == (0, "load gcc\n")


# --- CONTRIBUTING.md

IN_A_CHECKOUT = ("remote_install", "transfer", "tests", "docs", "pyproject.toml", "setup.cfg")


@pytest.mark.tools
@pytest.mark.timeout(300)
def test_a_job_runner_is_added_step_by_step(tmp_path: Path) -> None:
    """One that was there before, under another name: its tests pass. Takes as long as they do."""
    steps = (ROOT / "CONTRIBUTING.md").read_text().partition("## A job runner\n")[2].partition("\n## ")[0]
    for name in IN_A_CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (folder,) = re.findall(r"`(remote_install/\S+/runners/)`", steps)
    text = (tmp_path / folder / "lsf.py").read_text().replace('NAME = "lsf"', 'NAME = "mine"')
    (tmp_path / folder / "mine.py").write_text(text)
    for where, name in re.findall(r"`([\w/]+\.py)`, in `(\w+)`", steps):
        changed = tmp_path / where
        before = changed.read_text()
        addition = '"mine": System("lsf", "mine", "-H", many=40),' if name == "SYSTEMS" else '"mine",'
        after = re.sub(rf"^({name} = [({{])", rf"\1{addition} ", before, flags=re.MULTILINE)
        assert after != before, where
        changed.write_text(after)
    page = tmp_path / "docs/hosts-yaml.md"
    page.write_text(page.read_text().replace("`lsf`", "`lsf`, `mine`"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    some = "mine and (check or exit_codes or kill or finds) or hosts_yaml"
    words = ["-q", "-p", "no:cacheprovider", "-m", "batch or not batch", "-k", some]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "tests/conformance/test_conformance.py", "tests/test_docs.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 8
