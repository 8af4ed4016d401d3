"""The client is killed with -9 at any moment, and the same command is typed again: one run, and it is told."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from remote_install.jobhost import processes

from .client import Client

pytestmark = pytest.mark.faults
JOB = ("sh", "-c", "echo x >>starts; sleep 0.3; echo done")
AT_ONCE = 3
ORDINARY, ALL = 6, 50
MOMENTS = pytest.mark.parametrize("moments", [ORDINARY, pytest.param(ALL, marks=pytest.mark.slow)])


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    parents: dict[int, list[int]] = {}
    for other in map(int, filter(str.isdigit, os.listdir("/proc"))):
        fields = processes.stat_fields(other)
        if fields:
            parents.setdefault(int(fields[1]), []).append(other)
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def kill(process: subprocess.Popen[bytes], with_all_it_started: bool) -> None:
    """As the kernel does it when memory is short; with all it started: as it is when this machine dies."""
    process.send_signal(signal.SIGSTOP)
    for pid in family(process.pid) if with_all_it_started else [process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def starts(client: Client, run: str) -> int:
    return client.host.read(f"{client.host.home}/remote-install-run/{run}/starts").count("x")


def prepare(client: Client, run: str) -> None:
    (client.folder / run).mkdir()
    (client.folder / run / "data").write_text(run)


def killed_and_typed_again(client: Client, command: str, number: int, within: float) -> tuple[str, int, bool]:
    """Kill a command at a moment of its first `within` seconds, and type it again.

    Returns the run, the try that was told at last, and whether the job's end had been shown before.
    """
    run = f"demo{number}"
    moment = random.Random(number).uniform(0, within)
    prepare(client, run)
    words = [command, run, "-p", "hpc", "--json", "--", *JOB]
    process = client.start(*words)
    time.sleep(moment)
    kill(process, with_all_it_started=number % 2 == 1)
    out, _ = process.communicate(timeout=60)
    shown = out.endswith(b"}\n") and json.loads(out)["jobs"][0]["state"] == "succeeded"
    again = client(*words)
    assert again.code == 0, f"{command} killed after {moment:.3f} s: {again}"
    return run, again.job["try"], shown


def wait_until_gone(client: Client) -> None:
    """What a client killed with -9 left behind ends by itself: its ssh writes to nobody."""
    until = time.monotonic() + 20
    while client.leftovers() and time.monotonic() < until:
        time.sleep(0.1)


@pytest.mark.timeout(900)
@MOMENTS
@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_command_killed_and_typed_again_runs_its_job_once(client: Client, command: str, moments: int) -> None:
    prepare(client, "first")  # it also sends our program there
    assert client(command, "first", "-p", "hpc", "--", *JOB).code == 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        names = [f"measured{number}" for number in range(AT_ONCE)]
        for name in names:
            prepare(client, name)
        within = min(pool.map(lambda name: client(command, name, "-p", "hpc", "--", *JOB).seconds, names))
        done = list(pool.map(lambda number: killed_and_typed_again(client, command, number, within), range(moments)))
    for run, number, shown in done:
        assert command == "run" or client("wait", run).code == 0
        # Whoever was shown the end of his job, and then types the command again, wants it to be run again.
        assert (starts(client, run), number) == (number, number if shown else 1), run
    wait_until_gone(client)
