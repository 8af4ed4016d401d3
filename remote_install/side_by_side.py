"""Several calls at once, each for another platform; an interrupt ends what they wait for."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, TypeVar

from transfer import execute

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 32  # dead hosts keep threads until the connect time-out is over; the others must not wait for them


def side_by_side(call: Callable[[T], R], values: Iterable[T], at_once: int = AT_ONCE) -> list[R]:
    """The results of `call` for all `values`, in their order. Raises what the first that failed raised."""
    todo = list(values)
    if len(todo) < 2:
        return [call(value) for value in todo]
    with ThreadPoolExecutor(min(len(todo), at_once)) as pool:
        futures = [pool.submit(call, value) for value in todo]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            execute.end_all()
            raise
