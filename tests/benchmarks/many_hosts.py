"""Several hosts at once: four over a long way, one after the other and side by side; and fifty."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import trees
from hosts import JobHost, JobHosts
from measure import in_turn
from table import OURS, Row
from user import SSHD, User, link

FOUR, FIFTY, FILES, FEW = 4, 50, 10_000, 100
RSYNC = "rsync -a, one after the other"
SINGLE = "one host alone"
PYTHON = "it computes more than it waits: four hosts' hashing and rsyncs share this machine's two cores"


def rows(hosts: JobHosts, folder: Path, rounds: int) -> Iterator[Row]:
    """Measure."""
    yield from four(hosts.make_many(FOUR, home_size="200m", sshd_config=SSHD), User(folder / "four"), rounds)
    yield from fifty(hosts.make_many(FIFTY, sshd_config=SSHD), User(folder / "fifty"), rounds)


def four(machines: list[JobHost], user: User, rounds: int) -> Iterator[Row]:
    """Ten thousand files to each, new and unchanged."""
    trees.many(user.folder / "demo", FILES)
    shutil.copytree(user.folder / "demo", user.folder / "tree")
    names = [f"h{number}" for number in range(len(machines))]
    with contextlib.ExitStack() as links:
        for name, machine in zip(names, machines):
            user.add(name, machine, links.enter_context(link(machine, 0.05)))
        install = user.ours("install", "demo", *platforms(names))
        install.run()

        def clear() -> None:
            for machine in machines:
                machine.run(["rm", "-rf", "remote-install-run/demo", "tree"])
            shutil.rmtree(user.folder / "demo/.remote-install", ignore_errors=True)

        line = "; ".join(f"rsync -a tree {name}:" for name in names)
        for work, aim, before in (("new", 0.25, clear), ("unchanged", 0.1, lambda: None)):
            ours = user.ours("install", "demo", *platforms(names), before=before)
            figures = in_turn({OURS: ours, RSYNC: user.shell(line)}, max(2, rounds - 1))
            yield Row(f"{FOUR} hosts, {FILES:,} files of 4 KiB each, {work}, 50 ms", figures, RSYNC, aim, why=PYTHON)


def fifty(machines: list[JobHost], user: User, rounds: int) -> Iterator[Row]:
    """A hundred files and a job to each; one look at all."""
    trees.many(user.folder / "demo", FEW)
    trees.many(user.folder / "alone", FEW)
    names = [f"h{number}" for number in range(len(machines))]
    for name, machine in zip(names, machines):
        user.add(name, machine)
    for run, given in (("demo", names), ("alone", names[:1])):
        jobs = "".join(f"  {name}: {{platform: {name}, command: 'true'}}\n" for name in given)
        (user.folder / run / "run.yaml").write_text(f"jobs:\n{jobs}")
        user.ours("submit", run).run()
        user.ours("wait", run).run()
    works = {
        "install": (("install", "demo", *platforms(names)), ("install", "alone", "-p", names[0])),
        "poll": (("poll", "demo"), ("poll", "alone")),
    }
    for work, (many, one) in works.items():
        figures = in_turn({OURS: user.ours(*many), SINGLE: user.ours(*one)}, rounds)
        # A single call computes here and there about as long as it does not wait.
        aim = 2 * figures[SINGLE].seconds + FIFTY * figures[SINGLE].seconds / 2
        yield Row(f"{FIFTY} hosts, {work}", figures, value=figures[OURS].seconds, unit="s", aim=aim)


def platforms(names: list[str]) -> list[str]:
    return [word for name in names for word in ("-p", name)]
