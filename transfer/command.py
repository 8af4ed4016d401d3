"""What is run and what came of it: plain values between the builders of argv and the executor."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from transfer.wording import visible


@dataclass(frozen=True)
class Command:
    """argv: the program and its arguments. stdin: all that it reads; None: what it is fed while it runs.

    cwd: where it runs; None means here. memory: bytes that it, and each that it starts, may take; None: as it likes.
    """

    argv: tuple[str, ...]
    stdin: bytes | None = b""
    cwd: str | None = None
    memory: int | None = None

    def __str__(self) -> str:
        return shlex.join(self.argv)


@dataclass(frozen=True)
class Outcome:
    """exit_code: negative for a signal, as in subprocess. err: the end of stderr, at most ERR_KEPT bytes."""

    exit_code: int
    out: bytes
    err: bytes


ERR_KEPT = 16 * 1024


def last_words(err: bytes, lines: int = 4) -> str:
    """The end of stderr as text for a message: no control characters, at most `lines` lines.

    >>> print(last_words(b'Welcome!\\n\\x1b[31mred\\r\\n'))
    Welcome! / \\x1b[31mred
    """
    text = err.decode("utf-8", "replace")
    kept = [line.strip() for line in text.splitlines() if line.strip()][-lines:]
    return visible(" / ".join(kept))
