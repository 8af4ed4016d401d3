"""A command in a terminal of its own, and what stands on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from typing import Any, Callable

import pytest

from .client import Client

pyte = pytest.importorskip("pyte")


class Terminal:
    """A terminal that a command controls, until both end."""

    def __init__(self, client: Client, *words: str, width: int = 100, height: int = 24) -> None:
        client.variables.setdefault("TERM", "xterm-256color")
        self.screen = pyte.Screen(width, height)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._end, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.modes = termios.tcgetattr(self._end)

        def take() -> None:
            fcntl.ioctl(1, termios.TIOCSCTTY, 0)

        self.process = client.start(*words, stdout=its, stderr=its, start_new_session=True, preexec_fn=take)
        self._its = its  # kept open, so that its modes can be looked at when the command has ended

    def lines(self) -> list[str]:
        """What stands there."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def text(self) -> str:
        return "\n".join(self.lines())

    def read_until(self, ready: Callable[[str], Any], seconds: float = 30) -> None:
        """Read until what stands there is as `ready` says."""
        until = time.monotonic() + seconds
        while not ready(self.text()):
            assert time.monotonic() < until, self.text()
            assert self.process.poll() is None or self._read(), self.text()
            self._read()

    def type(self, keys: bytes) -> None:
        os.write(self._end, keys)

    def end(self) -> int:
        """Read to the end of the command; its exit code."""
        while self.process.poll() is None:
            self._read()
        while self._read():
            pass
        assert termios.tcgetattr(self._its) == self.modes
        assert not self.screen.cursor.hidden
        os.close(self._its)
        os.close(self._end)
        return self.process.returncode

    def _read(self) -> bool:
        if not select.select([self._end], [], [], 0.05)[0]:
            return False
        data = os.read(self._end, 65536)
        self.raw += data
        self._stream.feed(data)
        return bool(data)
