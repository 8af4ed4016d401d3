"""The one policy by which a call is made again: only what can pass, with growing waits, told each time."""

from __future__ import annotations

import random
from typing import Callable, TypeVar

import tenacity

from transfer import abandoned
from transfer.errors import HostBusy, HostCrowded, HostUnreachable, NoAnswer, RemoteInstallError
from transfer.platforms import Platform

T = TypeVar("T")
Tell = Callable[[str], None]
QUEUE = 120.0  # seconds that a busy place is waited for
BUSY = (HostBusy, HostCrowded)
LONGEST_STEP = 8.0  # seconds between two tries to log in where too many do: who comes too often is shut out


def retried(call: Callable[[], T], platform: Platform, tell: Tell) -> T:
    """The result of `call`, made again while its error is transient.

    At most platform.retry.attempts calls. A host that can't be reached is given up when the connect
    time-out is over, counted from the first call: nobody waits for a dead host five times as long.
    Before each of them a place that is busy is waited for, and that is told once. Raises the last error.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=platform.retry.max_wait),
        stop=_given_up(platform.retry.attempts, platform.ssh.connect_timeout),
        before_sleep=lambda state: tell(_story(state)),
        sleep=abandoned.pause,
        reraise=True,
    )
    queue = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: _is_waited_for(error, platform)),
        wait=_until_next,
        stop=tenacity.stop_after_delay(QUEUE),
        before_sleep=lambda state: tell(f"{_error(state)}; waiting") if state.attempt_number == 1 else None,
        sleep=abandoned.pause,
        reraise=True,
    )

    def once() -> T:
        abandoned.check()
        return call()

    return attempts(lambda: queue(once))


def _may_pass(error: BaseException) -> bool:
    abandoned.check()
    return isinstance(error, RemoteInstallError) and error.transient and not isinstance(error, BUSY)


def _is_waited_for(error: BaseException, platform: Platform) -> bool:
    """Who makes but one call does so because another host is to be asked when this one has no room."""
    return isinstance(error, HostBusy) or (isinstance(error, HostCrowded) and platform.retry.attempts > 1)


def _until_next(state: tenacity.RetryCallState) -> float:
    crowded = isinstance(_error(state), HostCrowded)
    longest = min(LONGEST_STEP, 0.5 * 2**state.attempt_number) if crowded else 0.75
    return random.uniform(0.25, longest)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _given_up(attempts: int, deadline: float) -> Callable[[tenacity.RetryCallState], bool]:
    def stop(state: tenacity.RetryCallState) -> bool:
        if state.attempt_number >= attempts:
            return True
        error = _error(state)
        spent = (state.seconds_since_start or 0.0) + state.upcoming_sleep
        return isinstance(error, (HostUnreachable, NoAnswer)) and spent > deadline

    return stop


def _story(state: tenacity.RetryCallState) -> str:
    return f"{_error(state)}; trying again in {state.upcoming_sleep:.1f} s"
