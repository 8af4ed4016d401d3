"""Many jobs on one host: until all exit codes are known, one look at them, and what the job wrapper costs."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import peers
from end_to_end import many
from end_to_end.client import Client
from hosts import JobHost, JobHosts
from jobhost.shells import Try
from measure import Command, in_turn
from table import OURS, Row
from user import SSHD, User

WRAPPERS = 100
COUNTS = (1, 10, 100, 1000)
POLLS = (1000, 10_000)
TWICE = "the job wrapper; two commands, each with Python's start here and there"
STARTS = "Python's start and imports, here and there"
LOOP = "one ssh, a loop of sh"
CAT = "one ssh, cat"
# A job as a careful hand writes it: output, errors and exit code in files of its own.
BY_HAND = """mkdir -p loop && cd loop && for i in $(seq {count}); do
    (sh -c true >$i.out 2>$i.err </dev/null; echo $? >$i.status) & done; wait; cat *.status"""
# What poll reads, read by the quickest that there is: the job status files and links of all jobs.
READ = r"""cd remote-install-run/demo/log/job && find . -type l -printf '%l\n' &&
    find . -type f \( -name job.status -o -name job.submit \) -exec cat {} +"""


def rows(hosts: JobHosts, folder: Path, rounds: int) -> Iterator[Row]:
    """Measure."""
    yield wrapper(str(folder), rounds)
    host = hosts.make(home_size="1g", sshd_config=SSHD, shared=peers.shared())
    user = User(folder / "user")
    user.add("hpc", host)
    (folder / "user/demo").mkdir()
    yield from submits(user, host, rounds)
    polled = hosts.make(home_size="1g", sshd_config=SSHD, shared=peers.shared())
    yield from polls(Client(folder / "client", polled), rounds)


def wrapper(folder: str, rounds: int) -> Row:
    """Milliseconds of processor time that the job wrapper costs, without its command."""

    def spent(run: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for number in range(WRAPPERS):
            if run < 0:
                subprocess.run(["true"], check=True)
            else:
                Try(("sh",), os.fsencode(folder), "true", name=f"w{run}-{number}").finish()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / WRAPPERS * 1000

    cost = statistics.median(spent(run) for run in range(rounds)) - spent(-1)
    return Row("job wrapper, processor time of a job", value=cost, unit="ms", aim=20.0)


def submits(user: User, host: JobHost, rounds: int) -> Iterator[Row]:
    """Jobs that do nothing, until all exit codes are known."""
    python = user.ours().argv[0]
    both = f"{python} -m remote_install submit demo --no-install --again && {python} -m remote_install wait demo"
    for count in COUNTS:
        (user.folder / "demo/run.yaml").write_text(many.run_yaml(count))
        user.ours("install", "demo", "-p", "hpc").run()
        by_hand = f"$SSH hpc '{BY_HAND.format(count=count)}'"
        commands = {OURS: user.shell(both), LOOP: user.shell(by_hand, before=lambda: host.run(["rm", "-rf", "loop"]))}
        at_least, slow = {}, {}
        if count == 100:
            slow = in_turn(peers.jobs(user, host, count), 1, counted=False)  # a minute each
            at_least = dict.fromkeys(peers.OF_JOBS, 10.0)
        figures = in_turn(commands, rounds if count < 1000 else 1)
        each = figures[OURS].seconds / count * 1000
        name = f"{count:,} background jobs until all exit codes are known ({each:.1f} ms a job)"
        yield Row(name, {**figures, **slow}, LOOP, 1.5 if count == 100 else None, at_least=at_least, why=TWICE)


def polls(client: Client, rounds: int) -> Iterator[Row]:
    """Jobs that run, each with a folder of its own; they share a process."""
    client.prepare()
    user = User(client.folder / "peer")
    user.add("hpc", client.host)
    there = 0
    for count in POLLS:
        many.multiply(client, count - there, first=there, running=True)
        there = count
        options = {"env": client.environment(), "cwd": str(client.folder)}
        ours = Command([sys.executable, "-m", "remote_install", "poll", "demo", "--json"], **options)
        cat = Command(["ssh", "-F", client.host.ssh_config, client.host.name, READ], **options)
        commands = {OURS: ours, CAT: cat}
        if count == POLLS[0]:
            commands.update(peers.polls(user, client.host, "hpc", count, many.pattern_pid(client)))
        figures = in_turn(commands, rounds)
        yield Row(f"poll of {count:,} running jobs", figures, CAT, 1.5, at_least={peers.CYLC_POLL: 5.0}, why=STARTS)
        yield Row(f"poll of {count:,} running jobs, memory", value=figures[OURS].memory / 1e6, unit="MB", aim=100.0)
