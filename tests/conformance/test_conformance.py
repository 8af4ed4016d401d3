"""What every job runner must be able to do, on the real thing: one suite, run on each."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest
from batch import wait_for

from .conftest import WITH_QUEUE, Place, params


def run(place: Place, *argv: str, options: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    done = place.client("run", "demo", "-p", "hpc", "--json", *options, "--", *argv, timeout=120)
    assert done.out, done.err
    return done.code, done.job


def run_all(place: Place, lines: dict[str, str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run jobs, name -> shell line, side by side."""
    jobs = [f"  {name}: {{platform: hpc, command: '{line}'}}\n" for name, line in lines.items()]
    place.client.write("run.yaml", "jobs:\n" + "".join(jobs))
    done = place.client("run", "demo", "--json", timeout=170)
    assert [job["job"] for job in done.json["jobs"]] == list(lines), done.err[-2000:]
    return done.code, {job["job"]: job for job in done.json["jobs"]}


def submit(place: Place, *argv: str, name: str = "job", options: tuple[str, ...] = ()) -> dict[str, Any]:
    done = place.client("submit", "demo", "-p", "hpc", "--name", name, "--json", *options, "--", *argv, timeout=120)
    # A short job may have ended by now, and then its end counts.
    assert done.code == int(done.job["state"] in ("failed", "killed", "lost")), (done.job, done.err)
    return done.job


def until_state(place: Place, state: str) -> dict[str, Any]:
    until = time.monotonic() + 60
    while True:
        job = place.client("poll", "demo", "--json").job
        if job["state"] == state:
            return job
        assert time.monotonic() < until, job
        time.sleep(0.2)


def test_check_finds_it_in_order(place: Place) -> None:
    done = place.client("check", "hpc", "--json")
    (row,) = (row for row in done.json["platforms"][0]["checks"] if row["check"] == "job runner")
    assert (done.code, row["ok"], row["remedy"]) == (0, True, None), row


def test_success(place: Place) -> None:
    code, job = run(place, "sh", "-c", "echo out; echo err >&2; pwd >where")
    assert (code, job["state"], job["exit_code"], job["job_runner"]) == (0, "succeeded", 0, place.name)
    assert job["job_id"]
    assert job["started_at"]
    assert job["finished_at"]
    assert place.host.read(f"{place.client.there}/where") == f"{place.client.there}\n"
    folder = f"{place.client.there}/log/job/job/01"
    assert (place.host.read(f"{folder}/job.out"), place.host.read(f"{folder}/job.err")) == ("out\n", "err\n")


def test_exit_codes(place: Place) -> None:
    codes = (0, 1, 3, 126, 255)
    code, jobs = run_all(place, {f"j{number}": f"exit {number}" for number in codes})
    assert code == 1
    assert [(job["exit_code"], job["reason"]) for job in jobs.values()] == [
        (0, None),
        *((number, f"exit {number}") for number in codes[1:]),
    ]
    assert [job["state"] for job in jobs.values()] == ["succeeded", "failed", "failed", "failed", "failed"]


def test_signals(place: Place) -> None:
    names = {9: "KILL", 11: "SEGV", 15: "TERM"}
    code, jobs = run_all(place, {name: f"kill -{number} $$" for number, name in names.items()})
    assert code == 1
    assert {(job["state"], job["exit_code"], job["signal"]) for job in jobs.values()} == {
        ("killed", 128 + number, name) for number, name in names.items()
    }


def test_arguments_environment_and_secrets_arrive_unchanged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.client.folder / "hosts.yaml"
    value = "a  b\n#$ -N no\n#SBATCH --job-name=no\n'q' \\ $(x)"
    quoted = value.replace("\\", "\\\\").replace("\n", "\\n")
    path.write_text(path.read_text() + f'    environment: {{AWKWARD: "{quoted}"}}\n    secrets: [KEY]\n')
    monkeypatch.setenv("KEY", "sec'ret $(y)\nline")
    words = ["a b", "", "#$ -N no", "\n#SBATCH --hold\n#PBS -h\n#$ -h\n#BSUB -H\n#OAR --hold\n", "it's", "*"]
    code, job = run(place, "sh", "-c", 'printf "%s|" "$AWKWARD" "$KEY" "$@"', "sh", *words)
    assert (code, job["state"]) == (0, "succeeded")
    done = place.client("logs", "demo", "job")
    assert done.out.decode() == "".join(f"{word}|" for word in (value, "sec'ret $(y)\nline", *words))
    assert place.host.run(["grep", "-rl", "sec'ret", f"{place.client.there}/log/job/job/01"]).stdout.split() == [
        f"{place.client.there}/log/job/job/01/job.out"
    ]


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


def test_output_is_kept_byte_for_byte(place: Place) -> None:
    """Also what no text file holds, and more than a pipe does; only the command's words are in it."""
    code, _ = run(place, "sh", "-c", r"printf '\000\377\r'; head -c 300000 /dev/zero; printf end; printf err >&2")
    assert code == 0
    assert place.client("logs", "demo", "job").out == b"\0\xff\r" + bytes(300000) + b"end"
    assert place.client("logs", "demo", "job", "--err").out == b"err"


def test_time_limit(place: Place) -> None:
    """Batch systems look at their limits once in a while, and some count in minutes."""
    began = time.monotonic()
    code, job = run(place, "sh", "-c", "sleep 600 & sleep 600", options=("--time-limit", "2s"))
    assert (code, job["state"], job["reason"]) == (1, "killed", "time limit")
    assert time.monotonic() - began < 110
    wait_for("no process of the job", lambda: sleepers(place) == [])


def sleepers(place: Place) -> list[str]:
    return [process.args for process in place.host.processes() if "sleep 600" in process.args]


def test_kill_running(place: Place) -> None:
    """Under the longest name that a job may have: batch systems break or cut what is long."""
    submit(place, "sh", "-c", "sleep 600 & sleep 600", name="a" * 64)
    until_state(place, "running")
    done = place.client("kill", "demo", "--grace", "2s", "--json", timeout=120)
    assert (done.code, done.job["state"]) == (0, "killed"), done.err
    wait_for("no process of the job", lambda: sleepers(place) == [])


@pytest.mark.parametrize("place", params(WITH_QUEUE), indirect=True)
def test_kill_queued(place: Place) -> None:
    with place.holding() as options:
        submit(place, "sh", "-c", ": >ran", options=options)
        assert until_state(place, "submitted")["job_id"]
        assert place.system.jobs() != []
        done = place.client("kill", "demo", "--json", timeout=120)
        assert (done.code, done.job["state"]) == (0, "killed"), done.err
        wait_for("an empty queue", lambda: place.system.jobs() == [])
    assert until_state(place, "killed")["started_at"] is None
    assert place.host.run(["test", "-e", f"{place.client.there}/ran"]).returncode == 1


def test_the_same_command_again_finds_the_job(place: Place) -> None:
    first = submit(place, "sh", "-c", "echo x >>ran; sleep 3")
    again = submit(place, "sh", "-c", "echo x >>ran; sleep 3")
    assert (again["try"], again["job_id"]) == (first["try"], first["job_id"])
    done = place.client("wait", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"]) == (0, "succeeded")
    assert place.host.read(f"{place.client.there}/ran") == "x\n"


def test_many_jobs_at_once(place: Place) -> None:
    lines = {f"j{n}": f"exit {n % 3}" for n in range(place.many)}
    code, jobs = run_all(place, lines)
    assert code == 1
    assert {name: f"exit {job['exit_code']}" for name, job in jobs.items()} == lines


def test_the_end_of_a_job_is_found_when_all_here_was_forgotten(place: Place) -> None:
    submit(place, "sh", "-c", "exit 7")
    until_state(place, "failed")
    for name in ("log", ".remote-install"):
        shutil.rmtree(place.client.run_directory / name)
    done = place.client("poll", "demo", "job", "-p", "hpc", "--json")
    assert (done.code, done.job["exit_code"]) == (1, 7)
