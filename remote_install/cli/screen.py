"""What moves at the bottom of a terminal: drawn now and then, and erased before anything else is written.

The terminal is never in a state that somebody would have to undo: no cursor is hidden and no mode is set, so whoever
ends us, with -9 too, finds it as it was.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from remote_install.cli import ci, colours
from remote_install.report import Report
from transfer.progress import Moved, Seen

EVERY = 0.2  # seconds from one look to the next
PATIENCE = 0.7  # seconds that something must last to be shown: rich takes time to import, and a flash tells nothing

NARROWEST, LOWEST = 20, 3  # columns and lines of a terminal on which something can be drawn

Jobs = Callable[[], list[Report]]


class Screen:
    """The bottom of a terminal."""

    def __init__(self, stream: Any, colour: bool) -> None:
        self._stream, self._colour = stream, colour
        self._lock = threading.RLock()
        self._text = ""  # what stands there now
        self._transfers: dict[int, tuple[str, Moved | None]] = {}
        self._number = 0
        self._jobs: Jobs | None = None
        self._since: dict[tuple[object, ...], float] = {}  # when a job was first seen in a state
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def transfer(self, name: str) -> Seen:
        """Who watches one transfer."""
        with self._lock:
            self._number += 1
            number = self._number

        def seen(moved: Moved | None) -> None:
            with self._lock:
                if moved is None:
                    self._transfers.pop(number, None)
                    self._erase_if_idle()
                else:
                    self._transfers[number] = (name, moved)
                    self._start()

        return seen

    @contextlib.contextmanager
    def jobs(self, told: Jobs) -> Iterator[None]:
        """A block in which the jobs that `told` gives are shown."""
        self._jobs = told
        self._start()
        try:
            yield
        finally:
            with self._lock:
                self._jobs = None
                self._erase_if_idle()

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """A block in which something else is written: whole lines."""
        with self._lock:
            text = self._text
            self._erase()
            yield
            if text and not self._over.is_set():
                self._draw_text(text)

    def close(self) -> None:
        """Nothing is shown any more."""
        self._over.set()
        with self._lock:
            self._erase()

    def _start(self) -> None:
        if self._thread is None and not self._over.is_set():
            self._thread = threading.Thread(target=self._draw_on, name="screen", daemon=True)
            self._thread.start()

    def _draw_on(self) -> None:
        wait = PATIENCE
        with contextlib.suppress(OSError):  # the terminal has gone
            while not self._over.wait(wait):
                self._draw()
                wait = EVERY

    def _draw(self) -> None:
        from remote_install.cli import drawing

        reports = told() if (told := self._jobs) else []
        rows = [drawing.Row(one, self._seconds(one)) for one in reports]
        size = os.get_terminal_size(self._stream.fileno())
        columns, lines = size.columns or 80, size.lines or 24  # some that are made by programs know none
        paper = drawing.Paper(columns, lines, self._stream.encoding or "utf-8", self._colour)
        with self._lock:
            transfers = [(name, moved) for name, moved in self._transfers.values() if moved]
            rows = rows if self._jobs else []
            if self._over.is_set() or not (transfers or rows) or not _is_in_front(self._stream):
                return
            if columns < NARROWEST or lines < LOWEST:
                self._erase()
                return
            text = drawing.drawn(transfers, rows, paper)
            if text != self._text:
                self._erase()
                self._draw_text(text)

    def _seconds(self, one: Report) -> float:
        now = time.monotonic()
        return now - self._since.setdefault((one.platform, one.job, one.number, one.state), now)

    def _erase_if_idle(self) -> None:
        if not self._transfers and self._jobs is None:
            self._erase()

    def _draw_text(self, text: str) -> None:
        self._write(text)
        self._text = text

    def _erase(self) -> None:
        lines, self._text = self._text.count("\n"), ""  # first, lest an interrupt makes us erase what others wrote
        if lines:
            self._write(f"\x1b[{lines}A\r\x1b[J")

    def _write(self, text: str) -> None:
        put(self._stream, encoded(self._stream, text))


def put(stream: Any, data: bytes) -> None:
    """Write to a text stream, behind all that it was given before; nothing of it is held back."""
    stream.flush()
    stream.buffer.write(data)
    stream.buffer.flush()


def encoded(stream: Any, text: str) -> bytes:
    """The text as the stream can show it."""
    return text.encode(stream.encoding or "utf-8", "replace")


def screen_of(talk: Any, results: Any, environ: Mapping[str, str], system: ci.System) -> Screen | None:
    """The screen below the talk; None where nobody looks, or nothing can be drawn. results: where else lines go that
    may come out on the same terminal; None: nowhere."""
    if system.any or not colours.is_terminal(talk, environ):
        return None
    if results is not None and stat.S_ISFIFO(os.fstat(results.fileno()).st_mode):
        return None  # `| tee log` writes when it likes
    return Screen(talk, colours.is_wanted(talk, environ))


def _is_in_front(stream: Any) -> bool:
    """Is the terminal ours now? It is not while we run in the background of a shell."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except OSError:  # it controls no session, so nobody has it in front
        return True
