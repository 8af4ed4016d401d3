"""A reader of the how-to pages: a user whose shell finds remote-install, and whose folder a job host may share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from end_to_end.client import Client

REMOTE_INSTALL = f"PYTHONPATH={Path(__file__).parents[2]} exec {sys.executable} -m remote_install"


class Reader(Client):
    """What they make may be written to by the user on the job host, who has another id than here."""

    @property
    def stands(self) -> Path:
        """The folder in which they type."""
        return self.run_directory

    def follow(self, platform: str = "platforms: {hpc: {}}") -> None:
        """Take over the platform that a page shows, with what it takes to reach the test host."""
        self.folder.chmod(0o755)
        self.prepare()
        self.run_directory.chmod(0o777)
        path = self.folder / "hosts.yaml"
        real, shown = yaml.safe_load(path.read_text()), yaml.safe_load(platform)
        path.write_text(
            yaml.safe_dump({"platforms": {"hpc": {**shown["platforms"]["hpc"], **real["platforms"]["hpc"]}}})
        )
        self.put("remote-install", REMOTE_INSTALL)

    def put(self, name: str, line: str) -> None:
        """Put a program of one line on their PATH."""
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\n{line} "$@"\n')
        program.chmod(0o755)

    def be_root_there(self) -> None:
        """Log in as the user that the tests are run by."""
        self.host.as_root("mkdir -m 700 /root/.ssh && cp /home/alice/.ssh/authorized_keys /root/.ssh/")
        path = self.folder / "hosts.yaml"
        written = yaml.safe_load(path.read_text())
        written["platforms"]["hpc"]["ssh"]["user"] = "root"
        path.write_text(yaml.safe_dump(written))

    def environment(self) -> dict[str, str]:
        found = super().environment()
        del found["PYTHONPATH"]
        return {**found, "PATH": f"{self.folder}/bin:{found['PATH']}"}

    def begin(self, line: str, **options: Any) -> subprocess.Popen[str]:
        """Start a line of shell in the run directory, in a session of its own."""
        return subprocess.Popen(
            ["sh", "-c", line],
            cwd=self.stands,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0,
            start_new_session=True,
            **options,
        )

    def type(self, line: str, timeout: float = 150) -> tuple[int, str]:
        """The exit code of a line of shell, and all that it shows."""
        process = self.begin(line)
        shown, _ = process.communicate(timeout=timeout)
        return process.returncode, shown

    def told(self) -> dict[str, str]:
        """Job -> state, as is known here."""
        _, shown = self.type("remote-install list . --json")
        return {job["job"]: job["state"] for job in json.loads(shown)["jobs"]}
