"""The command line: what is not understood is told with its remedy, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[1])


def remote_install(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": ROOT, "XDG_CONFIG_HOME": str(folder), **environment}
    line = [sys.executable, "-m", "remote_install", *words]
    return subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "demo").mkdir()
    (tmp_path / "bad name").mkdir()
    (tmp_path / "with-yaml").mkdir()
    (tmp_path / "with-yaml/run.yaml").write_text("id: -x\n")
    (tmp_path / "with-job").mkdir()
    (tmp_path / "with-job/run.yaml").write_text("jobs: {job: {platform: hpd, command: x}}\n")
    (tmp_path / "file").write_text("")
    (tmp_path / "remote-install").mkdir()
    (tmp_path / "remote-install/hosts.yaml").write_text("platforms: {hpc: {hosts: [h]}, gpu: }\n")
    return tmp_path


MISTAKES = [
    (["nonsense"], 2, "invalid choice"),
    (["run"], 2, "RUN"),
    (["run", "demo", "-p", "hpc"], 2, "goes behind `--`"),
    (["run", "demo", "-p", "hpc", "--"], 2, "goes behind `--`"),
    (["run", "demo", "--", "true"], 2, "-p PLATFORM"),
    (["run", "demo", "-p", "hpc", "-p", "gpu", "--", "true"], 2, "once"),
    (["run", "missing", "-p", "hpc", "--", "true"], 2, "no run directory at missing"),
    (["run", "file", "-p", "hpc", "--", "true"], 2, "no run directory"),
    (["run", "bad name", "-p", "hpc", "--", "true"], 2, "--run-id"),
    (["run", "demo", "--run-id", "../up", "-p", "hpc", "--", "true"], 2, "can't be a run id"),
    (["run", "demo", "-p", "hpc", "--name", "; rm -rf ~", "--", "true"], 2, "can't be a job's name"),
    (["run", "demo", "-p", "hpc", "--fetch", "../up", "--", "true"], 2, "inside the run directory"),
    (["run", "demo", "-p", "hpc", "--fetch", "/etc", "--", "true"], 2, "inside the run directory"),
    (["run", "demo", "-p", "hpc", "--fetch", ".", "--", "true"], 2, "inside the run directory"),
    (["run", "demo", "-p", "hpc", "--timeout", "soon", "--", "true"], 2, "no time"),
    (["run", "demo", "-p", "hpd", "--", "true"], 3, "hpc"),
    (["run", "with-yaml", "-p", "hpc", "--", "true"], 3, "with-yaml/run.yaml:1:5: id: expected"),
    (["run", "demo", "--hosts", "nowhere.yaml", "-p", "hpc", "--", "true"], 3, "nowhere.yaml"),
    (["run", "demo", "-p", "hpc", "--on-cancel", "wait", "--", "true"], 2, "invalid choice"),
    (["run", "", "-p", "hpc", "--", "true"], 2, "no run directory at ''"),
    (["run", "demo", "-p", "hpc", "--name", "", "--", "true"], 2, "can't be a job's name"),
    (["run", "with-job", "--name", ""], 2, "run.yaml has no job ''"),
    (["poll", "demo", "-p", "hpd", "train"], 3, "hpd"),
    (["kill", "demo", "--grace", "5s", "train"], 2, "nothing is known here of job train"),
    (["kill", "demo", "--grase", "train"], 2, "unrecognized arguments: --grase"),
    (["push", "with-yaml", "demo", "--dry-run", "hpd:up"], 3, "hpd"),
    (["schema", "run.yaml", "hosts.yaml"], 2, "unrecognized arguments: hosts.yaml"),
    (["clean", "demo"], 2, "Name where with -p PLATFORM"),
    (["clean", "demo", "--", "x"], 2, "takes no command"),
    (["init"], 9, "is there already"),
    (["check", "hpd"], 3, "hpc"),
    (["check", "--", "x"], 2, "takes no command"),
    (["install", "demo"], 2, "-p PLATFORM"),
    (["install", "demo", "-p", "hpc", "--", "true"], 2, "`run`"),
    (["poll", "demo"], 2, "no job of this run is known here"),
    (["poll", "demo", "train"], 2, "nothing is known here of job train"),
    (["logs", "demo", "; id"], 2, "no job's name"),
    (["poll", "demo", "--", "x"], 2, "takes no command"),
    (["fetch", "demo"], 2, "-p PLATFORM"),
]


@pytest.mark.parametrize(("words", "code", "phrase"), MISTAKES, ids=[" ".join(words) for words, _, _ in MISTAKES])
def test_a_mistake_is_told_with_its_remedy(folder: Path, words: list[str], code: int, phrase: str) -> None:
    done = remote_install(folder, *words)
    assert done.returncode == code, done.stderr
    assert phrase in done.stderr
    assert done.stderr.startswith("remote-install: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_what_was_typed_is_shown_and_does_nothing_to_a_terminal(folder: Path) -> None:
    done = remote_install(folder, "poll", "a\x1b[2J\u202eb\tc\nd")
    assert "no run directory at a\\x1b[2J\\u202eb\tc\nd\n" in done.stderr
    assert done.stdout == ""


def test_a_mistake_is_a_document_with_json(folder: Path) -> None:
    done = remote_install(folder, "run", "demo", "--json", "-p", "hpd", "--", "true")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == 3
    assert set(error) == {"code", "message", "hint", "host"}


def test_nothing_is_left_behind_by_a_mistake(folder: Path) -> None:
    remote_install(folder, "run", "demo", "-p", "hpd", "--", "true")
    assert os.listdir(folder / "demo") == []


def test_what_stands_behind_the_dashes_is_the_jobs(folder: Path) -> None:
    done = remote_install(folder, "run", "demo", "-p", "hpd", "--", "cmd", "--json", "--", "-v")
    assert done.stdout == ""
    assert done.returncode == 3


@pytest.mark.parametrize("words", [["--help"], [], ["run", "--help"], ["demo", "--help"]])
def test_help_is_given(folder: Path, words: list[str]) -> None:
    done = remote_install(folder, *words)
    assert done.returncode == 0
    assert "usage: remote-install" in done.stdout


def test_the_version_is_told(folder: Path) -> None:
    assert remote_install(folder, "--version").stdout == "remote-install 0.1.0\n"


def test_help_imports_neither_sh_nor_yaml() -> None:
    line = (
        "import sys; sys.argv = ['remote-install', '--help']\n"
        "from remote_install.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('sh', 'yaml', 'tenacity') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run([sys.executable, "-c", line], env=env, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("closing", ["1", "2", "1 2", "0 1 2"])
def test_closed_standard_streams_are_no_traceback(folder: Path, closing: str) -> None:
    closed = " ".join(f"{number}>&-" for number in closing.split())
    line = f'"{sys.executable}" -m remote_install poll demo {closed}; echo $? >code'
    env = {**os.environ, "PYTHONPATH": ROOT, "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run(["sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True)
    assert (folder / "code").read_text() == "2\n"
    assert "Traceback" not in done.stderr


def test_a_full_disk_here_is_told_and_is_no_failed_job(folder: Path) -> None:
    env = {**os.environ, "PYTHONPATH": ROOT, "XDG_CONFIG_HOME": str(folder)}
    with open("/dev/full", "w") as full:
        line = [sys.executable, "-m", "remote_install", "poll", "demo", "--json"]
        done = subprocess.run(line, cwd=folder, env=env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 5
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_neither_is_one_that_can_not_be_told(folder: Path) -> None:
    env = {**os.environ, "PYTHONPATH": ROOT, "XDG_CONFIG_HOME": str(folder)}
    with open("/dev/full", "w") as full:
        line = [sys.executable, "-m", "remote_install", "platforms"]
        assert subprocess.run(line, cwd=folder, env=env, stdout=full, stderr=full).returncode == 5


def test_a_token_that_is_a_folder_is_told(folder: Path) -> None:
    (folder / "demo/log/job/job/token.1").mkdir(parents=True)
    done = remote_install(folder, "poll", "demo")
    assert done.returncode == 3
    assert "token.1" in done.stderr
    assert "Traceback" not in done.stderr
