"""A platform of two hosts with one filesystem: while one of them answers, everything goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hosts import JobHost, MakeHosts

from .client import Client

pytestmark = pytest.mark.faults


class Pool(Client):
    """A user of two login nodes; `host` is the first."""

    second: JobHost

    def calls(self) -> tuple[int, int]:
        return self.host.calls(), self.second.calls()


@pytest.fixture
def pool(tmp_path: Path, make_hosts: MakeHosts) -> Iterator[Pool]:
    disk = tmp_path / "disk"
    disk.mkdir()
    first, second = make_hosts(2, shared={str(disk): "/home/alice/runs"})
    disk.chmod(0o777)
    client = Pool(tmp_path, first)
    client.second = second
    client.prepare("    run_root: runs\n    polling: {first: 0.2, max: 1}\n    retry: {attempts: 3, max_wait: 1}\n")
    hosts = client.folder / "hosts.yaml"
    hosts.write_text(hosts.read_text().replace(f"hosts: [{first.name}]", f"hosts: [{first.name}, {second.name}]"))
    client.write("a", "x\n")
    yield client
    client.hang_up()
    for host in (first, second):
        host.repair()
        host.run(["sh", "-c", "kill -9 -1; true"])
    until = time.monotonic() + 5  # the master of a connection that has just died goes by itself
    while client.leftovers() and time.monotonic() < until:
        time.sleep(0.02)
    assert client.leftovers() == []


STEPS: dict[str, tuple[str, ...]] = {
    "install": ("install", "demo", "-p", "hpc"),
    "submit": ("submit", "demo", "-p", "hpc", "--name", "other", "--", "true"),
    "poll": ("poll", "demo"),
    "wait": ("wait", "demo"),
    "fetch": ("fetch", "demo", "made"),
    "logs": ("logs", "demo", "job"),
    "push": ("push", "demo/a", "hpc:pushed"),
    "clean": ("clean", "demo"),
}


@pytest.mark.parametrize("step", STEPS)
def test_where_the_first_is_dead_before_a_step_the_second_does_it(pool: Pool, step: str) -> None:
    done = pool("run", "demo", "-p", "hpc", "--", "sh", "-c", "echo out; echo made >made")
    assert done.code == 0, done.err
    pool.shut_out()
    before = pool.second.calls()
    done = pool(*STEPS[step])
    assert done.code == 0, done.err
    assert done.err.count(f"{pool.second.name} is asked instead") == 1
    assert pool.second.calls() > before


def test_a_host_that_failed_is_asked_last_for_a_while_and_never_for_good(pool: Pool) -> None:
    assert pool("install", "demo", "-p", "hpc").code == 0
    pool.shut_out()
    assert pool.second.name in pool("install", "demo", "-p", "hpc").err
    pool.host.start_sshd()
    before = pool.calls()
    assert pool("install", "demo", "-p", "hpc").code == 0
    assert pool.calls() == (before[0], before[1] + 1)
    failed = pool.folder / "cache/remote-install/failed" / pool.host.name
    os.utime(failed, (time.time() - 301, time.time() - 301))
    assert pool("install", "demo", "-p", "hpc").code == 0
    assert pool.calls() == (before[0] + 1, before[1] + 1)
    assert not failed.exists()


def test_when_none_answers_that_is_the_error_and_each_is_named(pool: Pool) -> None:
    for host in (pool.host, pool.second):
        host.stop_sshd()
    done = pool("install", "demo", "-p", "hpc")
    assert done.code == 4
    assert pool.host.name in done.err
    assert f"{pool.second.name}: " in done.err.splitlines()[-2]


def test_a_job_that_is_a_process_is_asked_for_and_ended_where_it_runs(pool: Pool) -> None:
    """Also by who has no record of where that was."""
    pool.host.stop_sshd()
    assert pool("submit", "demo", "-p", "hpc", "--", "sleep", "600").code == 0
    pool.host.start_sshd()
    (pool.folder / "cache/remote-install/failed" / pool.host.name).unlink()
    for words in (["poll", "demo"], ["poll", "demo", "-p", "hpc"]):
        done = pool(*words, "--json")
        assert (done.job["state"], done.job["host"]) == ("running", pool.second.name), done.err
    done = pool("submit", "demo", "-p", "hpc", "--json", "--", "sleep", "600")
    assert (done.job["state"], done.job["try"]) == ("running", 1)
    for report in (pool.run_directory / "log/job/job").glob("report.*"):
        report.unlink()
    done = pool("kill", "demo", "--json")
    assert (done.code, done.job["state"], done.job["host"]) == (0, "killed", pool.second.name), done.err


MOMENTS: dict[str, Callable[[Pool], bool]] = {
    "install": lambda pool: "rsync --server" in args_on(pool.host),
    "watch": lambda pool: b"begun" in (pool.folder / "out").read_bytes(),
    "fetch": lambda pool: "--sender" in args_on(pool.host),
}


def args_on(host: JobHost) -> str:
    return "\n".join(process.args for process in host.processes())


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_first_dies_in_the_middle_of_a_step(pool: Pool, moment: str) -> None:
    """Its logins are ended and no new ones are taken, as when a login node goes down."""
    data = os.urandom(2_000_000)
    pool.write("data", data)
    hosts = pool.folder / "hosts.yaml"
    hosts.write_text(hosts.read_text() + "    rsync: {options: [--bwlimit=1000]}\n")
    line = "echo begun; sleep 2; cp data made; echo done"
    with open(pool.folder / "out", "wb") as out:
        process = pool.start("run", "demo", "-p", "hpc", "--fetch", "made", "--", "sh", "-c", line, stdout=out)
    until = time.monotonic() + 60
    while not MOMENTS[moment](pool):
        assert time.monotonic() < until
        time.sleep(0.01)
    pool.host.stop_sshd()
    pool.host.kill_sessions()
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert (pool.folder / "out").read_bytes() == b"begun\ndone\n"
    assert (pool.run_directory / "made").read_bytes() == data


@pytest.mark.parametrize("step", STEPS)
def test_the_first_dies_as_soon_as_it_is_at_work(pool: Pool, step: str) -> None:
    assert pool("run", "demo", "-p", "hpc", "--", "sh", "-c", "echo out; echo made >made").code == 0
    before = pool.host.calls()
    process = pool.start(*STEPS[step])
    while pool.host.calls() == before and process.poll() is None:
        time.sleep(0.002)
    pool.host.stop_sshd()
    pool.host.kill_sessions()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    again = pool(*STEPS[step])
    assert again.code == 0, again.err


def test_a_dry_run_names_the_host_that_answers(pool: Pool) -> None:
    pool.host.stop_sshd()
    done = pool("install", "demo", "-p", "hpc", "--dry-run", "--json")
    target = done.json["targets"][0]
    assert (done.code, target["host"]) == (0, pool.second.name), done.err
    assert f" {pool.second.name}:" in target["commands"][-1]
