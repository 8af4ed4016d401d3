"""What stands on a terminal as an SVG file, and the words of such a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

WIDTH, HEIGHT, MARGIN = 8.4, 19, 14  # pixels of a letter of 14 pixels, of a line, around all
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
COLOURS = {
    **{"default": "#d6d9e0", "red": "#f7768e", "green": "#9ece6a", "brown": "#e0af68", "yellow": "#e0af68"},
    **{"cyan": "#7dcfff", "blue": "#7aa2f7", "magenta": "#bb9af7", "black": "#4b5263", "white": "#ffffff"},
}


class Span(NamedTuple):
    """Letters that look alike."""

    text: str
    colour: str = "default"
    bold: bool = False


Row = list[Span]


def rows_of(screen: Any) -> Iterator[Row]:
    """The rows of a pyte screen that are not empty."""
    for number, line in enumerate(screen.display):
        row: Row = []
        for column in range(len(line.rstrip())):
            cell = screen.buffer[number][column]
            colour, bold = cell.fg.replace("bright", ""), bool(cell.bold)
            if row and row[-1][1:] == (colour, bold):
                row[-1] = Span(row[-1].text + cell.data, colour, bold)
            else:
                row.append(Span(cell.data, colour, bold))
        if row:
            yield row


def svg(rows: list[Row], title: str) -> str:
    """The file. Every word is put where it stands, so that it does not matter which font there is."""
    columns = max(sum(len(span.text) for span in row) for row in rows)
    width, height = round(columns * WIDTH + 2 * MARGIN), len(rows) * HEIGHT + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" rx="8" fill="#1a1c22"/>',
        f'<g font-family="{FONT}" font-size="14" fill="{COLOURS["default"]}">',
    ]
    for number, row in enumerate(rows):
        spans = "".join(_spans(row))
        lines.append(f'<text y="{MARGIN + number * HEIGHT + 14}">{spans}</text>')
    return "\n".join([*lines, "</g>", "</svg>", ""])


def _spans(row: Row) -> Iterator[str]:
    column = 0
    for span in row:
        for found in re.finditer(r"\S+(?: \S+)*", span.text):
            at = round(MARGIN + (column + found.start()) * WIDTH, 1)
            colour = "" if span.colour == "default" else f' fill="{COLOURS.get(span.colour, COLOURS["default"])}"'
            bold = ' font-weight="bold"' if span.bold else ""
            yield f'<tspan x="{at:g}"{colour}{bold}>{escape(found[0])}</tspan>'
        column += len(span.text)


def words(text: str) -> list[str]:
    """The lines of a file, each with single blanks."""
    root = ElementTree.fromstring(text)
    return [_joined(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def _joined(pieces: Iterable[str]) -> str:
    return " ".join(" ".join(pieces).split())
