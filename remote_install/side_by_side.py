"""Several calls at once in threads, each for another platform, which an interrupt ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from typing import Callable, TypeVar

from transfer import abandoned, execute

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 32  # dead hosts keep threads until the connect time-out is over; the others must not wait for them

STEP = 0.1  # seconds from one look to the next whether all have ended


def _nothing(_result: object) -> None:
    pass


def side_by_side(call: Callable[[T], R], values: Iterable[T], done: Callable[[R], None] = _nothing) -> list[R]:
    """The results of `call` for all `values`, in their order. Raises what the first that failed raised.

    done: is given each result as soon as it is there, in this thread, and none after an interrupt.
    """
    todo = list(values)
    if len(todo) < 2:
        results = [call(value) for value in todo]
        for result in results:
            done(result)
        return results
    outer = abandoned.event()
    event, mine = outer or threading.Event(), outer is None

    def one(value: T) -> R:
        with abandoned.by(event):
            return call(value)

    with ThreadPoolExecutor(min(len(todo), AT_ONCE)) as pool:
        futures = [pool.submit(one, value) for value in todo]
        try:
            # Without `done` in their order: of several errors it is always the same that is raised.
            for future in futures if done is _nothing else as_completed(futures):
                done(future.result())
            return [future.result() for future in futures]
        except BaseException as error:
            for future in futures:
                future.cancel()
            # What others do beside this goes on when it fails, unless nobody waits for them either.
            if mine or isinstance(error, (KeyboardInterrupt, abandoned.Abandoned)):
                event.set()
                _end(futures, event)
            raise


def _end(futures: list[Future[R]], event: threading.Event) -> None:
    """End what they wait for, also what one of them starts at this moment."""
    while wait([future for future in futures if not future.cancelled()], STEP).not_done:
        execute.end_all(event)
