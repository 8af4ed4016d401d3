"""A line now and then while nothing else is said, because a CI system ends a job that says nothing for long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Callable

from remote_install.jobhost.meanwhile import meanwhile

EVERY = 60.0  # seconds


@contextlib.contextmanager
def heartbeat(
    say: Callable[[str], None], what: Callable[[], str], said: Callable[[], float], every: float = EVERY
) -> Iterator[None]:
    """In this block `what` is said when nothing was for `every` seconds. said: when it was last (monotonic clock)."""
    began = time.monotonic()

    def beat(over: threading.Event) -> None:
        while not over.wait(max(0.0, said() + every - time.monotonic())):
            if time.monotonic() - said() >= every:
                say(f"{what()} after {time.monotonic() - began:.0f} s")

    with meanwhile(beat):
        yield
