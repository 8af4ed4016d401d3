"""What OAR's commands print."""

from __future__ import annotations

import re

from hosts import JobHosts

from .daemon import wait_for
from .oar import HOST, Oar
from .recorder import TAG, Recorder

LIST = ("oarstat", "-u", "alice", "-J")


class OarRecorder(Recorder):
    """A user of OAR."""

    def submit(self, *words: str) -> str:
        """Submit a job; return its id."""
        done = self.run("oarsub", "-n", TAG, *words)
        match = re.search(r"OAR_JOB_ID=(\d+)", done.out)
        assert match is not None, done
        return match[1]

    def wait(self, job: str, *states: str) -> None:
        """Wait until a job is in one of the states."""
        wait_for(f"{job} {states}", lambda: self.run("oarstat", "-s", "-j", job).out.split()[-1] in states, 120)


def record(job_hosts: JobHosts) -> None:
    """Record all cases."""
    system = Oar(job_hosts.make(name="login1", **HOST))
    system.start()
    user = OarRecorder("oar", system.host)
    user.record("list-nothing", *LIST)
    record_submit(user)
    system.repair()
    record_states(user)
    record_ends(user)
    record_cancel(user)
    job = user.submit("./job")
    system.server.stop()
    user.record("submit-server-down", "oarsub", "-n", TAG, "./job")
    user.record("list-server-down", *LIST)
    user.record("cancel-server-down", "oardel", job)
    system.start_server()
    # Without its database oarsub tries again for minutes, and can't be ended, because it runs as another user.
    system.postgres.stop()
    user.record("list-postgres-down", *LIST)


def record_submit(user: OarRecorder) -> None:
    """Submit, with success and without."""
    user.record("submit", "oarsub", "-n", TAG, "./job")
    user.host.write_file("directives", f"#!/bin/sh\n#OAR -n {TAG}\n#OAR -l walltime=0:30:0\nsleep 300\n", 0o755)
    user.record("submit-directives", "oarsub", "-S", "./directives")
    user.record("submit-unknown-queue", "oarsub", "-n", TAG, "-q", "none", "./job")
    user.record("submit-unknown-property", "oarsub", "-n", TAG, "-p", "none=1", "./job")
    user.record("submit-too-large", "oarsub", "-n", TAG, "-l", "resource_id=999", "./job")
    user.record("submit-bad-time", "oarsub", "-n", TAG, "-l", "walltime=soon", "./job")
    user.record("submit-unknown-option", "oarsub", "-n", TAG, "--no-such-option", "./job")
    user.record("submit-no-script", "oarsub", "-n", TAG, "-S", "./none")


def record_states(user: OarRecorder) -> None:
    """Jobs that have not ended."""
    running = user.submit("./job")
    held = user.submit("--hold", "./job")
    waiting = user.submit("-l", "resource_id=64", "./job")
    user.wait(running, "Running")
    user.record("list-alive", *LIST)
    user.record("show-running", "oarstat", "-j", running, "-J")
    user.record("show-held", "oarstat", "-j", held, "-J")
    user.record("show-two", "oarstat", "-j", running, "-j", held, "-J")
    user.record("show-unknown", "oarstat", "-j", "99999", "-J")
    user.record("show-one-unknown-of-two", "oarstat", "-j", held, "-j", "99999", "-J")
    user.record("state-running", "oarstat", "-s", "-j", running)
    user.record("state-unknown", "oarstat", "-s", "-j", "99999")
    user.run("oardel", running, held, waiting)
    user.wait(running, "Error")


def record_ends(user: OarRecorder) -> None:
    """Jobs that have ended, each in its own way."""
    ways = {
        "completed": user.submit("true"),
        "failed": user.submit("./ends"),
        "not-found": user.submit("./none"),
        "timed-out": user.submit("-l", "walltime=0:0:5", "./job"),
        "cancelled": user.submit("./job"),
    }
    user.wait(ways["cancelled"], "Running")
    user.run("oardel", ways["cancelled"])
    for way, job in ways.items():
        user.wait(job, "Terminated", "Error")
        user.record(f"show-{way}", "oarstat", "-j", job, "-J")
        user.record(f"show-full-{way}", "oarstat", "-f", "-j", job, "-J")
    user.record("list-ended", *LIST)


def record_cancel(user: OarRecorder) -> None:
    """Cancel."""
    job = user.submit("./job")
    user.wait(job, "Running")
    user.record("cancel-running", "oardel", job)
    user.record("cancel-again", "oardel", job)
    user.record("list-cancelled", *LIST)
    user.wait(job, "Error")
    user.record("cancel-ended", "oardel", job)
    user.record("cancel-unknown", "oardel", "99999")
    waiting = user.submit("--hold", "./job")
    user.record("cancel-waiting", "oardel", waiting)
    user.record("cancel-one-unknown-of-two", "oardel", "99999", user.submit("--hold", "./job"))
    user.record("cancel-not-yours", "oardel", user.submit("--hold", "./job"), user="nobody")
