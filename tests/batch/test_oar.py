"""The OAR that other tests stand on is what it is said to be."""

from __future__ import annotations

import re

from . import Oar, wait_for


def submit(oar: Oar, line: str, *options: str) -> str:
    """Submit a shell line; return the job id."""
    # It asks the variable, not the system, where it is.
    said = oar.host.run(["oarsub", *options, line], env={"PWD": oar.host.home}, check=True).stdout
    match = re.search(r"^OAR_JOB_ID=(\d+)$", said, re.MULTILINE)
    assert match is not None, said
    return match[1]


def state(oar: Oar, job: str) -> str:
    """Return what oarstat says of a job."""
    return oar.host.run(["oarstat", "-s", "-j", job], check=True).stdout.split()[-1]


def wait_until(oar: Oar, job: str, wanted: str) -> None:
    wait_for(f"job {job} {wanted}", lambda: state(oar, job) == wanted)


def test_a_job_runs_as_the_user_in_her_home(oar: Oar) -> None:
    job = submit(oar, "id -un; pwd; hostname", "-O", "out")
    wait_until(oar, job, "Terminated")
    assert oar.host.read(f"{oar.host.home}/out").split() == ["alice", oar.host.home, oar.host.name]


def test_a_job_is_cancelled(oar: Oar) -> None:
    job = submit(oar, "sleep 300")
    wait_until(oar, job, "Running")
    oar.host.run(["oardel", job], check=True)
    wait_until(oar, job, "Error")
    assert "sleep 300" not in [process.args for process in oar.host.processes()]


def test_a_job_survives_a_restart_of_the_server(oar: Oar) -> None:
    job = submit(oar, "sleep 300")
    wait_until(oar, job, "Running")
    oar.server.stop()
    oar.start_server()
    assert state(oar, job) == "Running"


def test_without_the_database_nothing_is_known(oar: Oar) -> None:
    oar.postgres.stop()
    assert oar.host.run(["oarstat"]).returncode != 0


def test_what_a_test_leaves_is_repaired(oar: Oar) -> None:
    submit(oar, "sleep 300")
    oar.host.reboot()
    oar.repair()
    assert oar.jobs() == []
    job = submit(oar, "true")
    wait_until(oar, job, "Terminated")
