"""Which calls are made again, how often, for how long, and that each time is told."""

from __future__ import annotations

import re
import time

import pytest

from transfer import errors
from transfer.errors import (
    ConnectionLost,
    HostBusy,
    HostCrowded,
    HostUnreachable,
    LoginRefused,
    NoAnswer,
    RemoteInstallError,
)
from transfer.platforms import Platform, Retry, Ssh
from transfer.retry import retried


def platform(attempts: int = 3, max_wait: float = 0.01, connect_timeout: int = 10) -> Platform:
    return Platform("p", ("h",), "p", ssh=Ssh(connect_timeout=connect_timeout), retry=Retry(attempts, max_wait))


class Flaky:
    """Fails with the errors given, one a call, then succeeds; counts its calls."""

    def __init__(self, *failures: BaseException) -> None:
        self.calls = 0
        self._failures = failures

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= len(self._failures):
            raise self._failures[self.calls - 1]
        return "done"


ALL = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RemoteInstallError)),
    key=lambda kind: kind.__name__,
)
TRANSIENT = {"HostUnreachable", "ConnectionLost", "NoAnswer", "TransferInterrupted", "HostBusy", "HostCrowded"}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_only_what_can_pass_is_tried_again(kind: type[RemoteInstallError]) -> None:
    flaky, told = Flaky(kind("no", host="h")), list[str]()
    if kind.__name__ in TRANSIENT:
        assert retried(flaky, platform(), told.append) == "done"
        assert (flaky.calls, len(told)) == (2, 1)
    else:
        with pytest.raises(kind):
            retried(flaky, platform(), told.append)
        assert (flaky.calls, told) == (1, [])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), ValueError("bug"), OSError(5, "io")])
def test_what_is_no_error_of_ours_goes_through_at_once(error: BaseException) -> None:
    flaky = Flaky(error)
    with pytest.raises(type(error)) as caught:
        retried(flaky, platform(), lambda _: None)
    assert caught.value is error
    assert flaky.calls == 1


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_number_of_calls_is_that_of_the_platform_and_the_last_error_is_raised(attempts: int) -> None:
    failures = [ConnectionLost(f"number {n}") for n in range(1, 9)]
    flaky, told = Flaky(*failures), list[str]()
    with pytest.raises(ConnectionLost) as caught:
        retried(flaky, platform(attempts), told.append)
    assert caught.value is failures[attempts - 1]
    assert flaky.calls == attempts
    assert len(told) == attempts - 1


def test_a_call_that_passes_is_made_once_and_nothing_is_told() -> None:
    flaky, told = Flaky(), list[str]()
    assert retried(flaky, platform(), told.append) == "done"
    assert (flaky.calls, told) == (1, [])


def test_each_new_try_is_told_with_the_fact_and_the_wait() -> None:
    told: list[str] = []
    retried(Flaky(ConnectionLost("h: gone"), NoAnswer("h: mute")), platform(), told.append)
    assert [re.sub(r"[0-9.]+ s$", "N s", line) for line in told] == [
        "h: gone; trying again in N s",
        "h: mute; trying again in N s",
    ]


def test_a_busy_place_is_waited_for_however_few_calls_are_allowed_and_that_is_told_once() -> None:
    flaky, told = Flaky(*[HostBusy("h: busy")] * 3), list[str]()
    assert retried(flaky, platform(1), told.append) == "done"
    assert (flaky.calls, told) == (4, ["h: busy; waiting"])


def test_a_host_to_which_too_many_log_in_is_waited_for_longer_than_a_dead_one() -> None:
    flaky, told = Flaky(*[HostCrowded("h: closed")] * 2), list[str]()
    assert retried(flaky, platform(1, connect_timeout=0), told.append) == "done"
    assert (flaky.calls, told) == (3, ["h: closed; waiting"])


@pytest.mark.parametrize("kind", [HostBusy, HostCrowded])
def test_a_place_that_stays_busy_is_given_up(monkeypatch: pytest.MonkeyPatch, kind: type[RemoteInstallError]) -> None:
    monkeypatch.setattr("transfer.retry.QUEUE", 0.3)
    with pytest.raises(kind):
        retried(Flaky(*[kind("h: busy")] * 100), platform(), lambda _: None)


@pytest.mark.parametrize("kind", [HostUnreachable, NoAnswer])
def test_a_host_that_can_not_be_reached_is_given_up_when_the_connect_timeout_is_over(
    kind: type[RemoteInstallError],
) -> None:
    flaky = Flaky(*[kind("down")] * 1000)
    began = time.monotonic()
    with pytest.raises(kind):
        retried(flaky, platform(1000, 0.2, 1), lambda _: None)
    assert 0.5 < time.monotonic() - began < 1.3
    assert 2 < flaky.calls < 1000


def test_the_deadline_counts_the_time_of_the_calls_too() -> None:
    calls = []

    def slow() -> None:
        calls.append(time.monotonic())
        time.sleep(1.1)
        raise HostUnreachable("down")

    with pytest.raises(HostUnreachable):
        retried(slow, platform(100, 0.01, 1), lambda _: None)
    assert len(calls) == 1


def test_a_lost_connection_is_tried_again_however_long_the_call_took() -> None:
    calls = []

    def slow() -> str:
        calls.append(time.monotonic())
        if len(calls) < 3:
            time.sleep(0.55)
            raise ConnectionLost("gone")
        return "done"

    assert retried(slow, platform(5, 0.01, 1), lambda _: None) == "done"


@pytest.mark.parametrize("max_wait", [0, 0.05])
def test_no_wait_is_longer_than_the_platform_allows(max_wait: float) -> None:
    told: list[str] = []
    began = time.monotonic()
    with pytest.raises(ConnectionLost):
        retried(Flaky(*[ConnectionLost("gone")] * 9), platform(6, max_wait), told.append)
    assert time.monotonic() - began < 5 * max_wait + 0.3
    assert all(float(re.findall(r"([0-9.]+) s$", line)[0]) <= max_wait + 0.05 for line in told)


def test_a_refusal_after_a_lost_connection_ends_the_tries() -> None:
    flaky = Flaky(ConnectionLost("gone"), LoginRefused("no"))
    with pytest.raises(LoginRefused):
        retried(flaky, platform(), lambda _: None)
    assert flaky.calls == 2
