"""Runs a Command with `sh`: argv in, outcome out; the only importer of sh.

Standard output and errors come through pipes of our own: sh swallows exceptions of its line callbacks,
keeps all output in memory, and takes seconds for large ones (measured). What it starts is in a session
of its own: no terminal to ask on, and one signal reaches all of it.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import resource
import selectors
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import IO, Any, Callable

import sh

from transfer import abandoned
from transfer.command import ERR_KEPT, Command, Outcome
from transfer.errors import ConfigError, NoAnswer, TransferError

CHUNK = 256 * 1024
TICK = 0.5  # seconds between two looks whether the program is still there
GRACE = 2.0  # seconds from TERM to KILL
REMEDY = "Install it, or name another with ssh.command or rsync.command in hosts.yaml."

# sh encodes arguments strictly; file names may be any bytes, which Python holds as lone surrogates (PEP 383).
ANY_BYTES = "remote_install_any_bytes"


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name != ANY_BYTES:
        return None
    return codecs.CodecInfo(
        name=ANY_BYTES,
        encode=lambda text, _errors="strict": (os.fsencode(text), len(text)),
        decode=lambda data, _errors="strict": (os.fsdecode(bytes(data)), len(data)),
    )


codecs.register(_find_codec)


class Running:
    """A started program: iterate over its standard output, then read exit_code and err."""

    def __init__(self, command: Command, idle: float | None) -> None:
        self.err = b""
        self.exit_code: int | None = None
        self._idle = idle
        self._heard = time.monotonic()
        self._command = command
        self._out, out_end = os.pipe()
        self._err, err_end = os.pipe()
        self._in: IO[bytes] | None = None  # never waits by itself: see feed
        self._feeding = threading.Lock()
        try:
            with self._stdin(command.stdin) as stdin:
                self._process = _start(command, stdin.fileno(), out_end, err_end)
        except BaseException:
            self._close_ends()
            raise
        finally:
            os.close(out_end)
            os.close(err_end)

    def _stdin(self, data: bytes | None) -> IO[bytes]:
        if data is not None:
            return _as_file(data)
        its, ours = os.pipe()
        os.set_blocking(ours, False)
        self._in = os.fdopen(ours, "wb", buffering=0)
        return os.fdopen(its, "rb")

    def feed(self, data: bytes) -> None:
        """Give it more on stdin; what it can't read any more is dropped: its end is told by its output's end.

        Raises NoAnswer when it has read nothing for too long.
        """
        if self._in is not None:
            with contextlib.suppress(BrokenPipeError), self._feeding:
                rest = memoryview(data)
                while rest:
                    written = self._in.write(rest)
                    rest = rest[written or 0 :]
                    if not written and not _writable(self._in.fileno(), self._idle):
                        said = f"nothing was read for {self._idle:.0f} s by: {self._command}"
                        raise NoAnswer(said, "What should take it hangs, there or here: try again.")

    def feed_no_more(self) -> None:
        if self._in is not None:
            self._in.close()
            self._in = None

    def __iter__(self) -> Iterator[bytes]:
        """Chunks of standard output. Raises NoAnswer when nothing has come for too long."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._err, selectors.EVENT_READ)
            open_ends = {self._out, self._err}
            while self._out in open_ends:
                ready = selector.select(self._wait())
                if not ready and not self._process.is_alive():
                    ready = selector.select(0)
                    if not ready:
                        break  # a grandchild, such as a kept ssh connection, holds the pipe
                for key, _ in ready:
                    data = os.read(key.fd, CHUNK)
                    if not data:
                        selector.unregister(key.fd)
                        open_ends.discard(key.fd)
                    elif key.fd == self._out:
                        yield data
                    else:
                        self._keep(data)
                    self._heard = time.monotonic()  # after the reader had it: only silence counts
        self._finish()

    def _wait(self) -> float:
        if self._idle is None:
            return TICK
        left = self._heard + self._idle - time.monotonic()
        if left <= 0:
            raise NoAnswer(f"nothing came for {self._idle:.0f} s from: {self._command}")
        return min(left, TICK)

    def _keep(self, data: bytes) -> None:
        self.err = (self.err + data)[-ERR_KEPT:]

    def _finish(self) -> None:
        while self._process.is_alive():  # it may go on writing errors after it closed its output
            if not self._read_errors(self._wait()):
                self._ends_within(self._wait())
        self._process.wait()
        self.exit_code = self._process.exit_code
        while self._read_errors(0.0):
            pass

    def _read_errors(self, seconds: float) -> bool:
        """Keep what comes on stderr; False at its end, and when nothing comes in time."""
        data = os.read(self._err, CHUNK) if _readable(self._err, seconds) else b""
        self._keep(data)
        return bool(data)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Look until `ready`; False when the program has ended before, or the time is over."""
        until = time.monotonic() + seconds
        while not ready():
            if not self._process.is_alive() or time.monotonic() > until:
                return False
            _readable(self._err, 0.02)
        return True

    def _ends_within(self, seconds: float) -> bool:
        """Wait for its end. What sh's own wait does with a time-out is to look every 0.1 seconds (measured)."""
        until, pause = time.monotonic() + seconds, 0.001
        while self._process.is_alive():
            if time.monotonic() > until:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return True

    def close(self) -> None:
        """End it if it still runs: TERM to its process group, KILL after a grace, also to who is deaf to TERM."""
        if self._process.is_alive():
            self.signal(signal.SIGTERM)
            self._ends_within(GRACE)
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._close_ends()

    def _close_ends(self) -> None:
        self.feed_no_more()
        os.close(self._out)
        os.close(self._err)

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


# What runs now, and what abandons it: an interrupt, which only the main thread sees, ends what the others wait for.
_LIVE: dict[Running, threading.Event | None] = {}
_LOCK = threading.Lock()


@contextlib.contextmanager
def stream(command: Command, idle: float | None = None) -> Iterator[Running]:
    """Start `command`; it is ended with all it started when the block is left.

    idle: seconds of silence that are borne. Raises ConfigError when the program is not there.
    """
    running: Running | None = None
    try:
        with _interrupts_held():
            running = Running(command, idle)
            with _LOCK:
                _LIVE[running] = abandoned.event()
        yield running
    finally:
        if running is not None:
            with _LOCK:
                _LIVE.pop(running, None)
            running.close()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """An interrupt in this block is acted on at its end, when what was started is known and can be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    held = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in held:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def end_all(event: threading.Event) -> None:
    """End all that was started, and is still waited for, by work that `event` abandons."""
    with _LOCK:
        live = [running for running, its in _LIVE.items() if its is event]
    for running in live:
        running.signal(signal.SIGTERM)


def run(
    command: Command,
    idle: float | None = None,
    limit: int = 256 * 1024 * 1024,
    heard: Callable[[bytes], None] = lambda _data: None,
) -> Outcome:
    """Run `command` to its end. limit: bytes of output; more is an error, not our memory. heard: gets each piece of
    its output as it comes.

    >>> run(Command(("printf", "%s", "a b"))).out
    b'a b'
    >>> run(Command(("cat",), stdin=b"hello")).out
    b'hello'
    """
    out: list[bytes] = []
    size = 0
    with stream(command, idle) as running:
        for data in running:
            out.append(data)
            heard(data)
            size += len(data)
            if size > limit:
                raise TransferError(f"more than {limit} bytes of output from: {command}")
    assert running.exit_code is not None
    return Outcome(running.exit_code, b"".join(out), running.err)


def _start(command: Command, stdin: int, out: int, err: int) -> Any:
    try:
        program: Any = sh.Command(command.argv[0])
    except sh.CommandNotFound:
        raise ConfigError(f"the program {command.argv[0]!r} is not on this machine", REMEDY) from None
    try:
        return _call(program, command, stdin, out, err)
    except sh.ForkException as error:
        why = str(error).strip().splitlines()[-1].strip()
        raise ConfigError(f"the program {command.argv[0]!r} can't be started: {why}", REMEDY) from None


def _call(program: Any, command: Command, stdin: int, out: int, err: int) -> Any:
    return program(
        *command.argv[1:],
        _in=stdin,
        _out=out,
        _err=err,
        _cwd=command.cwd,
        _bg=True,
        _bg_exc=False,
        _new_session=True,
        _preexec_fn=lambda: _prepare(command.memory),
        _env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},  # for a jump host's ssh too, which has none of our options
        _ok_code=tuple(range(-128, 256)),
        _encoding=ANY_BYTES,
        _return_cmd=True,
    )


def _prepare(memory: int | None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # sh has it ignored in what it starts
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _as_file(data: bytes) -> IO[bytes]:
    # A file, not a pipe: nobody has to feed it while we read, and its end is its end.
    file = tempfile.TemporaryFile()  # noqa: SIM115, the caller closes it
    file.write(data)
    file.seek(0)
    return file


def _writable(fd: int, seconds: float | None) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_WRITE)
        return bool(selector.select(seconds))


def _readable(fd: int, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(seconds))
