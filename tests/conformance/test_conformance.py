"""What every job runner must be able to do, on the real thing: one suite, run on each."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from .conftest import Place


def run(place: Place, *argv: str, options: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    done = place.client("run", "demo", "-p", "hpc", "--json", *options, "--", *argv, timeout=120)
    assert done.out, done.err
    return done.code, done.job


def test_success(place: Place) -> None:
    code, job = run(place, "sh", "-c", "echo out; echo err >&2; pwd >where")
    assert (code, job["state"], job["exit_code"], job["job_runner"]) == (0, "succeeded", 0, place.name)
    assert job["job_id"]
    assert job["started_at"]
    assert job["finished_at"]
    assert place.host.read(f"{place.client.there}/where") == f"{place.client.there}\n"
    folder = f"{place.client.there}/log/job/job/01"
    assert (place.host.read(f"{folder}/job.out"), place.host.read(f"{folder}/job.err")) == ("out\n", "err\n")


@pytest.mark.parametrize("code", [1, 3, 126, 255])
def test_exit_code(place: Place, code: int) -> None:
    found, job = run(place, "sh", "-c", f"exit {code}")
    assert (found, job["state"], job["exit_code"], job["reason"]) == (1, "failed", code, f"exit {code}")


@pytest.mark.parametrize(("number", "name"), [(9, "KILL"), (11, "SEGV"), (15, "TERM")])
def test_signal(place: Place, number: int, name: str) -> None:
    found, job = run(place, "sh", "-c", f"kill -{number} $$")
    assert (found, job["state"], job["exit_code"], job["signal"]) == (1, "killed", 128 + number, name)


def test_arguments_and_environment_arrive_unchanged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.client.folder / "hosts.yaml"
    value = "a  b\n#$ -N no\n#SBATCH --job-name=no\n'q' \\ $(x)"
    quoted = value.replace("\\", "\\\\").replace("\n", "\\n")
    path.write_text(path.read_text() + f'    environment: {{AWKWARD: "{quoted}"}}\n    secrets: [KEY]\n')
    monkeypatch.setenv("KEY", "sec'ret $(y)\nline")
    words = ["a b", "", "#$ -N no", "\n#SBATCH --hold\n#PBS -h\n#$ -h\n", "it's", "*"]
    code, job = run(place, "sh", "-c", 'printf "%s|" "$AWKWARD" "$KEY" "$@"', "sh", *words)
    assert (code, job["state"]) == (0, "succeeded")
    done = place.client("logs", "demo", "job")
    assert done.out.decode() == "".join(f"{word}|" for word in (value, "sec'ret $(y)\nline", *words))
    assert (
        "sec'ret" not in place.host.run(["grep", "-r", "sec'ret", "remote-install-run/demo/log/job/job/01/job"]).stdout
    )


def test_the_variables_of_a_job(place: Place) -> None:
    code, _ = run(place, "sh", "-c", "env | grep ^REMOTE_INSTALL_ | sort")
    assert code == 0
    there = place.client.there
    assert place.client("logs", "demo", "job").out.decode().splitlines() == [
        "REMOTE_INSTALL_JOB=job",
        f"REMOTE_INSTALL_JOB_DIR={there}/log/job/job/01",
        "REMOTE_INSTALL_RUN=demo",
        f"REMOTE_INSTALL_RUN_DIR={there}",
        "REMOTE_INSTALL_TRY=1",
    ]


def test_time_limit(place: Place) -> None:
    """Batch systems look at their limits once in a while, and some count in minutes."""
    began = time.monotonic()
    code, job = run(place, "sh", "-c", "sleep 600", options=("--time-limit", "2s"))
    assert (code, job["state"], job["reason"]) == (1, "killed", "time limit")
    assert time.monotonic() - began < 110


def test_kill_running(place: Place) -> None:
    submit(place, "sh", "-c", "echo started; sleep 600 & sleep 600")
    until_state(place, "running")
    done = place.client("kill", "demo", "job", "--grace", "2s", "--json", timeout=120)
    assert (done.code, done.job["state"]) == (0, "killed"), done.err
    assert [process for process in place.host.processes() if "sleep 600" in process.args] == []


def submit(place: Place, *argv: str, name: str = "job", options: tuple[str, ...] = ()) -> dict[str, Any]:
    done = place.client("submit", "demo", "-p", "hpc", "--name", name, "--json", *options, "--", *argv, timeout=120)
    assert done.code == 0, done.err
    return done.job


def until_state(place: Place, state: str) -> dict[str, Any]:
    until = time.monotonic() + 60
    while True:
        job = place.client("poll", "demo", "job", "--json").job
        if job["state"] == state:
            return job
        assert time.monotonic() < until, job
        time.sleep(0.2)


def test_the_same_command_again_finds_the_job(place: Place) -> None:
    first = submit(place, "sh", "-c", "echo x >>ran; sleep 3")
    again = submit(place, "sh", "-c", "echo x >>ran; sleep 3")
    assert (again["try"], again["job_id"]) == (first["try"], first["job_id"])
    done = place.client("wait", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"]) == (0, "succeeded")
    assert place.host.read(f"{place.client.there}/ran") == "x\n"


def test_many_jobs_at_once(place: Place) -> None:
    count = 40
    lines = [f"  j{n}: {{platform: hpc, command: 'exit {n % 3}'}}\n" for n in range(count)]
    place.client.write("run.yaml", "jobs:\n" + "".join(lines))
    done = place.client("run", "demo", "--json", timeout=170)
    found = [(job["job"], job["exit_code"]) for job in done.json["jobs"]]
    assert found == [(f"j{n}", n % 3) for n in range(count)], done.err[-2000:]


def test_the_end_of_a_job_is_found_when_all_here_was_forgotten(place: Place) -> None:
    submit(place, "sh", "-c", "exit 7")
    until_state(place, "failed")
    place.host.run(["true"])
    for name in ("log", ".remote-install"):
        place.client.host  # noqa: B018
        import shutil

        shutil.rmtree(place.client.run_directory / name)
    done = place.client("poll", "demo", "job", "-p", "hpc", "--json")
    assert (done.code, done.job["exit_code"]) == (1, 7)


def test_no_words_of_the_job_are_lost_or_added(place: Place) -> None:
    code, _ = run(place, "sh", "-c", "printf 'no newline'")
    assert code == 0
    assert place.client("logs", "demo", "job").out == b"no newline"
    assert re.search("succeeded", place.client("poll", "demo").out.decode())
