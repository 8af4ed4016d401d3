"""What only Slurm can show: forgetting, freezing, clusters, ids that start over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from batch import Slurm
from batch.daemon import wait_for
from end_to_end.client import Client


def prepare(tmp_path: Path, slurm: Slurm, runner: str = "slurm") -> Client:
    client = Client(tmp_path, slurm.host)
    client.prepare(f"    job_runner: {runner}\n    polling: {{first: 0.2, max: 1}}\n")
    return client


@pytest.fixture
def client(tmp_path: Path, slurm: Slurm) -> Iterator[Client]:
    user = prepare(tmp_path, slurm)
    yield user
    slurm.cancel_all()
    slurm.host.run(["rm", "-rf", "remote-install-run"], check=True)
    assert user.leftovers() == []


def submit(client: Client, *argv: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
    done = client("submit", "demo", "-p", "hpc", "--json", *options, "--", *argv, timeout=120)
    assert done.code == 0, done.err
    return done.job


def until_listed(client: Client, condition: Any) -> None:
    until = time.monotonic() + 60
    while not condition(client.host.run(["squeue", "--noheader", "--states=all", "--format=%i %T"]).stdout):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_an_exit_code_is_told_after_slurm_has_forgotten_the_job(client: Client, slurm: Slurm) -> None:
    with slurm.configured(MinJobAge="2"):
        job = submit(client, "sh", "-c", "exit 5")
        until_listed(client, lambda out: job["job_id"] not in out.split())
        done = client("poll", "demo", "--json")
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 5)


def test_a_job_whose_submission_was_not_written_down_is_known_when_it_runs(client: Client, slurm: Slurm) -> None:
    """As our program there leaves it when it is killed as soon as sbatch has ended, or when sbatch had timed out."""
    submit(client, "sleep", "600")
    until_listed(client, lambda out: "RUNNING" in out)
    job_id = client("poll", "demo", "--json").job["job_id"]
    client.host.run(["rm", f"{client.there}/log/job/job/01/job.submit"], check=True)
    job = client("poll", "demo", "--json").job
    assert (job["state"], job["job_runner"], job["job_id"]) == ("running", "slurm", job_id)
    job = client("kill", "demo", "--json").job
    assert job["state"] == "killed"
    wait_for("an empty queue", lambda: not slurm.jobs())


@pytest.mark.parametrize(
    ("name", "trouble"),
    [("munged", "freeze"), ("munged", "stop"), ("slurmctld", "freeze"), ("slurmctld", "stop"), ("slurmdbd", "stop")],
)
def test_who_can_not_be_asked_says_nothing_about_a_job(client: Client, slurm: Slurm, name: str, trouble: str) -> None:
    submit(client, "sh", "-c", "until [ -e go ]; do sleep 0.1; done; exit 6")
    until_listed(client, lambda out: "RUNNING" in out)
    daemon = {one.name: one for one in slurm.daemons()}[name]
    getattr(daemon, trouble)()
    done = client("poll", "demo", "--json", timeout=70)
    assert done.job["state"] in ("unknown", "running"), done.err
    assert done.code == 0
    assert done.seconds < 60
    daemon.repair()
    slurm.start_controller()
    client.host.write_file(f"{client.there}/go", "")
    done = client("wait", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 6)


@pytest.fixture
def squeue(slurm: Slurm) -> Iterator[Callable[[str], None]]:
    """Put another squeue in front of Slurm's."""
    path = "/usr/local/bin/squeue"
    yield lambda text: slurm.host.write_file(path, f"#!/bin/sh\n{text}\n", 0o755, owner="root")
    slurm.host.as_root(f"rm -f {path}")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("yes '?' | head -c 1000000", "unknown"),
        ("yes '?'", "unknown"),
        ("echo slurm_load_jobs error: Zero Bytes were transmitted or received >&2", "unknown"),
        ("echo Segmentation fault; exit 139", "unknown"),
        ('sleep 0.1 & /usr/bin/squeue "$@"', "running"),
        ("seq -f '%g0|RUNNING|None|another job of mine' 100000 130000; /usr/bin/squeue \"$@\"", "running"),
    ],
)
def test_whatever_squeue_says(client: Client, squeue: Callable[[str], None], text: str, state: str) -> None:
    submit(client, "sh", "-c", "sleep 600")
    until_listed(client, lambda out: "RUNNING" in out)
    squeue(text)
    done = client("poll", "demo", "--json", timeout=70)
    assert (done.code, done.job["state"]) == (0, state), done.out


def test_an_id_that_started_over_is_not_taken_for_ours(client: Client, slurm: Slurm) -> None:
    job = submit(client, "sh", "-c", "sleep 600")
    until_listed(client, lambda out: "RUNNING" in out)
    client.host.run(["sh", "-c", "kill -9 -1; true"])
    slurm.forget()
    other = ["sbatch", "--parsable", "--job-name=other", "--wrap=sleep 600"]
    while int(client.host.run(other, check=True).stdout) < int(job["job_id"]):
        pass
    done = client("poll", "demo", "--json")
    assert done.job["state"] in ("unknown", "lost", "killed", "failed")
    client("kill", "demo", timeout=120)
    listed = client.host.run(["squeue", "--noheader", "--format=%i %j", "--states=all"]).stdout.split("\n")
    assert f"{job['job_id']} other" in listed


def test_the_same_id_on_two_clusters_is_two_jobs(tmp_path: Path, slurm_clusters: list[Slurm]) -> None:
    first, second = slurm_clusters
    client = prepare(tmp_path, second, "{name: slurm, cluster: c2}")
    sbatch = ["sbatch", "--parsable", "--job-name=other", "--wrap=sleep 600"]

    def other(slurm: Slurm) -> int:
        return int(slurm.host.run(sbatch, check=True).stdout)

    theirs, before = other(first), other(second)
    while theirs != before + 1:  # the next id of c2 is to be one that c1 has
        theirs, before = (other(first), before) if theirs <= before else (theirs, other(second))
    job = submit(client, "sh", "-c", "sleep 600")
    assert job["job_id"] == str(theirs)
    done = client("kill", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"]) == (0, "killed"), done.err
    ours = ["squeue", "--noheader", "--format=%i"]
    assert str(theirs) in first.host.run(ours).stdout.split()
    assert str(theirs) not in second.host.run(ours).stdout.split()
    client.host.run(["rm", "-rf", "remote-install-run"], check=True)


def states_until(client: Client, state: str) -> list[str]:
    """The states that poll tells, each once, until it tells `state`."""
    found: list[str] = []
    until = time.monotonic() + 60
    while found[-1:] != [state]:
        now = client("poll", "demo", "--json").job["state"]
        found += [now] if found[-1:] != [now] else []
        assert time.monotonic() < until, found
    return found


def at_once(client: Client, job_id: str) -> None:
    """Slurm lets a requeued job wait for two minutes. Soon, not now: slurmd has revoked the job's credential, and a new
    start in the same second fails with that (seen in slurmctld's log)."""
    client.host.run(["scontrol", "update", f"JobId={job_id}", "StartTime=now+2"], user="root", check=True)


def test_a_requeued_job_is_told_right_through_each_phase(client: Client) -> None:
    line = "echo x >>ran; [ $(wc -l <ran) = 2 ] || exec sleep 600; until [ -e go ]; do sleep 0.1; done; exit 4"
    allowed = ("--directive", "--requeue")
    job = submit(client, "sh", "-c", line, options=allowed)
    states_until(client, "running")
    client.host.run(["scontrol", "requeue", job["job_id"]], check=True)
    assert set(states_until(client, "submitted")) <= {"running", "submitted"}
    at_once(client, job["job_id"])
    assert states_until(client, "running") in (["submitted", "running"], ["running"])
    client.host.write_file(f"{client.there}/go", "")
    done = client("wait", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"], done.job["exit_code"], done.job["try"]) == (1, "failed", 4, 1)
    assert client.host.read(f"{client.there}/ran") == "x\nx\n"


def test_a_job_that_has_to_make_room_is_told_right_through_each_phase(client: Client) -> None:
    line = "echo x >>ran; [ $(wc -l <ran) = 2 ] || exec sleep 600"
    job = submit(client, "sh", "-c", line, options=("--directive", "--requeue", "--directive", "--exclusive"))
    states_until(client, "running")
    urgent = client.host.run(
        ["sbatch", "--parsable", "--exclusive", "--partition=urgent", "--wrap=sleep 600"], check=True
    ).stdout.strip()
    assert set(states_until(client, "submitted")) <= {"running", "submitted"}
    client.host.run(["scancel", urgent], check=True)
    at_once(client, job["job_id"])
    assert set(states_until(client, "succeeded")) <= {"submitted", "running", "succeeded"}


def test_a_job_that_had_to_make_room_for_good_tells_why(client: Client) -> None:
    """Not requeueable, as all are that do not ask for it."""
    submit(client, "sleep", "600", options=("--directive", "--exclusive"))
    states_until(client, "running")
    client.host.run(["sbatch", "--exclusive", "--partition=urgent", "--wrap=sleep 600"], check=True)
    states_until(client, "killed")
    assert client("poll", "demo", "--json").job["reason"] == "preempted"


def test_why_a_forgotten_job_failed_is_told_by_the_accounting(client: Client, slurm: Slurm) -> None:
    with slurm.configured(MinJobAge="2"):
        job = submit(client, "sleep", "600")
        until_listed(client, lambda out: "RUNNING" in out)
        client.host.run(["scancel", job["job_id"]], check=True)
        until_listed(client, lambda out: job["job_id"] not in out.split())
        # slurmdbd is told later than slurmctld forgets.
        sacct = ["sacct", "--noheader", "--allocations", "--format=State", f"--jobs={job['job_id']}"]
        wait_for("the accounting", lambda: "CANCELLED" in client.host.run(sacct).stdout)
        done = client("poll", "demo", "--json")
    assert (done.job["state"], done.job["reason"]) == ("killed", "cancelled"), done.out


def test_the_parts_of_a_heterogeneous_job_are_one_job(client: Client) -> None:
    """Each part needs a node of its own, so that with one node it waits."""
    job = submit(client, "true", options=("--directive", ":=--ntasks=2"))
    number = job["job_id"]
    until_listed(client, lambda out: out.count("PENDING") == 2)
    told = client("poll", "demo", "--json").job
    assert (told["state"], told["job_id"]) == ("submitted", number)
    assert client("kill", "demo", timeout=120).code == 0
    until_listed(client, lambda out: {f"{number}+0 CANCELLED", f"{number}+1 CANCELLED"} <= set(out.splitlines()))


AT_ONCE, ROUNDS = 10, 5


def unheard(client: Client) -> int:
    """How many requests the controller has been sent and has not read: proc_net_tcp, local address and rx_queue."""
    rows = [line.split() for line in client.host.read("/proc/1/net/tcp").splitlines()[1:]]
    return sum(row[1].endswith(":1AA1") and not row[4].endswith(":00000000") for row in rows)


def test_a_submission_that_was_broken_off_and_made_again_is_one_run(client: Client, slurm: Slurm) -> None:
    """sbatch has told a frozen controller, is killed, and what it said is heard later, also after the next one's."""
    there = client.there
    lines = [
        f"  j{round_}x{n}: {{platform: hpc, command: 'echo >>ran-{round_}-{n}; sleep 1'}}\n"
        for round_ in range(ROUNDS)
        for n in range(AT_ONCE)
    ]
    client.write("run.yaml", "jobs:\n" + "".join(lines))
    assert client("install", "demo", "-p", "hpc").code == 0
    twice = 0
    for round_ in range(ROUNDS):
        names = [f"j{round_}x{n}" for n in range(AT_ONCE)]
        slurm.slurmctld.freeze()
        commands = [client.start("submit", "demo", name, "--no-install") for name in names]
        wait_for("sbatch", lambda: unheard(client) >= AT_ONCE)
        client.host.run(["sh", "-c", "kill -9 -1; true"])
        for command in commands:
            command.kill()
            command.communicate()
        commands = [client.start("submit", "demo", name, "--no-install") for name in names]
        wait_for("both", lambda: unheard(client) >= 2 * AT_ONCE)
        slurm.slurmctld.thaw()
        for command in commands:
            assert command.communicate(timeout=120)[1] == b""
            assert command.returncode == 0
        done = client("wait", "demo", *names, "--json", timeout=120)
        assert [job["state"] for job in done.json["jobs"]] == ["succeeded"] * AT_ONCE, done.err
        listed = client.host.run(["squeue", "--noheader", "--states=all", "--format=%j"]).stdout.split()
        twice += len([name for name in listed if f".j{round_}x" in name]) - AT_ONCE
    found = client.host.run(["sh", "-c", f"cat {there}/ran-* | wc -l; ls {there}/ran-* | wc -l"]).stdout.split()
    assert found == [str(AT_ONCE * ROUNDS)] * 2
    print(f"{twice} of {AT_ONCE * ROUNDS} came into the queue twice")


def test_a_surplus_entry_is_taken_out_of_the_queue(client: Client) -> None:
    """Of two with the same name one has started: the other could not any more."""
    job = submit(client, "sleep", "600")
    until_listed(client, lambda out: f"{job['job_id']} RUNNING" in out)
    name = client.host.run(["squeue", "--noheader", "--format=%j", "-j", job["job_id"]]).stdout.strip()
    again = ["sbatch", "--parsable", "--hold", f"--job-name={name}", "--wrap=true"]
    surplus = client.host.run(again, check=True).stdout.strip()
    client("poll", "demo")
    until_listed(client, lambda out: f"{surplus} CANCELLED" in out)
    assert client("poll", "demo", "--json").job["state"] == "running"


def test_kill_ends_every_entry_of_a_job(client: Client) -> None:
    job = submit(client, "sleep", "600", options=("--directive", "--hold"))
    name = client.host.run(["squeue", "--noheader", "--format=%j", "-j", job["job_id"]]).stdout.strip()
    again = ["sbatch", "--parsable", "--hold", f"--job-name={name}", "--wrap=true"]
    surplus = client.host.run(again, check=True).stdout.strip()
    assert client("kill", "demo", timeout=120).code == 0
    until_listed(client, lambda out: {f"{surplus} CANCELLED", f"{job['job_id']} CANCELLED"} <= set(out.splitlines()))
