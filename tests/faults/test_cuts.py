"""Who follows a job does so through one cut after the other: its output is complete, no byte comes twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.client import Client
from hosts import JobHost

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
JOB = "i=0; until [ -e stop ]; do i=$((i+1)); echo line $i; sleep 0.05; done; echo $i >count"


@pytest.fixture
def user(tmp_path: Path, job_host: JobHost) -> Iterator[Client]:
    client = Client(tmp_path, job_host)
    client.prepare("    polling: {first: 0.2, max: 1}\n    retry: {attempts: 8, max_wait: 1}\n")
    hosts = client.folder / "hosts.yaml"
    alive = "options: {ServerAliveInterval: 1, ServerAliveCountMax: 2}"
    hosts.write_text(hosts.read_text().replace("connect_timeout: 5", f"connect_timeout: 20, {alive}"))
    yield client
    job_host.repair()
    client.hang_up()
    job_host.run(["sh", "-c", "kill -9 -1; rm -rf remote-install-run"])


def test_logs_and_run_over_a_link_that_is_cut_five_times(user: Client) -> None:
    folder = user.folder
    with open(folder / "run", "wb") as out, open(folder / "logs", "wb") as logs:
        driver = user.start("run", "demo", "-p", "hpc", "--fetch", "count", "--", "sh", "-c", JOB, stdout=out)
        wait_for_more(folder / "run")
        follower = user.start("logs", "demo", "job", "-f", stdout=logs)
        wait_for_more(folder / "logs")
        for _ in range(5):
            user.host.cut()
            user.host.kill_sessions()
            time.sleep(1)  # the link is down for so long
            user.host.heal()
            for name in ("run", "logs"):
                wait_for_more(folder / name)
        user.host.run(["touch", f"{user.there}/stop"], check=True)
        for process in (driver, follower):
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
    count = int((user.run_directory / "count").read_text())
    whole = "".join(f"line {number}\n" for number in range(1, count + 1))
    for name in ("run", "logs"):
        assert (folder / name).read_text() == whole, name


def wait_for_more(path: Path) -> None:
    size, until = path.stat().st_size, time.monotonic() + 40
    while path.stat().st_size == size:
        assert time.monotonic() < until, path.name
        time.sleep(0.02)
