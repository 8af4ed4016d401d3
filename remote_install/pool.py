"""A platform of several hosts: it works while one of them answers."""

from __future__ import annotations

import contextlib
import os
import random
import time
from dataclasses import replace
from typing import Callable, TypeVar

from remote_install.talk import Talk
from transfer import execute, ssh
from transfer.command import Command
from transfer.errors import (
    ConnectionLost,
    HostKeyError,
    HostUnreachable,
    LoginRefused,
    NoAnswer,
    RemoteInstallError,
    TransferInterrupted,
)
from transfer.platforms import Platform
from transfer.retry import retried

T = TypeVar("T")
FOR_LAST = 300.0  # seconds for which a host that failed is asked after the others
OF_THE_HOST = (HostUnreachable, ConnectionLost, NoAnswer, LoginRefused, HostKeyError)


def on_a_host(platform: Platform, act: Callable[[Platform], T], talk: Talk, first: str | None = None) -> T:
    """What `act` returns for `platform` with one of its hosts: with the next one where that one fails.

    first: the host that is asked before all others. Each host is tried once, then all again as retries are. Raises the
    last error.
    """
    if len(platform.hosts) == 1:
        return act(platform)

    def once() -> T:
        hosts = in_order(platform, talk, first)
        for host, after in zip(hosts, (*hosts[1:], None)):
            one = only(platform, host)
            try:
                done = act(one)
            except RemoteInstallError as error:
                if not _is_of_the_host(error, one):
                    raise
                _leave_for_last(host)
                if after is None:
                    raise
                talk.tell(f"{error}; {after} is asked instead")
            else:
                _is_back(host)
                return done
        raise AssertionError("a platform has a host")

    return retried(once, platform, talk.tell)


def only(platform: Platform, host: str) -> Platform:
    """The platform with this host alone, of which a call that fails is not made again: another host is asked."""
    return replace(platform, hosts=(host,), retry=replace(platform.retry, attempts=1))


def in_order(platform: Platform, talk: Talk, first: str | None = None) -> tuple[str, ...]:
    """Its hosts as they are asked: as `select` says, the same all through a command, those that failed lately last."""
    drawn = random.sample(platform.hosts, len(platform.hosts)) if platform.select == "random" else platform.hosts
    hosts = talk.learnt.order.setdefault(platform.name, tuple(drawn))
    return tuple(sorted(hosts, key=lambda host: (host != first, 0.0 if host == first else _failed_at(host))))


def _is_of_the_host(error: RemoteInstallError, platform: Platform) -> bool:
    """Would another host fare better? Of a transfer that broke off ssh tells whether the host is the cause."""
    if isinstance(error, TransferInterrupted):
        host = platform.hosts[0]
        outcome = execute.run(Command(ssh.command_line(platform, host, ("true",)), b""))
        return ssh.error_of(outcome, host) is not None
    return isinstance(error, OF_THE_HOST)


def _failed_at(host: str) -> float:
    """When it failed lately, by the clock; 0 if it did not, as far as is known here."""
    try:
        at = os.stat(_file(host)).st_mtime
    except OSError:
        return 0.0
    return at if 0 <= time.time() - at < FOR_LAST else 0.0


def _leave_for_last(host: str) -> None:
    """Also by the commands that come after this one. Where that can't be written down, each finds out by itself."""
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(_file(host)), mode=0o700, exist_ok=True)
        with open(_file(host), "wb"):
            os.utime(_file(host))


def _is_back(host: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(_file(host))


def _file(host: str) -> str:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "remote-install", "failed", host)
