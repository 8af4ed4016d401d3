"""Whoever is killed at whichever moment of a submission, the same request made again leaves exactly one run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from remote_install.jobhost import layout, processes, submission
from remote_install.jobhost.layout import JobDirectory
from remote_install.jobhost.tries import Look, Looker, claim

from .test_program import T1, UUID, Host
from .test_submission import WRAPPER

# Between two of these nothing changes that anybody else can see. `?`: where this machine has no such call, well.
CHANGES = (
    "?mkdir,?mkdirat,?symlink,?symlinkat,?rename,?renameat,?renameat2,?link,?linkat,?unlink,?unlinkat,"
    "?chmod,?fchmod,?fchmodat,write,?ftruncate,?fork,?vfork,?clone,?clone3,setsid,execve,exit_group"
)
CALLS = pytest.mark.parametrize(
    "calls", [pytest.param(CHANGES, id="changes"), pytest.param("%file,%process", id="all", marks=pytest.mark.slow)]
)
AT_ONCE = 4
COMMAND = ("sh", "-c", "echo once >>lines; sleep 0.2")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "home")
    host.environment["PATH"] = "/usr/bin:/bin"  # each folder is a call of its own
    yield host
    for pid in mentioning(str(tmp_path)):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def mentioning(text: str) -> list[int]:
    """The processes that have `text` in their arguments."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            if pid != os.getpid() and text.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


class Run:
    """A run directory on the host, with one job in it."""

    def __init__(self, host: Host, name: str) -> None:
        self.host, self.name = host, name
        self.path = host.home / "runs" / name
        self.path.mkdir(parents=True)
        self.job: JobDirectory = layout.job_directory(os.fsencode(self.path), "a", 1)

    @property
    def request(self) -> dict[str, Any]:
        job = {"job": "a", "token": T1, "argv": list(COMMAND)}
        return {"run_root": "runs", "run": self.name, "uuid": UUID, "jobs": [job]}

    def submit(self) -> dict[str, Any]:
        """Make the request, undisturbed."""
        (told,) = self.host.ask(sys.executable, "submit", **self.request)
        return told

    def settled(self) -> Look:
        """The look at the job when nothing of it lives any more."""
        until = time.monotonic() + 20
        while mentioning(f"{self.path}/") and time.monotonic() < until:
            time.sleep(0.02)
        assert mentioning(f"{self.path}/") == []
        look = Looker().look(self.job)
        identity = processes.parse_identity(look.facts.start or "")
        assert identity is None or not processes.Table().alive(identity)
        return look

    def starts(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return (self.path / "lines").read_text().count("once\n")
        return 0

    def argv(self, under: str) -> list[str]:
        """What is to be killed: the program with the request on its stdin, or the job wrapper as it starts it."""
        if under == "program":
            return [sys.executable, "-I", str(self.host.program.relative_to(self.host.home)), "submit"]
        run_dir = os.fsencode(self.path)
        assert claim(run_dir, "a", T1) == self.job
        about = submission.Script(self.name, run_dir, "a", self.job, list(COMMAND))
        submission.write(self.job.script, submission.script(about, WRAPPER))
        return ["/bin/sh", os.fsdecode(self.job.script), "tag"]


@contextlib.contextmanager
def traced(run: Run, under: str, calls: str, inject: str = "") -> Iterator[tuple[int, Path]]:
    """Run the program, or the job wrapper, under strace, which also follows what it starts.

    The block begins when it has ended, and what it started may still live; strace has ended when the block is left.
    Gives the process id of what was run, and strace's report.
    """
    report = run.host.home / f"{run.name}.strace"
    argv = ["strace", "-D", "-f", "-qq", "-s0", "-o", str(report), f"-etrace={calls}", *([inject] if inject else [])]
    argv += run.argv(under)
    ours, its = os.pipe()
    try:
        with subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=run.host.home,
            env=run.host.environment,
            pass_fds=[its],
            start_new_session=under == "wrapper",
        ) as process:
            os.close(its)
            process.communicate(json.dumps(run.request).encode() if under == "program" else b"")
        yield process.pid, report
        ready, _, _ = select.select([ours], [], [], 20)
        assert ready, "strace has not ended"
    finally:
        os.close(ours)


def calls_made(host: Host, under: str, calls: str) -> list[tuple[str, int]]:
    """Each call that one of the processes makes where none is killed: its name, and the how maniest of that name it is.

    strace counts the calls of each process by itself, and those of each name.
    """
    run = Run(host, "whole")
    with traced(run, under, calls) as (_, report):
        pass
    assert (run.settled().verdict.state, run.starts()) == ("succeeded", 1)
    counts = Counter(re.findall(r"^([0-9]+) +(\w+)\(", report.read_text(), re.MULTILINE))
    most = {name: max(count for (_, other), count in counts.items() if other == name) for _, name in counts}
    return [(name, number) for name, most_of_it in most.items() for number in range(1, most_of_it + 1)]


def killed_submit(host: Host, under: str, name: str, number: int) -> str:
    """Kill each process before its call `number` of `name`, ask again, and check; returns the job's state."""
    run = Run(host, f"{name}-{number}")
    with traced(run, under, name, f"-einject={name}:signal=KILL:when={number}") as (pid, report):
        told = run.submit()
    look = run.settled()
    why = f"each process was killed before its {name} number {number}: {look}"
    lines = report.read_text().splitlines()
    killed = {line.split()[0] for line in lines if line.endswith("+++ killed by SIGKILL +++")}
    assert (told["reply"], told["try"]) == ("job", 1), why
    assert run.starts() <= 1, why
    if look.facts.start is None:  # whoever came to the start gate was killed there
        run.submit()
        look = run.settled()
        assert (look.verdict.state, run.starts()) == ("succeeded", 1), why
    elif not killed or (under == "program" and killed == {str(pid)}):
        assert (look.verdict.state, run.starts()) == ("succeeded", 1), why
    before = run.starts()
    assert run.submit()["state"] == look.verdict.state, why
    assert (run.settled().verdict.state, run.starts()) == (look.verdict.state, before), why
    assert layout.tries(os.fsencode(run.path), "a") == [1], why
    return look.verdict.state if killed else "nobody was killed"


@needs_strace
@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("under", ["program", "wrapper"])
@CALLS
def test_killed_before_each_call_it_runs_once(host: Host, under: str, calls: str) -> None:
    points = calls_made(host, under, calls)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        states = Counter(pool.map(lambda point: killed_submit(host, under, *point), points))
    print(f"{len(points)} calls of the {under} and what it starts: {dict(states)}")
    assert states["succeeded"] >= 5
    assert sum(states.values()) - states["nobody was killed"] >= 10


@pytest.mark.parametrize(
    ("name", "line", "starts"),
    [
        ("readlink", "exit 1", 0),
        ("readlink", "kill -9 $$", 0),
        ("ln", "kill -9 $$", 0),
        ("ln", '/bin/ln "$@"; kill -9 $$', 1),
        ("date", "kill -9 $$", 1),
    ],
)
def test_whatever_the_wrapper_calls_may_fail(host: Host, name: str, line: str, starts: int) -> None:
    """It starts the job with its whole identity in the start gate, or not at all; then the next request does."""
    run, folder = Run(host, "demo"), host.home / "failing"
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{line}\n")
    (folder / name).chmod(0o755)
    host.environment["PATH"] = f"{folder}:/usr/bin:/bin"
    run.submit()
    look = run.settled()
    assert (run.starts(), look.facts.start is not None) == (starts, bool(starts))
    (folder / name).unlink()
    run.submit()
    look = run.settled()
    assert (look.verdict.state, run.starts()) == ("succeeded", 1)
    assert processes.parse_identity(look.facts.start or "") is not None


def test_a_job_whose_directory_was_removed_starts_nowhere_else(host: Host) -> None:
    run = Run(host, "demo")
    argv = run.argv("wrapper")
    moved = shutil.copy(run.job.script, os.fsencode(host.home) + b"/moved")
    shutil.rmtree(run.path / "log")
    before = sorted(host.home.iterdir())
    done = subprocess.run([argv[0], moved], cwd=host.home, env=host.environment, stderr=subprocess.DEVNULL, check=False)
    assert done.returncode != 0
    assert (sorted(host.home.iterdir()), run.starts()) == (before, 0)
