"""Who drives a run, and where: told truly, also over ssh, and nobody else installs or drives meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from remote_install import contact
from remote_install.jobhost import processes
from remote_install.jobhost.processes import Identity

from .client import Client

JOB = ("sh", "-c", "echo begun; until test -e ~/go; do sleep 0.05; done")
# Prints who it is, as the contact file has it, and stays.
STAYS = """\
import json, os, time
fields = open("/proc/self/stat").read().rpartition(") ")[2].split()
boot = open("/proc/sys/kernel/random/boot_id").read().strip()
space = os.readlink("/proc/self/ns/pid")[5:-1]
print(json.dumps([os.uname().nodename, int(os.readlink("/proc/self")), int(fields[19]), boot, space]), flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _clean(client: Client) -> Iterator[None]:
    client.host.run(["rm", "-f", "go"], check=True)
    yield
    client.host.run(["touch", "go"], check=True)


@pytest.fixture
def driver(client: Client) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is driven from here."""
    process = client.start("run", "demo", "-p", "hpc", "--", *JOB)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    yield process
    client.host.run(["touch", "go"], check=True)
    process.communicate(timeout=30)


def be_quick(client: Client) -> None:
    """Give a host up after a second."""
    path = client.folder / "hosts.yaml"
    path.write_text(path.read_text().replace("connect_timeout: 5", "connect_timeout: 1"))


def contact_file(client: Client) -> Any:
    return client.run_directory / ".remote-install/contact"


def test_a_run_that_is_driven_from_here_is_not_driven_or_installed_by_another(
    client: Client, driver: subprocess.Popen[bytes]
) -> None:
    told = client("active", "demo", "--json")
    assert (told.code, told.json["active"], told.json["driver"]["pid"]) == (0, True, driver.pid)
    logins = client.host.calls()
    for words in (["run", "demo", "-p", "hpc", "--", "true"], ["install", "demo", "-p", "hpc"]):
        for more in ([], ["--dry-run"]):
            done = client(*words[:2], *more, *words[2:])
            assert done.code == 9, done.err
            assert f"process {driver.pid} on {os.uname().nodename}" in done.err
            assert "remote-install run demo -p hpc -- sh -c" in done.err
            assert f"kill {driver.pid}" in done.err
    assert client.host.calls() == logins
    assert client("submit", "demo", "-p", "hpc", "--name", "other", "--", "true").code == 0
    assert client("poll", "demo").code == 0
    client.host.run(["touch", "go"], check=True)
    assert driver.wait(20) == 0
    assert not contact_file(client).exists()
    assert client("active", "demo").code == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_driver_that_is_interrupted_gives_its_run_up(
    client: Client, driver: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    driver.send_signal(number)
    assert driver.wait(20) == 128 + number
    assert not contact_file(client).exists()
    told = client("active", "demo")
    assert (told.code, told.out) == (1, b"demo is not driven: no driver has taken this run\n")


def test_one_that_was_killed_is_gone_and_the_next_takes_its_place(
    client: Client, driver: subprocess.Popen[bytes]
) -> None:
    driver.kill()
    driver.communicate()
    told = client("active", "demo")
    assert told.code == 1
    assert b"it has ended; the last one was process" in told.out
    client.host.run(["touch", "go"], check=True)
    assert client("run", "demo", "-p", "hpc", "--", *JOB).code == 0
    assert not contact_file(client).exists()


def test_a_run_that_fails_before_it_begins_gives_it_up(client: Client) -> None:
    be_quick(client)
    client.host.stop_sshd()
    assert client("run", "demo", "-p", "hpc", "--", "true").code == 4
    assert not contact_file(client).exists()


@pytest.fixture
def there(client: Client) -> Iterator[Identity]:
    """A process of the user on the job host, which has taken the run."""
    process = subprocess.Popen(
        ["ssh", "-F", client.host.ssh_config, client.host.name, "exec python3 -u -"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(STAYS.encode())
    process.stdin.close()
    identity = Identity(*json.loads(process.stdout.readline()))
    write(client, identity)
    yield identity
    process.kill()
    process.wait()
    process.stdout.close()


def write(client: Client, identity: Identity) -> None:
    found = contact.Driver(identity, "remote-install run demo", "2026-11-22T12:00:00Z", "0" * 32)
    contact_file(client).parent.mkdir(exist_ok=True)
    contact_file(client).write_text(json.dumps(found.as_json()))


def kill(client: Client, identity: Identity) -> None:
    client.host.run(["kill", "-9", str(identity.pid)], check=True)
    until = time.monotonic() + 5
    while client.host.run(["kill", "-0", str(identity.pid)]).returncode == 0:
        assert time.monotonic() < until


def test_one_on_another_host_is_looked_at_there_by_one_call_that_leaves_nothing(
    client: Client, there: Identity
) -> None:
    before = client.host.run(["ls", "-A"], check=True).stdout
    logins = client.host.calls()
    told = client("active", "demo", "-v")
    assert told.code == 0, told.err
    assert f"process {there.pid} on {client.host.name}" in told.out.decode()
    assert client.host.calls() - logins == 1
    (line,) = [line for line in told.err.splitlines() if line.startswith("$ ")]
    assert line.endswith(f" -- {client.host.name} python3 -I -")
    assert client.host.run(["ls", "-A"], check=True).stdout == before
    refused = client("install", "demo", "-p", "hpc", "--json")
    assert (refused.code, refused.json["error"]["host"]) == (9, client.host.name)
    kill(client, there)
    told = client("active", "demo", "--json")
    assert (told.code, told.json["active"], told.json["reason"]) == (1, False, "it has ended")
    assert client("install", "demo", "-p", "hpc").code == 0


def test_one_on_another_host_whose_process_id_is_another_ones_now_is_gone(client: Client, there: Identity) -> None:
    write(client, there._replace(start=there.start - 1))
    told = client("active", "demo")
    assert told.code == 1
    assert b"another one's now" in told.out


def test_one_on_another_host_that_was_rebooted_is_gone(client: Client, there: Identity) -> None:
    assert there.boot == client.host.boot_id()
    client.host.reboot()
    told = client("active", "demo")
    assert told.code == 1
    assert f"{client.host.name} was rebooted since" in told.out.decode()


@pytest.mark.parametrize("fault", ["drop", "stop_sshd"])
def test_one_on_a_host_that_can_not_be_reached_is_never_taken_for_gone(
    client: Client, there: Identity, fault: str
) -> None:
    assert there.host == client.host.name
    be_quick(client)
    getattr(client.host, fault)()
    client.hang_up()
    before = contact_file(client).read_bytes()
    for words in (["active", "demo"], ["install", "demo", "-p", "hpc"]):
        done = client(*words, "--json")
        assert done.code == 4, done.err
        assert done.seconds < 10
        assert done.json["error"]["code"] == 4
        assert "it can't be told whether the driver is alive" in done.err
        assert f"rm {contact_file(client)}" in done.err
    assert done.json.get("active") is None
    assert contact_file(client).read_bytes() == before


def test_another_host_that_answers_in_its_name_can_not_tell(client: Client, there: Identity) -> None:
    """As a name does that leads to any of several login hosts."""
    alias = "login"
    config = client.folder / "config"
    config.write_text(f"Host {alias}\n  HostName {client.host.address}\nInclude {client.host.ssh_config}\n")
    text = config.read_text().replace(f"Include {client.host.ssh_config}\n", "")
    block = open(client.host.ssh_config).read().replace(f"Host {client.host.name}\n", f"Host {alias}\n", 1)  # noqa: SIM115
    config.write_text(text + block)
    hosts = client.folder / "hosts.yaml"
    hosts.write_text(f"defaults:\n  ssh: {{command: ssh -F {config}, options: {{HostKeyAlias: {client.host.name}}}}}\n")
    write(client, there._replace(host=alias, boot="b0071d00-0000-0000-0000-000000000000"))
    done = client("active", "demo")
    assert done.code == 4, done.err
    assert f"it runs on {alias}, this is {client.host.name}" in done.err


def test_a_process_of_another_user_that_is_hidden_is_never_taken_for_gone(client: Client) -> None:
    """Many login hosts show everybody just his own processes (proc(5), hidepid)."""
    boot, space = client.host.boot_id(), client.host.run(["readlink", "/proc/self/ns/pid"]).stdout[5:-2]
    write(client, Identity(client.host.name, 1, 1, boot, space))
    client.host.run(["mount", "-o", "remount,hidepid=2", "/proc"], user="root", check=True)
    try:
        done = client("active", "demo")
    finally:
        client.host.run(["mount", "-o", "remount,hidepid=0", "/proc"], user="root", check=True)
    assert done.code == 4, done.err
    assert "belongs to another user, and is hidden" in done.err
    assert client("active", "demo").code == 1


def test_a_damaged_file_stops_a_run_and_says_what_to_do(client: Client) -> None:
    write(client, processes.this_process())
    contact_file(client).write_bytes(contact_file(client).read_bytes()[:100])
    done = client("run", "demo", "-p", "hpc", "--", "true")
    assert done.code == 4
    assert f"{contact_file(client)} is damaged" in done.err
    assert f"rm {contact_file(client)}" in done.err
    contact_file(client).unlink()
    assert client("run", "demo", "-p", "hpc", "--", "true").code == 0
