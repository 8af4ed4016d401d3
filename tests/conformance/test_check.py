"""`check` on job runners that do not answer: it says so within the time that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from batch import Atd, Slurm
from end_to_end.client import Client


def runner_row(tmp_path: Path, system: Any, runner: str) -> tuple[int, dict[str, Any]]:
    client = Client(tmp_path, system.host)
    client.prepare(f"    job_runner: {runner}\n")
    done = client("check", "hpc", "--json")
    (row,) = (row for row in done.json["platforms"][0]["checks"] if row["check"] == "job runner")
    assert client.leftovers() == []
    return done.code, row


def test_an_atd_that_does_not_run(tmp_path: Path, atd: Atd) -> None:
    """at queues jobs all the same, and says so only on its standard error."""
    atd.atd.stop()
    code, row = runner_row(tmp_path, atd, "at")
    assert (code, row["ok"], row["detail"]) == (7, False, "atd does not run there")


def test_one_who_may_not_use_at(tmp_path: Path, atd: Atd) -> None:
    before = atd.host.read("/etc/at.deny")
    atd.host.write_file("/etc/at.deny", f"{before}{atd.host.user}\n", owner="root")
    code, row = runner_row(tmp_path, atd, "at")
    atd.host.write_file("/etc/at.deny", before, owner="root")
    assert (code, row["ok"]) == (7, False)
    assert "permission" in row["detail"]
    assert "at.deny" in row["remedy"]


def test_a_slurm_that_hangs(tmp_path: Path, slurm: Slurm) -> None:
    slurm.slurmctld.freeze()
    code, row = runner_row(tmp_path, slurm, "slurm")
    assert (code, row["ok"], row["detail"]) == (7, False, "it could not be asked: squeue did not answer within 5 s")


def test_a_cluster_that_slurm_does_not_know(tmp_path: Path, slurm: Slurm) -> None:
    code, row = runner_row(tmp_path, slurm, "{name: slurm, cluster: nosuch}")
    assert (code, row["ok"]) == (7, False)
    assert "nosuch" in row["detail"]
