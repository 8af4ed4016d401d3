"""A line now and then while nothing else is said, because a CI system ends a job that says nothing for long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Callable

EVERY = 60.0  # seconds


@contextlib.contextmanager
def heartbeat(
    say: Callable[[str], None], what: Callable[[], str], said: Callable[[], float], every: float = EVERY
) -> Iterator[None]:
    """In this block `what` is said when nothing was for `every` seconds. said: when it was last (monotonic clock)."""
    over = threading.Event()
    began = time.monotonic()

    def beat() -> None:
        while not over.wait(max(0.0, said() + every - time.monotonic())):
            if time.monotonic() - said() >= every:
                say(f"{what()} after {time.monotonic() - began:.0f} s")

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
