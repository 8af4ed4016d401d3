"""A site whose ssh admits only rsync, and whose Slurm cluster the Slurm of this machine knows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch import Slurm
from batch.fixtures import start_slurm
from end_to_end.client import Client
from hosts import JobHosts
from reading import plain
from tools import pages

from .login_node import SHARED, LoginNode

# It ended after its files had come and before the queue was asked: the next look finds its end.
ENDED_BETWEEN = re.compile(r"^job 01 unknown \(ended and left no exit record;.*\n", re.MULTILINE)

pytestmark = [pytest.mark.batch, pytest.mark.xdist_group("slurm"), pytest.mark.timeout(900)]
ROOT = "/home/alice/box"
FORCED = f"echo $SSH_ORIGINAL_COMMAND >>~/asked; exec rrsync {ROOT}"


@pytest.fixture(scope="module")
def two_sites(job_hosts: JobHosts) -> Iterator[tuple[Slurm, Slurm]]:
    here = start_slurm(job_hosts, "c1", shared=SHARED)
    there = start_slurm(job_hosts, "c2", here, key_options=f'restrict,command="{FORCED}"')
    there.host.run(["mkdir", "box"], check=True)
    yield here, there
    for cluster in (there, here):
        job_hosts.close_host(cluster.host)


@pytest.fixture
def user(two_sites: tuple[Slurm, Slurm]) -> Iterator[LoginNode]:
    here, there = two_sites
    there.host.run(["rm", "-rf", "box/runs"], check=True)
    user = LoginNode(
        here,
        f"    hosts: [{there.host.name}]\n    access: rsync-only\n    job_runner: {{name: slurm, cluster: c2}}\n"
        f"    rsync: {{root: {ROOT}}}\n    run_root: {ROOT}/runs\n"
        f"    ssh: {{command: ssh -F {here.host.home}/ssh_config}}\n"
        "    polling: {first: 0.2, max: 1}\n",
    )
    user.reach(there.host, there.host.name)
    yield user
    there.cancel_all()
    here.host.run(["rm", "-rf", "demo"], check=True)


def test_a_run_from_install_to_fetch(user: LoginNode, two_sites: tuple[Slurm, Slurm]) -> None:
    there = two_sites[1].host
    user.host.write_file(f"{user.host.home}/demo/train.sh", "#!/bin/sh\necho out; cat a >results\npwd\nexit 3\n", 0o755)
    told = user.json("run", "demo", "-p", "hpc", "--fetch", "results", "--", "./train.sh")
    (job,) = told["jobs"]
    assert (job["state"], job["exit_code"], job["job_runner"]) == ("failed", 3, "slurm")
    assert user.host.read(f"{user.host.home}/demo/results") == "x\n"
    assert user("logs", "demo", "job").stdout == f"out\n{ROOT}/runs/demo\n"
    assert there.read(f"{ROOT}/runs/demo/log/job/job/01/job.out") == f"out\n{ROOT}/runs/demo\n"
    (target,) = user.json("install", "demo", "-p", "hpc")["targets"]
    assert (target["mode"], target["files_sent"], target["error"]) == ("rsync-only", 0, None)
    assert {line[:14] for line in there.read("/home/alice/asked").splitlines()} == {"rsync --server"}
    assert set(user.started()) == {"rsync", "ssh"}


def test_what_the_page_shows_of_such_a_site_comes(user: LoginNode, two_sites: tuple[Slurm, Slurm]) -> None:
    """docs/without-ssh.md: its platform, with the root that the key has here."""
    section, home = pages.section("without-ssh.md", "Only rsync"), user.host.home
    (settings,), (shown,) = pages.blocks(section, "yaml"), pages.blocks(section, "console")
    user.reach(two_sites[1].host, "login.site")
    known = f"defaults: {{ssh: {{command: ssh -F {home}/ssh_config}}, polling: {{first: 0.2, max: 1}}}}\n"
    user.host.write_file(f"{home}/hosts.yaml", known + settings.replace("/home/me/box", ROOT))
    script = "#!/bin/sh\nmkdir results\necho made >results/model\n"
    user.host.write_file(f"{home}/forecast/train.sh", script, 0o755)
    user.host.write_file(f"{home}/big.bin", "big\n")
    for line, said in pages.typed(shown.replace("/home/me/box", ROOT)):
        done = user(*shlex.split(line)[1:])
        told = ENDED_BETWEEN.sub("", done.stdout + done.stderr)
        assert (done.returncode, plain(told)) == (0, plain(said)), told
        if line.startswith("remote-install run"):
            assert user.host.read(f"{home}/forecast/results/model") == "made\n"
    user.host.run(["rm", "-r", "forecast"], check=True)


def test_what_is_gone_here_goes_there_and_what_jobs_made_stays(user: LoginNode, two_sites: tuple[Slurm, Slurm]) -> None:
    there = two_sites[1].host
    user.host.write_file(f"{user.host.home}/demo/b", "y\n")
    assert user("run", "demo", "-p", "hpc", "--", "touch", "made").returncode == 0
    user.host.run(["rm", "demo/b"], check=True)
    (target,) = user.json("install", "demo", "-p", "hpc")["targets"]
    assert (target["files_deleted"], target["error"]) == (1, None)
    assert sorted(there.run(["ls", "box/runs/demo"]).stdout.split()) == ["a", "log", "made"]


def test_kill_of_a_job_that_runs_and_of_one_that_waits(user: LoginNode, two_sites: tuple[Slurm, Slurm]) -> None:
    assert user("submit", "demo", "-p", "hpc", "--name", "runs", "--", "sleep", "600").returncode == 0
    hold = ["--directive", "--hold", "--", "touch", "ran"]
    assert user("submit", "demo", "-p", "hpc", "--name", "waits", *hold).returncode == 0
    user.until("running", "runs")
    refused = user("clean", "demo")
    assert (refused.returncode, "job runs 01 is running" in refused.stderr) == (9, True), refused.stderr
    told = {job["job"]: job for job in user.json("kill", "demo")["jobs"]}
    assert {name: job["state"] for name, job in told.items()} == {"runs": "killed", "waits": "killed"}
    told = {job["job"]: job for job in user.json("poll", "demo")["jobs"]}
    assert {name: job["state"] for name, job in told.items()} == {"runs": "killed", "waits": "killed"}
    assert user("clean", "demo").returncode == 0
    assert two_sites[1].host.run(["ls", "box/runs"], check=True).stdout == ""


def test_the_truth_is_told_after_the_job_was_forgotten(user: LoginNode, two_sites: tuple[Slurm, Slurm]) -> None:
    there = two_sites[1]
    assert user("submit", "demo", "-p", "hpc", "--", "sh", "-c", "exit 7").returncode == 0
    user.until("failed", "job")
    user.host.run(["sh", "-c", "rm -rf demo/log"], check=True)
    there.forget()
    job = user.json("poll", "demo", "-p", "hpc", "job")["jobs"][0]
    assert (job["state"], job["exit_code"]) == ("failed", 7)


def test_a_fresh_checkout_has_the_next_try(user: LoginNode, two_sites: tuple[Slurm, Slurm]) -> None:
    """As a CI pipeline has it: the end of the last one's job is not that of its own."""
    words = ["run", "demo", "-p", "hpc", "--adopt", "--", "sh", "-c", "echo x >>ran"]
    for number in (1, 2):
        job = user.json(*words)["jobs"][0]
        assert (job["try"], job["state"]) == (number, "succeeded")
        user.host.run(["sh", "-c", "rm -rf demo/log demo/.remote-install"], check=True)
    assert two_sites[1].host.read(f"{ROOT}/runs/demo/ran") == "x\nx\n"


def test_the_same_submission_again_finds_the_job(user: LoginNode, two_sites: tuple[Slurm, Slurm]) -> None:
    line = ["submit", "demo", "-p", "hpc", "--", "sh", "-c", "echo x >>ran; sleep 2"]
    first, again = user.json(*line)["jobs"][0], user.json(*line)["jobs"][0]
    assert (first["try"], first["job_id"]) == (again["try"], again["job_id"])
    assert user("wait", "demo").returncode == 0
    assert two_sites[1].host.read(f"{ROOT}/runs/demo/ran") == "x\n"


def test_another_run_directory_of_the_same_id_is_refused(user: LoginNode) -> None:
    assert user("install", "demo", "-p", "hpc").returncode == 0
    user.host.run(["rm", "-rf", "demo/.remote-install"], check=True)
    done = user("install", "demo", "-p", "hpc")
    assert done.returncode == 9
    assert "holds another run directory" in done.stderr
    assert user("install", "demo", "-p", "hpc", "--adopt").returncode == 0


def test_without_a_job_runner_here_nothing_is_sent(tmp_path: Path, two_sites: tuple[Slurm, Slurm]) -> None:
    host = two_sites[1].host
    host.run(["rm", "-rf", "box/runs"], check=True)
    client = Client(tmp_path, host)
    client.prepare(f"    access: rsync-only\n    rsync: {{root: {ROOT}}}\n    run_root: {ROOT}/runs\n")
    client.write("a", "x\n")
    before = host.calls()
    for command in (["run"], ["submit"]):
        done = client(*command, "demo", "-p", "hpc", "--json", "--", "true")
        assert (done.code, json.loads(done.out)["error"]["code"]) == (6, 6)
        assert "admits only rsync, and no job runner here starts its jobs" in done.err
    assert host.calls() == before
    assert client("install", "demo", "-p", "hpc").code == 0
    assert host.read(f"{ROOT}/runs/demo/a") == "x\n"


def test_what_needs_a_program_there_is_refused_and_plain_transfers_work(user: LoginNode) -> None:
    assert user("install", "demo", "-p", "hpc").returncode == 0
    done = user("install", "demo", "-p", "hpc", "--dry-run")
    assert done.returncode == 6, done.stderr
    assert "admits only rsync" in done.stderr
    assert user("push", "demo/a", "hpc:b").returncode == 0
    assert user("pull", "hpc:b", "c").returncode == 0
    assert user.host.read(f"{user.host.home}/c") == "x\n"
