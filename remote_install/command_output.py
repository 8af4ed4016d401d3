"""What an install command prints, as lines of talk: harmless to a terminal, and only a piece of it in memory."""

from __future__ import annotations

import base64
import re

from remote_install.talk import Tell
from transfer.wording import visible

LONGEST = 1000  # bytes of one line; a longer one is told in parts
_TOO_LONG = re.compile(rb"[^\n]{%d}(?=[^\n])" % LONGEST)


class CommandOutput:
    """Takes output in pieces, as the job host sends it; tells whole lines, each with the platform's name before it."""

    def __init__(self, name: str, tell: Tell) -> None:
        self._name, self._tell = name, tell
        self._rest = b""

    def add(self, encoded: object) -> None:
        """One piece as base64. Raises ValueError when it is none.

        >>> output = CommandOutput("hpc", print)
        >>> output.add(base64.b64encode(b"one\\ntw").decode())
        hpc| one
        >>> output.end()
        hpc| tw
        """
        if not isinstance(encoded, str):
            raise ValueError("not base64")
        lines, newline, self._rest = (self._rest + base64.b64decode(encoded, validate=True)).rpartition(b"\n")
        if newline:
            self._show(lines)
        if len(self._rest) > LONGEST:
            parts = len(self._rest) - len(self._rest) % LONGEST
            self._show(self._rest[:parts])
            self._rest = self._rest[parts:]

    def end(self) -> None:
        """No more comes: the last line may lack its end."""
        if self._rest:
            self._show(self._rest)
        self._rest = b""

    def _show(self, lines: bytes) -> None:
        # All lines at once, since a build may print millions (a line by itself took 10 us).
        text = _TOO_LONG.sub(rb"\g<0>\n", lines.replace(b"\r\n", b"\n")).decode("utf-8", "replace")
        text = visible(text.replace("\t", "    "), "\n")
        head = f"{self._name}| "
        self._tell(head + text.replace("\n", "\n" + head))
