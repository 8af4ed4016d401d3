"""Which process is ours: real processes, their start times, their sessions."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_install.jobhost import processes
from remote_install.jobhost.processes import Identity, Table
from remote_install.jobhost.runners import background
from remote_install.jobhost.status import GONE, NOT_ASKED, RUNNING, Facts

Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("process node1 12 3456 b0-07 4026531836", Identity("node1", 12, 3456, "b0-07", "4026531836")),
        ("process h 0 0 b n", Identity("h", 0, 0, "b", "n")),
        ("", None),
        ("process", None),
        ("process h 12 34 b", None),
        ("process h 12 34 b n x", None),
        ("slurm h 12 34 b n", None),
        ("process h -1 34 b n", None),
        ("process h 12 x b n", None),
        ("process h 12 ? b n", None),
        ("process h 1.5 34 b n", None),
        ("process h \u00b2 34 b n", None),
        ("12", None),
    ],
)
def test_what_the_job_wrapper_wrote_is_read_or_is_nothing(text: str, expected: Identity | None) -> None:
    assert processes.parse_identity(text) == expected


@given(st.from_regex(r"process [^ ]* [^ ]{0,4} [^ ]{0,4} [^ ]* [^ ]*", fullmatch=True))
def test_no_text_breaks_the_reader(text: str) -> None:
    processes.parse_identity(text)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a shell line as the background job runner does, in a session of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(line: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["sh", "-c", line], stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        return process

    yield start_one
    for process in started:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.getsid(int(pid)) == process.pid:
                    os.kill(int(pid), signal.SIGKILL)
        process.communicate()


def identity_of(pid: int) -> Identity:
    here = processes.here()
    fields = processes.stat_fields(pid)
    assert fields is not None
    return Identity(here.host, pid, int(fields[19]), here.boot, here.namespace)


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def state(pid: int) -> str:
    fields = processes.stat_fields(pid)
    return fields[0] if fields else "gone"


def test_a_process_that_runs_is_alive_and_one_with_another_start_time_is_not_it(start: Start) -> None:
    identity = identity_of(start("exec sleep 60").pid)
    assert Table().alive(identity)
    assert not Table().alive(identity._replace(start=identity.start + 1))
    assert not Table().alive(identity._replace(start=identity.start - 1))


def test_a_process_that_ended_is_not_alive_nor_is_its_zombie(start: Start) -> None:
    process = start("read line")
    identity = identity_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: state(process.pid) == "Z")
    assert not Table().alive(identity)
    process.wait()
    assert state(process.pid) == "gone"
    assert not Table().alive(identity)


@pytest.mark.parametrize("reaped", [False, True], ids=["a zombie leader", "a reaped leader"])
def test_a_killed_leader_whose_child_lives_is_alive(start: Start, reaped: bool) -> None:
    process = start("sleep 60 & echo $!; wait")
    assert process.stdout is not None
    child = int(process.stdout.readline())
    identity = identity_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: state(process.pid) == "Z")
    if reaped:
        process.wait()
    assert Table().alive(identity)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: state(child) in ("gone", "Z"))
    assert not Table().alive(identity)


def test_a_stopped_process_is_alive(start: Start) -> None:
    process = start("exec sleep 60")
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: state(process.pid) == "T")
    assert Table().alive(identity_of(process.pid))


def test_a_child_that_left_for_a_session_of_its_own_is_not_ours(start: Start) -> None:
    process = start("setsid sh -c 'echo $$; exec sleep 60' & wait")
    assert process.stdout is not None
    child = int(process.stdout.readline())
    identity = identity_of(process.pid)
    try:
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: state(process.pid) == "Z")
        assert not Table().alive(identity)
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("name", ["a b", ") Z 1", "(", "))", "\n", "\u00e9", "x) R 1 2 3 4"])
def test_a_process_may_have_any_name(name: str) -> None:
    program = f"import sys; open('/proc/self/comm', 'wb').write({name.encode()!r}); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        fields = processes.stat_fields(process.pid)
        assert fields is not None
        assert fields[0] in "RS"
        assert fields[3] == str(process.pid)
        assert Table().alive(identity_of(process.pid))
        process.kill()


def test_a_process_that_is_not_there_has_no_fields() -> None:
    assert processes.stat_fields(2**22 + 1) is None


def facts(start: str | None, submit: dict[str, str] | None = None) -> Facts:
    return Facts(submit or {}, start, None, None, None)


def written(identity: Identity) -> str:
    return "process {} {} {} {} {}".format(*identity)


@pytest.mark.parametrize(
    ("change", "word", "reason"),
    [
        ({}, RUNNING, ""),
        ({"start": 1}, GONE, ""),
        ({"pid": 2**22 + 1}, GONE, ""),
        ({"host": "elsewhere"}, NOT_ASKED, "elsewhere"),
        ({"host": "elsewhere", "boot": "other"}, NOT_ASKED, "elsewhere"),
        ({"boot": "other"}, GONE, "host rebooted"),
        ({"boot": "other", "namespace": "1"}, GONE, "host rebooted"),
        ({"namespace": "1"}, NOT_ASKED, "namespace"),
    ],
)
@pytest.mark.parametrize("place", ["start", "submit"])
def test_only_its_own_host_and_boot_can_tell_of_a_job(
    change: dict[str, object], word: str, reason: str, place: str
) -> None:
    text = written(identity_of(os.getpid())._replace(**change))  # type: ignore[arg-type]
    known = facts(text) if place == "start" else facts(None, {"PROCESS": text})
    answer = background.ask(known, processes.here(), Table())
    assert answer.word == word
    assert reason in answer.reason


def test_who_went_through_the_gate_counts_more_than_who_was_started_last() -> None:
    mine = written(identity_of(os.getpid()))
    gone = written(identity_of(os.getpid())._replace(start=1))
    here, table = processes.here(), Table()
    assert background.ask(facts(mine, {"PROCESS": gone}), here, table).word == RUNNING
    assert background.ask(facts(gone, {"PROCESS": mine}), here, table).word == GONE
    assert background.ask(facts("garbage", {"PROCESS": mine}), here, table).word == RUNNING
    assert background.ask(facts(None), here, table).word == GONE
    assert background.job_id(facts(mine, {"JOB_ID": "7"})) == str(os.getpid())
    assert background.job_id(facts(None, {"JOB_ID": "7"})) == "7"
