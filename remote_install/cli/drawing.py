"""What a terminal shows of what goes on: pure, from values to lines; the only importer of rich."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from remote_install.cli.colours import CYAN, GREEN, OF_STATE, RED, YELLOW
from remote_install.report import Report
from transfer.progress import Moved
from transfer.wording import amount

STYLES = {RED: "red", GREEN: "green", YELLOW: "yellow", CYAN: "cyan"}
BAR = 20  # columns
FIRST = ("failed", "killed", "lost", "submit-failed", "unknown", "running", "submitted")  # what is worth a row
HEADINGS = ("job", "try", "state", "for", "on", "why")


@dataclass(frozen=True)
class Row:
    """A job, and for how many seconds it has been known to be in its state."""

    told: Report
    seconds: float


@dataclass(frozen=True)
class Paper:
    """What is drawn on: columns and lines of the terminal, its encoding, and may there be colour?"""

    width: int
    height: int
    encoding: str = "utf-8"
    colour: bool = True


def drawn(transfers: Iterable[tuple[str, Moved]], rows: list[Row], paper: Paper) -> str:
    """The lines, each with its end; none is wider than the paper, and they are fewer than its lines.

    >>> print(drawn([("to hpc", Moved(1000, 50, "1.00kB/s"))], [], Paper(60, 20, colour=False)), end="")
    to hpc ━━━━━━━━━━            50% 1.0 kB 1.00kB/s
    """
    parts: list[RenderableType] = [_transfers(list(transfers))] if transfers else []
    if rows:
        parts += [_bar(rows), _table(rows, max(1, paper.height - 6))]
    with io.TextIOWrapper(io.BytesIO(), encoding=paper.encoding, errors="replace", newline="\n") as file:
        console = Console(
            file=file,
            width=paper.width - 1,  # in the last column some terminals begin a new line
            height=paper.height,
            force_terminal=True,
            color_system="standard" if paper.colour else None,
            no_color=not paper.colour,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        console.print(Group(*parts), no_wrap=True, overflow="ellipsis", crop=True)
        file.flush()
        file.seek(0)
        return "".join(f"{line.rstrip()}\n" for line in file.read().splitlines()[: max(1, paper.height - 1)])


def _transfers(transfers: list[tuple[str, Moved]]) -> Table:
    grid = _grid()
    for name, moved in transfers:
        grid.add_row(Text(name), _done(moved.percent, 100), f"{moved.percent:3d}%", amount(moved.bytes), moved.rate)
    return grid


def _done(completed: int, total: int) -> ProgressBar:
    """A bar; not in rich's own red, which here is a failure's."""
    return ProgressBar(total, completed, BAR, complete_style="cyan", finished_style="green")


def _grid() -> Table:
    grid = Table.grid(padding=(0, 1))
    for _ in range(5):
        grid.add_column(no_wrap=True)
    return grid


def _bar(rows: list[Row]) -> Table:
    """How many have ended, and how many are in each state."""
    ended = sum(row.told.ended for row in rows)
    states = Counter(row.told.state for row in rows)
    counts = Text(", ").join(_coloured(f"{states[state]} {state}", state) for state in sorted(states))
    grid = _grid()
    grid.add_row("jobs", _done(ended, len(rows)), f"{ended}/{len(rows)}", counts)
    return grid


def _table(rows: list[Row], most: int) -> RenderableType:
    """Those that have not succeeded, at most so many."""
    shown = sorted((row for row in rows if row.told.state in FIRST), key=lambda row: FIRST.index(row.told.state))
    if not shown:
        return Text("")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=True)
    for row in shown[:most]:
        table.add_row(*_cells(row))
    rest = len(shown) - most
    return Group(table, Text(f"and {rest} more")) if rest > 0 else table


def _cells(row: Row) -> tuple[RenderableType, ...]:
    told = row.told
    lasts = "" if told.ended else f"{row.seconds:.0f} s"
    number = f"{told.number:02d}" if told.number else "--"
    where = Text(f"{told.platform} ({told.host})")
    return Text(told.job), number, _coloured(told.state, told.state), lasts, where, Text(told.reason or "")


def _coloured(text: str, state: str) -> Text:
    return Text(text, style=STYLES.get(OF_STATE.get(state, 0), ""))
