"""Calls share a connection, no more than allowed are open, and where sharing fails a call goes as it would without."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kept
import pytest
from hosts import JobHost, MakeHost

from transfer import abandoned, connections, execute, mux, places, ssh
from transfer.command import Command, Outcome
from transfer.errors import HostUnreachable, LoginRefused
from transfer.platforms import Platform, Ssh


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Connections of this test's own; nothing of them is left."""
    folder = tempfile.mkdtemp(prefix="ri-", dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    yield folder
    kept.end(folder)
    left = kept.masters(folder)
    shutil.rmtree(folder)
    assert left == {}


def of(host: JobHost, **settings: object) -> Platform:
    given = {"command": ("ssh", "-F", host.ssh_config), "connect_timeout": 5, **settings}
    return Platform("hpc", (host.name,), "hpc", ssh=Ssh(**given))  # type: ignore[arg-type]


def call(platform: Platform, *words: str, told: list[str] | None = None) -> Outcome:
    """One call, made as all of ours are."""
    tell = (told if told is not None else []).append
    with connections.connected(platform, platform.hosts[0], tell) as there:
        return execute.run(Command(ssh.command_line(there, platform.hosts[0], words or ("true",))), 20)


def at_once(count: int, platform: Platform, *words: str, told: list[str] | None = None) -> list[Outcome]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: call(platform, *words, told=told), range(count)))


class Logins:
    """Those since it was made."""

    def __init__(self, host: JobHost) -> None:
        self._host, self._before, self._calls = host, host.connections(), host.calls()

    @property
    def count(self) -> int:
        return self._host.connections() - self._before

    @property
    def calls(self) -> int:
        return self._host.calls() - self._calls


# Sharing.


def test_calls_share_one_login_and_a_call_within_a_call_does_too(job_host: JobHost, runtime: str) -> None:
    logins, platform = Logins(job_host), of(job_host)
    with connections.connected(platform, job_host.name, lambda _: None):
        assert call(platform).exit_code == 0
    assert [one.exit_code for one in at_once(places.CHANNELS, platform)] == [0] * places.CHANNELS
    assert (logins.count, logins.calls) == (1, 1 + places.CHANNELS)
    assert len(kept.in_use(runtime)) == 1


def test_what_is_kept_ends_by_itself(job_host: JobHost, runtime: str) -> None:
    assert call(of(job_host, options={"ControlPersist": "1"})).exit_code == 0
    (master,) = kept.masters(runtime)
    assert os.getsid(master) == master  # no signal to whoever opened it reaches it
    assert {os.readlink(f"/proc/{master}/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}
    until = time.monotonic() + 5
    while kept.masters(runtime) and time.monotonic() < until:
        time.sleep(0.05)
    assert (kept.masters(runtime), kept.sockets(runtime)) == ({}, [])


def test_who_differs_in_any_option_has_a_connection_of_his_own(job_host: JobHost, runtime: str) -> None:
    logins = Logins(job_host)
    for settings in ({}, {"identity": job_host.key}, {"user": job_host.user}, {"options": {"Compression": "yes"}}):
        assert call(of(job_host, **settings)).exit_code == 0
    assert (logins.count, len(kept.sockets(runtime))) == (4, 4)


def test_a_relative_path_means_another_file_in_another_folder(
    job_host: JobHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = Logins(job_host)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(job_host.key, tmp_path / name / "key")
        monkeypatch.chdir(tmp_path / name)
        assert call(of(job_host, identity="key")).exit_code == 0
    assert logins.count == 2


def test_more_calls_than_one_connection_takes_open_another(job_host: JobHost) -> None:
    logins = Logins(job_host)
    done = at_once(places.CHANNELS + 1, of(job_host), "sleep", "0.7")
    assert [one.exit_code for one in done] == [0] * (places.CHANNELS + 1)
    assert logins.count == 2


def test_a_call_that_is_killed_leaves_the_others_alone(job_host: JobHost) -> None:
    logins, platform = Logins(job_host), of(job_host)
    with ThreadPoolExecutor(1) as pool:
        assert call(platform).exit_code == 0
        other = pool.submit(call, platform, "sleep", "0.6")
        with connections.connected(platform, job_host.name, lambda _: None) as there:
            line = ssh.command_line(there, job_host.name, ("sleep", "60"))
            with execute.stream(Command(line)):
                time.sleep(0.2)
        assert other.result().exit_code == 0
    assert logins.count == 1


# Not shared.


def test_multiplex_false_means_a_login_for_each_call_whatever_ssh_config_says(
    job_host: JobHost, tmp_path: Path, runtime: str
) -> None:
    logins = Logins(job_host)
    platform = of(job_host, command=("ssh", "-F", sharing_config(job_host, tmp_path, runtime)), multiplex=False)
    assert [call(platform).exit_code for _ in range(2)] == [0, 0]
    assert (logins.count, kept.sockets(runtime), os.path.exists(f"{runtime}/mine")) == (2, [], False)


def sharing_config(host: JobHost, folder: Path, runtime: str) -> str:
    """An ssh_config of somebody who shares connections himself."""
    config = folder / "config"
    mine = f"Host *\n  ControlMaster auto\n  ControlPath {runtime}/mine\n  ControlPersist 20\n"
    config.write_text(Path(host.ssh_config).read_text() + mine)
    return str(config)


@pytest.mark.parametrize("where", ["ssh_config", "hosts.yaml"])
def test_a_connection_that_the_user_shares_himself_is_the_one(
    job_host: JobHost, tmp_path: Path, runtime: str, where: str
) -> None:
    config = sharing_config(job_host, tmp_path, runtime)
    subprocess.run(["ssh", "-F", config, "-fN", job_host.name], check=True, stdin=subprocess.DEVNULL)
    logins = Logins(job_host)
    own = {"options": {"ControlPath": f"{runtime}/mine"}}
    platform = of(job_host, **({"command": ("ssh", "-F", config)} if where == "ssh_config" else own))
    # By hand and with a password, for instance: for who comes alone there is no way in.
    barred = dataclasses.replace(platform, ssh=dataclasses.replace(platform.ssh, identity="/nowhere"))
    try:
        assert [call(one).exit_code for one in (platform, barred)] == [0, 0]
    finally:
        mux.end(f"{runtime}/mine")
    assert (logins.count, kept.sockets(runtime)) == (0, [])


REFUSES = "echo 'command-line: line 0: Bad configuration option: controlmaster' >&2; exit 255"


@pytest.mark.parametrize("answer", [REFUSES, "exit 0", "exit 1", "echo what? >&2; exit 255", "kill -9 $$"])
def test_an_ssh_that_can_not_share_is_asked_once(job_host: JobHost, tmp_path: Path, answer: str) -> None:
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *ControlMaster=yes*) echo x >>{tmp_path}/asked; {answer};; esac\n'
        f'exec ssh -F {job_host.ssh_config} "$@"\n'
    )
    program.chmod(0o755)
    logins = Logins(job_host)
    assert [call(of(job_host, command=(str(program),))).exit_code for _ in range(3)] == [0, 0, 0]
    assert (logins.count, (tmp_path / "asked").read_text()) == (3, "x\n")


def test_a_folder_that_holds_no_sockets(job_host: JobHost, monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    monkeypatch.setattr(places, "holds_sockets", lambda _folder: False)
    assert call(of(job_host)).exit_code == 0
    assert kept.sockets(runtime) == []


def test_a_full_disk_under_the_folder_fails_no_call(job_host: JobHost, runtime: str) -> None:
    os.mkdir(f"{runtime}/remote-install", 0o700)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2,mode=700", "full", f"{runtime}/remote-install"], check=True
    )
    try:
        Path(f"{runtime}/remote-install/file").touch()
        assert call(of(job_host)).exit_code == 0
    finally:
        subprocess.run(["umount", f"{runtime}/remote-install"], check=True)


@pytest.mark.parametrize("most", [1, 2])
def test_a_site_that_admits_few_sessions_over_a_connection(make_host: MakeHost, most: int) -> None:
    host = make_host(sshd_config=[f"MaxSessions {most}"])
    done = at_once(4, of(host), "sleep", "0.7")
    assert [(one.exit_code, ssh.past_sharing(one.err)) for one in done] == [(0, b"")] * 4
    assert host.connections() >= 4 // most


def test_a_session_too_many_goes_by_itself_and_that_is_not_the_cause_of_what_fails(make_host: MakeHost) -> None:
    host = make_host(sshd_config=["MaxSessions 1"])
    platform = of(host)
    with connections.connected(platform, host.name, lambda _: None) as there:
        line = ssh.command_line(there, host.name, ("sleep", "60"))
        with execute.stream(Command(line)):
            until = time.monotonic() + 10
            while host.calls() < 1 and time.monotonic() < until:
                time.sleep(0.02)
            done = call(platform, "ls", "missing")
    assert (done.exit_code, host.connections()) == (2, 2)
    assert b"refused by peer" in done.err
    words = str(ssh.error_of(Outcome(255, b"", done.err), host.name))
    assert "missing" in words
    assert "refused by peer" not in words


# What is dead.


def test_a_stale_socket_is_replaced(job_host: JobHost, runtime: str) -> None:
    platform = of(job_host)
    assert call(platform).exit_code == 0
    (master,), (path,) = kept.masters(runtime), kept.sockets(runtime)
    os.kill(master, signal.SIGKILL)
    logins = Logins(job_host)
    assert call(platform).exit_code == 0
    assert logins.count == 1
    assert path not in kept.sockets(runtime)


def test_a_frozen_master_is_passed_by(job_host: JobHost, runtime: str) -> None:
    platform = of(job_host)
    assert call(platform).exit_code == 0
    (master,) = kept.masters(runtime)
    os.kill(master, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert call(platform).exit_code == 0
        assert time.monotonic() - began < 4
        assert len(kept.sockets(runtime)) == 1
    finally:
        os.kill(master, signal.SIGKILL)


def test_a_connection_that_was_lost_is_not_used_again(job_host: JobHost, runtime: str) -> None:
    platform = of(job_host)
    assert call(platform).exit_code == 0
    job_host.kill_sessions()
    logins = Logins(job_host)
    assert call(platform).exit_code == 0
    assert (logins.count, len(kept.masters(runtime))) == (1, 1)


def test_a_dead_host_is_given_up_in_time_and_who_waited_with_us_gets_the_same_answer(job_host: JobHost) -> None:
    platform = of(job_host, connect_timeout=2)
    assert call(platform).exit_code == 0
    job_host.drop()
    began = time.monotonic()

    def fails(_number: int) -> float:
        with pytest.raises(HostUnreachable, match="timed out"):
            call(platform)
        return time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(fails, range(4))) < 1 + 2 + 2


def test_a_login_that_is_refused_is_told_as_without_sharing(job_host: JobHost, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    config = tmp_path / "config"
    config.write_text(Path(job_host.ssh_config).read_text().replace(job_host.key, str(tmp_path / "key")))
    with pytest.raises(LoginRefused, match="Permission denied"):
        call(of(job_host, command=("ssh", "-F", str(config))))


# Limits.


def test_no_more_connections_are_in_use_than_allowed_and_waiting_is_told_once(job_host: JobHost) -> None:
    platform = of(job_host, multiplex=False, max_connections=2)
    now, most, lock, told = [0], [0], threading.Lock(), list[str]()

    def one(_number: int) -> int:
        mine: list[str] = []
        with connections.connected(platform, job_host.name, mine.append) as there:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            code = execute.run(Command(ssh.command_line(there, job_host.name, ("sleep", "0.3")))).exit_code
            with lock:
                now[0] -= 1
        assert len(mine) <= 1
        told.extend(mine)
        return code

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(one, range(5))) == [0] * 5
    assert most == [2]
    assert 1 <= len(told) <= 4
    assert all("ssh.max_connections" in line for line in told)


def test_a_call_within_a_call_never_waits_for_it(job_host: JobHost) -> None:
    platform = of(job_host, multiplex=False, max_connections=1)
    with connections.connected(platform, job_host.name, lambda _: None):
        assert call(platform).exit_code == 0


def test_a_kept_connection_makes_room_for_another_user_of_the_host(job_host: JobHost, runtime: str) -> None:
    for settings in ({}, {"identity": job_host.key}, {"multiplex": False}, {}):
        assert call(of(job_host, max_connections=1, **settings)).exit_code == 0
        assert len(kept.masters(runtime)) <= 1


HOLD = """
import sys
from transfer.connections import connected
from transfer.platforms import Platform, Ssh
settings = Ssh(("ssh", "-F", sys.argv[2]), multiplex=False, max_connections=1)
platform = Platform("hpc", (sys.argv[1],), "hpc", ssh=settings)
with connected(platform, sys.argv[1], print):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_process_that_is_killed_frees_its_place(job_host: JobHost) -> None:
    line = [sys.executable, "-c", HOLD, job_host.name, job_host.ssh_config]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    holder = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    told: list[str] = []
    platform = of(job_host, multiplex=False, max_connections=1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(call, platform, told=told)
        until = time.monotonic() + 10
        while not told and time.monotonic() < until:
            time.sleep(0.02)
        holder.kill()
        assert waiting.result().exit_code == 0
    holder.communicate()
    assert len(told) == 1


def test_who_is_stopped_while_he_connects_keeps_nobody_else_from_it(
    job_host: JobHost, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    monkeypatch.setattr(connections, "STOPPED", 0.3)
    assert call(of(job_host)).exit_code == 0
    (path,) = kept.sockets(runtime)
    kept.end(runtime)
    with open(path.rpartition("-")[0].rpartition("-")[0], "rb") as file:  # the lock of his place
        fcntl.flock(file, fcntl.LOCK_EX)
        assert call(of(job_host)).exit_code == 0
        (other,) = kept.sockets(runtime)
    assert "-1-" in other


def test_an_interrupt_ends_the_wait_for_a_place(job_host: JobHost) -> None:
    platform = of(job_host, multiplex=False, max_connections=1)
    told, nobody_waits = list[str](), threading.Event()

    def wait() -> object:
        with abandoned.by(nobody_waits):
            return call(platform, told=told)

    with ThreadPoolExecutor(1) as pool, connections.connected(platform, job_host.name, lambda _: None):
        waiting = pool.submit(wait)
        until = time.monotonic() + 10
        while not told and time.monotonic() < until:
            time.sleep(0.02)
        nobody_waits.set()
        with pytest.raises(abandoned.Abandoned):
            waiting.result(timeout=5)


def test_more_connections_a_minute_than_allowed_are_waited_with(
    job_host: JobHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MINUTE", 2.0)
    platform, told = of(job_host, multiplex=False, rate=2), list[str]()
    began = time.monotonic()
    assert [call(platform, told=told).exit_code for _ in range(3)] == [0] * 3
    assert time.monotonic() - began >= 2
    assert len(told) == 1
    assert "ssh.rate" in told[0]


# The folder.


def modes(folder: Path) -> tuple[Path, Path]:
    made = folder / "remote-install"
    made.mkdir(0o700)
    return folder, made


@pytest.mark.parametrize(
    "fault", ["none", "link", "file", "mode", "owner", "parent", "long", "blank", "relative", "gone"]
)
def test_only_a_folder_of_ours_is_used(runtime: str, fault: str) -> None:
    _, made = modes(Path(runtime))
    if fault == "link":
        made.rename(f"{runtime}/other")
        made.symlink_to("other")
    elif fault == "file":
        made.rmdir()
        made.touch()
    elif fault == "mode":
        made.chmod(0o750)
    elif fault == "owner":
        os.chown(made, 4242, -1)
    elif fault == "parent":
        os.chmod(runtime, 0o777)
    elif fault in ("long", "blank"):
        runtime = f"{runtime}/{'x' * 60 if fault == 'long' else 'a b'}"
        os.mkdir(runtime, 0o700)
    elif fault in ("relative", "gone"):
        runtime = "here" if fault == "relative" else f"{runtime}/gone"
    expected = f"{runtime}/remote-install" if fault == "none" else f"/tmp/remote-install-{os.geteuid()}"
    assert places.folder({"XDG_RUNTIME_DIR": runtime}) == expected
    os.chmod(os.environ["XDG_RUNTIME_DIR"], 0o700)


def test_a_path_of_a_socket_is_never_too_long() -> None:
    folder = f"/tmp/{'x' * (places.LONGEST_PATH - places.NAME - 5)}"
    os.mkdir(folder, 0o700)
    try:
        place = places.Places(folder, "01234567")
        path = place.new_socket(999, "0123456789")
        assert len(path) == places.LONGEST_PATH
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{path}.0123456789abcdef")  # as ssh does
    finally:
        shutil.rmtree(folder)
