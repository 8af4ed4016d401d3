"""One login for a command and for those of the next minute; a hundred at once get through an ordinary sshd."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import kept
import pytest
from hosts import MakeHost

from .client import Client

ORDINARY = ["MaxStartups 10:30:100", "MaxSessions 10"]
RUN = ("run", "demo", "-p", "hpc", "--fetch", "results/", "--", "sh", "-c", "mkdir -p results; date >results/a; exit 3")


class Logins:
    """What a command costs its host."""

    def __init__(self, client: Client) -> None:
        self._host = client.host
        self._logins, self._calls = self._host.connections(), self._host.calls()

    @property
    def so_far(self) -> tuple[int, int]:
        """Logins, and programs that were started over them."""
        return self._host.connections() - self._logins, self._host.calls() - self._calls


def limit(client: Client, **settings: object) -> None:
    """More settings of ssh in hosts.yaml."""
    hosts = client.folder / "hosts.yaml"
    more = "".join(f", {name}: {json.dumps(value)}" for name, value in settings.items())
    hosts.write_text(hosts.read_text().replace("connect_timeout: 5", f"connect_timeout: 5{more}"))


def test_a_run_makes_one_login_and_the_commands_after_it_none(client: Client) -> None:
    client.write("a", "a")
    logins = Logins(client)
    assert client(*RUN).code == 1
    assert logins.so_far[0] == 1
    for words in (["poll", "demo"], ["fetch", "demo", "results/"], ["wait", "demo"], ["install", "demo", "-p", "hpc"]):
        assert client(*words).code in (0, 1)
    assert logins.so_far[0] == 1
    print("calls:", logins.so_far[1])


def test_without_sharing_each_call_makes_a_login_and_nothing_is_kept(client: Client) -> None:
    limit(client, multiplex=False)
    client.write("a", "a")
    logins = Logins(client)
    assert client(*RUN).code == 1
    assert logins.so_far[0] == logins.so_far[1] >= 4
    assert kept.masters(client.runtime) == {}


def test_a_command_never_waits_for_the_connection_that_it_leaves(client: Client) -> None:
    """Whoever reads all that a command prints, as a CI job does, is not kept waiting for the minute to pass."""
    done = subprocess.run(
        ["sh", "-c", '"$@" 2>&1 | cat', "sh", sys.executable, "-m", "remote_install", "install", "demo", "-p", "hpc"],
        cwd=client.folder,
        env=client.environment(),
        timeout=30,
        capture_output=True,
    )
    assert done.stdout
    assert len(kept.in_use(client.runtime)) == 1


def test_a_client_that_is_killed_leaves_a_connection_that_serves_the_next(client: Client) -> None:
    process = client.start("run", "demo", "-p", "hpc", "--", "sh", "-c", "echo begun; sleep 67")
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    logins = Logins(client)
    assert client("kill", "demo").code == 0
    assert logins.so_far[0] == 0
    until = time.monotonic() + 20
    while client.leftovers() and time.monotonic() < until:
        time.sleep(0.1)


@pytest.fixture
def ordinary(tmp_path: Path, make_host: MakeHost) -> Iterator[Client]:
    """A user of a host with the limits that sshd has by default, which has our program already."""
    user = Client(tmp_path, make_host(sshd_config=ORDINARY, home_size="256m"))
    user.prepare()
    (user.folder / "first").mkdir()
    assert user("submit", "first", "-p", "hpc", "--", "true").code == 0
    yield user
    user.wait_for_logouts()
    assert user.leftovers() == []


@pytest.mark.timeout(600)
@pytest.mark.faults
@pytest.mark.parametrize("count", [30, pytest.param(100, marks=pytest.mark.slow)])
def test_many_submits_at_once_lose_no_job_to_the_limits_of_sshd(ordinary: Client, count: int) -> None:
    logins, began = Logins(ordinary), time.monotonic()
    names = [f"run{number}" for number in range(count)]
    for name in names:
        (ordinary.folder / name).mkdir()
    job = 'echo "$REMOTE_INSTALL_RUN" >>~/ran'
    started = {name: ordinary.start("submit", name, "-p", "hpc", "--", "sh", "-c", job) for name in names}
    for name, process in started.items():
        _, err = process.communicate(timeout=500)
        assert process.returncode == 0, (name, err)
    spent = time.monotonic() - began
    line = f"until test $(wc -l <ran) -ge {count}; do sleep 0.1; done; sort ran"
    ran = ordinary.host.run(["sh", "-c", line], check=True, timeout=100).stdout.split()
    assert ran == sorted(names)
    assert "past MaxStartups" not in ordinary.host.sshd_log()
    assert logins.so_far[0] <= 16  # eight at once; some may have ended meanwhile
    print(f"{count} submits: {spent:.1f} s, {logins.so_far[0]} logins, {logins.so_far[1]} calls")


def test_who_is_sent_away_because_too_many_log_in_comes_again(tmp_path: Path, make_host: MakeHost) -> None:
    host = make_host(sshd_config=["MaxStartups 1:100:1"])
    client = Client(tmp_path, host)
    client.prepare()
    limit(client, multiplex=False)
    (client.folder / "first").mkdir()
    assert client("submit", "first", "-p", "hpc", "--", "true").code == 0
    with socket.create_connection((host.address, 22)) as taker:  # it never logs in
        assert taker.recv(4) == b"SSH-"
        process = client.start("submit", "demo", "-p", "hpc", "--", "true")
        told = said(process, "; waiting")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "kex_exchange_identification" in told
    assert b"kex_exchange_identification" not in err  # it is told once


def said(process: subprocess.Popen[bytes], words: str) -> str:
    """The line of stderr that holds `words`."""
    assert process.stderr is not None
    for line in process.stderr:
        if words.encode() in line:
            return line.decode()
    raise AssertionError(f"it never said {words!r}")


def test_a_site_that_admits_one_session_a_connection_needs_no_word_in_hosts_yaml(
    tmp_path: Path, make_host: MakeHost
) -> None:
    client = Client(tmp_path, make_host(sshd_config=["MaxSessions 1"]))
    client.prepare()
    client.write("a", "a")
    done = client(*RUN)
    assert (done.code, "refused by peer" in done.err) == (1, False), done.err
    assert (client.run_directory / "results/a").exists()
    client.wait_for_logouts()


def test_of_two_commands_one_waits_where_one_connection_is_allowed(client: Client) -> None:
    limit(client, multiplex=False, max_connections=1)
    first = client.start("run", "demo", "-p", "hpc", "--on-cancel", "leave", "--", "sh", "-c", "echo begun; sleep 67")
    assert first.stdout is not None
    assert first.stdout.readline() == b"begun\n"
    second = client.start("poll", "demo")
    assert "ssh.max_connections" in said(second, "waiting")
    first.send_signal(signal.SIGINT)
    assert first.wait(30) == 130
    _, err = second.communicate(timeout=30)
    assert (second.returncode, b"waiting" in err) == (0, False), err
    first.communicate()
