"""The job runners that the conformance suite is run on, each with a job host where it is at home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from end_to_end.client import Client
from hosts import JobHost

# Runner, as hosts.yaml calls it -> the fixture of its batch system (tests/batch).
SYSTEMS = {"background": "job_host", "at": "atd", "slurm": "slurm", "sge": "gridengine", "pbs": "torque"}


@dataclass
class Place:
    """A job runner to be tested. client: a user whose platform hpc has it. system: what tests/batch gives for it."""

    name: str
    client: Client
    system: Any

    @property
    def host(self) -> JobHost:
        return self.client.host


def params() -> Iterator[object]:
    """Tests that share a batch system run in one test process: it starts once."""
    for name, fixture in SYSTEMS.items():
        marks = () if name == "background" else (pytest.mark.batch, pytest.mark.xdist_group(fixture))
        yield pytest.param(name, marks=marks, id=name)


@pytest.fixture(params=params())
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    system = request.getfixturevalue(SYSTEMS[request.param])
    host = system if isinstance(system, JobHost) else system.host
    client = Client(tmp_path, host)
    client.prepare(f"    job_runner: {request.param}\n    polling: {{first: 0.2, max: 2}}\n")
    yield Place(request.param, client, system)
    assert client.leftovers() == []
    client.wait_for_logouts()
    host.run(["sh", "-c", "kill -9 -1; true"])
    host.run(["rm", "-rf", "remote-install-run"], check=True)
