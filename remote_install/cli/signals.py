"""The signals that end a command: what they raise, and how one is held off while something must not be torn."""

from __future__ import annotations

import contextlib
import os
import signal
import time

TYPE_CHECKING = False  # typing's own, without the import of typing: that takes longer than all of ours
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME = 0.3  # seconds: `timeout`, and who forwards a Ctrl-C that we had already, signals twice and means it once


class Interrupted(KeyboardInterrupt):
    """A signal ended the command. again: it was not the first, and nothing more is to be waited for."""

    def __init__(self, number: int, again: bool) -> None:
        super().__init__(number)
        self.number, self.again = number, again


class _Handler:
    """Raises Interrupted, but for the first `borne` signals, which are kept in `came`."""

    def __init__(self, borne: int, notice: str = "") -> None:
        self.came: list[int] = []
        self._borne, self._notice, self._at = borne, notice.encode(), -SAME

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._at < SAME:
            return
        self._at = now
        self.came.append(number)
        if len(self.came) > self._borne:
            raise Interrupted(number, again=len(self.came) > 1)
        with contextlib.suppress(OSError):
            os.write(2, self._notice)  # print is not allowed here: it may be what was interrupted


def listen() -> None:
    """From now on the signals raise Interrupted in the main thread, but for those that are ignored, as nohup has it."""
    _handle(_Handler(borne=0))


@contextlib.contextmanager
def held(notice: str) -> Iterator[None]:
    """The first signal in this block is acted on at its end; a second one at once. notice: told at the first."""
    handler = _Handler(1, f"remote-install: {notice}\n")
    before = {number: signal.getsignal(number) for number in ENDING}
    _handle(handler)
    try:
        yield
    finally:
        for number, its in before.items():
            if its != signal.SIG_IGN:
                signal.signal(number, its)
    if handler.came:
        raise Interrupted(handler.came[0], again=False)


def _handle(handler: _Handler) -> None:
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)
