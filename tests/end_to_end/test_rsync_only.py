"""What is sent to a host that admits only rsync, and what of it is believed; its jobs are in tests/conformance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from transfer.platforms import Platform, load_platforms

from .client import Client


@pytest.fixture
def site(client: Client) -> Client:
    with open(client.folder / "hosts.yaml", "a") as file:
        home = client.host.home
        file.write(f"    access: rsync-only\n    rsync: {{root: {home}}}\n    run_root: {home}/remote-install-run\n")
    return client


def platform(site: Client, more: str = "") -> Platform:
    with open(site.folder / "hosts.yaml", "a") as file:
        file.write(more)
    return load_platforms(str(site.folder / "hosts.yaml")).get("hpc")


def here(site: Client, name: str) -> Path:
    return site.run_directory / "log/job/job/01" / name


def there(site: Client, name: str) -> str:
    return f"{site.there}/log/job/job/01/{name}"


def request(site: Client, **job: object) -> dict[str, Any]:
    wheres = {"here": str(site.run_directory), "there": site.there}
    return {"run": "demo", "mirror": wheres, "seconds": 0, "jobs": [{"job": "job", **job}]}


def test_what_is_excluded_below_a_folder_is_not_sent(site: Client) -> None:
    site.write("run.yaml", 'install: {exclude: [data/raw/, "*.key"]}\n')
    for name in ("data/a", "data/raw/b", "data/c.key", "data/.git/config"):
        site.write(name, "x\n")
    (site.run_directory / "empty").mkdir()
    done = site("install", "demo", "-p", "hpc")
    assert done.code == 0, done.err
    found = site.host.run(["sh", "-c", f"cd {site.there} && find . -path ./.remote-install -prune -o -print"]).stdout
    assert sorted(found.split()) == [".", "./data", "./data/a", "./empty", "./run.yaml"]


def test_a_key_that_starts_at_the_root_can_install(client: Client) -> None:
    """It may not set the times of all folders on the way."""
    with open(client.folder / "hosts.yaml", "a") as file:
        file.write(f"    access: rsync-only\n    run_root: {client.host.home}/remote-install-run\n")
    client.write("a", "x\n")
    done = client("install", "demo", "-p", "hpc")
    assert done.code == 0, done.err
    assert client.host.read(f"{client.there}/a") == "x\n"


def test_what_a_job_has_written_there_is_not_replaced_by_what_is_known_here(site: Client) -> None:
    site.write("log/notes", "x\n")
    site.write("log/job/job/01/job.status", "\n\n")
    site.host.write_file(there(site, "job.status"), "EXIT=3\n\n")
    done = site("install", "demo", "-p", "hpc")
    assert done.code == 0, done.err
    assert site.host.read(f"{site.there}/log/notes") == "x\n"
    assert site.host.read(there(site, "job.status")) == "EXIT=3\n\n"
