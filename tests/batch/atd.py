"""A real atd, with a spool of its own, on one job host."""

from __future__ import annotations

from hosts import JobHost

from .daemon import Daemon, wait_for

HOST = {"system": "bookworm-at"}


class Atd:
    """at, atq and atrm work for the user, and what they queue is run."""

    def __init__(self, host: JobHost) -> None:
        """Take the job host."""
        self.host = host
        # Batch jobs start a second apart, however much this machine has to do.
        self.atd = Daemon(host, "atd", "atd -f -b 1 -l 1000", pid_file="/run/atd.pid")

    def start(self) -> None:
        """Start atd if it does not run."""
        self.atd.start()
        wait_for("atd", self.atd.pids)

    def repair(self) -> None:
        """Let atd run again, and no job be left."""
        self.atd.thaw()
        self.start()
        wait_for("an empty queue", self.emptied)
        self.host.run(["sh", "-c", "kill -KILL -1"])

    def jobs(self) -> list[str]:
        """Return the ids of all jobs that wait or run."""
        return [line.split()[0] for line in self.host.run(["atq"], check=True).stdout.splitlines()]

    def emptied(self) -> bool:
        """Remove what is queued, and tell whether that was nothing; atq fails if a job ends while it looks."""
        done = self.host.run(["atq"])
        for line in done.stdout.splitlines():
            self.host.run(["atrm", line.split()[0]])
        return done.returncode == 0 and done.stdout == ""
