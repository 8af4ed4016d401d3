"""What only Slurm can show: forgetting, freezing, clusters, ids that start over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch import Slurm
from end_to_end.client import Client


def prepare(tmp_path: Path, slurm: Slurm, runner: str = "slurm") -> Client:
    client = Client(tmp_path, slurm.host)
    client.prepare(f"    job_runner: {runner}\n    polling: {{first: 0.2, max: 1}}\n")
    return client


@pytest.fixture
def client(tmp_path: Path, slurm: Slurm) -> Iterator[Client]:
    user = prepare(tmp_path, slurm)
    yield user
    assert user.leftovers() == []
    slurm.host.run(["rm", "-rf", "remote-install-run"], check=True)


def submit(client: Client, *argv: str, name: str = "job") -> dict[str, Any]:
    done = client("submit", "demo", "-p", "hpc", "--name", name, "--json", "--", *argv, timeout=120)
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


@pytest.mark.parametrize("daemon", ["slurmctld", "munged"])
def test_who_can_not_be_asked_says_nothing_about_a_job(client: Client, slurm: Slurm, daemon: str) -> None:
    submit(client, "sh", "-c", "until [ -e go ]; do sleep 0.1; done; exit 6")
    until_listed(client, lambda out: "RUNNING" in out)
    getattr(slurm, daemon).stop()
    done = client("poll", "demo", "--json", timeout=120)
    assert done.job["state"] in ("unknown", "running"), done.err
    assert done.code == 0
    getattr(slurm, daemon).repair()
    slurm.start_controller()
    client.host.write_file(f"{client.there}/go", "")
    done = client("wait", "demo", "--json", timeout=120)
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 6)


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
