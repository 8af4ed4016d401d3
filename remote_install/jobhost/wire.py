"""How a request comes in and replies go out: JSON on stdin; a marker line, JSON lines and a last line on stdout."""

import contextlib
import json
import os
import re
import select
import sys
import threading
import time
from typing import Any, Dict, Iterator, List, Optional, Union

from .meanwhile import meanwhile

PROTOCOL = 1
MARKER = "remote-install job host program, protocol %d" % PROTOCOL
MARK = b"\n" + MARKER.encode("ascii") + b"\n"  # a login banner may lack its line end
LAST = "end"
RSYNC = "rsync"  # in place of a verb: says the marker line and becomes rsync
MAX_LINE = 64 * 1024 * 1024  # bytes of one reply: the plan of an install of a million files
LONGEST_NUMBER = 30  # characters
PIECE = 32 * 1024  # bytes of replies that go out together
SILENCE = 45.0  # seconds after which a client that should say something every few counts as gone
HEARTBEAT = 5.0  # seconds of silence at most: a line that can't be written tells that nobody listens

Json = Dict[str, Any]


class Refusal(Exception):
    """What the program will not or can not do. code: the client's exit code. hint: the remedy."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def _whole(text: str) -> int:
    """To read a number takes the square of its length, and Python 3.9 does not limit that."""
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number of %d digits" % len(text))
    return int(text)


def _number(text: str) -> float:
    found = float(text)
    if not abs(found) < float("inf"):
        raise ValueError("not a number: %s" % text[:LONGEST_NUMBER])
    return found


STRICT = json.JSONDecoder(parse_int=_whole, parse_float=_number, parse_constant=_number)


def encode(reply: str, fields: Json) -> bytes:
    """One reply as a line.

    >>> encode("end", {"count": 1})
    b'{"reply": "end", "count": 1}\\n'
    """
    line: Json = {"reply": reply}
    line.update(fields)
    return json.dumps(line).encode("ascii") + b"\n"


def decode(line: Union[bytes, str]) -> Json:
    """The reply of a line. Raises ValueError when it is none, or holds a number that no reply of ours has."""
    try:
        reply = STRICT.decode(line if isinstance(line, str) else line.decode("ascii"))
    except RecursionError:
        raise ValueError("nested too deep")
    if not isinstance(reply, dict) or not isinstance(reply.get("reply"), str):
        raise ValueError("not a reply")
    return reply


def _parse(line: bytes) -> Json:
    try:
        request = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise Refusal(2, "the request is not JSON: %s" % error)
    if not isinstance(request, dict):
        raise Refusal(2, "the request is not a JSON object")
    return request


class Client:
    """Who asked: requests are heard from it, a line each, and replies said to it."""

    def __init__(self) -> None:
        self._in = sys.stdin.fileno()
        self._unread = bytearray()
        self._heard = False
        self._heard_at = time.monotonic()
        self._writing = threading.Lock()
        self._out = sys.stdout.fileno()  # no buffer, hence nothing that would be flushed to nobody at the end
        self._unsaid: List[bytes] = []
        self._unsaid_size = 0
        self._write(MARK)

    def say(self, reply: str, **fields: Any) -> None:
        self._write(encode(reply, fields))

    def say_soon(self, reply: str, **fields: Any) -> None:
        """Say it with others in one piece, at the latest when something else is said."""
        line = encode(reply, fields)
        self._unsaid.append(line)
        self._unsaid_size += len(line)
        if self._unsaid_size >= PIECE:
            self._write(b"")

    def offer(self, reply: str, **fields: Any) -> bool:
        """Say it if that can be done without waiting for the client to read; at most PIPE_BUF bytes. Was it said?

        poll(2) tells that a pipe can be written to when PIPE_BUF bytes have room in it, a socket when more have.
        """
        data = encode(reply, fields)
        assert len(data) <= select.PIPE_BUF
        with self._writing:
            other_end = select.poll()
            other_end.register(self._out, select.POLLOUT)
            if not other_end.poll(0):
                return False
            self._write_all(data)
        return True

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Say every few seconds that we are still at it, in a block that may be silent for long."""

        def beat(over: threading.Event) -> None:
            with contextlib.suppress(BrokenPipeError):
                while not over.wait(HEARTBEAT):
                    self.offer("alive")

        with meanwhile(beat):
            yield

    def refuse(self, refusal: Refusal) -> None:
        self.say("error", code=refusal.code, message=refusal.message, hint=refusal.hint)

    def end(self) -> None:
        self.say(LAST)

    def hear(self, seconds: float) -> Json:
        """The next request; an empty line only says that the client is there.

        Raises BrokenPipeError when it has gone, or was silent for `seconds`; Refusal when it is no JSON object.
        """
        searched = 0
        while True:
            end = self._unread.find(b"\n", searched)
            if end >= 0:
                line, searched = bytes(self._unread[:end]), 0
                del self._unread[: end + 1]
                if line.strip():
                    return _parse(line)
                continue
            searched = len(self._unread)
            if not select.select([self._in], [], [], seconds)[0]:
                raise BrokenPipeError("nobody says anything")
            data = os.read(self._in, 1024 * 1024)
            if not data and self._unread:
                return _parse(bytes(self._unread))
            if not data and not self._heard:
                raise Refusal(4, "no request came on stdin", "Does a start-up file there, such as .bashrc, read it?")
            if not data:
                raise BrokenPipeError("nobody says anything more")
            self._unread += data  # in place: a line may come in a thousand pieces
            self._heard, self._heard_at = True, time.monotonic()

    def rest(self, seconds: float) -> None:
        """Sleep. Raises BrokenPipeError as soon as nobody can read us any more: nothing is left behind here.

        poll(2) reports the other end's closing of a pipe or socket also when no event is asked for.
        """
        other_end = select.poll()
        other_end.register(self._out, 0)
        if other_end.poll(seconds * 1000):
            raise BrokenPipeError("nobody listens")

    def attend(self, seconds: float, descriptor: Optional[int], to_say: bool) -> bool:
        """Wait until there is something to read from `descriptor`: is there? Or, `to_say`, until it can be said.

        For `seconds` at most. Raises BrokenPipeError when the client has gone, or was silent for SILENCE seconds.
        """
        ends = select.poll()
        ends.register(self._in, select.POLLIN)
        ends.register(self._out, select.POLLOUT if to_say else 0)
        if descriptor is not None:
            ends.register(descriptor, select.POLLIN)
        ready = dict(ends.poll(seconds * 1000))
        if ready.get(self._out, 0) & ~select.POLLOUT:
            raise BrokenPipeError("nobody listens")
        if self._in in ready:
            data = os.read(self._in, 64 * 1024)
            if not data:
                raise BrokenPipeError("nobody says anything more")
            self._unread, self._heard_at = (self._unread + data).lstrip(b"\n"), time.monotonic()
        elif time.monotonic() - self._heard_at > SILENCE:
            raise BrokenPipeError("nobody says anything")
        return descriptor in ready

    def _write(self, data: bytes) -> None:
        with self._writing:
            data = b"".join([*self._unsaid, data])
            self._unsaid, self._unsaid_size = [], 0
            self._write_all(data)

    def _write_all(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out, data) :]


def to_bytes(text: str) -> bytes:
    """The bytes behind a string of the request: what was no UTF-8 travels as lone surrogates (PEP 383).

    >>> to_bytes("a\\udcff")
    b'a\\xff'
    """
    return text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    """The reverse of to_bytes."""
    return data.decode("utf-8", "surrogateescape")


def text(fields: Json, name: str, pattern: str = "[^\0]+") -> str:
    """A field that is a string which matches `pattern` as a whole, else a Refusal that names it."""
    value = fields.get(name)
    if isinstance(value, str) and re.fullmatch(pattern, value):
        return value
    raise Refusal(2, "%s of the request is not in order" % name)


def number(fields: Json, name: str) -> Optional[int]:
    """A field that is a whole number from 0, or None where there is none, else a Refusal that names it."""
    value = fields.get(name)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise Refusal(2, "%s of the request is not in order" % name)


def strings(fields: Json, name: str) -> List[str]:
    """A field that is a list of strings without NUL, else a Refusal that names it."""
    value = fields.get(name)
    if isinstance(value, list) and all(isinstance(v, str) and "\0" not in v for v in value):
        return value
    raise Refusal(2, "%s of the request is not a list of strings" % name)
