"""The ratios as a picture: a bar for each row, a mark for its aim; for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from table import Row

LEFT, WIDTH, STEP, TOP = 390, 380, 22, 34  # pixels
LEAST, MOST = 0.02, 10.0  # times the other's seconds
GRID = (0.05, 0.1, 0.25, 0.5, 1, 2, 5)
MET, MISSED = "#2a7f4f", "#c0662a"
TEXT = 'font-family="sans-serif" font-size="12" fill="#808080"'


def x(ratio: float) -> float:
    """Where a ratio stands, on a logarithmic scale.

    >>> x(LEAST) == LEFT, x(MOST) == LEFT + WIDTH, x(1000.0) == x(MOST)
    (True, True, True)
    """
    within = min(max(ratio, LEAST), MOST)
    return round(LEFT + WIDTH * math.log(within / LEAST) / math.log(MOST / LEAST), 1)


def svg(rows: Sequence[Row]) -> str:
    """A picture of the rows that are ratios."""
    shown = [row for row in rows if row.unit == "x" and row.result is not None]
    height = TOP + STEP * len(shown) + 10
    size = f'width="{LEFT + WIDTH + 50}" height="{height}" viewBox="0 0 {LEFT + WIDTH + 50} {height}"'
    found = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>Seconds of remote-install, as a multiple of the other's; less is better</title>",
    ]
    for ratio in GRID:
        place = x(ratio)
        found.append(f'<line x1="{place}" y1="{TOP - 8}" x2="{place}" y2="{height}" stroke="#80808060"/>')
        found.append(f'<text x="{place}" y="{TOP - 14}" text-anchor="middle" {TEXT}>{ratio:g} x</text>')
    for number, row in enumerate(shown):
        found += _bar(row, TOP + STEP * number)
    return "\n".join([*found, "</svg>", ""])


def _bar(row: Row, y: int) -> list[str]:
    assert row.result is not None
    end, colour = x(row.result), MISSED if row.missed else MET
    found = [
        f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end" {TEXT}>{escape(row.work.partition(" (")[0])}</text>',
        f'<rect x="{LEFT}" y="{y + 3}" width="{max(1.0, end - LEFT):.1f}" height="{STEP - 8}" fill="{colour}"/>',
        f'<text x="{end + 5}" y="{y + 14}" {TEXT}>{row.result:.2f}</text>',
    ]
    if row.aim is not None:
        aim = x(row.aim)
        found.append(f'<line x1="{aim}" y1="{y}" x2="{aim}" y2="{y + STEP - 2}" stroke="#808080" stroke-width="3"/>')
    return found
