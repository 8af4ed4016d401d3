"""Fixtures that several test modules share, and REQUIRE_ALL=1: no test may be skipped."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator

import kept
import pytest
from hosts import JobHost, JobHosts, MakeHost, MakeHosts, SystemUnavailable, missing_requirements, sweep

pytest_plugins = ["batch.fixtures", "faults.table"]
# For its doctests each module is imported: this one has a namesake in tests/ansible, and those only other Pythons can.
collect_ignore = ["conftest.py", "benchmarks/peer_programs"]


def pytest_configure() -> None:
    """Tests that were started by nohup, or by `&` of a script, have signals ignored, and so would all that they start;
    what has a handler is as always in a program that is started."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    # Connections are kept in a folder of this test process, and end with it. Its path is short, as a socket's must be.
    os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="ri-", dir="/tmp")


@pytest.fixture(scope="session")
def job_hosts() -> Iterator[JobHosts]:
    """The job hosts of this test process, of which there are none at first."""
    missing = missing_requirements()
    if missing:
        pytest.skip(f"job hosts need {', '.join(missing)}")
    with JobHosts() as hosts:
        yield hosts


@pytest.fixture(scope="session")
def job_host(job_hosts: JobHosts) -> JobHost:
    """A job host that all tests share; what a test breaks is repaired after it, files and processes stay."""
    return job_hosts.make()


@pytest.fixture(autouse=True)
def _repair_job_host(request: pytest.FixtureRequest) -> Iterator[None]:
    """Undo the faults that a test has left on the shared job host, lest the next one fail for them."""
    host = request.getfixturevalue("job_host") if "job_host" in request.fixturenames else None
    yield
    if host is not None:
        host.repair()
        kept.end(os.environ["XDG_RUNTIME_DIR"])


@pytest.fixture
def make_hosts(job_hosts: JobHosts) -> Iterator[MakeHosts]:
    """Start COUNT fresh job hosts side by side, with the same options; they end with the test."""
    made: list[JobHost] = []

    def make(count: int, **options: object) -> list[JobHost]:
        try:
            hosts = job_hosts.make_many(count, **options)
        except SystemUnavailable as why:
            pytest.skip(str(why))
        made.extend(hosts)
        return hosts

    yield make
    for host in made:
        job_hosts.close_host(host)


@pytest.fixture
def make_host(make_hosts: MakeHosts) -> MakeHost:
    """Start a fresh job host with the options of hosts.HostOptions; it ends with the test."""
    return lambda **options: make_hosts(1, **options)[0]


def pytest_unconfigure() -> None:
    """Remove what dead test processes left: xdist ends workers the hard way after a Ctrl-C."""
    kept.end(os.environ["XDG_RUNTIME_DIR"])
    shutil.rmtree(os.environ["XDG_RUNTIME_DIR"])
    sweep()


def fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure if REQUIRE_ALL=1: a machine that should run everything must say when it does not."""
    if os.environ.get("REQUIRE_ALL") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"REQUIRE_ALL=1, but: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at skips of tests, in setup and call; outermost, so that an expected failure is known as one."""
    report = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at skips of whole modules."""
    report = yield
    fail_if_skipped(report)
    return report
