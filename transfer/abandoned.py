"""Work in a thread that nobody waits for any more after an interrupt: it makes no further call, and does not sleep.

Only the main thread hears of a signal. What another thread waits for is ended then; without this it would take that
for a lost connection, and call again.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Iterator

_EVENT: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("abandoned", default=None)


class Abandoned(BaseException):
    """Nobody waits for this any more; no error, so that nobody tells it or tries again."""


def event() -> threading.Event | None:
    """What is set when this thread's work is abandoned; None in a thread that hears of signals itself."""
    return _EVENT.get()


@contextlib.contextmanager
def by(event: threading.Event) -> Iterator[None]:
    """The work in this block, in this thread, is abandoned when `event` is set."""
    token = _EVENT.set(event)
    try:
        yield
    finally:
        _EVENT.reset(token)


def check() -> None:
    """Raises Abandoned if this thread's work is."""
    mine = event()
    if mine is not None and mine.is_set():
        raise Abandoned


def pause(seconds: float) -> None:
    """Sleep. Raises Abandoned, at once."""
    mine = event()
    if mine is None:
        time.sleep(seconds)
    else:
        mine.wait(seconds)
        check()
