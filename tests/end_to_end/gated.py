"""A site whose only key is behind the gate: what it allows, and what it has written down."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hosts import JobHost

from remote_install import bundle, gate

FORCED = "/home/alice/.remote-install/forced"  # what sshd starts; a test changes what it says
KEY_OPTIONS = f'restrict,command="sh {FORCED}"'
ROOT = "/home/alice/box"
PLATFORM = f"    run_root: {ROOT}/runs\n"
LOG = "/home/alice/.remote-install/gate.log"
ALL = ",".join(gate.WORDS)


@dataclass(frozen=True)
class Site:
    """A host with a gate."""

    host: JobHost

    def prepare(self) -> None:
        """Put the gate and the job host program there, as an administrator does by hand."""
        source = Path(gate.__file__).read_bytes()
        self.host.write_file(".remote-install/gate.py", source)
        self.host.write_file(".remote-install/jobhost.pyz", bundle.build().data)
        self.host.run(["mkdir", "-p", ROOT], check=True)
        self.allow()

    def allow(self, words: str = ALL, *more: str, runner: str = "background") -> None:
        """From now on the key may do this."""
        options = [
            "--root",
            ROOT,
            "--allow",
            words,
            "--key",
            "laptop",
            *(["--runner", runner] if runner else []),
            *more,
        ]
        line = " ".join(["exec python3 -I /home/alice/.remote-install/gate.py", *options])
        self.host.write_file(FORCED, f"{line}\n")

    def log(self) -> list[dict[str, Any]]:
        """The audit log."""
        return [json.loads(line) for line in self.host.read(LOG).splitlines()]

    def ssh(self, *words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[bytes]:
        """Ask for a command line as it stands."""
        argv = ["ssh", "-F", self.host.ssh_config, "-o", "BatchMode=yes", *options, self.host.name, *words]
        return subprocess.run(argv, capture_output=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
