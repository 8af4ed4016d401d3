"""What is said to the master of a kept ssh connection through its socket: does the host answer, and: end."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator

# OpenSSH's PROTOCOL.mux, version 4, the same since 2010. A frozen master lets `ssh -O check` hang, one whose host is
# gone every client (measured); this asks the host itself, starts nothing there, and waits no longer than it is told.
VERSION = 4
HELLO, NEW_SESSION, TERMINATE, STOP_LISTENING = 0x00000001, 0x10000002, 0x10000005, 0x10000009
REFUSED, FAILED, OPENED = 0x80000002, 0x80000003, 0x80000006
# A session is opened for a subsystem that no host has: sshd says no, starts nothing, and writes a line in its log.
SUBSYSTEM = b"remote-install-is-the-host-there"
NO_ESCAPE = 0xFFFFFFFF
LONGEST = 64 * 1024  # bytes of a message
PATIENCE = 1.0  # seconds for a master to obey

THERE, FULL, GONE = "there", "full", "gone"


def look(path: str, seconds: float) -> str:
    """THERE: the host answers over the connection at `path`, and it has room. FULL: it has none. GONE: it does not
    answer within `seconds`, or there is no master any more."""
    try:
        with _connected(path, seconds) as master:
            master.send(_number(NEW_SESSION, 1) + _text(b"") + _number(0, 0, 0, 1, NO_ESCAPE) + _text(b"", SUBSYSTEM))
            master.lend_nothing(3)
            answer = master.hear()
    except (OSError, EOFError, ValueError):
        return GONE
    return {OPENED: THERE, FAILED: FULL, REFUSED: FULL}.get(_first(answer), GONE)


def end(path: str) -> None:
    """End the master at `path`, with all that still uses it."""
    _ask(path, TERMINATE)


def retire(path: str) -> None:
    """Have the master at `path` serve nobody else, and end with the last that uses it."""
    _ask(path, STOP_LISTENING)


def _ask(path: str, what: int) -> None:
    with contextlib.suppress(OSError, EOFError, ValueError), _connected(path, PATIENCE) as master:
        master.send(_number(what, 1))
        master.hear()
    with contextlib.suppress(OSError):  # it does so itself, if it can
        os.unlink(path)


class _Master:
    """A connection to the socket of a master; no more than `seconds` from now are waited in all."""

    def __init__(self, path: str, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._limit()
            self._socket.connect(path)
        except BaseException:
            self.close()
            raise

    def send(self, message: bytes) -> None:
        self._limit()
        self._socket.sendall(_text(message))

    def lend_nothing(self, count: int) -> None:
        """/dev/null for a session's stdin, stdout and stderr, each sent by itself."""
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            for _ in range(count):
                self._limit()
                socket.send_fds(self._socket, [b"\0"], [nothing])
        finally:
            os.close(nothing)

    def hear(self) -> bytes:
        """The next message. Raises EOFError, OSError, ValueError for what is none."""
        (length,) = struct.unpack(">I", self._read(4))
        if length > LONGEST:
            raise ValueError(length)
        return self._read(length)

    def close(self) -> None:
        self._socket.close()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self._limit()
            part = self._socket.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _limit(self) -> None:
        self._socket.settimeout(max(0.001, self._until - time.monotonic()))


@contextlib.contextmanager
def _connected(path: str, seconds: float) -> Iterator[_Master]:
    with contextlib.closing(_Master(path, seconds)) as master:
        master.send(_number(HELLO, VERSION))
        if _first(master.hear()) != HELLO:
            raise ValueError("no hello")
        yield master


def _first(message: bytes) -> int:
    return int.from_bytes(message[:4], "big")


def _number(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _text(*values: bytes) -> bytes:
    """
    >>> _text(b"ab", b"")
    b'\\x00\\x00\\x00\\x02ab\\x00\\x00\\x00\\x00'
    """
    return b"".join(struct.pack(">I", len(value)) + value for value in values)
