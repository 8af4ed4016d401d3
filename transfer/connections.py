"""One connection to a host for all calls of this user from this machine, kept for a minute; and no more than allowed.

A call takes a place (places.py) for as long as it lasts. Where ssh can share, the call that comes first opens a master
in the background, and calls are its clients: with ControlMaster=no, so that a client whose master is gone, or has no
room any more, connects by itself, as it would have without us. Where it can't, a call has its place for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from typing import Callable, NoReturn

from transfer import abandoned, ciphers, execute, mux, places, ssh
from transfer.command import ERR_KEPT, Command
from transfer.errors import ConfigError, NoAnswer
from transfer.places import Places
from transfer.platforms import Platform

Tell = Callable[[str], None]
OPENING = 60.0  # seconds without a word after which a host that is being connected to counts as hung
STOPPED = 180.0  # seconds after which who is connecting counts as stopped: he may wait a minute for ssh.rate before
ALONE = 600.0  # seconds for which it is remembered that connections to a host can't be shared
SLOW_AES, DAY = "slow-aes", 86400.0  # what is remembered of a host without instructions for AES, and for how long
BEHIND = "UNKNOWN port"  # how ssh's words end when a jump host has said why, and ControlPersist has dropped that


class _Held(threading.local):
    """What the calls of this thread go over now."""

    def __init__(self) -> None:
        self.open: dict[str, Platform] = {}


_HELD = _Held()


class _Alone(Exception):
    """A connection to this host can't be shared."""


class _Taken(Exception):
    """This place has no room for us."""


@contextlib.contextmanager
def connected(platform: Platform, host: str, tell: Tell) -> Iterator[Platform]:
    """`platform` as a call to `host` is to be made in this block: over a kept connection, where there can be one.

    Waits while platform.ssh.max_connections are in use, or platform.ssh.rate were opened in the last minute, and tells
    that once. A call within a call, of rsync in an install for instance, goes where the outer one goes, and at once.
    Raises HostError, as an ordinary connection would, when the host can't be reached.
    """
    key = _key(platform, host)
    folder = None if platform.local or key in _HELD.open else places.folder(os.environ)
    if folder is None:
        yield _HELD.open.get(key, platform)
        return
    with contextlib.ExitStack() as held:
        try:
            there = _Queue(platform, host, key, folder, tell).admitted(held)
        except OSError:  # our folder is gone, its disk is full: no call fails for that
            there = platform
        _HELD.open[key] = there
        held.callback(_HELD.open.pop, key)
        yield there


def _key(platform: Platform, host: str) -> str:
    """What must be the same in all calls that share a connection: every word that ssh is given, and where a relative
    path among them starts."""
    words = (*ssh.connection(platform), host)
    relative = any(os.path.exists(word.rpartition("=")[2]) for word in words if not word.startswith("/"))
    return _hash(10, *words, *((os.getcwd(),) if relative else ()))


def note_slow_aes(platform: Platform, host: str) -> None:
    """The processor of `host` has no instructions for AES: for a day that cipher is not the first that is asked for."""
    folder = None if platform.local else places.folder(os.environ)
    if folder is not None:
        with contextlib.suppress(OSError):
            _places(platform, host, folder).note(SLOW_AES)


def _places(platform: Platform, host: str, folder: str) -> Places:
    return Places(folder, _hash(8, platform.ssh.command, host, platform.ssh.port, platform.ssh.jump))


def _hash(length: int, *words: object) -> str:
    return hashlib.sha256(repr(words).encode("utf-8", "surrogateescape")).hexdigest()[:length]


class _Queue:
    """The way of one call to a place."""

    def __init__(self, platform: Platform, host: str, key: str, folder: str, tell: Tell) -> None:
        self._platform, self._ssh, self._host, self._key, self._tell = platform, platform.ssh, host, key, tell
        self._told = False
        self._places = _places(platform, host, folder)
        self._alone, self._failed = (os.path.join(folder, f"{key}.{word}") for word in ("alone", "failed"))

    def admitted(self, held: contextlib.ExitStack) -> Platform:
        """The platform as the call is to be made. Its place is ours until `held` ends."""
        pause = 0.1
        while True:
            for place in self._in_order():
                with contextlib.suppress(_Taken), contextlib.ExitStack() as claimed:
                    found = self._placed(place, claimed)
                    held.enter_context(claimed.pop_all())
                    return found
            self._say(
                f"{self._ssh.max_connections} connections are in use (ssh.max_connections); waiting for one of them"
            )
            abandoned.pause(random.uniform(0.05, pause))
            pause = min(1.5 * pause, 1.0)

    def _in_order(self) -> list[int]:
        """The places, those first where the least is to be opened or ended."""
        kept, shares = self._places.sockets(), self._shares()

        def cost(place: int) -> int:
            keys = kept.get(place, {}).values()
            return 1 if not keys else 0 if shares and self._key in keys else 2

        return sorted(range(self._ssh.max_connections), key=cost)

    def _shares(self) -> bool:
        own = {"controlmaster", "controlpath"} & {name.lower() for name in self._ssh.options}
        return self._ssh.multiplex and not own and not _newer(self._alone, time.time() - ALONE)

    def _placed(self, place: int, claimed: contextlib.ExitStack) -> Platform:
        """Raises _Taken."""
        if self._shares():
            with contextlib.suppress(_Alone), contextlib.ExitStack() as channel:
                path = self._kept(place, self._places.channel(place, channel))
                claimed.enter_context(channel.pop_all())
                return ssh.through(self._platform, path)
        self._clear(place, None, claimed)
        self._take_turn()
        return self._platform

    def _kept(self, place: int, channel: int | None) -> str:
        """The socket of the connection at `place`, opened if there is none. Raises _Taken, _Alone, HostError."""
        if channel is None:
            raise _Taken
        began = time.time()
        path = self._living(place)
        if path is not None:
            return path
        with self._places.opening(place, STOPPED) as ours:
            if not ours:
                raise _Taken
            path = self._living(place)
            if path is not None:
                return path
            with contextlib.ExitStack() as others:
                if self._places.sockets().get(place):
                    self._clear(place, channel, others)
            self._fail_as_others(began)
            return self._opened(place)

    def _living(self, place: int) -> str | None:
        """The socket of our connection at `place`, over which the host was asked just now. Raises _Taken."""
        for path, key in self._places.sockets().get(place, {}).items():
            if key == self._key:
                found = mux.look(path, max(1.0, self._ssh.connect_timeout / 5))
                if found == mux.THERE:
                    return path
                if found == mux.FULL:
                    raise _Taken
                mux.retire(path)
        return None

    def _clear(self, place: int, channel: int | None, held: contextlib.ExitStack) -> None:
        """Take what channels of the place we have not, and end what is kept there: nobody uses it. Raises _Taken."""
        if not self._places.others(place, held, channel):
            raise _Taken
        for path in self._places.sockets().get(place, {}):
            mux.end(path)

    def _opened(self, place: int) -> str:
        """Open a connection and keep it. Raises _Alone, HostError."""
        settings = execute.run(Command(ssh.settings_line(self._platform, self._host)), OPENING).out
        if ssh.are_shared_by_user(settings) or not places.holds_sockets(self._places.folder):
            self._stay_alone()
        path = self._places.new_socket(place, self._key)
        self._take_turn()
        try:
            order = None if self._places.is_noted(SLOW_AES, DAY) else ciphers.wanted(settings, self._ssh.options)
            outcome = execute.run(Command(ssh.master_line(self._platform, self._host, path, order)), OPENING)
        except NoAnswer as error:
            raise _Alone from error
        if outcome.exit_code == 0 and mux.look(path, self._ssh.connect_timeout) == mux.THERE:
            return path
        mux.end(path)
        if outcome.exit_code != 0:
            self._fail(outcome.err)
        return self._stay_alone()

    def _fail(self, said: bytes) -> None:
        """Raises what keeps us from the host; returns where that is not clear, or lies in our asking to share."""
        error = ssh.known_error(ssh.past_sharing(said), self._host)
        if error is None or isinstance(error, ConfigError):
            return
        if BEHIND in error.message:
            raise _Alone
        with open(self._failed, "wb", opener=_private) as file:
            file.write(said)
        raise error

    def _fail_as_others(self, began: float) -> None:
        """What was said to another call while we waited for it is the answer to us, too: nobody knocks twice."""
        if not _newer(self._failed, began):
            return
        with open(self._failed, "rb") as file:
            error = ssh.known_error(ssh.past_sharing(file.read(ERR_KEPT)), self._host)
        if error is not None:
            raise error

    def _stay_alone(self) -> NoReturn:
        with open(self._alone, "wb", opener=_private):
            pass
        os.utime(self._alone)
        raise _Alone

    def _take_turn(self) -> None:
        rate = self._ssh.rate
        said = f"{rate} connections were opened within a minute (ssh.rate); waiting"
        self._places.take_turn(rate, lambda left: self._say(f"{said} {left:.0f} s"))

    def _say(self, text: str) -> None:
        if not self._told:
            self._tell(f"{self._host}: {text}")
        self._told = True


def _newer(path: str, since: float) -> bool:
    try:
        return os.stat(path).st_mtime >= since
    except OSError:
        return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
