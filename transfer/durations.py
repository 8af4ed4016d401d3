"""Times as people write them."""

from __future__ import annotations

import re

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float | None:
    """90, 90s, 30m, 2h, 1d or HH:MM:SS as seconds; None for anything else.

    >>> seconds("30m"), seconds("2:00:00"), seconds("90"), seconds("soon")
    (1800.0, 7200.0, 90.0, None)
    """
    clock = re.fullmatch(r"([0-9]{1,6}):([0-5][0-9]):([0-5][0-9])", text)
    if clock:
        hours, minutes, rest = (int(part) for part in clock.groups())
        return float(hours * 3600 + minutes * 60 + rest)
    plain = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    return float(int(plain.group(1)) * UNITS[plain.group(2)]) if plain else None
