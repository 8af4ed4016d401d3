"""Batch systems that can't be had: commands on one job host that run jobs in the background and replay recorded words.

What is replayed is in tests/cases, with where it was published; the commands are in replay/.
"""

from __future__ import annotations

import os

from hosts import JobHost

from .cases import CASES
from .daemon import wait_for

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "replay")
COMMANDS = {"pbspro": ("qsub", "qstat", "qdel"), "lsf": ("bsub", "bjobs", "bkill")}
THERE = "/opt/replay"


class Replayed:
    """The commands of one system, on PATH."""

    def __init__(self, host: JobHost, system: str) -> None:
        """Take the job host and the name of the system, as in tests/cases."""
        self.host = host
        self.system = system

    def start(self) -> None:
        """Put the commands there, with the cases that they replay."""
        files = {f"{THERE}/{name}": f"{PROGRAMS}/{name}" for name in ("replayed_jobs.py", f"{self.system}.py")}
        folder = f"{CASES}/{self.system}"
        files.update({f"{THERE}/cases/{name}": f"{folder}/{name}" for name in os.listdir(folder)})
        for there, here in files.items():
            with open(here, "rb") as file:
                self.host.write_file(there, file.read(), 0o755, owner="root")
        for command in COMMANDS[self.system]:
            link = ["ln", "-sf", f"{THERE}/{self.system}.py", f"/usr/local/bin/{command}"]
            self.host.run(link, user="root", check=True)

    def jobs(self) -> list[str]:
        """Return the numbers of all jobs that have not ended."""
        line = 'cd .replay && for job in [0-9]*; do [ -e "$job/ended" ] || echo "$job"; done'
        return self.host.run(["sh", "-c", line]).stdout.split()

    def repair(self) -> None:
        """Let no job be left."""
        self.host.run(["sh", "-c", "kill -KILL -1"])
        wait_for("no process", lambda: not self.host.processes())
        self.host.run(["rm", "-rf", ".replay"], check=True)
