"""The Torque commands that other tests stand on are what they are said to be."""

from __future__ import annotations

from . import Slurm, wait_for


def submit(torque: Slurm, script: str, *options: str) -> str:
    """Submit a script; return the job id."""
    torque.host.write_file("job", f"#!/bin/sh\n{script}\n", 0o755)
    return torque.host.run(["qsub", *options, "job"], check=True).stdout.strip()


def state(torque: Slurm, job: str) -> str:
    """Return the letter by which qstat shows a job's state, "" if it does not know it."""
    rows = [line.split() for line in torque.host.run(["qstat", job]).stdout.splitlines()]
    return next((row[-2] for row in rows if row[0].split(".")[0] == job.split(".")[0]), "")


def wait_until(torque: Slurm, job: str, wanted: str) -> None:
    wait_for(f"job {job} '{wanted}'", lambda: state(torque, job) == wanted, 30)


def test_a_job_runs_as_the_user_in_her_home(torque: Slurm) -> None:
    job = submit(torque, "id -un; pwd; hostname", "-o", "out")
    wait_until(torque, job, "C")
    host = torque.host
    assert host.read(f"{host.home}/out").split() == ["alice", host.home, host.name]


def test_a_job_is_cancelled(torque: Slurm) -> None:
    job = submit(torque, "sleep 300")
    wait_until(torque, job, "R")
    torque.host.run(["qdel", job], check=True)
    wait_until(torque, job, "C")


def test_a_job_survives_a_restart_of_the_controller(torque: Slurm) -> None:
    job = submit(torque, "sleep 300")
    wait_until(torque, job, "R")
    torque.slurmctld.stop()
    assert state(torque, job) == ""
    torque.start_controller()
    assert state(torque, job) == "R"
