"""A host that can't be reached or refuses us: exit 4 within the connect time-out, reason and remedy named."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hosts import JobHost

from .client import Client

TIMEOUT = 5  # seconds, as Client.prepare sets connect_timeout
OURS = 2.0  # seconds that Python and ssh may need besides


def refused(client: Client, ssh: str) -> tuple[str, dict[str, object]]:
    """Run with other ssh settings; the text for the reader and the error of the document."""
    hosts = (client.folder / "hosts.yaml").read_text()
    (client.folder / "hosts.yaml").write_text(hosts.replace("connect_timeout: 5", f"connect_timeout: {TIMEOUT}, {ssh}"))
    done = client("run", "demo", "-p", "hpc", "--json", "--", "true")
    assert done.code == 4, done.err
    assert done.seconds < TIMEOUT + OURS
    assert client.host.name in done.err
    assert "Traceback" not in done.err
    return done.err, done.json["error"]


def test_an_unknown_host_key(client: Client) -> None:
    text, error = refused(client, "options: {UserKnownHostsFile: /dev/null}")
    assert "Host key verification failed" in text
    assert "never learnt in passing" in str(error["hint"])


def test_a_changed_host_key(client: Client) -> None:
    other = client.folder / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    known = client.folder / "known"
    key = (client.folder / "other.pub").read_text().split()
    known.write_text(f"{client.host.name},{client.host.address} {key[0]} {key[1]}\n")
    _, error = refused(client, f"options: {{UserKnownHostsFile: {known}}}")
    assert "was changed" in str(error["hint"])


def test_a_refused_key(client: Client) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", client.folder / "stranger"], check=True)
    config = Path(client.host.ssh_config).read_text().replace(client.host.key, str(client.folder / "stranger"))
    (client.folder / "config").write_text(config)
    hosts = (client.folder / "hosts.yaml").read_text()
    (client.folder / "hosts.yaml").write_text(hosts.replace(client.host.ssh_config, str(client.folder / "config")))
    text, error = refused(client, "user: alice")
    assert "Permission denied" in text
    assert "authorized_keys" in str(error["hint"])


def test_a_closed_port(client: Client) -> None:
    text, error = refused(client, "port: 23")
    assert "Connection refused" in text
    assert "ssh.port" in str(error["hint"])


def test_a_host_that_does_not_answer(client: Client) -> None:
    client.host.drop()
    text, _ = refused(client, "port: 22")
    assert "timed out" in text


def test_a_frozen_host(client: Client) -> None:
    client.host.freeze()
    text, _ = refused(client, "port: 22")
    assert "timed out" in text


def test_a_host_name_that_nobody_knows(client: Client) -> None:
    hosts = (client.folder / "hosts.yaml").read_text()
    (client.folder / "hosts.yaml").write_text(hosts.replace(f"[{client.host.name}]", "[no-such-host.invalid]"))
    done = client("run", "demo", "-p", "hpc", "--", "true")
    assert done.code == 4
    assert done.seconds < TIMEOUT + OURS
    assert "no-such-host.invalid" in done.err


def test_a_host_that_asks_for_a_password_with_a_terminal_present(make_host, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    host: JobHost = make_host(sshd_config=["PasswordAuthentication yes", "PubkeyAuthentication no"])
    client = Client(tmp_path, host)
    client.prepare()
    # A terminal of its own, as a person's shell has: what ssh would ask would be asked there.
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(client.folder)
        words = [sys.executable, "-m", "remote_install", "run", "demo", "-p", "hpc", "--", "true"]
        os.execve(sys.executable, words, client.environment())
    began, seen = time.monotonic(), b""
    while select.select([terminal], [], [], 20)[0]:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # Linux ends a terminal so
            break
        seen += data
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 4, seen
    assert time.monotonic() - began < TIMEOUT + OURS
    assert b"password:" not in seen
    assert b"Permission denied (password" in seen
    assert client.leftovers() == []


def test_no_python_there(client: Client) -> None:
    hosts = (client.folder / "hosts.yaml").read_text()
    (client.folder / "hosts.yaml").write_text(hosts + "    python: python9.9\n")
    done = client("run", "demo", "-p", "hpc", "--json", "--", "true")
    assert done.code == 4
    assert "python9.9" in done.err
    assert "`python:` in hosts.yaml" in done.json["error"]["hint"]


def test_no_rsync_there(make_host, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    host: JobHost = make_host()
    host.run(["rm", "/usr/bin/rsync"], user="root", check=True)
    client = Client(tmp_path, host)
    client.prepare()
    done = client("run", "demo", "-p", "hpc", "--", "true")
    assert done.code == 4, done.err
    assert "no rsync" in done.err


@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_a_run_root_that_can_not_be_written(client: Client, disk: str) -> None:
    client("install", "demo", "-p", "hpc")  # the job host program is there
    client.write("big", b"x" * 2_000_000)
    if disk == "full":
        client.host.fill()
    else:
        client.host.run(["mount", "-o", "remount,ro", "/home"], user="root", check=True)
    done = client("run", "demo", "-p", "hpc", "--json", "--", "true")
    client.host.unfill()
    client.host.run(["mount", "-o", "remount,rw", "/home"], user="root", check=True)
    assert done.code == 5, done.err
    assert done.json["error"]["hint"]
