"""A root below which a key may work, what lies outside it, and the gate as sshd starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote_install import bundle, gate

SECRET = "canary-that-nobody-may-read"
NO_SUBMIT = "install,poll,kill,logs,fetch,clean,check,pull"
PROGRAM_LINE = "python3 -I .remote-install/jobhost-0123456789abcdef.pyz "
RSH = """\
#!/bin/sh
# What rsync -e calls instead of ssh: HOST COMMAND...
shift
SSH_ORIGINAL_COMMAND="$*" exec {line}
"""


@dataclass(frozen=True)
class Answer:
    """What came of an attempt."""

    code: int
    out: bytes
    err: str

    @property
    def refused(self) -> bool:
        return self.code == gate.REFUSED and self.err.startswith(gate.PREFIX)


@dataclass(frozen=True)
class Sandbox:
    """box: the root. outside: what nobody may read or change; whoever runs something there is seen too."""

    folder: Path

    @property
    def box(self) -> Path:
        return self.folder / "box"

    @property
    def outside(self) -> Path:
        return self.folder / "outside"

    @property
    def log(self) -> Path:
        return self.folder / "audit/log"

    def options(self, allow: str = NO_SUBMIT, *more: str) -> list[str]:
        site = ["--root", str(self.box), "--program", str(self.folder / "site/jobhost.pyz"), "--log", str(self.log)]
        return [*site, "--allow", allow, *more]

    def argv(self, *options: str, source: Path | None = None) -> list[str]:
        return [sys.executable, "-I", str(source or self.folder / "site/gate.py"), *options]

    def prepare(self) -> None:
        """A run directory, links out of it and out of the root, and canaries."""
        job = "log/job/train/01"
        made = ("box/demo/.remote-install", f"box/demo/{job}", "box/linked/log/job/train", "box/led-away")
        for path in (*made, f"outside/{job}", "site", "home"):
            (self.folder / path).mkdir(parents=True)
        (self.folder / "site/gate.py").write_bytes(Path(gate.__file__).read_bytes())
        (self.folder / "site/jobhost.pyz").write_bytes(bundle.build().data)
        (self.box / "demo/.remote-install/uuid").write_text(json.dumps({"uuid": "0" * 32, "origin": "here:/demo"}))
        (self.box / "demo/a").write_text("x\n")
        (self.box / "demo/log/job/train/01/job.out").write_text("out\n")
        for path in ("secret", "log/job/train/01/job.out", "log/job/train/01/job.status", ".remote-install-uuid"):
            (self.outside / path).write_text(f"{SECRET}\n")
        for link, target in self.links().items():
            link.symlink_to(target)

    def links(self) -> dict[Path, Path]:
        return {
            self.box / "out": self.outside,
            self.box / "demo/out": self.outside,
            self.box / "demo/secret": self.outside / "secret",
            self.box / "linked/log/job/evil": self.outside / "log/job/train",
            self.box / "linked/log/job/train/02": self.outside / "log/job/train/01",
            self.box / "led-away/.remote-install": self.outside,
        }

    def rsh(self, *options: str) -> str:
        """A program for rsync -e. Each set of options has one of its own."""
        path = self.folder / "site" / f"rsh-{abs(hash(options))}"
        if not path.exists():
            line = " ".join(f"'{word}'" for word in self.argv(*options))
            path.write_text(RSH.format(line=line))
            path.chmod(0o755)
        return str(path)

    def ask(self, line: str | bytes, stdin: bytes, options: list[str], source: Path | None = None) -> Answer:
        """What the gate says to a command line, and to what comes on stdin."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "SSH_ORIGINAL_COMMAND": line}
        try:
            done = subprocess.run(
                self.argv(*options, source=source),
                input=stdin,
                env={**environment, "SSH_CONNECTION": "192.0.2.1 5000 192.0.2.2 22"},
                cwd=self.folder / "home",
                capture_output=True,
                timeout=60,
                check=False,
            )
        except ValueError:  # no process can be given a NUL
            return Answer(gate.REFUSED, b"", gate.PREFIX)
        return Answer(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def seen_outside(self) -> dict[str, object]:
        """All that lies outside the root, with its content and times, but the audit log and what the site has."""
        return {str(path): told for path, told in _below(self.folder, {"box", "audit", "here"})}

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


def _below(folder: Path, left_out: set[str]) -> Iterator[tuple[Path, object]]:
    for path in sorted(folder.iterdir()):
        if path.name in left_out or path.name.startswith("rsh-"):
            continue
        status = path.lstat()
        if path.is_dir() and not path.is_symlink():
            yield path, "folder"
            yield from _below(path, set())
        else:
            yield path, (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_mode)
