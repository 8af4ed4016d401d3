"""A user who stands on a node of a Slurm cluster, where this package runs from a mounted folder."""

from __future__ import annotations

import json
import sysconfig
import time
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from batch import Slurm
from hosts import JobHost

# What such a host must share with this machine.
SHARED = {str(Path(__file__).parents[2]): "/opt/repository", sysconfig.get_paths()["purelib"]: "/opt/libraries"}
# Notes what is started, then starts it.
RECORDER = '#!/bin/sh\necho "$0 $*" >>~/started\nexec "/usr/bin/${0##*/}" "$@"\n'


class LoginNode:
    """A user there, her run directory `demo`, and her hosts.yaml with the platform hpc."""

    def __init__(self, slurm: Slurm, platform: str) -> None:
        self.host = slurm.host
        for program in ("ssh", "rsync", "scp"):
            self.host.write_file(f"{self.host.home}/bin/{program}", RECORDER, 0o755)
        self.host.write_file(f"{self.host.home}/hosts.yaml", f"platforms:\n  hpc:\n{platform}")
        self.host.write_file(f"{self.host.home}/demo/a", "x\n")
        self.host.run(["sh", "-c", ": >started"], check=True)

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

    def calls(self) -> list[str]:
        """What ssh was asked to do there, in a word: a verb of our program, or - for what comes on stdin."""
        lines = [line.split() for line in self.host.read(f"{self.host.home}/started").splitlines()]
        return [words[-1] for words in lines if "python3" in words]

    def reach(self, host: JobHost, alias: str) -> None:
        """Give her an ssh_config, a key and a known host."""
        block = host.ssh_config_block().replace(f"Host {host.name}", f"Host {alias}")
        for file, name in ((host.key, "key"), (host.known_hosts, "known")):
            block = block.replace(file, f"{self.host.home}/{name}")
            self.host.write_file(f"{self.host.home}/{name}", Path(file).read_text(), 0o600)
        self.host.write_file(f"{self.host.home}/ssh_config", block, 0o600)

    def until(self, state: str, job: str) -> None:
        """Poll until a job is in a state."""
        deadline = time.monotonic() + 60
        while True:
            found = self.json("poll", "demo", job)["jobs"][0]
            if found["state"] == state:
                return
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
