"""The Slurm clusters that other tests stand on are what they are said to be."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hosts import JobHost

from . import Slurm, wait_for
from .fixtures import MakeSlurmClusters

LIST = ["squeue", "--noheader", "--me", "--states=all", "--format=%i|%T|%r|%j"]


def submit(host: JobHost, line: str, *options: str) -> str:
    """Submit a shell line; return the job id."""
    return host.run(["sbatch", "--parsable", *options, f"--wrap={line}"], check=True).stdout.strip()


def state(host: JobHost, job: str, *options: str) -> str:
    """Return what squeue says of a job, "" if it does not know it."""
    rows = [row.split("|") for row in host.run([*LIST, *options], check=True).stdout.splitlines()]
    return next((row[1] for row in rows if row[0] == job), "")


def wait_until(host: JobHost, job: str, wanted: str, *options: str) -> None:
    wait_for(f"job {job} {wanted}", lambda: state(host, job, *options) == wanted, 30)


def ask(host: JobHost, *argv: str, seconds: float = 1) -> subprocess.CompletedProcess[str]:
    """Run a command of the user's, for some seconds at most."""
    return host.run(["timeout", str(seconds), *argv])


def test_a_job_runs_as_the_user_in_her_home(slurm: Slurm) -> None:
    job = submit(slurm.host, "id -un; pwd; hostname", "--output=out")
    wait_until(slurm.host, job, "COMPLETED")
    assert slurm.host.read(f"{slurm.host.home}/out").split() == ["alice", slurm.host.home, slurm.host.name]


def test_two_hundred_jobs_run_at_once(slurm: Slurm) -> None:
    slurm.host.run(
        ["sh", "-ec", "for i in $(seq 200); do sbatch --output=/dev/null --wrap='sleep 300'; done"], check=True
    )
    running = ["squeue", "--noheader", "--me", "--states=RUNNING"]
    wait_for("200 running jobs", lambda: len(slurm.host.run(running).stdout.splitlines()) == 200, 30)


def test_accounting_knows_a_job_that_has_ended(slurm: Slurm) -> None:
    job = submit(slurm.host, "exit 3", "--job-name=ends")
    sacct = ["sacct", "-n", "-X", "-P", "-j", job, "-o", "State,JobName"]
    wait_for("accounting", lambda: slurm.host.run(sacct).stdout == "FAILED|ends\n", 30)


def test_jobs_are_forgotten_as_soon_as_a_test_wants(slurm: Slurm) -> None:
    with slurm.configured(MinJobAge="2"):
        job = submit(slurm.host, "true")
        wait_until(slurm.host, job, "COMPLETED")
        wait_until(slurm.host, job, "")
    assert "MinJobAge               = 300 sec" in slurm.host.run(["scontrol", "show", "config"]).stdout


def test_slurm_without_accounting(slurm: Slurm) -> None:
    with slurm.configured(AccountingStorageType="accounting_storage/none"):
        job = submit(slurm.host, "true")
        wait_until(slurm.host, job, "COMPLETED")
        done = slurm.host.run(["sacct", "-j", job])
        assert done.returncode == 1
        assert "Slurm accounting storage is disabled" in done.stderr


def test_a_job_survives_a_restart_of_the_controller(slurm: Slurm) -> None:
    job = submit(slurm.host, "sleep 300")
    wait_until(slurm.host, job, "RUNNING")
    slurm.slurmctld.stop()
    assert ask(slurm.host, *LIST).returncode != 0
    slurm.start_controller()
    assert state(slurm.host, job) == "RUNNING"


def test_job_ids_start_over(slurm: Slurm) -> None:
    wait_until(slurm.host, submit(slurm.host, "true"), "COMPLETED")
    slurm.forget()
    assert submit(slurm.host, "true") == "1"


def test_frozen_daemons_do_not_answer_until_they_are_thawed(slurm: Slurm) -> None:
    for daemon, argv in [
        (slurm.munged, LIST),
        (slurm.slurmctld, LIST),
        (slurm.accounting.slurmdbd, ["sacct"]),
    ]:
        daemon.freeze()
        assert ask(slurm.host, *argv).returncode == 124, daemon.name
        daemon.thaw()
        assert ask(slurm.host, *argv, seconds=20).returncode == 0, daemon.name


def test_a_stopped_slurmdbd_refuses(slurm: Slurm) -> None:
    slurm.accounting.slurmdbd.stop()
    assert ask(slurm.host, "sacct", seconds=20).returncode == 1
    assert submit(slurm.host, "true")


def test_an_urgent_job_sends_another_back_into_the_queue(slurm: Slurm) -> None:
    job = submit(slurm.host, "sleep 300", "--exclusive", "--requeue", "--open-mode=append", "--output=out")
    wait_until(slurm.host, job, "RUNNING")
    urgent = submit(slurm.host, "sleep 300", "--exclusive", "--partition=urgent")
    wait_until(slurm.host, urgent, "RUNNING")
    wait_until(slurm.host, job, "PENDING")


def test_what_a_test_leaves_is_repaired(slurm: Slurm) -> None:
    submit(slurm.host, "trap '' TERM; sleep 300")
    submit(slurm.host, "true", "--hold")
    slurm.munged.freeze()
    slurm.slurmctld.kill()
    slurm.host.reboot()
    slurm.repair()
    assert all(daemon.pids() for daemon in slurm.daemons())
    assert slurm.host.run(["squeue", "--noheader"], check=True).stdout == ""
    wait_until(slurm.host, submit(slurm.host, "true"), "COMPLETED")


# --- two clusters


def test_either_cluster_is_asked_by_its_name_from_either_host(slurm_clusters: list[Slurm]) -> None:
    for here, there in (slurm_clusters, reversed(slurm_clusters)):
        flag = f"--clusters={there.cluster}"
        answer = submit(here.host, "hostname; pwd", flag, "--output=out")
        job, name = answer.split(";")
        assert name == there.cluster
        wait_until(here.host, job, "COMPLETED", flag)
        assert there.host.read(f"{there.host.home}/out").split() == [there.host.name, there.host.home]
        held = submit(here.host, "true", flag, "--hold").split(";")[0]
        here.host.run(["scancel", flag, held], check=True)
        wait_until(there.host, held, "CANCELLED")


def test_clusters_count_their_jobs_and_keep_their_files_apart(slurm_clusters: list[Slurm]) -> None:
    one, two = slurm_clusters
    one.forget()
    two.forget()
    assert submit(one.host, "true", "--output=only-here") == submit(two.host, "true", "--output=/dev/null") == "1"
    wait_until(one.host, "1", "COMPLETED")
    assert one.host.run(["test", "-e", "only-here"]).returncode == 0
    assert two.host.run(["test", "-e", "only-here"]).returncode == 1


def test_homes_are_shared_if_a_test_wants(make_slurm_clusters: MakeSlurmClusters, tmp_path: Path) -> None:
    one, two = make_slurm_clusters(2, shared={str(tmp_path): "/home/alice/work"})
    tmp_path.chmod(0o777)
    job = submit(one.host, "hostname", "--clusters=c2", "--chdir=/home/alice/work", "--output=out").split(";")[0]
    wait_until(one.host, job, "COMPLETED", "--clusters=c2")
    assert (tmp_path / "out").read_text() == f"{two.host.name}\n"
