"""What is true does not hang on clocks: this machine's and the job host's may be an hour off, either way."""

from __future__ import annotations

import calendar
import glob
import subprocess
import sys
import time

import pytest

from .client import Client

LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")
# Only the clock that tells the time of day; timers go on as they are.
TIMERS = "FAKETIME_DONT_FAKE_MONOTONIC=1"
OFF = pytest.mark.parametrize("offset", [-3600, 3600])


@pytest.fixture
def wrong_here(client: Client, offset: int) -> Client:
    """A user on whose machine the clock is wrong.

    By Python's own means: under libfaketime 0.9.10 time.sleep of Python 3.11 fails with EINVAL.
    """
    folder = client.folder / "wrong"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"import time\nright = time.time\ntime.time = lambda: right() + {offset}\n"
        f"right_ns = time.time_ns\ntime.time_ns = lambda: right_ns() + {offset} * 10**9\n"
    )
    client.python_path = (str(folder),)
    line = [sys.executable, "-c", "import time; print(time.time())"]
    told = float(subprocess.run(line, env=client.environment(), capture_output=True, check=True).stdout)
    assert abs(told - time.time() - offset) < 600
    return client


@pytest.fixture
def wrong_there(client: Client, offset: int) -> Client:
    """A user of a job host on which the clock of our program and of its jobs is wrong."""
    line = f"exec env LD_PRELOAD={LIBRARY} FAKETIME={offset:+d} {TIMERS} python3"
    client.host.write_file("python3-in-another-time", f'#!/bin/sh\n{line} "$@"\n', mode=0o755)
    hosts = client.folder / "hosts.yaml"
    hosts.write_text(f"{hosts.read_text()}    python: {client.host.home}/python3-in-another-time\n")
    return client


def through_its_life(client: Client) -> dict[str, str]:
    """A job is submitted, waited for in vain, ended, run anew after a change; returns when it was, as told."""
    client.write("word", "one")
    line = "cat word >>~/words; until test -e go; do sleep 0.05; done; exit 3"
    words = ["submit", "demo", "-p", "hpc", "--json", "--", "sh", "-c", line]
    client.host.run(["rm", "-f", "words"], check=True)
    assert client(*words).job["try"] == 1
    late = client("wait", "demo", "--timeout", "1", "--json")
    assert (late.code, late.job["state"]) == (8, "running")
    assert late.seconds < 15
    client.host.run(["touch", f"{client.there}/go"], check=True)
    done = client("wait", "demo", "--json")
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 3)
    client.write("word", "two")  # as long as before
    assert client("run", "demo", "-p", "hpc", "--json", "--", "sh", "-c", line).job["try"] == 2
    assert client.host.read(f"{client.host.home}/words") == "onetwo"
    return {name: str(done.job[name]) for name in ("submitted_at", "started_at", "finished_at")}


@OFF
def test_a_clock_here_that_is_wrong_changes_nothing(wrong_here: Client) -> None:
    through_its_life(wrong_here)


@pytest.mark.skipif(not LIBRARY, reason="there is no libfaketime")
@OFF
def test_a_clock_there_that_is_wrong_changes_nothing(wrong_there: Client, offset: int) -> None:
    times = through_its_life(wrong_there)
    told = calendar.timegm(time.strptime(times["submitted_at"], "%Y-%m-%dT%H:%M:%SZ"))
    assert abs(told - time.time() - offset) < 600
    assert times["submitted_at"] <= times["started_at"] <= times["finished_at"]
