"""What Slurm's commands print."""

from __future__ import annotations

from hosts import JobHosts

from .daemon import wait_for
from .recorder import TAG, Recorder
from .slurm import HOST, Accounting, Slurm

LIST = ("squeue", "--noheader", "--me", "--states=all", "--format=%i|%T|%r|%j")
SACCT = ("sacct", "-n", "-X", "-P", "-o", "JobID,State,JobName", "-j")


class SlurmRecorder(Recorder):
    """A user of a Slurm cluster."""

    def submit(self, *words: str, cluster: str = "c1") -> str:
        """Submit a job; return its id."""
        done = self.run("sbatch", "--parsable", f"--clusters={cluster}", f"--job-name={TAG}", *words)
        assert done.exit_code == 0, done
        return done.out.split(";")[0]

    def wait(self, job: str, state: str) -> None:
        """Wait until squeue says of a job that it is in a state."""
        wait_for(
            f"{job} {state}", lambda: self.run("squeue", "-h", "-t", "all", "-o%T", f"-j{job}").out == f"{state}\n"
        )


def record(job_hosts: JobHosts) -> None:
    """Record all cases."""
    host = job_hosts.make(name="login1", **HOST)
    accounting = Accounting(host)
    first = Slurm(host, "c1", accounting)
    first.start()
    second = Slurm(job_hosts.make(name="login2", **HOST), "c2", accounting)
    second.start()
    user = SlurmRecorder("slurm", first.host)
    user.record("list-nothing", *LIST)
    record_submit(user)
    first.cancel_all()
    second.cancel_all()
    record_states(user)
    record_ends(user)
    record_accounting_delay(user)
    record_questions(user)
    record_cancel(user)
    first.cancel_all()
    record_faults(user, first, second, accounting)


def record_submit(user: SlurmRecorder) -> None:
    """Submit, with success and without."""
    name = f"--job-name={TAG}"
    user.record("submit", "sbatch", name, "job")
    user.record("submit-parsable", "sbatch", "--parsable", name, "job")
    user.record("submit-to-cluster", "sbatch", "--clusters=c2", name, "job")
    user.record("submit-to-cluster-parsable", "sbatch", "--parsable", "--clusters=c2", name, "job")
    user.record("submit-unknown-cluster", "sbatch", "--clusters=c9", name, "job")
    user.record("submit-unknown-partition", "sbatch", "--partition=none", name, "job")
    user.record("submit-unknown-account", "sbatch", "--account=none", name, "job")
    user.record("submit-unknown-option", "sbatch", "--no-such-option", name, "job")
    user.record("submit-bad-time", "sbatch", "--time=soon", name, "job")
    user.record("submit-too-large", "sbatch", "--nodes=9", name, "job")
    user.record("submit-no-script", "sbatch", name, "none")
    user.host.write_file("odd", "no shebang\n", 0o755)
    user.record("submit-no-shebang", "sbatch", name, "odd")


def record_states(user: SlurmRecorder) -> None:
    """Jobs that have not ended: what squeue and sacct say of each."""
    running = user.submit("job")
    suspended = user.submit("job")
    stubborn = user.submit("stubborn")
    for job in (running, suspended, stubborn):
        user.wait(job, "RUNNING")
    preempted = user.submit("--exclusive", "--requeue", "--partition=main", "job")
    waiting = {
        "held": user.submit("--hold", "job"),
        "later": user.submit("--begin=now+1hour", "job"),
        "dependent": user.submit(f"--dependency=afterok:{running}", "job"),
        "never": user.submit("--dependency=afterok:99999", "job"),
    }
    user.run("scontrol", "suspend", suspended, user="root")
    user.run("scancel", stubborn)
    user.wait(suspended, "SUSPENDED")
    user.wait(stubborn, "COMPLETING")
    user.record("list-alive", *LIST)
    user.record("sacct-alive", *SACCT, ",".join([running, suspended, preempted, *waiting.values()]))
    user.run("scancel", "--me")
    wait_for("an empty queue", lambda: user.run("squeue", "-h").out == "")
    record_requeued(user)


def record_requeued(user: SlurmRecorder) -> None:
    """A job that had to make room for another, and waits again."""
    preempted = user.submit("--exclusive", "--requeue", "job")
    user.wait(preempted, "RUNNING")
    urgent = user.submit("--exclusive", "--partition=urgent", "job")
    user.wait(urgent, "RUNNING")
    user.wait(preempted, "PENDING")
    user.record("list-requeued", *LIST)
    user.record("sacct-requeued", *SACCT, preempted)
    user.run("scancel", urgent)
    user.run("scancel", preempted)
    wait_for("an empty queue", lambda: user.run("squeue", "-h").out == "")


def record_ends(user: SlurmRecorder) -> None:
    """Jobs that have ended, each in its own way."""
    ways = {name: user.submit("--no-requeue", "job") for name in ("cancelled", "timed-out", "killed", "node-failed")}
    for job in ways.values():
        user.wait(job, "RUNNING")
    user.run("scancel", ways["cancelled"])
    user.run("scancel", "--full", "--signal=KILL", ways["killed"])
    user.run("scontrol", "update", f"JobId={ways['timed-out']}", "EndTime=now+1", user="root")
    ways["failed"] = user.submit("ends")
    ways["completed"] = user.submit("--wrap=true")
    ways["cancelled-in-queue"] = user.submit("--hold", "job")
    user.run("scancel", ways["cancelled-in-queue"])
    ways["bad-output"] = user.submit("--output=/none/out", "job")
    ways["cancelled-by-root"] = user.submit("--hold", "job")
    user.run("scancel", ways["cancelled-by-root"], user="root")
    user.wait(ways["timed-out"], "TIMEOUT")
    wait_for("one job", lambda: len(user.run("squeue", "-h").out.splitlines()) == 1)
    node = f"NodeName={user.host.name}"
    user.run("scontrol", "update", node, "State=DOWN", "Reason=test", user="root")
    user.wait(ways["node-failed"], "NODE_FAIL")
    user.run("scontrol", "update", node, "State=RESUME", user="root")
    user.record("list-ended", *LIST)
    wanted = user.run(*SACCT, ",".join(ways.values()))
    wait_for("accounting", lambda: "allocation" not in user.run(*wanted.argv).out)
    user.record("sacct-ended", *wanted.argv)


def record_accounting_delay(user: SlurmRecorder) -> None:
    """What sacct says just after the submission, while squeue has it running."""
    job = user.submit("job")
    user.wait(job, "RUNNING")
    user.record("sacct-just-submitted", *SACCT, job)
    wait_for("accounting's first word", lambda: user.run(*SACCT, job).out != "")
    user.record("sacct-first-word", *SACCT, job)


def record_questions(user: SlurmRecorder) -> None:
    """Questions about unknown jobs and about other clusters."""
    job = user.submit("job")
    there = user.submit("job", cluster="c2")
    user.record("list-one", *LIST, f"--jobs={job}")
    user.record("list-unknown", *LIST, "--jobs=99999")
    user.record("list-one-unknown-of-two", *LIST, f"--jobs={job},99999")
    user.record("list-cluster", *LIST, "--clusters=c2")
    user.record("list-cluster-nothing", *LIST, "--clusters=c2", "--name=none")
    user.record("list-clusters", *LIST, "--clusters=c1,c2")
    user.record("list-unknown-cluster", *LIST, "--clusters=c9")
    user.record("list-by-name", *LIST, f"--name={TAG}")
    user.record("sacct-unknown", *SACCT, "99999")
    user.record("sacct-one-unknown-of-two", *SACCT, f"{job},99999")
    user.record("sacct-cluster", "sacct", "--clusters=c2", *SACCT[1:], there)


def record_cancel(user: SlurmRecorder) -> None:
    """Cancel."""
    job = user.submit("job")
    user.wait(job, "RUNNING")
    user.record("cancel", "scancel", job)
    wait_for("its end", lambda: user.run("squeue", "-h", f"-j{job}").out == "")
    user.record("cancel-ended", "scancel", job)
    user.record("cancel-unknown", "scancel", "99999")
    user.record("cancel-nonsense", "scancel", "x1")
    there = user.submit("job", cluster="c2")
    user.record("cancel-cluster", "scancel", "--clusters=c2", there)
    user.record("cancel-cluster-unknown", "scancel", "--clusters=c2", "99999")
    roots = user.run("sbatch", "--parsable", "--hold", "--wrap=true", user="root").out.strip()
    user.record("cancel-not-yours", "scancel", roots)
    user.run("scancel", roots, user="root")


def record_faults(user: SlurmRecorder, first: Slurm, second: Slurm, accounting: Accounting) -> None:
    """Daemons that are down, or answer no more."""
    job = user.submit("job")
    user.wait(job, "RUNNING")
    second.slurmctld.stop()
    user.record("list-clusters-one-down", *LIST, "--clusters=c1,c2")
    user.record("list-cluster-down", *LIST, "--clusters=c2")
    user.record("submit-cluster-down", "sbatch", "--clusters=c2", f"--job-name={TAG}", "job")
    accounting.slurmdbd.stop()
    user.record("sacct-slurmdbd-down", *SACCT, job)
    user.record("list-cluster-slurmdbd-down", *LIST, "--clusters=c2")
    accounting.start()
    for name, begin, end in [
        ("slurmctld-down", first.slurmctld.stop, first.start_controller),
        ("slurmctld-frozen", first.slurmctld.freeze, first.slurmctld.thaw),
        ("munged-down", first.munged.stop, first.munged.start),
    ]:
        begin()
        user.record(f"list-{name}", *LIST)
        user.record(f"submit-{name}", "sbatch", f"--job-name={TAG}", "job")
        user.record(f"cancel-{name}", "scancel", job)
        user.record(f"sacct-{name}", *SACCT, job)
        end()
    with first.configured(AccountingStorageType="accounting_storage/none"):
        user.record("sacct-disabled", *SACCT, job)
