"""Slurm and filesystem are those of this machine: whoever runs the command stands on a login node."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from batch import Slurm
from batch.fixtures import MakeSlurmClusters

REPOSITORY = str(Path(__file__).parents[2])
LIBRARIES = sysconfig.get_paths()["purelib"]
# Notes what is started, then starts it.
RECORDER = '#!/bin/sh\necho "$0 $*" >>~/started\nexec "/usr/bin/${0##*/}" "$@"\n'


class LoginNode:
    """A user on a node of the cluster."""

    def __init__(self, slurm: Slurm, platform: str) -> None:
        self.host = slurm.host
        for program in ("ssh", "rsync", "scp"):
            self.host.write_file(f"{self.host.home}/bin/{program}", RECORDER, 0o755)
        self.host.write_file(f"{self.host.home}/hosts.yaml", f"platforms:\n  hpc:\n{platform}")
        self.host.write_file(f"{self.host.home}/demo/a", "x\n")
        self.host.run(["touch", "started"], check=True)

    def __call__(self, *words: str) -> CompletedProcess[str]:
        line = 'PATH=$HOME/bin:$PATH exec python3 -m remote_install --hosts ~/hosts.yaml "$@"'
        environment = ["env", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=/opt/repository:/opt/libraries"]
        return self.host.run([*environment, "sh", "-c", line, "sh", *words])

    def json(self, *words: str) -> dict[str, Any]:
        done = self("--json", *words)
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    def started(self) -> list[str]:
        """The names of the recorded programs that were started, in their order."""
        return [line.split()[0].rpartition("/")[2] for line in self.host.read(f"{self.host.home}/started").splitlines()]


@pytest.fixture
def slurm_here(make_slurm_clusters: MakeSlurmClusters) -> Slurm:
    return make_slurm_clusters(1, shared={REPOSITORY: "/opt/repository", LIBRARIES: "/opt/libraries"})[0]


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
    block = host.ssh_config_block().replace(f"Host {host.name}", "Host login")
    for file, name in ((host.key, "key"), (host.known_hosts, "known")):
        block = block.replace(file, f"{host.home}/{name}")
        host.write_file(f"{host.home}/{name}", Path(file).read_text(), 0o600)
    host.write_file(f"{host.home}/ssh_config", block, 0o600)
    told = user.json("run", "demo", "-p", "hpc", "--", "sh", "-c", "pwd >made; exit 4")
    assert (told["jobs"][0]["exit_code"], told["jobs"][0]["host"]) == (4, "login")
    assert user.host.read(f"{user.host.home}/demo/made") == f"{user.host.home}/demo\n"
    assert user.started() == ["ssh"] * 3  # it is missing, it is sent, the call again
    assert user("run", "demo", "-p", "hpc", "--", "true").returncode == 0
    assert user.started()[3:] == ["ssh"]
