"""docs/other-engines.md: what it shows is run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hosts import JobHost

from . import pages
from .reader import Reader


@pytest.fixture
def reader(tmp_path: Path, job_host: JobHost) -> Iterator[Reader]:
    """A user whose run directory is new on the shared job host."""
    user = Reader(tmp_path, job_host)
    user.follow()
    yield user
    job_host.run(["sh", "-c", "kill -9 -1; rm -rf remote-install-run"])


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_make_runs_its_rules_there(reader: Reader) -> None:
    text = pages.section("other-engines.md", "make")
    pages.write(text, reader.run_directory)
    for name, content in (("one", "1\n"), ("two", "1\n2\n")):
        reader.write(f"data/{name}", content)
    (typed,) = pages.lines(text)
    code, shown = reader.type(typed)
    assert code == 0, shown
    assert [(reader.run_directory / f"results/{name}.count").read_text() for name in ("one", "two")] == ["1\n", "2\n"]
    code, shown = reader.type(typed)
    assert (code, "Nothing to be done" in shown) == (0, True)
    (reader.run_directory / "data/one").unlink()
    reader.write("data/three", "")
    code, shown = reader.type("make results/three.count there='remote-install --hosts /no/such'")
    assert code == 2, shown


def test_a_line_of_a_crontab_is_silent_where_all_is_well(reader: Reader) -> None:
    (entry,) = pages.blocks(pages.section("other-engines.md", "cron"), "sh")
    command = re.sub(r"^(\S+ ){5}", "", entry)
    reader.run_directory.rename(reader.folder / "forecast")
    reader.run_directory.mkdir()
    train = reader.folder / "forecast/train.sh"
    train.write_text("#!/bin/sh\nmkdir -p results; echo trained | tee results/model\n")
    train.chmod(0o755)
    environment = {"HOME": str(reader.folder), "SHELL": "/bin/sh", "PATH": f"{reader.folder}/bin:/usr/bin:/bin"}
    for name in ("REMOTE_INSTALL_HOSTS", "XDG_RUNTIME_DIR"):
        environment[name] = reader.environment()[name]
    for script, code, told in (("", 0, ""), ("exit 3\n", 1, "job 02 failed (exit 3)")):
        train.write_text(train.read_text() + script)
        line = ["/bin/sh", "-c", command]
        done = subprocess.run(line, env=environment, cwd="/", capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert told in done.stderr
        assert told or not done.stderr
    assert (reader.folder / "forecast/results/model").read_text() == "trained\n"


def test_other_engines_submit_ask_and_cancel(reader: Reader) -> None:
    submit, poll, kill = pages.lines(pages.section("other-engines.md", "Other engines"))
    code, shown = reader.type(f'set -e\n{submit}\necho "<$id>"\n{submit}\necho "<$id>"\n{poll}\n{kill}')
    assert code == 0, shown
    assert shown.startswith("<part7>\n<part7>\n{")
    assert '"job": "part7", "try": 1, "state": "' in shown
    assert "part7 01 killed (signal TERM)" in shown.splitlines()[-1]


def test_another_job_of_the_same_name_is_refused_and_has_no_id(reader: Reader) -> None:
    words = "remote-install submit . -p hpc -q --parsable"
    assert reader.type(f"{words} -- sleep 600") == (0, "job\n")
    code, shown = reader.type(f"{words} -- sleep 601")
    assert (code, "submitted with another command" in shown) == (9, True)
    assert reader.type("remote-install kill . -q")[0] == 0
    assert reader.type("remote-install poll . --snakemake") == (0, "failed\n")


def test_a_job_that_is_over_at_once_was_submitted_all_the_same(reader: Reader) -> None:
    assert reader.type("remote-install submit . -p hpc -q --parsable -- false") == (0, "job\n")
    assert reader.type("remote-install wait . -q >/dev/null")[0] == 1
    assert reader.type("remote-install poll . job --snakemake") == (0, "failed\n")


def test_a_host_that_is_down_leaves_snakemake_waiting_and_no_job_does_not(reader: Reader) -> None:
    assert reader.type("remote-install submit . -p hpc -q -- sleep 600")[0] == 0
    reader.shut_out()
    hosts = Path(reader.environment()["REMOTE_INSTALL_HOSTS"])
    written = yaml.safe_load(hosts.read_text())
    written["platforms"]["hpc"]["retry"] = {"attempts": 1}
    hosts.write_text(yaml.safe_dump(written))
    code, shown = reader.type("remote-install poll . -q --snakemake")
    assert (code, shown.splitlines()[-1]) == (0, "running"), shown
    assert "remote-install: " in shown
    assert reader.type("remote-install poll . --snakemake other 2>/dev/null") == (2, "")
    reader.host.repair()
