"""What Grid Engine's commands print."""

from __future__ import annotations

from hosts import JobHosts

from .daemon import wait_for
from .gridengine import HOST, GridEngine
from .recorder import TAG, Recorder

# No name may start with a digit here.
NAME = f"r{TAG}"
LIST = ("qstat", "-u", "alice", "-xml")
LIST_ALL = ("qstat", "-u", "alice", "-s", "prsz", "-xml")


class GridEngineRecorder(Recorder):
    """A user of Grid Engine."""

    def submit(self, *words: str) -> str:
        """Submit a job; return its id."""
        done = self.run("qsub", "-terse", "-N", NAME, *words)
        assert done.exit_code == 0, done
        return done.out.strip()

    def state(self, job: str) -> str:
        """Return the letters by which qstat shows a job's state, "" if it does not."""
        rows = [line.split() for line in self.run("qstat", "-u", "alice").out.splitlines()]
        return next((row[4] for row in rows if row[0] == job), "")

    def wait(self, job: str, state: str) -> None:
        """Wait until a job is in a state, "" meaning that it is gone."""
        wait_for(f"job {job} '{state}'", lambda: self.state(job) == state, 100)

    def wait_for_record(self, job: str) -> None:
        """Wait until accounting knows a job."""
        wait_for("accounting", lambda: self.run("qacct", "-j", job).exit_code == 0)


def record(job_hosts: JobHosts) -> None:
    """Record all cases."""
    system = GridEngine(job_hosts.make(name="login1", **HOST))
    system.start()
    user = GridEngineRecorder("gridengine", system.host)
    for name, argv in {"list-nothing": LIST, "list-all-nothing": LIST_ALL}.items():
        user.record(name, *argv)
    record_submit(user)
    system.repair()
    record_states(user)
    system.repair()
    record_ends(user)
    record_cancel(user)
    record_faults(user, system)


def record_submit(user: GridEngineRecorder) -> None:
    """Submit, with success and without."""
    user.record("submit", "qsub", "-N", NAME, "job")
    user.record("submit-terse", "qsub", "-terse", "-N", NAME, "job")
    user.record("submit-name-starts-with-digit", "qsub", "-N", TAG, "job")
    user.record("submit-unknown-queue", "qsub", "-N", NAME, "-q", "none.q", "job")
    user.record("submit-unsuitable", "qsub", "-N", NAME, "-w", "e", "-l", "arch=none", "job")
    user.record("submit-unsuitable-warning", "qsub", "-N", NAME, "-w", "w", "-l", "arch=none", "job")
    user.record("submit-unsuitable-warning-terse", "qsub", "-terse", "-N", NAME, "-w", "w", "-l", "arch=none", "job")
    user.record("submit-unknown-resource", "qsub", "-N", NAME, "-l", "none=1", "job")
    user.record("submit-unknown-project", "qsub", "-N", NAME, "-P", "other", "job")
    user.record("submit-unknown-option", "qsub", "-N", NAME, "--no-such-option", "job")
    user.record("submit-bad-time", "qsub", "-N", NAME, "-l", "h_rt=soon", "job")
    user.record("submit-no-script", "qsub", "-N", NAME, "none")


def record_states(user: GridEngineRecorder) -> None:
    """Jobs that have not ended."""
    running, suspended, rescheduled = (user.submit("-r", "y", "job") for _ in range(3))
    for job in (running, suspended, rescheduled):
        user.wait(job, "r")
    user.run("qmod", "-sj", suspended, user="sgeadmin")
    user.wait(suspended, "s")
    user.run("qmod", "-rj", rescheduled, user="sgeadmin")
    user.wait(rescheduled, "Rr")
    held = user.submit("-h", "job")
    user.submit("-hold_jid", held, "job")
    broken = user.submit("-wd", "/none", "job")
    user.wait(broken, "Eqw")
    user.submit("-l", "arch=none", "job")
    user.record("list-alive", *LIST)
    user.record("list-all-alive", *LIST_ALL)
    user.record("show", "qstat", "-j", running)
    user.record("show-unknown", "qstat", "-j", "99999")
    user.record("show-one-unknown-of-two", "qstat", "-j", f"99999,{held}")


def record_ends(user: GridEngineRecorder) -> None:
    """Jobs that have ended, each in its own way."""
    ways = {
        "completed": user.submit("-b", "y", "true"),
        "failed": user.submit("ends"),
        "timed-out": user.submit("-l", "h_rt=2", "job"),
        "cancelled": user.submit("job"),
        "cancelled-in-queue": user.submit("-h", "job"),
        "killed": user.submit("-b", "y", "sh -c 'kill -KILL $$'"),
    }
    user.wait(ways["cancelled"], "r")
    user.run("qdel", ways["cancelled"], ways["cancelled-in-queue"])
    for way, job in ways.items():
        user.wait(job, "")
        if way != "cancelled-in-queue":
            user.wait_for_record(job)
        user.record(f"accounting-{way}", "qacct", "-j", job)
    user.record("accounting-unknown", "qacct", "-j", "99999")
    user.record("list-ended", *LIST)
    user.record("list-all-ended", *LIST_ALL)


def record_cancel(user: GridEngineRecorder) -> None:
    """Cancel."""
    job = user.submit("job")
    user.wait(job, "r")
    user.record("cancel-running", "qdel", job)
    user.record("cancel-again", "qdel", job)
    user.record("list-cancelled", *LIST)
    user.wait(job, "")
    user.record("cancel-ended", "qdel", job)
    user.record("cancel-unknown", "qdel", "99999")
    waiting = user.submit("-h", "job")
    user.record("cancel-waiting-and-unknown", "qdel", waiting, "99999")
    user.record("cancel-not-yours", "qdel", user.submit("-h", "job"), user="nobody")


def record_faults(user: GridEngineRecorder, system: GridEngine) -> None:
    """Daemons that are down."""
    job = user.submit("job")
    user.wait(job, "r")
    system.execd.stop()
    user.record("cancel-execd-down", "qdel", job)
    user.record("list-execd-down", *LIST)
    system.execd.start()
    system.qmaster.stop()
    user.record("list-qmaster-down", *LIST)
    user.record("show-qmaster-down", "qstat", "-j", job)
    user.record("submit-qmaster-down", "qsub", "-N", NAME, "job")
    user.record("cancel-qmaster-down", "qdel", job)
