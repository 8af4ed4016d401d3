"""The Torque commands that other tests stand on are what they are said to be."""

from __future__ import annotations

import os

from hosts import JobHosts

from . import Slurm, wait_for
from .slurm import TORQUE_HOST


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


def processes_in(namespace: str) -> list[str]:
    """Return the pids, as this machine knows them, of all processes of a pid namespace."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                found.append(pid)
        except OSError:
            pass  # it has ended, or is none of ours
    return found


def test_nothing_of_a_batch_system_stays_when_its_host_ends(torque: Slurm, job_hosts: JobHosts) -> None:  # noqa: ARG001
    # torque: that its system can be had here is known
    host = job_hosts.make(**TORQUE_HOST)
    Slurm(host).start()
    wait_for("a job", lambda: host.run(["sbatch", "--wrap=sleep 300"]).returncode == 0)
    namespace = os.readlink(f"/proc/{host.pid}/ns/pid")
    assert len(processes_in(namespace)) > 5
    job_hosts.close_host(host)
    assert processes_in(namespace) == []
