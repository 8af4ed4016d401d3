"""Files to and from a host: one rsync, tried again where that can help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, TypeVar

from transfer import execute, progress, quiet, rsync
from transfer.command import Command, Outcome
from transfer.connections import connected
from transfer.errors import HostError, NoisyStartUp, RefusedByGate, RemoteInstallError
from transfer.platforms import Platform
from transfer.progress import Seen
from transfer.retry import Tell, retried
from transfer.rsync import Changes

T = TypeVar("T")


class _Closed(Exception):
    """The way past noise is closed, by a key for rsync alone for instance."""


@dataclass(frozen=True)
class PastNoise:
    """The way to rsync on a host whose start-up files print.

    words: constant plain words that there print `marker` as a line and become rsync. place: what the host is called
    in `noisy`, the hosts known to print, each with: was that told? tell: gets that line. is_gated: does a gate stand
    there, as far as is known? meet_gate: is told when one is met.
    """

    words: tuple[str, ...]
    marker: str
    place: tuple[str, str]
    noisy: dict[tuple[str, str], bool]
    tell: Tell
    is_gated: Callable[[], bool] = lambda: False
    meet_gate: Callable[[], None] = lambda: None

    def remember(self, host: str) -> None:
        """The host prints: tell it once."""
        if not self.noisy.get(self.place):
            self.noisy[self.place] = True
            noise = rsync.noisy_start_up(host)
            self.tell(f"{noise.message}; it is passed over. {noise.hint}")


@dataclass(frozen=True)
class _Way:
    """Where a transfer goes, and who is told what. seen: who watches how far it is."""

    platform: Platform
    host: str
    tell: Tell
    say_command: Tell
    seen: Seen | None = None

    def run(self, command: Command) -> tuple[Outcome, RemoteInstallError | None]:
        """Its outcome, and the error that this is. What is told is the command as it can be typed again: what leads it
        over a kept connection is good for a moment only."""
        self.say_command(str(command))
        outcome = run(self.platform, self.host, command, self.tell, self.seen)
        return outcome, rsync.error_of(outcome, self.host)


def run(platform: Platform, host: str, command: Command, tell: Tell, seen: Seen | None = None) -> Outcome:
    """Run a command of rsync.push or rsync.pull over a kept connection, where there can be one. Raises HostError."""
    with connected(platform, host, tell) as there:
        command = rsync.over(command, platform, there)
        if seen is None:
            return execute.run(command)
        try:
            return execute.run(progress.shown(command), heard=progress.Reader(seen))
        finally:
            seen(None)


def transfer_once(
    platform: Platform,
    host: str,
    command: Command,
    tell: Tell,
    say_command: Tell,
    past: PastNoise | None = None,
    seen: Seen | None = None,
) -> Changes:
    """Run a command of rsync.push or rsync.pull. Raises HostError or TransferError when it can't be done.

    past: the way to take where start-up files print: at once if that is known, else when it has failed for that. The
    same holds for a gate. seen: who watches how far it is.
    """
    way = _Way(platform, host, tell, say_command, seen)
    if past is None:
        return _changes(*way.run(command))
    return around_gate(command, past, lambda one: _transfer_once(way, one, past))


def around_gate(command: Command, past: PastNoise, run: Callable[[Command], T]) -> T:
    """What `run` returns for a command of rsync.push or rsync.pull, as a gate takes it where one is known or met."""
    if not past.is_gated():
        try:
            return run(command)
        except RefusedByGate:
            past.meet_gate()
    return run(rsync.for_gate(command))


def _transfer_once(way: _Way, command: Command, past: PastNoise) -> Changes:
    around = rsync.past_noise(command, past.words, past.marker)
    if around is None:
        return _changes(*way.run(command))
    if past.place in past.noisy:
        try:
            return _run_around(way, around, past)
        except _Closed:
            return _changes(*way.run(command))
    try:
        return _changes(*way.run(command))
    except NoisyStartUp as noise:
        try:
            return _run_around(way, around, past)
        except _Closed:
            raise noise from None


def first_command(command: Command, past: PastNoise) -> Command:
    """What transfer_once runs first for `command`."""
    command = rsync.for_gate(command) if past.is_gated() else command
    around = rsync.past_noise(command, past.words, past.marker)
    return around if around is not None and past.place in past.noisy else command


def _run_around(way: _Way, command: Command, past: PastNoise) -> Changes:
    outcome, error = way.run(command)
    if quiet.NO_MARKER.encode() in outcome.err and not isinstance(error, HostError):
        raise _Closed
    past.remember(way.host)
    return _changes(outcome, error)


def _changes(outcome: Outcome, error: RemoteInstallError | None) -> Changes:
    if error is not None:
        raise error
    return rsync.changes(outcome.out)


def transfer(
    platform: Platform,
    host: str,
    command: Command,
    tell: Tell,
    say_command: Tell,
    past: PastNoise | None = None,
    seen: Seen | None = None,
) -> Changes:
    """The same, made again where that can help."""
    return retried(lambda: transfer_once(platform, host, command, tell, say_command, past, seen), platform, tell)
