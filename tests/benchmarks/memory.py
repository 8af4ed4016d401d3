"""How much memory our largest process takes: for a hundred thousand files, and for a job that prints a lot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import trees
from hosts import JobHosts
from measure import Figure, in_turn
from table import OURS, Row
from user import SSHD, User

FILES, MEGABYTES = 100_000, 200
AIM = 100.0  # megabytes
LISTS = "the names, hashes and times of all files are held at once, here as objects and once more as JSON"


def rows(hosts: JobHosts, folder: Path, _rounds: int) -> Iterator[Row]:
    """Measure. One run each: memory hardly differs from one to the next."""
    user = User(folder)
    user.add("hpc", hosts.make(home_size="2g", sshd_config=SSHD))
    trees.many(folder / "demo", FILES, size=16)
    for work in ("new", "unchanged"):
        figures = in_turn({OURS: user.ours("install", "demo", "-p", "hpc")}, 1, counted=False)
        yield megabytes(f"install of {FILES:,} files, {work}, memory", figures, LISTS)
    (folder / "prints").mkdir()
    output = f"head -c {MEGABYTES * trees.MEGABYTE} /dev/zero | tr '\\0' x | fold -w 99"
    run = user.ours("run", "prints", "-p", "hpc", "--", "sh", "-c", output)
    yield megabytes(f"run of a job that prints {MEGABYTES} MiB, memory", in_turn({OURS: run}, 1, counted=False))


def megabytes(work: str, figures: dict[str, Figure], why: str = "") -> Row:
    """A row of which the memory counts."""
    value = figures[OURS].memory / 1e6 if OURS in figures else None
    return Row(work, figures, value=value, unit="MB", aim=AIM, why=why)
