"""Colour in a line, where a terminal is looked at and NO_COLOR is not set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RED, GREEN, YELLOW, CYAN = 31, 32, 33, 36
OF_STATE = {
    **dict.fromkeys(("failed", "killed", "lost", "submit-failed"), RED),
    "succeeded": GREEN,
    "unknown": YELLOW,
    "running": CYAN,
}


def is_terminal(stream: Any, environ: Mapping[str, str]) -> bool:
    """Is it a terminal that understands more than letters?"""
    return bool(stream.isatty()) and environ.get("TERM", "dumb") != "dumb"


def is_wanted(stream: Any, environ: Mapping[str, str]) -> bool:
    """May there be colour? (https://no-color.org)"""
    return is_terminal(stream, environ) and not environ.get("NO_COLOR")


def painted(text: str, start: int, end: int, colour: int) -> str:
    """Text of which the letters from `start` to `end` have a colour.

    >>> painted("job 01 failed", 7, 13, RED)
    'job 01 \\x1b[31mfailed\\x1b[0m'
    """
    return f"{text[:start]}\x1b[{colour}m{text[start:end]}\x1b[0m{text[end:]}"
