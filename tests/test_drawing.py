"""Whatever is drawn fits the terminal, and whatever a job host says can't break out of its cell."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from remote_install.cli.drawing import Paper, Row, drawn
from remote_install.report import STATES, Report
from transfer.progress import Moved

WORDS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=60)  # what a report may hold
ROWS = st.builds(
    lambda job, state, reason, host: Row(Report(job, 1, state, "hpc", host, reason=reason), 3.0),
    *(WORDS, st.sampled_from(sorted(STATES)), WORDS, WORDS),
)


@given(st.lists(ROWS, max_size=40), st.integers(20, 120), st.integers(3, 30), st.booleans())
def test_what_is_drawn_fits(rows: list[Row], width: int, height: int, colour: bool) -> None:
    text = drawn([("to hpc", Moved(1, 50, "1.00kB/s"))], rows, Paper(width, height, colour=colour))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b" not in plain
    assert colour or plain == text
    assert 0 < plain.count("\n") < height
    assert max(map(cell_len, plain.splitlines())) < width


def test_of_many_jobs_those_that_failed_come_first() -> None:
    states = ["running"] * 40 + ["failed", "succeeded"]
    rows = [Row(Report(f"j{number}", 1, state, "hpc", "h"), 3.0) for number, state in enumerate(states)]
    lines = drawn([], rows, Paper(80, 20, colour=False)).splitlines()
    assert lines[0].endswith("2/42 1 failed, 40 running, 1 succeeded")
    assert lines[2].split() == ["j40", "01", "failed", "hpc", "(h)"]
    assert lines[-1] == "and 27 more"
    assert len(lines) == 17


def test_what_the_terminal_can_not_write_is_not_asked_of_it() -> None:
    told = drawn([("to hpc", Moved(1, 50, "1.00kB/s"))], [], Paper(80, 20, encoding="ascii", colour=False))
    assert told.isascii()
