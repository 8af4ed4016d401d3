"""Slurm and filesystem are those of this machine: whoever runs the command stands on a login node."""

from __future__ import annotations

import pytest
from batch import Slurm
from batch.fixtures import MakeSlurmClusters

from .login_node import SHARED, LoginNode


@pytest.fixture
def slurm_here(make_slurm_clusters: MakeSlurmClusters) -> Slurm:
    return make_slurm_clusters(1, shared=SHARED)[0]


def test_where_all_is_known_to_be_here_no_ssh_and_no_rsync_is_started(slurm_here: Slurm) -> None:
    user = LoginNode(slurm_here, "    hosts: [elsewhere]\n    filesystem: shared\n    job_runner: slurm\n")
    told = user.json("run", "demo", "-p", "hpc", "--", "sh", "-c", "pwd >made; exit 3")
    (job,) = told["jobs"]
    assert (job["state"], job["exit_code"], job["job_runner"]) == ("failed", 3, "slurm")
    assert user.host.read(f"{user.host.home}/demo/made") == f"{user.host.home}/demo\n"
    assert user.json("install", "demo", "-p", "hpc")["targets"][0]["mode"] == "shared filesystem"
    assert user("submit", "demo", "-p", "hpc", "--name", "long", "--", "sleep", "600").returncode == 0
    assert user.json("kill", "demo", "long")["jobs"][0]["state"] == "killed"
    assert user("fetch", "demo").returncode == 0
    assert user.started() == []


def test_where_it_is_found_out_one_ssh_is_started_and_no_more(slurm_here: Slurm) -> None:
    host = slurm_here.host
    user = LoginNode(
        slurm_here,
        f"    hosts: [login]\n    job_runner: slurm\n    ssh: {{command: ssh -F {host.home}/ssh_config}}\n"
        "    polling: {first: 0.2, max: 1}\n",
    )
    user.reach(host, "login")
    told = user.json("run", "demo", "-p", "hpc", "--", "sh", "-c", "pwd >made; exit 4")
    assert (told["jobs"][0]["exit_code"], told["jobs"][0]["host"]) == (4, "login")
    assert user.host.read(f"{user.host.home}/demo/made") == f"{user.host.home}/demo\n"
    assert user.calls() == ["install", "-", "install"]  # it is missing, it is sent, the call again
    assert user("run", "demo", "-p", "hpc", "--", "true").returncode == 0
    assert user.calls()[3:] == ["install"]
    assert (set(user.started()), host.connections()) == ({"ssh"}, 1)
