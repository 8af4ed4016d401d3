"""The atd that other tests stand on is what it is said to be."""

from __future__ import annotations

from . import Atd, wait_for


def submit(atd: Atd, line: str, *words: str) -> str:
    """Queue a shell line; return the job id."""
    said = atd.host.run(["at", "-M", *(words or ["now"])], input=line, check=True).stderr
    return said.split("\njob ")[1].split()[0]


def state(atd: Atd, job: str) -> str:
    """Return the letter of the job's queue, "=" while it runs, "" if atq does not know it, "?" if atq failed."""
    done = atd.host.run(["atq"])
    if done.returncode != 0:
        return "?"  # a job ended while it looked
    rows = [line.split() for line in done.stdout.splitlines()]
    return next((row[-2] for row in rows if row[0] == job), "")


def test_a_job_runs_as_the_user_in_her_home(atd: Atd) -> None:
    job = submit(atd, "id -un >out; pwd >>out; hostname >>out")
    wait_for("the job's end", lambda: state(atd, job) == "", 20)
    assert atd.host.read(f"{atd.host.home}/out").split() == ["alice", atd.host.home, atd.host.name]


def test_twenty_jobs_run_at_once(atd: Atd) -> None:
    jobs = [submit(atd, "sleep 300") for _ in range(20)]
    wait_for("running jobs", lambda: [state(atd, job) for job in jobs] == ["="] * 20, 20)


def test_a_cancelled_job_that_runs_goes_on(atd: Atd) -> None:
    job = submit(atd, "sleep 300")
    wait_for("a running job", lambda: state(atd, job) == "=", 20)
    assert atd.host.run(["atrm", job]).returncode == 0
    assert state(atd, job) == ""
    assert "sleep 300" in [process.args for process in atd.host.processes()]


def test_without_atd_a_job_waits_and_runs_later(atd: Atd) -> None:
    atd.atd.stop()
    job = submit(atd, "echo late >out")
    assert state(atd, job) == "a"
    atd.start()
    wait_for("the job's end", lambda: state(atd, job) == "", 20)
    assert atd.host.read(f"{atd.host.home}/out") == "late\n"


def test_a_running_job_survives_the_end_of_atd(atd: Atd) -> None:
    job = submit(atd, "sleep 300")
    wait_for("a running job", lambda: state(atd, job) == "=", 20)
    atd.atd.stop()
    assert "sleep 300" in [process.args for process in atd.host.processes()]


def test_what_a_test_leaves_is_repaired(atd: Atd) -> None:
    submit(atd, "trap '' TERM; sleep 300")
    submit(atd, "true", "now", "+", "1", "hour")
    atd.atd.freeze()
    atd.host.freeze()
    atd.host.repair()
    atd.atd.kill()
    atd.repair()
    assert atd.host.run(["atq"]).stdout == ""
    assert atd.host.processes() == []
    job = submit(atd, "true")
    wait_for("the job's end", lambda: state(atd, job) == "", 20)
