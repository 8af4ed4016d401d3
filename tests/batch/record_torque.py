"""What Torque's commands print, as Slurm's contributions have them."""

from __future__ import annotations

from hosts import JobHosts

from .daemon import wait_for
from .recorder import TAG, Recorder
from .slurm import TORQUE_HOST, Slurm


def record(job_hosts: JobHosts) -> None:
    """Record all cases."""
    system = Slurm(job_hosts.make(name="login1", **TORQUE_HOST))
    system.start()
    user = Recorder("torque", system.host)
    user.record("list-nothing", "qstat")
    user.record("list-full-nothing", "qstat", "-f")
    record_submit(user)
    system.cancel_all()
    record_states(user)
    record_cancel(user)
    job = submit(user)
    for name, begin, end in [
        ("slurmctld-down", system.slurmctld.stop, system.start_controller),
        ("munged-down", system.munged.stop, system.munged.start),
    ]:
        begin()
        user.record(f"list-{name}", "qstat")
        user.record(f"list-full-{name}", "qstat", "-f")
        user.record(f"submit-{name}", "qsub", "-N", TAG, "job")
        user.record(f"cancel-{name}", "qdel", job)
        end()


def submit(user: Recorder, *words: str) -> str:
    """Submit a job; return its id."""
    done = user.run("qsub", "-N", TAG, *(words or ("job",)))
    assert done.exit_code == 0, done
    return done.out.strip()


def wait(user: Recorder, job: str, letter: str) -> None:
    """Wait until qstat shows a job in a state."""
    wait_for(f"{job} {letter}", lambda: f" {letter} " in user.run("qstat", job).out)


def record_submit(user: Recorder) -> None:
    """Submit, with success and without."""
    user.record("submit", "qsub", "-N", TAG, "job")
    user.record("submit-with-time", "qsub", "-N", TAG, "-l", "walltime=00:30:00", "job")
    user.record("submit-unknown-queue", "qsub", "-N", TAG, "-q", "none", "job")
    user.record("submit-unknown-option", "qsub", "-N", TAG, "--no-such-option", "job")
    user.record("submit-unknown-resource", "qsub", "-N", TAG, "-l", "none=1", "job")
    user.record("submit-no-script", "qsub", "-N", TAG, "none")


def record_states(user: Recorder) -> None:
    """Jobs in all states that can be had."""
    running, suspended, cancelled, timed_out = (submit(user) for _ in range(4))
    failed = submit(user, "ends")
    for job in (running, suspended, cancelled, timed_out):
        wait(user, job, "R")
    user.run("scontrol", "suspend", suspended, user="root")
    user.run("scontrol", "update", f"JobId={timed_out}", "EndTime=now+1", user="root")
    user.run("qdel", cancelled)
    submit(user, "-h", "job")
    for job in (failed, cancelled, timed_out):
        wait(user, job, "C")
    user.record("list", "qstat")
    user.record("list-full", "qstat", "-f")
    user.record("list-one", "qstat", running)
    user.record("list-full-one", "qstat", "-f", running)
    user.record("list-unknown", "qstat", "99999")
    user.record("list-full-unknown", "qstat", "-f", "99999")
    user.record("list-one-unknown-of-two", "qstat", running, "99999")
    user.record("list-full-one-unknown-of-two", "qstat", "-f", running, "99999")


def record_cancel(user: Recorder) -> None:
    """Cancel."""
    job = submit(user)
    wait(user, job, "R")
    user.record("cancel", "qdel", job)
    wait(user, job, "C")
    user.record("cancel-ended", "qdel", job)
    user.record("cancel-unknown", "qdel", "99999")
    user.record("cancel-one-unknown-of-two", "qdel", "99999", submit(user))
    user.record("cancel-not-yours", "qdel", submit(user), user="nobody")
