"""Commands of job runners that are killed after they did their work, that fail, or that say nonsense."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from batch import wait_for

from .conftest import Place, params
from .test_conformance import submit, until_state

SUBMITS = {"at": "at", "sge": "qsub", "pbs": "qsub", "lsf": "bsub"}
LISTS = {"at": "atq", "slurm": "squeue", "sge": "qstat", "pbs": "qstat", "oar": "oarstat"}
REAL = list(LISTS)
# Stands before a command on PATH. Of the file /tmp/losses it takes a line for each call, and does what that says.
BEFORE = """#!/bin/sh
{ read -r how && sed -i 1d /tmp/losses; } 2>/dev/null </tmp/losses
[ "$how" ] || exec REAL "$@"
[ "$how" != twice ] || REAL "$@" >/dev/null 2>&1
REAL "$@" >/dev/null 2>&1
[ "$how" != program ] || kill -KILL "$PPID"
kill -KILL $$
"""


@contextlib.contextmanager
def in_place_of(place: Place, command: str, script: str) -> Iterator[None]:
    """Let a program stand before a command; the word REAL in it is replaced by the command itself."""
    real = place.host.run(["sh", "-c", f"readlink -f $(command -v {command})"], check=True).stdout.strip()
    path = place.host.run(["sh", "-c", f"command -v {command}"], check=True).stdout.strip()
    kept = f"/opt/kept/{command}"  # its name tells it what it is
    keep = f"mkdir -p /opt/kept && ln -sf {real} {kept} && rm -f /usr/local/bin/{command}"
    place.host.run(["sh", "-c", keep], user="root", check=True)
    place.host.write_file(f"/usr/local/bin/{command}", script.replace("REAL", kept), 0o755, owner="root")
    yield
    place.host.run(["rm", "-f", f"/usr/local/bin/{command}", "/tmp/losses"], user="root", check=True)
    if path.startswith("/usr/local/bin/"):
        place.host.run(["ln", "-s", real, path], user="root", check=True)


def lose(place: Place, *how: str) -> None:
    place.host.write_file("/tmp/losses", "".join(f"{each}\n" for each in how))


@pytest.mark.parametrize("place", params(["at", "sge", "pbspro", "lsf"]), indirect=True)
def test_a_submission_whose_answer_was_lost_is_found_and_runs_once(place: Place) -> None:
    count = 50 if place.name in ("at", "sge") else 5
    line = "until [ -e go ]; do sleep 0.5; done; echo x >>ran-$REMOTE_INSTALL_JOB"
    jobs = [f"  j{n}: {{platform: hpc, command: '{line}'}}\n" for n in range(count)]
    place.client.write("run.yaml", "jobs:\n" + "".join(jobs))
    with in_place_of(place, SUBMITS[place.name], BEFORE):
        lose(place, *["answer"] * count)
        place.client("submit", "demo", timeout=120)
    done = place.client("submit", "demo", timeout=120)
    assert done.code == 0, done.err
    place.host.write_file(f"{place.client.there}/go", "")
    done = place.client("wait", "demo", "--json", timeout=120)
    assert (done.code, {job["try"] for job in done.json["jobs"]}) == (0, {1})
    wait_for("an empty queue", lambda: place.system.jobs() == [])
    ran = place.host.run(["sh", "-c", f"cd {place.client.there} && cat ran-*"], check=True).stdout
    assert ran == "x\n" * count


@pytest.mark.parametrize("place", params(["at", "sge"]), indirect=True)
def test_a_submission_that_nobody_wrote_down_is_found_when_it_is_asked_again(place: Place) -> None:
    """The program there is killed three times, each time after it had submitted: the call is made again by itself."""
    with place.holding() as options, in_place_of(place, SUBMITS[place.name], BEFORE):
        lose(place, "program", "program", "program")
        job = submit(place, "sh", "-c", "echo x >>ran", options=options)
        assert place.system.jobs() == [job["job_id"]]
    release(place, job["job_id"])
    until_state(place, "succeeded")
    assert place.host.read(f"{place.client.there}/ran") == "x\n"


@pytest.mark.parametrize("place", params(["at", "sge"]), indirect=True)
def test_surplus_entries_are_removed(place: Place) -> None:
    """At the latest when the job has started: what waits beside it could not start any more."""
    with place.holding() as options, in_place_of(place, SUBMITS[place.name], BEFORE):
        lose(place, "twice")
        job = submit(place, "sh", "-c", "echo x >>ran; until [ -e go ]; do sleep 0.1; done", options=options)
    release(place, job["job_id"])
    until_state(place, "running")
    wait_for("one entry", lambda: place.client("poll", "demo") and len(place.system.jobs()) == 1)
    place.host.write_file(f"{place.client.there}/go", "")
    until_state(place, "succeeded")
    wait_for("an empty queue", lambda: place.system.jobs() == [])
    assert place.host.read(f"{place.client.there}/ran") == "x\n"


def release(place: Place, job_id: str) -> None:
    if place.hold:
        place.host.run(["qrls", job_id], check=True)


NONSENSE = {
    "an error and exit code 0": "echo 'error: commlib error: got select error' >&2",
    "an error and exit code 1": "echo 'error: unable to contact qmaster using port 6444' >&2; exit 1",
    "nothing and exit code 1": "exit 1",
    "a megabyte of text": "yes '<html>503 Service Unavailable | | | |</html>' | head -c 1000000",
    "a megabyte of bytes": "head -c 1000000 /dev/urandom",
}


@pytest.mark.parametrize("place", params(REAL), indirect=True)
def test_what_can_not_be_understood_says_nothing_about_a_job(place: Place) -> None:
    submit(place, "sh", "-c", "until [ -e go ]; do sleep 0.1; done; exit 6")
    until_state(place, "running")
    for what, line in NONSENSE.items():
        with in_place_of(place, LISTS[place.name], f"#!/bin/sh\n{line}\n"):
            done = place.client("poll", "demo", "--json")
        assert done.job["state"] in ("unknown", "running"), (what, done.job)
        assert "no exit record" not in (done.job["reason"] or ""), (what, done.job)
        assert done.code == 0, what
    assert place.client("poll", "demo", "--json").job["state"] == "running"
    place.host.write_file(f"{place.client.there}/go", "")
    done = place.client("wait", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 6)


@pytest.mark.slow
@pytest.mark.parametrize("place", params(["sge"]), indirect=True)
def test_who_does_not_answer_holds_nobody_for_longer_than_a_minute(place: Place) -> None:
    submit(place, "sh", "-c", "until [ -e go ]; do sleep 0.1; done; exit 6")
    until_state(place, "running")
    place.system.qmaster.freeze()
    done = place.client("poll", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"]) == (0, "unknown")
    assert done.seconds < 65
    place.system.qmaster.thaw()
    place.host.write_file(f"{place.client.there}/go", "")
    done = place.client("wait", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 6)


@pytest.mark.parametrize("place", params(["at"]), indirect=True)
def test_what_can_not_be_understood_says_nothing_about_a_job_that_waits(place: Place) -> None:
    with place.holding():
        submit(place, "sh", "-c", "exit 6")
        for what, line in NONSENSE.items():
            with in_place_of(place, LISTS[place.name], f"#!/bin/sh\n{line}\n"):
                job = place.client("poll", "demo", "--json").job
            assert job["state"] in ("unknown", "submitted"), (what, job)
            assert "no exit record" not in (job["reason"] or ""), (what, job)
        assert place.client("poll", "demo", "--json").job["state"] == "submitted"
    assert until_state(place, "failed")["exit_code"] == 6
