"""The user of the end-to-end tests, and what must be true after each of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import JobHost

from .client import Client


def ours_on(host: JobHost) -> list[str]:
    """Our programs that run on a host, but for job wrappers."""
    return [process.args for process in host.processes() if "jobhost" in process.args or "rsync" in process.args]


@pytest.fixture
def client(tmp_path: Path, job_host: JobHost) -> Iterator[Client]:
    """A user whose run directory is new on the shared job host; none of our processes may be left, here or there."""
    user = Client(tmp_path, job_host)
    user.prepare()
    yield user
    job_host.repair()
    until = time.monotonic() + 5  # the master of a connection that has just died goes by itself
    while user.leftovers() and time.monotonic() < until:
        time.sleep(0.02)
    assert user.leftovers() == []
    user.wait_for_logouts()
    # An rsync whose disk was full or whose connection was lost ends by itself, within about 10 s (measured).
    until = time.monotonic() + 20
    while (alive := ours_on(job_host)) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive == []
    # Jobs that a test left running are its own affair; the next test starts from nothing.
    job_host.run(["sh", "-c", "kill -9 -1; true"])
    job_host.run(["sh", "-c", "find . -mindepth 1 -maxdepth 1 ! -name '.*' -exec rm -rf {} +"], check=True)
