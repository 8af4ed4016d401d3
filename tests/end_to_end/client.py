"""A user of remote-install on this machine: a run directory, a hosts.yaml, and the command as it is typed."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kept
from hosts import JobHost

from . import documents

MARK = "REMOTE_INSTALL_TEST_MARK"
OF_OTHERS = ("SSH_", "CI", "GITHUB_", "GITLAB_")  # variables that say where the tests run


@dataclass(frozen=True)
class Done:
    """A command that has ended. words: its command line, where that is known."""

    code: int
    out: bytes
    err: str
    seconds: float
    words: tuple[str | bytes, ...] = ()

    @property
    def json(self) -> dict[str, Any]:
        """Its document, which is as its schema says."""
        found = dict(json.loads(self.out))
        documents.check(self.words, found)
        return found

    @property
    def job(self) -> dict[str, Any]:
        """The only job of a JSON document."""
        (job,) = self.json["jobs"]
        return dict(job)


@dataclass
class Client:
    """One user. Every process that a command starts carries the mark, so that a leftover is found."""

    folder: Path
    host: JobHost
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    variables: dict[str, str] = field(default_factory=dict)  # more of its environment
    python_path: tuple[str, ...] = ()  # where Python looks for modules before it looks here

    @property
    def run_directory(self) -> Path:
        return self.folder / "demo"

    @property
    def there(self) -> str:
        """The run directory on the host."""
        return f"{self.host.home}/remote-install-run/demo"

    @property
    def runtime(self) -> str:
        """Where this user's connections are kept."""
        return f"{os.environ['XDG_RUNTIME_DIR']}/{self.mark[:8]}"

    def hang_up(self) -> None:
        """End the connections that are kept, those of other users too, as they end by themselves after a minute."""
        kept.end(os.environ["XDG_RUNTIME_DIR"])

    def shut_out(self) -> None:
        """Nobody can log in any more, and no kept connection does instead."""
        self.host.stop_sshd()
        self.hang_up()

    def prepare(self, platform: str = "") -> None:
        """Make the run directory, and a hosts.yaml that names the host; platform: more lines of it."""
        self.run_directory.mkdir(parents=True)
        (self.folder / "hosts.yaml").write_text(
            f"platforms:\n  hpc:\n    hosts: [{self.host.name}]\n"
            f"    ssh: {{command: ssh -F {self.host.ssh_config}, connect_timeout: 5}}\n{platform}"
        )

    def write(self, name: str | bytes, text: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the run directory."""
        path = os.path.join(os.fsencode(self.run_directory), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        os.chmod(path, mode)

    def start(self, *words: str | bytes, **options: Any) -> subprocess.Popen[bytes]:
        """Start remote-install."""
        return subprocess.Popen(
            [sys.executable, "-m", "remote_install", *words],
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            env=self.environment(),
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def __call__(self, *words: str | bytes, timeout: float = 60) -> Done:
        """Run remote-install to its end."""
        began = time.monotonic()
        process = self.start(*words)
        out, err = process.communicate(timeout=timeout)
        return Done(process.returncode, out, err.decode(errors="replace"), time.monotonic() - began, words)

    def environment(self) -> dict[str, str]:
        root = str(Path(__file__).parents[2])
        path = ":".join((*self.python_path, root))
        mine = {MARK: self.mark, "PYTHONPATH": path, "REMOTE_INSTALL_HOSTS": str(self.folder / "hosts.yaml")}
        mine["XDG_CACHE_HOME"] = str(self.folder / "cache")
        mine["XDG_RUNTIME_DIR"] = self.runtime
        os.makedirs(self.runtime, mode=0o700, exist_ok=True)
        return {**{k: v for k, v in os.environ.items() if not k.startswith(OF_OTHERS)}, **mine, **self.variables}

    def wait_for_logouts(self) -> None:
        """sshd ends a session a moment after its client has gone; the connections that are kept are ended."""
        self.hang_up()
        until = time.monotonic() + 5
        while self.host.sessions() and time.monotonic() < until:
            time.sleep(0.02)
        assert self.host.sessions() == []

    def leftovers(self) -> list[str]:
        """The processes on this machine that our commands started and that still live, but for kept connections.

        A process is found by its environment: whatever it calls itself, it has inherited the mark. Those of the
        job host don't, because sshd gives them an environment of their own.
        """
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if wanted in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    found.append(Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return [line for line in found if line not in kept.in_use(self.runtime)]
