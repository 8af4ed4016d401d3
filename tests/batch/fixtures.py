"""The fixtures of the batch systems: one of each for a test process, repaired and without jobs after each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest
from hosts import JobHost, JobHosts, SystemUnavailable

from . import atd as atd_
from . import gridengine as gridengine_
from . import oar as oar_
from . import slurm as slurm_
from .atd import Atd
from .gridengine import GridEngine
from .oar import Oar
from .replayed import Replayed
from .slurm import Accounting, Slurm

MakeSlurmClusters = Callable[..., list[Slurm]]

# The first test of all has its system made: two minutes where nothing else runs (see hosts.systems).
FIRST_SECONDS = 900

# Tests that share a batch system run in one test process: it starts once.
GROUPS = {
    "slurm": "slurm",
    "slurm_clusters": "slurm",
    "make_slurm_clusters": "slurm",
    "atd": "atd",
    "gridengine": "gridengine",
    "torque": "torque",
    "oar": "oar",
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test of a batch system: -m 'not batch' leaves it out. Later it would be too late for xdist's groups."""
    groups = {GROUPS[name] for name in getattr(item, "fixturenames", ()) if name in GROUPS}
    if groups:
        item.add_marker(pytest.mark.batch)
        item.add_marker(pytest.mark.timeout(FIRST_SECONDS))
        item.add_marker(pytest.mark.xdist_group("-".join(sorted(groups))))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail where xdist's groups do nothing: each process would start each batch system."""
    if item.config.getoption("loadgroup", False) and item.get_closest_marker("xdist_group"):
        assert "@" in item.nodeid, "xdist did not put this test into its group: install what setup.cfg names"


def make_job_host(job_hosts: JobHosts, **options: Any) -> JobHost:
    """Start a job host; the test is skipped where its system can't be had."""
    try:
        return job_hosts.make(**options)
    except SystemUnavailable as why:
        pytest.skip(str(why))


def start_slurm(job_hosts: JobHosts, cluster: str, first: Slurm | None = None, **options: Any) -> Slurm:
    """Start a cluster on a fresh job host; accounting is that of the `first` one."""
    host = make_job_host(job_hosts, **{**slurm_.HOST, **options})
    cluster_ = Slurm(host, cluster, first.accounting if first else Accounting(host))
    cluster_.start()
    return cluster_


@pytest.fixture(scope="session")
def slurm_of_session(job_hosts: JobHosts) -> Slurm:
    """Slurm cluster c1, for the fixtures below."""
    return start_slurm(job_hosts, "c1")


@pytest.fixture
def slurm(slurm_of_session: Slurm) -> Iterator[Slurm]:
    """A Slurm cluster named c1, with accounting."""
    yield slurm_of_session
    slurm_of_session.host.repair()
    slurm_of_session.repair()


@pytest.fixture(scope="session")
def second_slurm_of_session(job_hosts: JobHosts, slurm_of_session: Slurm) -> Slurm:
    """Slurm cluster c2, for the fixture below."""
    return start_slurm(job_hosts, "c2", slurm_of_session)


@pytest.fixture
def slurm_clusters(slurm: Slurm, second_slurm_of_session: Slurm) -> Iterator[list[Slurm]]:
    """Two Slurm clusters, c1 and c2, each on a job host with homes of its own; --clusters=c2 works on both hosts."""
    yield [slurm, second_slurm_of_session]
    slurm.host.repair()
    slurm.repair()  # both need its accounting
    second_slurm_of_session.host.repair()
    second_slurm_of_session.repair()


@pytest.fixture
def make_slurm_clusters(job_hosts: JobHosts) -> Iterator[MakeSlurmClusters]:
    """Start COUNT fresh clusters, c1, c2, …, on job hosts with options of hosts.HostOptions; they end with the test."""
    made: list[Slurm] = []

    def make(count: int, **options: object) -> list[Slurm]:
        for number in range(1, count + 1):
            made.append(start_slurm(job_hosts, f"c{number}", made[0] if made else None, **options))
        return made

    yield make
    for cluster in made:
        job_hosts.close_host(cluster.host)


@pytest.fixture(scope="session")
def atd_of_session(job_hosts: JobHosts) -> Atd:
    """An atd, for the fixture below."""
    system = Atd(make_job_host(job_hosts, **atd_.HOST))
    system.start()
    return system


@pytest.fixture
def atd(atd_of_session: Atd) -> Iterator[Atd]:
    """A job host with at."""
    yield atd_of_session
    atd_of_session.host.repair()
    atd_of_session.repair()


@pytest.fixture(scope="session")
def gridengine_of_session(job_hosts: JobHosts) -> GridEngine:
    """A Grid Engine, for the fixture below."""
    system = GridEngine(make_job_host(job_hosts, **gridengine_.HOST))
    system.start()
    return system


@pytest.fixture
def gridengine(gridengine_of_session: GridEngine) -> Iterator[GridEngine]:
    """A job host with Grid Engine."""
    yield gridengine_of_session
    gridengine_of_session.host.repair()
    gridengine_of_session.repair()


@pytest.fixture(scope="session")
def torque_of_session(job_hosts: JobHosts) -> Slurm:
    """A Slurm with Torque's commands, for the fixture below."""
    system = Slurm(make_job_host(job_hosts, **slurm_.TORQUE_HOST))
    system.start()
    return system


@pytest.fixture
def torque(torque_of_session: Slurm) -> Iterator[Slurm]:
    """A job host with Torque's qsub, qstat and qdel, behind which is a Slurm without accounting."""
    yield torque_of_session
    torque_of_session.host.repair()
    torque_of_session.repair()


@pytest.fixture(scope="session")
def oar_of_session(job_hosts: JobHosts) -> Oar:
    """An OAR, for the fixture below."""
    system = Oar(make_job_host(job_hosts, **oar_.HOST))
    system.start()
    return system


@pytest.fixture
def oar(oar_of_session: Oar) -> Iterator[Oar]:
    """A job host with OAR."""
    yield oar_of_session
    oar_of_session.host.repair()
    oar_of_session.repair()


@pytest.fixture(scope="session")
def pbspro_of_session(job_hosts: JobHosts) -> Replayed:
    """Commands of PBS Professional, for the fixture below."""
    return start_replayed(job_hosts, "pbspro")


@pytest.fixture
def pbspro(pbspro_of_session: Replayed) -> Iterator[Replayed]:
    """A job host with qsub, qstat and qdel that replay what those of PBS Professional say."""
    yield pbspro_of_session
    pbspro_of_session.repair()


@pytest.fixture(scope="session")
def lsf_of_session(job_hosts: JobHosts) -> Replayed:
    """Commands of LSF, for the fixture below."""
    return start_replayed(job_hosts, "lsf")


@pytest.fixture
def lsf(lsf_of_session: Replayed) -> Iterator[Replayed]:
    """A job host with bsub, bjobs and bkill that replay what those of LSF say."""
    yield lsf_of_session
    lsf_of_session.repair()


def start_replayed(job_hosts: JobHosts, system: str) -> Replayed:
    """Start a job host with the commands of a batch system that can't be had."""
    made = Replayed(job_hosts.make(), system)
    made.start()
    return made
