"""The rows of the table: what was measured, beside the aim; as text, as Markdown, as JSON."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from measure import Figure

OURS = "remote-install"


@dataclass(frozen=True)
class Row:
    """One work. against: with whose seconds ours are compared, which gives a ratio; else `value` is what counts, in
    `unit`. aim: what that should be at most; None: it is only told. why: what keeps it from the aim."""

    work: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    against: str = ""
    aim: float | None = None
    value: float | None = None
    unit: str = "x"
    why: str = ""
    at_least: Mapping[str, float] = field(default_factory=dict)  # peer -> how many times slower it should be

    @property
    def result(self) -> float | None:
        """The ratio or value."""
        if self.value is not None:
            return self.value
        if self.against not in self.figures or OURS not in self.figures:
            return None
        return self.figures[OURS].seconds / self.figures[self.against].seconds

    @property
    def measured(self) -> bool:
        """Is there something to compare with the aim, if there is one?"""
        return self.aim is None or self.result is not None

    @property
    def missed(self) -> bool:
        """Does it fall short of the aim?"""
        slower = [self.times(peer) < least for peer, least in self.at_least.items() if peer in self.figures]
        return any(slower) or (self.result is not None and self.aim is not None and self.result > self.aim)

    def times(self, peer: str) -> float:
        """How many times as long as we the peer takes."""
        return self.figures[peer].seconds / self.figures[OURS].seconds

    def as_json(self) -> dict[str, Any]:
        told = dataclasses.asdict(self)
        return {**told, "result": self.result, "missed": self.missed}


def from_json(told: Mapping[str, Any]) -> Row:
    """The reverse of Row.as_json."""
    fields = {name: value for name, value in told.items() if name not in ("result", "missed")}
    figures = {name: Figure(**one) for name, one in told["figures"].items()}
    return Row(**{**fields, "figures": figures})


def verdict(row: Row) -> str:
    """The result beside its aim.

    >>> print(verdict(Row("", value=17.25, unit="ms", aim=20.0)))
    17 ms, aim 20 ms
    >>> print(verdict(Row("", value=1.5, aim=1.0, why="two logins")))
    1.50 x, aim 1 x: missed (two logins)
    """
    if row.result is None:
        return "" if row.measured else "not measured"
    digits = 2 if row.unit == "x" else 0
    said = f"{row.result:.{digits}f} {row.unit}"
    if row.aim is not None:
        said += f", aim {row.aim:.3g} {row.unit}"
    if row.missed:
        said += ": missed" + (f" ({row.why})" if row.why else "")
    return said


def lines(row: Row) -> list[str]:
    """The row as text."""
    found = [f"{row.work}: {verdict(row)}".rstrip(": ")]
    for name, one in row.figures.items():
        count = "" if one.processes is None else f"{one.processes:6} processes"
        times = f" {row.times(name):7.2f} x" if OURS in row.figures and name != OURS else " " * 10
        found.append(
            f"    {name:30} {one.seconds:9.3f} s{times} {one.processor:8.3f} s processor "
            f"{one.memory / 1e6:7.0f} MB {count}".rstrip()
        )
    return found


def markdown(rows: Sequence[Row]) -> str:
    """The rows as Markdown: what came of each work beside its aim, then a line for each who did it."""
    results = [(row.work, *_beside_aim(row)) for row in rows]
    figures = [line for row in rows for line in _figures(row)]
    head = ("work", "by", "seconds", "of ours", "processor s", "MB", "processes")
    beside = _table(("work", "result", "aim", "what keeps it from that"), results)
    return "\n".join(["## Beside the aims", "", *beside, "", "## All figures", "", *_table(head, figures), ""])


def _beside_aim(row: Row) -> tuple[str, str, str]:
    """The result, bold where it falls short; the aim; why. A peer is to be slower: then with how many times."""
    digits = 2 if row.unit == "x" else 0
    result = "not measured" if row.result is None else f"{row.result:.{digits}f} {row.unit}"
    aim = "" if row.aim is None else f"{row.aim:.3g} {row.unit}"
    for peer, least in row.at_least.items():
        if peer in row.figures:
            result, aim = f"{result}; {peer} {row.times(peer):.1f} x", f"{aim}; {peer} {least:g} x"
    return f"**{result}**" if row.missed else result, aim, row.why if row.missed else ""


def _figures(row: Row) -> Iterator[tuple[str, ...]]:
    work = row.work
    for name, one in row.figures.items():
        times = f"{row.times(name):.2f} x" if OURS in row.figures and name != OURS else ""
        count = "" if one.processes is None else str(one.processes)
        yield work, name, f"{one.seconds:.3f}", times, f"{one.processor:.3f}", f"{one.memory / 1e6:.0f}", count
        work = ""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    told = [[re.sub(r"--\S+", r"`\g<0>`", cell) for cell in line] for line in lines]  # else it becomes a dash
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *told)]
