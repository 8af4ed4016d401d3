"""Throw-away job hosts on this machine: one real sshd each on a port of loopback, with a home folder of its own.

No root and no namespaces are needed: sshd runs as the user who starts it and lets in just that user, with a key
made for the purpose. All of it lies in one folder, and is gone with it.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from transfer import execute
from transfer.command import Command
from transfer.errors import HostUnsuitable

SSHD_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/lib/ssh")
START_SECONDS = 10.0


@dataclass(frozen=True)
class ThrowawayHost:
    """One sshd. home: what takes the place of the home directory there."""

    name: str
    port: int
    home: str


def missing() -> list[str]:
    """The programs that job hosts need and that this machine lacks, as Debian names their packages."""
    needed = {"openssh-server": _sshd(), "openssh-client": shutil.which("ssh"), "rsync": shutil.which("rsync")}
    return [package for package, path in needed.items() if not path]


@contextlib.contextmanager
def throwaway_hosts(names: tuple[str, ...]) -> Iterator[tuple[list[ThrowawayHost], str]]:
    """Job hosts with `names`, and a hosts.yaml that names each as a platform; gone when the block is left.

    Raises HostUnsuitable when this machine can't run sshd.
    """
    if missing():
        raise HostUnsuitable(
            f"this machine lacks {', '.join(missing())}", f"Install: apt-get install {' '.join(missing())}"
        )
    with tempfile.TemporaryDirectory(prefix="remote-install-demo-") as folder, contextlib.ExitStack() as running:
        _key(os.path.join(folder, "id"))
        hosts = [_start(folder, name, running) for name in names]
        yield hosts, _hosts_file(folder, hosts)


def _sshd() -> str | None:
    return shutil.which("sshd", path=os.pathsep.join((*SSHD_PLACES, os.environ.get("PATH", ""))))


def _start(folder: str, name: str, running: contextlib.ExitStack) -> ThrowawayHost:
    home = os.path.join(folder, name, "home")
    os.makedirs(home)
    _key(os.path.join(folder, name, "host_key"))
    host = ThrowawayHost(name, _free_port(), home)
    config = os.path.join(folder, name, "sshd_config")
    with open(config, "w", encoding="utf-8") as file:
        file.write(_sshd_config(folder, host))
    if os.getuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd run by root wants it
    log = os.path.join(folder, name, "sshd.log")
    sshd = running.enter_context(execute.stream(Command((str(_sshd()), "-D", "-f", config, "-E", log))))
    _wait_for(sshd, host, log)
    return host


def _sshd_config(folder: str, host: ThrowawayHost) -> str:
    # The forced command gives each host a home of its own; what the client asked for is run from there.
    return f"""\
ListenAddress 127.0.0.1:{host.port}
HostKey {folder}/{host.name}/host_key
PidFile none
AuthorizedKeysFile {folder}/id.pub
AllowUsers {getpass.getuser()}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
KexAlgorithms curve25519-sha256
StrictModes no
ForceCommand HOME={host.home}; export HOME; cd && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


def _hosts_file(folder: str, hosts: list[ThrowawayHost]) -> str:
    known = os.path.join(folder, "known_hosts")
    lines = [
        # Their filesystem is this machine's: without a word about it, jobs would run in the run directory itself.
        "defaults:\n  filesystem: separate\n"
        # And no connection is kept: it would outlive the host.
        f"  ssh: {{identity: {folder}/id, user: {getpass.getuser()}, command: ssh -F none, multiplex: false}}\n"
        "platforms:\n"
    ]
    with open(known, "w", encoding="ascii") as file:
        for host in hosts:
            with open(f"{folder}/{host.name}/host_key.pub", encoding="ascii") as key:
                file.write(f"[127.0.0.1]:{host.port} {key.read()}")
            options = f"{{UserKnownHostsFile: {known}, IdentitiesOnly: 'yes', IdentityAgent: none}}"
            lines.append(
                f"  {host.name}:\n    hosts: [127.0.0.1]\n    ssh: {{port: {host.port}, options: {options}}}\n"
            )
    path = os.path.join(folder, "hosts.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return path


def _key(path: str) -> None:
    outcome = execute.run(
        Command(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "remote-install demo", "-f", path))
    )
    if outcome.exit_code:
        raise HostUnsuitable(f"ssh-keygen failed: {outcome.err.decode(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(sshd: execute.Running, host: ThrowawayHost, log: str) -> None:
    if sshd.wait_until(lambda: _listens(host.port), START_SECONDS):
        return
    with open(log, encoding="utf-8", errors="replace") as file:
        raise HostUnsuitable(
            f"sshd did not start: {file.read().strip() or 'it says nothing'}", "Is its account locked?"
        )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
