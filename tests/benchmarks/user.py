"""A user whose commands are timed: a folder, job hosts, links to them, and the environment of all commands."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kept
from hosts import JobHost
from measure import Command

ROOT = Path(__file__).parents[2]
LINK = Path(__file__).with_name("link.py")
OF_OTHERS = ("SSH_", "CI", "GITHUB_", "GITLAB_", "PYTHONDONTWRITEBYTECODE")
# sshd of the test hosts is told a quicker key exchange; here its default counts.
SSHD = ("KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org",)


class User:
    """Knows platforms by name; a platform is a host, or a long way to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.runtime = os.environ["XDG_RUNTIME_DIR"]
        self.ssh_config = str(folder / "ssh_config")
        self._blocks: list[str] = []
        self._platforms: dict[str, dict[str, object]] = {}
        self._write()

    def add(self, name: str, host: JobHost, port: int | None = None, **platform: object) -> None:
        """A platform `name`, which ssh knows by that name too. port: on this machine, where a link begins."""
        block = host.ssh_config_block().replace(
            f"Host {host.name}\n", f"Host {name}\n    HostKeyAlias {host.name}\n", 1
        )
        if port is not None:
            block = block.replace(f"HostName {host.address}\n", f"HostName 127.0.0.1\n    Port {port}\n")
        self._blocks.append(block)
        ssh = {"command": f"ssh -F {self.ssh_config}", "rate": 6000}
        self._platforms[name] = {"hosts": [name], "ssh": ssh, **platform}
        self._write()

    def _write(self) -> None:
        # The peers are not told to be strict; nobody is there to ask, and the keys are known.
        Path(self.ssh_config).write_text("".join(self._blocks) + "Host *\n    BatchMode yes\n")
        (self.folder / "hosts.yaml").write_text(json.dumps({"platforms": self._platforms}))

    @property
    def environment(self) -> dict[str, str]:
        mine = {
            "PYTHONPATH": str(ROOT),
            "REMOTE_INSTALL_HOSTS": str(self.folder / "hosts.yaml"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "RSYNC_RSH": f"ssh -F {self.ssh_config}",
        }
        return {**{k: v for k, v in os.environ.items() if not k.startswith(OF_OTHERS)}, **mine}

    def command(self, *argv: str, **options: object) -> Command:
        """A command of this user, in the user's folder."""
        return Command(argv, env=self.environment, cwd=str(self.folder), **options)  # type: ignore[arg-type]

    def ours(self, *words: str, **options: object) -> Command:
        """A command line of ours."""
        return self.command(sys.executable, "-m", "remote_install", *words, **options)

    def shell(self, line: str, **options: object) -> Command:
        """A line of a shell, in which $SSH is ssh with this user's configuration."""
        return self.command("sh", "-c", f'SSH="ssh -F {self.ssh_config}"; {line}', **options)

    def hang_up(self) -> None:
        """End the connections that are kept."""
        kept.end(self.runtime)


@contextlib.contextmanager
def link(host: JobHost, round_trip: float, rate: float = 0) -> Iterator[int]:
    """The port of this machine where a long way to `host` begins. round_trip: seconds. rate: bytes a second."""
    argv = [sys.executable, str(LINK), host.address, "22", str(round_trip / 2), str(rate)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(timeout=10)
