"""How far a transfer is, for who watches it on a terminal: rsync's own words, read while it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Callable, Optional

from transfer.command import Command

OPTION = "--info=progress2"  # of the whole transfer (rsync(1)); the other side is not told of it
LINE = re.compile(rb"\r *([0-9,]+) +([0-9]+)% +([0-9.]+[kMGT]?B/s)")
LONGEST = 256  # bytes of a line that may have come in part


@dataclass(frozen=True)
class Moved:
    """How far a transfer is. percent: of what rsync knows of so far, which may grow. rate: in rsync's words."""

    bytes: int
    percent: int
    rate: str


Seen = Callable[[Optional[Moved]], None]  # who watches is told None when it is over


def shown(command: Command) -> Command:
    """The same transfer, telling how far it is."""
    at = command.argv.index("--")
    return replace(command, argv=(*command.argv[:at], OPTION, *command.argv[at:]))


class Reader:
    """Takes rsync's output in pieces, and tells `seen` the last that it says of its progress."""

    def __init__(self, seen: Seen) -> None:
        self._seen, self._rest = seen, b""

    def __call__(self, data: bytes) -> None:
        r"""
        >>> read = Reader(print)
        >>> read(b"\r     32,768   0%    0.00kB/s    0:00:00 \r  11,010,048  3")
        Moved(bytes=32768, percent=0, rate='0.00kB/s')
        >>> read(b"6%    9.77MB/s    0:00:01")
        Moved(bytes=11010048, percent=36, rate='9.77MB/s')
        """
        text = self._rest + data
        *_, found = (None, *LINE.finditer(text))
        self._rest = text[max(found.end() if found else 0, len(text) - LONGEST) :]
        if found:
            self._seen(Moved(int(found[1].replace(b",", b"")), int(found[2]), found[3].decode()))
