"""The Grid Engine that other tests stand on is what it is said to be."""

from __future__ import annotations

import re

from . import GridEngine, wait_for

LIST = ["qstat", "-u", "alice"]


def submit(gridengine: GridEngine, line: str, *options: str) -> str:
    """Submit a shell line; return the job id."""
    argv = ["qsub", "-terse", "-cwd", "-j", "y", *options]
    return gridengine.host.run(argv, input=line, check=True).stdout.strip()


def state(gridengine: GridEngine, job: str) -> str:
    """Return what qstat says of a job, "" if it does not know it."""
    rows = [line.split() for line in gridengine.host.run(LIST, check=True).stdout.splitlines()]
    return next((row[4] for row in rows if row[0] == job), "")


def wait_until(gridengine: GridEngine, job: str, wanted: str) -> None:
    wait_for(f"job {job} '{wanted}'", lambda: state(gridengine, job) == wanted, 30)


def test_a_job_runs_as_the_user_in_her_home(gridengine: GridEngine) -> None:
    job = submit(gridengine, "id -un; pwd; hostname", "-o", "out")
    wait_until(gridengine, job, "")
    host = gridengine.host
    assert host.read(f"{host.home}/out").split() == ["alice", host.home, host.name]


def test_forty_jobs_run_at_once(gridengine: GridEngine) -> None:
    for _ in range(40):
        submit(gridengine, "sleep 300", "-o", "/dev/null")
    running = [*LIST, "-s", "r"]
    wait_for("running jobs", lambda: len(gridengine.host.run(running).stdout.splitlines()) == 40 + 2, 30)


def test_accounting_knows_a_job_that_has_ended(gridengine: GridEngine) -> None:
    job = submit(gridengine, "exit 3")
    wait_until(gridengine, job, "")
    asked = ["qacct", "-j", job]
    wait_for("accounting", lambda: gridengine.host.run(asked).returncode == 0, 30)
    assert re.search(r"^exit_status +3 *$", gridengine.host.run(asked).stdout, re.MULTILINE)


def test_a_job_survives_a_restart_of_the_master(gridengine: GridEngine) -> None:
    job = submit(gridengine, "sleep 300")
    wait_until(gridengine, job, "r")
    gridengine.qmaster.stop()
    assert gridengine.host.run(LIST).returncode == 1
    gridengine.start_qmaster()
    assert state(gridengine, job) == "r"


def test_a_frozen_master_does_not_answer_until_it_is_thawed(gridengine: GridEngine) -> None:
    gridengine.qmaster.freeze()
    assert gridengine.host.run(["timeout", "1", *LIST]).returncode == 124
    gridengine.qmaster.thaw()
    assert gridengine.host.run(LIST).returncode == 0


def test_what_a_test_leaves_is_repaired(gridengine: GridEngine) -> None:
    submit(gridengine, "trap '' TERM; sleep 300")
    submit(gridengine, "true", "-h")
    gridengine.qmaster.kill()
    gridengine.host.reboot()
    gridengine.repair()
    assert gridengine.host.run(["qstat", "-u", "*"], check=True).stdout == ""
    job = submit(gridengine, "true")
    wait_until(gridengine, job, "")
