"""Half an hour of random faults, and a client that is killed now and then: what ran is what was asked, once each.

SOAK_MINUTES and SOAK_JOBS make it another length. Its figures are printed (-s).
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.client import Client
from hosts import JobHost, MakeHosts

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
JOBS = int(os.environ.get("SOAK_JOBS", "2000"))
HOSTS, EACH = 4, 50  # jobs of one run
pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(MINUTES * 60 + 1800)]


class Trouble(threading.Thread):
    """One host after the other fails for some seconds, as long as it lasts."""

    def __init__(self, hosts: list[JobHost], seed: int) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.made: Counter[str] = Counter()
        self._hosts, self._random = hosts, random.Random(seed)

    def run(self) -> None:
        """Not a crash: it ends jobs, rightly."""
        while not self.over.wait(self._random.uniform(0.5, 3)):
            host = self._random.choice(self._hosts)
            name = self._random.choice(["cut", "drop", "stop_sshd", "kill_sessions", "freeze"])
            getattr(host, name)()
            self.made[name] += 1
            self.over.wait(self._random.uniform(0.2, 4))
            host.repair()


@pytest.fixture
def hosts(make_hosts: MakeHosts) -> Iterator[list[JobHost]]:
    made = make_hosts(HOSTS)
    yield made
    for host in made:
        host.repair()


def test_what_ran_is_what_was_asked(tmp_path: Path, hosts: list[JobHost]) -> None:
    seed = int(time.time())
    chance, killed, typed = random.Random(seed), 0, 0
    trouble = Trouble(hosts, seed)
    trouble.start()
    began, asked = time.monotonic(), list[str]()
    for number in range(JOBS // EACH):
        user, names = prepared(tmp_path / f"r{number}", hosts, number)
        asked += names
        process = user.start("submit", "demo")
        typed += 1
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0.1, 6))
            process.kill()
            killed += 1
        said = list(process.communicate(timeout=300))
        for command in ("submit", "wait") if process.returncode else ("wait",):  # until no job has an error any more
            todo = names
            while todo:
                done = user(command, "demo", *todo, "--json", timeout=300)
                said += [command.encode(), done.out, done.err.encode()]
                todo = [job["job"] for job in done.json["jobs"] if job["error"]]
                typed += 1
        (user.folder / "said").write_bytes(b"\n".join(said))  # for whoever wants to know why the ledger is wrong
        until = began + MINUTES * 60 * (number + 1) / (JOBS // EACH)
        time.sleep(max(0.0, until - time.monotonic()))
    trouble.over.set()
    trouble.join()
    ledger = Counter(line for host in hosts for line in host.read(f"{host.home}/ledger").split())
    spent = (time.monotonic() - began) / 60
    print(f"seed {seed}, {spent:.1f} min, {len(asked)} jobs, {typed} commands, {killed} killed, {trouble.made}")
    assert ledger == Counter(asked)


def prepared(folder: Path, hosts: list[JobHost], number: int) -> tuple[Client, list[str]]:
    """A run of EACH jobs over all hosts."""
    user = Client(folder, hosts[0])
    user.prepare()
    alive = "options: {ServerAliveInterval: 1, ServerAliveCountMax: 3}"
    ssh = f"ssh: {{command: ssh -F {hosts[0].ssh_config}, connect_timeout: 5, {alive}}}"
    platforms = "".join(f"  {host.name}: {{}}\n" for host in hosts)
    (folder / "hosts.yaml").write_text(f"defaults:\n  {ssh}\n  run_root: r{number}\nplatforms:\n{platforms}")
    names = [f"r{number}-{job}" for job in range(EACH)]
    lines = [
        f"  {name}: {{platform: {hosts[at % HOSTS].name}, command: 'sleep 2; echo {name} >>~/ledger'}}\n"
        for at, name in enumerate(names)
    ]
    user.write("run.yaml", "jobs:\n" + "".join(lines))
    return user, names
