"""The one policy by which a call is made again: only what can pass, with growing waits, told each time."""

from __future__ import annotations

from typing import Callable, TypeVar

import tenacity

from transfer.errors import HostUnreachable, NoAnswer, RemoteInstallError
from transfer.platforms import Platform

T = TypeVar("T")
Tell = Callable[[str], None]


def retried(call: Callable[[], T], platform: Platform, tell: Tell) -> T:
    """The result of `call`, made again while its error is transient.

    At most platform.retry.attempts calls. A host that can't be reached is given up when the connect
    time-out is over, counted from the first call: nobody waits for a dead host five times as long.
    Raises the last error.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=platform.retry.max_wait),
        stop=_given_up(platform.retry.attempts, platform.ssh.connect_timeout),
        before_sleep=lambda state: tell(_story(state)),
        reraise=True,
    )
    return attempts(call)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, RemoteInstallError) and error.transient


def _given_up(attempts: int, deadline: float) -> Callable[[tenacity.RetryCallState], bool]:
    def stop(state: tenacity.RetryCallState) -> bool:
        if state.attempt_number >= attempts:
            return True
        error = state.outcome.exception() if state.outcome else None
        spent = (state.seconds_since_start or 0.0) + state.upcoming_sleep
        return isinstance(error, (HostUnreachable, NoAnswer)) and spent > deadline

    return stop


def _story(state: tenacity.RetryCallState) -> str:
    error = state.outcome.exception() if state.outcome else None
    return f"{error}; trying again in {state.upcoming_sleep:.1f} s"
