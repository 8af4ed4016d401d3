"""Fifty hosts, ten of them dead, in five ways: they are named, and they delay nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from end_to_end.client import Client
from hosts import JobHost, MakeHosts

CONNECT_TIMEOUT = 10
EACH = 4  # jobs


def another_key(host: JobHost) -> None:
    known = Path(host.known_hosts)
    name, kind, key = known.read_text().split()
    known.write_text(f"{name} {kind} {key[:-8]}AAAAAAAA\n")


# What is done to a host, and what is said of it then.
DEATHS: list[tuple[Callable[[JobHost], object], str]] = [
    (JobHost.stop_sshd, "Connection refused"),
    (JobHost.drop, "timed out"),
    (JobHost.freeze, "timed out"),
    (another_key, "Host key"),
    (lambda host: host.run(["rm", ".ssh/authorized_keys"], check=True), "Permission denied"),
]


def write_hosts(client: Client, hosts: list[JobHost]) -> None:
    ssh = f"ssh: {{command: ssh -F {client.host.ssh_config}, connect_timeout: {CONNECT_TIMEOUT}}}"
    platforms = "".join(f"  {host.name}: {{}}\n" for host in hosts)
    (client.folder / "hosts.yaml").write_text(f"defaults:\n  {ssh}\nplatforms:\n{platforms}")
    jobs = [f"  {host.name}-{n}: {{platform: {host.name}, command: 'true'}}\n" for host in hosts for n in range(EACH)]
    client.write("run.yaml", "jobs:\n" + "".join(jobs))


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_forty_of_fifty_hosts_are_done_and_ten_are_named(tmp_path: Path, make_hosts: MakeHosts) -> None:
    hosts = make_hosts(50)
    dead, alive = hosts[:10], hosts[10:]
    client = Client(tmp_path, alive[0])
    client.prepare()
    client.write("a", "x\n")
    write_hosts(client, alive)
    began = time.monotonic()
    assert client("submit", "demo", timeout=200).code == 0
    assert client("wait", "demo", timeout=200).code == 0
    needed = time.monotonic() - began

    client.hang_up()
    for number, host in enumerate(dead):
        DEATHS[number % 5][0](host)
    write_hosts(client, hosts)
    client.write("a", "y\n")
    began = time.monotonic()
    submitted = client("submit", "demo", "--json", timeout=200)
    waited = client("wait", "demo", *[f"{host.name}-{n}" for host in alive for n in range(EACH)], timeout=200)
    spent = time.monotonic() - began
    assert (submitted.code, waited.code) == (4, 0), submitted.err
    told = {job["job"]: job for job in json.loads(submitted.out)["jobs"]}
    assert len(told) == 50 * EACH
    for number, host in enumerate(dead):
        errors = [told[f"{host.name}-{n}"]["error"] for n in range(EACH)]
        assert {(error["code"], error["host"]) for error in errors} == {(4, host.name)}
        assert DEATHS[number % 5][1] in errors[0]["message"]
    for host in alive:
        ran = host.run(
            ["sh", "-c", "cat remote-install-run/demo/a remote-install-run/demo/log/job/*/0*/job.status"]
        ).stdout
        assert (ran.splitlines()[0], ran.count("EXIT=0")) == ("y", 2 * EACH)
    print(f"40 hosts: {needed:.1f} s; with 10 dead ones: {spent:.1f} s")
    assert spent < CONNECT_TIMEOUT + 1.5 * needed
