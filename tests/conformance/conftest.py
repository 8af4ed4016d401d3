"""The job runners that the conformance suite is run on, each with a job host where it is at home."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from batch.fixtures import GROUPS
from end_to_end.client import Client
from hosts import JobHost

from remote_install import examples_folder


@dataclass(frozen=True)
class System:
    """Where a runner is tested. fixture: of tests/batch. runner: its name. hold: the directive with which a job stays
    in the queue. file: of a site's own. many: jobs at once that take a minute at most."""

    fixture: str
    runner: str
    hold: str = ""
    file: str = ""
    many: int = 200

    @property
    def in_hosts_yaml(self) -> str:
        return f"{{name: {self.runner}, file: {self.file}}}" if self.file else self.runner


SYSTEMS = {
    "background": System("job_host", "background"),
    "at": System("atd", "at"),
    "slurm": System("slurm", "slurm", "--hold"),
    "sge": System("gridengine", "sge", "-h"),
    "pbs": System("torque", "pbs", "-h"),
    "pbspro": System("pbspro", "pbs", "-h", many=40),  # replayed: more would show nothing of it
    "lsf": System("lsf", "lsf", "-H", many=40),
    "oar": System("oar", "oar", "--hold", f"{examples_folder()}/runners/oar.py", many=40),  # oarsub takes a second
}


WITH_QUEUE = [name for name in SYSTEMS if name != "background"]


@dataclass
class Place:
    """A job runner to be tested. name: of the runner. client: a user whose platform hpc has it. system: what
    tests/batch gives for it."""

    name: str
    hold: str
    many: int
    client: Client
    system: Any

    @property
    def host(self) -> JobHost:
        return self.client.host

    @contextlib.contextmanager
    def holding(self) -> Iterator[tuple[str, ...]]:
        """Let jobs that are submitted with these options stay in the queue."""
        if self.hold:
            yield (f"--directive={self.hold}",)
        else:  # at has no such directive
            self.system.atd.stop()
            yield ()
            self.system.start()


def params(names: Collection[str] = SYSTEMS) -> list[Any]:
    """Tests that share a batch system run in one test process: it starts once. Those that are replayed are with them:
    it takes long to run all on each."""
    found = []
    for name in names:
        group = GROUPS.get(SYSTEMS[name].fixture, name)
        marks = () if name == "background" else (pytest.mark.batch, pytest.mark.xdist_group(group))
        found.append(pytest.param(name, marks=marks, id=name))
    return found


@pytest.fixture(params=params())
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    wanted = SYSTEMS[request.param]
    system = request.getfixturevalue(wanted.fixture)
    client = Client(tmp_path, system if isinstance(system, JobHost) else system.host)
    client.prepare(f"    job_runner: {wanted.in_hosts_yaml}\n    polling: {{first: 0.2, max: 2}}\n")
    yield Place(wanted.runner, wanted.hold, wanted.many, client, system)
    assert client.leftovers() == []
    client.wait_for_logouts()
    if system is client.host:
        client.host.run(["sh", "-c", "kill -9 -1; true"])
    else:
        system.repair()
    client.host.run(["rm", "-rf", "remote-install-run"], check=True)
