"""The contact file: of all who take it one has it, it is given up, and a driver that is gone is known to be gone."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from remote_install import contact
from remote_install.jobhost import processes
from remote_install.run_directory import RunDirectory
from remote_install.talk import Talk
from transfer.errors import HostError, WouldDoHarm
from transfer.platforms import Platform, Platforms

ROOT = str(Path(__file__).parents[1])
ROUNDS = 50
HOLD = """
import sys, time
from remote_install.cli import signals
signals.listen()
from remote_install import contact
from remote_install.run_directory import RunDirectory
from remote_install.talk import Talk
with contact.taken(RunDirectory(sys.argv[1], "demo"), "remote-install run demo", None, Talk()):
    print("taken", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(str(tmp_path), "demo")


def nowhere(host: str) -> Platform:
    raise AssertionError(f"{host} was to be reached")


def take(run: RunDirectory) -> contextlib.AbstractContextManager[None]:
    return contact.taken(run, "remote-install run demo -p hpc", nowhere, Talk())


def find(run: RunDirectory) -> contact.Finding:
    return contact.find(run, nowhere, Talk())


def file_of(run: RunDirectory) -> Path:
    return Path(run.path, ".remote-install/contact")


def write(run: RunDirectory, **change: object) -> dict[str, Any]:
    """A contact file of a process that lives, this one, but for what is changed."""
    driver = contact.Driver(processes.this_process(), "remote-install run demo", "2026-11-22T12:00:00Z", "0" * 32)
    fields = {**driver.as_json(), **change}
    file_of(run).parent.mkdir(exist_ok=True)
    part = file_of(run).with_name(f"part-{os.getpid()}")
    part.write_text(json.dumps(fields))
    part.rename(file_of(run))
    return fields


@pytest.fixture
def holder(run: RunDirectory) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has taken the run."""
    env = {**os.environ, "PYTHONPATH": ROOT}
    argv = [sys.executable, "-c", HOLD, run.path]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_it_names_who_drives_and_every_user_may_read_it(run: RunDirectory) -> None:
    before = os.umask(0o077)
    try:
        with take(run):
            fields = json.loads(file_of(run).read_text())
            mode = stat.S_IMODE(file_of(run).stat().st_mode)
    finally:
        os.umask(before)
    assert mode == 0o644
    assert fields["host"] == os.uname().nodename
    assert fields["pid"] == os.getpid()
    assert fields["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert fields["command"] == "remote-install run demo -p hpc"
    assert set(fields) == {"host", "pid", "start", "boot", "pid_namespace", "command", "since", "uuid"}


def test_it_is_given_up_at_the_end_also_of_what_fails(run: RunDirectory) -> None:
    with take(run):
        assert find(run).alive
    assert not file_of(run).exists()
    with pytest.raises(KeyError), take(run):
        raise KeyError
    assert not file_of(run).exists()
    assert find(run).alive is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_given_up_by_who_is_interrupted(
    run: RunDirectory, holder: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert find(run).alive
    holder.send_signal(number)
    holder.wait(10)
    assert not file_of(run).exists()


def test_another_is_refused_while_it_is_held_and_told_by_whom(run: RunDirectory, holder: subprocess.Popen[str]) -> None:
    before = file_of(run).read_bytes()
    with pytest.raises(WouldDoHarm) as caught, take(run):
        pass
    assert f"process {holder.pid} on {os.uname().nodename}" in caught.value.message
    assert "remote-install run demo" in caught.value.message
    assert f"kill {holder.pid}" in caught.value.hint
    assert file_of(run).read_bytes() == before


def test_one_that_was_stopped_is_alive(run: RunDirectory, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGSTOP)
    assert find(run).alive
    holder.send_signal(signal.SIGCONT)


def test_one_that_was_killed_is_gone_also_as_a_zombie_and_the_next_takes_its_place(
    run: RunDirectory, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    found = find(run)
    assert (found.alive, found.error, found.why) == (False, None, "it has ended")
    holder.wait()
    assert find(run).alive is False
    with take(run):
        assert json.loads(file_of(run).read_text())["pid"] == os.getpid()


GONE: list[tuple[dict[str, object], str]] = [
    ({"boot": "b0071d00-0000-0000-0000-000000000000"}, "was rebooted since"),
    ({"boot": "b0071d00-0000-0000-0000-000000000000", "pid_namespace": "1"}, "was rebooted since"),
    ({"start": 1}, "another one's now"),
    ({"pid": 2**22 + 1}, "it has ended"),
    ({"pid": 10**17}, "it has ended"),
    ({"host": "another-name", "start": 1}, "another one's now"),
]


@pytest.mark.parametrize(("change", "why"), GONE, ids=[str(list(change)) for change, _ in GONE])
def test_one_that_is_gone_is_known_to_be_gone(run: RunDirectory, change: dict[str, object], why: str) -> None:
    write(run, **change)
    found = find(run)
    assert (found.alive, found.error) == (False, None)
    assert why in found.why
    with take(run):
        assert find(run).alive
    assert not file_of(run).exists()


def test_a_host_that_changed_its_name_is_still_looked_at_here(run: RunDirectory) -> None:
    write(run, host="another-name")
    assert find(run).alive


def test_another_pid_namespace_of_this_host_can_not_be_looked_into(run: RunDirectory) -> None:
    write(run, pid_namespace="1")
    assert_can_not_be_told(run, "another pid namespace")


def assert_can_not_be_told(run: RunDirectory, why: str) -> None:
    found = find(run)
    assert found.alive is None
    assert found.error is not None
    assert found.error.exit_code == 4
    assert why in found.error.message
    assert f"rm {file_of(run)}" in found.error.hint
    before = os.lstat(file_of(run))
    with pytest.raises(HostError), take(run):
        pass
    assert os.lstat(file_of(run)) == before


def test_one_that_was_cut_short_anywhere_is_never_taken_for_none(run: RunDirectory) -> None:
    whole = json.dumps(write(run))
    for length in range(len(whole)):
        file_of(run).write_text(whole[:length])
        assert find(run).alive is None, length
    assert_can_not_be_told(run, f"{file_of(run)} is damaged")


GARBAGE = [b"\0" * 300, b"\xff\xfe", b"[]", b"null", b"7", b'"x"', b"[" * 100_000, b"HOST=x\nPID=1\n"]


@pytest.mark.parametrize("data", GARBAGE, ids=[repr(data[:9]) for data in GARBAGE])
def test_neither_is_garbage(run: RunDirectory, data: bytes) -> None:
    write(run)
    file_of(run).write_bytes(data)
    assert_can_not_be_told(run, "is damaged")


@pytest.mark.parametrize(
    "change",
    [
        {"host": 1}, {"pid": "1"}, {"pid": True}, {"pid": -1}, {"pid": 0}, {"start": 1.5}, {"boot": "$(id)"},
        {"boot": "b 1"}, {"pid_namespace": 4026531836}, {"uuid": None}, {"since": "today"}, {"command": []},
    ],
    ids=str,
)  # fmt: skip
def test_neither_is_a_field_that_is_not_ours(run: RunDirectory, change: dict[str, object]) -> None:
    write(run, **change)
    assert_can_not_be_told(run, "is damaged")


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_neither_is_what_is_no_file(run: RunDirectory, tmp_path: Path, kind: str) -> None:
    write(run)
    file_of(run).rename(tmp_path / "elsewhere")
    make: dict[str, Callable[[], object]] = {
        "folder": lambda: file_of(run).mkdir(),
        "pipe": lambda: os.mkfifo(file_of(run)),
        "link": lambda: file_of(run).symlink_to(tmp_path / "elsewhere"),
    }
    make[kind]()
    assert_can_not_be_told(run, "is no file")


@pytest.mark.parametrize("host", ["-oProxyCommand=touch pwned", "a b", "", "h\nx", "$(id)", "(none)"])
def test_no_name_reaches_ssh_that_is_no_hosts(run: RunDirectory, host: str) -> None:
    write(run, host=host, boot="b0071d00-0000-0000-0000-000000000000")
    assert_can_not_be_told(run, "no host's name")


def test_a_lock_that_is_a_link_is_not_followed(run: RunDirectory, tmp_path: Path) -> None:
    write(run, start=1)
    (file_of(run).parent / "contact.lock").symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match=r"contact\.lock"), take(run):
        pass
    assert not (tmp_path / "made").exists()


def contend(run: RunDirectory, together: Any, told: Any) -> None:
    """Take the run in each round, and tell whether it was had."""
    for _ in range(ROUNDS):
        together.wait()
        try:
            with take(run):
                told.put(True)
                together.wait()  # until all have tried
        except WouldDoHarm:
            told.put(False)
            together.wait()
        together.wait()


@pytest.mark.parametrize("left", ["nothing", "a dead driver"])
def test_of_several_at_the_same_instant_one_has_it_every_time(run: RunDirectory, left: str) -> None:
    count = 3
    fork = multiprocessing.get_context("fork")
    together, told = fork.Barrier(count + 1, timeout=20), fork.SimpleQueue()
    children = [fork.Process(target=contend, args=(run, together, told), daemon=True) for _ in range(count)]
    for child in children:
        child.start()
    for number in range(ROUNDS):
        if left == "a dead driver":
            write(run, start=1)
        together.wait()
        had = [told.get() for _ in children]
        assert sorted(had) == [False] * (count - 1) + [True], number
        together.wait()
        together.wait()
    for child in children:
        child.join(20)


def test_a_reader_never_sees_half_of_it_while_it_is_replaced(run: RunDirectory) -> None:
    child = multiprocessing.get_context("fork").Process(target=take_and_die, args=(run,), daemon=True)
    child.start()
    seen = set()
    until = time.monotonic() + 1
    while time.monotonic() < until:
        found = find(run)
        assert found.error is None
        seen.add((found.alive, found.driver is None))
    child.kill()
    child.join()
    assert {(True, False), (False, False), (False, True)} <= seen


def take_and_die(run: RunDirectory) -> None:
    """Leave the file of a dead driver, take its place, give it up, over and over."""
    while True:
        write(run, start=1)
        with take(run):
            pass


PLATFORMS = Platforms(
    None,
    {"ssh": {"port": 22}},
    {
        "hpc": {"hosts": ("login1", "login2"), "ssh": {"port": 2201}},
        "/desktop[0-9]/": {"ssh": {"port": 2202}},
        "box": {"ssh": {"port": 2203}},
    },
)


@pytest.mark.parametrize(
    ("host", "port"), [("login2", 2201), ("desktop7", 2202), ("box", 2203), ("hpc", 2201), ("elsewhere", 22)]
)
def test_a_host_is_reached_as_its_platform_says_or_as_the_defaults_do(host: str, port: int) -> None:
    found = PLATFORMS.of_host(host)
    assert (found.hosts, found.ssh.port) == ((host,), port)
