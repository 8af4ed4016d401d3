"""The files by which all processes of a user on this machine agree on connections: a folder of ours, locks, a rate.

A host has places 0, 1, …: each is one connection, with CHANNELS calls over it. HOST-PLACE.CHANNEL is locked by who
makes a call, HOST-PLACE by who opens the connection; the kernel gives a lock back however a process ends. HOST.rate
tells when connections were opened; HOST.WORD is something known of the host. HOST-PLACE-KEY-RANDOM is the socket of a
kept connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from typing import Callable

from transfer import abandoned

# Half of sshd's default MaxSessions: an install needs a second session, for rsync, while the first one goes on.
CHANNELS = 5
# Bytes. A socket's path may have 104 (macOS; Linux 108) with its end; ssh adds 17 to it for a moment.
LONGEST_PATH = 86
NAME = len("/01234567-999-0123456789-012345")
MINUTE = 60.0


def folder(environ: Mapping[str, str]) -> str | None:
    """A folder that only we can write, with room for a socket's path: below $XDG_RUNTIME_DIR, else in /tmp, else in the
    cache. None where there is none."""
    runtime, cache = environ.get("XDG_RUNTIME_DIR", ""), environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(runtime) and _is_ours(runtime, 0o022):
        found = _made(os.path.join(runtime, "remote-install"))
        if found:
            return found
    if not os.path.isabs(cache):
        cache = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    # The cache may be one for many machines.
    here = os.path.join(cache, f"remote-install-{os.uname().nodename[:16]}")
    return _made(f"/tmp/remote-install-{os.geteuid()}") or _made(here)


def _made(path: str) -> str | None:
    # ssh expands % and $ in it, and splits it at blanks.
    if len(os.fsencode(path)) + NAME > LONGEST_PATH or not re.fullmatch(r"[A-Za-z0-9_./+@:,-]+", path):
        return None
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
    except OSError:
        return None
    return path if _is_ours(path, 0o077) else None


def _is_ours(path: str, forbidden: int) -> bool:
    """Is it a folder, and no link to one, of ours, with none of the `forbidden` permissions?"""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & forbidden


def holds_sockets(path: str) -> bool:
    """Can ssh make its socket in that folder? It binds one name and links it to another. Where it fails half way it
    would stay in the background for ever."""
    name = os.path.join(path, os.urandom(4).hex())
    other = f"{name}.2"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(name)
            os.link(name, other)
        return True
    except OSError:
        return False
    finally:
        for made in (name, other):
            with contextlib.suppress(OSError):
                os.unlink(made)


class Places:
    """The places of one host."""

    def __init__(self, path: str, host: str) -> None:
        """host: what its files are called by."""
        self.folder, self._host = path, host

    def sockets(self) -> dict[int, dict[str, str]]:
        """Place -> path of a socket -> its key, of those that lie there now."""
        found: dict[int, dict[str, str]] = {}
        for name in os.listdir(self.folder):
            match = re.fullmatch(rf"{self._host}-(\d+)-([0-9a-f]+)-[0-9a-f]+", name)
            if match:
                found.setdefault(int(match[1]), {})[self._path(name)] = match[2]
        return found

    def new_socket(self, place: int, key: str) -> str:
        """A path that no other master ever had: a master that ends removes its own, and must not take another's."""
        return self._path(f"{self._host}-{place}-{key}-{os.urandom(3).hex()}")

    def note(self, what: str) -> None:
        """Remember something of this host, from now on."""
        path = self._path(f"{self._host}.{what}")
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        os.utime(path)

    def is_noted(self, what: str, seconds: float) -> bool:
        """Was that noted within the last `seconds`?"""
        try:
            return os.stat(self._path(f"{self._host}.{what}")).st_mtime >= time.time() - seconds
        except OSError:
            return False

    def channel(self, place: int, held: contextlib.ExitStack) -> int | None:
        """One of the place's channels, until `held` ends. None: all are taken."""
        return next((number for number in range(CHANNELS) if self._lock(f"{place}.{number}", held)), None)

    def others(self, place: int, held: contextlib.ExitStack, own: int | None = None) -> bool:
        """All channels of the place but our own, until `held` ends. False: one is taken."""
        return all(self._lock(f"{place}.{number}", held) for number in range(CHANNELS) if number != own)

    @contextlib.contextmanager
    def opening(self, place: int, seconds: float) -> Iterator[bool]:
        """Be the only one who opens the connection of this place, in a block. False: another has been at it for
        `seconds`, and may have been stopped in the middle of it."""
        until = time.monotonic() + seconds
        with contextlib.ExitStack() as held:
            ours = self._lock(str(place), held)
            while not ours and time.monotonic() < until:
                abandoned.pause(0.02)
                ours = self._lock(str(place), held)
            yield ours

    def take_turn(self, rate: int, told: Callable[[float], None]) -> None:
        """Wait until fewer than `rate` connections were opened in the last minute; this one counts. told: is given the
        seconds that are waited."""
        while True:
            left = self._try_turn(rate)
            if left <= 0:
                return
            told(left)
            abandoned.pause(min(left, 1.0))

    def _try_turn(self, rate: int) -> float:
        path = self._path(f"{self._host}.rate")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "r+", encoding="ascii", errors="replace") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            now = time.time()
            known = [float(line) for line in file.read().split() if re.fullmatch(r"\d+\.\d+", line)]
            recent = sorted(at for at in known if now - MINUTE < at <= now)
            if len(recent) >= rate:
                return recent[-rate] + MINUTE - now
            file.seek(0)
            file.truncate()
            file.write("".join(f"{at:.3f}\n" for at in (*recent, now)))
        return 0.0

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _lock(self, name: str, held: contextlib.ExitStack) -> bool:
        path = self._path(f"{self._host}-{name}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        held.callback(os.close, descriptor)
        return True
