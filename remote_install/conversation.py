"""What is said with the job host program while one ssh runs: requests on its stdin, replies back."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable

from remote_install.jobhost import wire
from remote_install.jobhost.meanwhile import meanwhile
from transfer import execute, ssh
from transfer.command import Outcome, last_words
from transfer.errors import (
    ConfigError,
    ConnectionLost,
    HostUnsuitable,
    InstallCommandFailed,
    JobRunnerError,
    NoAnswer,
    RefusedBySite,
    RemoteInstallError,
    TransferError,
    UsageError,
    WouldDoHarm,
)
from transfer.wording import told

Json = dict[str, Any]
SILENCE = 60.0  # seconds without a reply after which a host counts as hung; watch says something every 5
GOODBYE = 2.0  # seconds that ssh gets to end by itself after the last line
ALIVE = 10.0  # seconds between two signs of life to a program that waits for us
LONGEST_WORDS = 2000  # characters of a message of its own, and of a hint
LONGEST_REPLY = 8 * 1024 * 1024  # bytes; the plan of an install may be longer: wire.MAX_LINE
ANSWER = 256 * 1024 * 1024  # bytes of all replies to one call, but for what jobs print
ENOUGH = 300.0  # seconds for a call that is no work, and for one to begin, whatever signs of life come
FOR_A_JOB = 60.0  # seconds more for each job that is submitted or ended
SLOWEST = 10_000.0  # bytes a second that come at least: a long log takes its time
UNLIMITED = ("install", "clean")  # what they do there may take hours: as long as signs of life come
NOISE = 1024 * 1024  # bytes that login banners and start-up files may print before the marker line

ABOUT_THE_PLACE = ("place", "gate", "slow aes")  # what is said besides the replies
STRANGE = "Is that host what it should be?"
BY_CODE: dict[int, type[RemoteInstallError]] = {
    1: InstallCommandFailed,
    2: UsageError,
    3: ConfigError,
    4: HostUnsuitable,
    5: TransferError,
    6: RefusedBySite,
    7: JobRunnerError,
    9: WouldDoHarm,
}


class ProgramMissing(Exception):
    """No marker line came: the job host program did not start. Its text: what was said instead."""


class Conversation:
    """Requests to the job host program and its replies, while one ssh runs."""

    def __init__(
        self,
        running: execute.Running,
        host: str,
        verb: str,
        on_noise: Callable[[], None] = lambda: None,
        on_place: Callable[[Json], None] = lambda _: None,
    ) -> None:
        """on_noise: called when something was printed before the marker line. on_place: with what is said of where the
        run directory lies, of a gate, and of the processor; that is no reply."""
        self._running, self._host, self._verb = running, host, verb
        self._on_noise, self._on_place = on_noise, on_place
        self._until: float | None = time.monotonic() + ENOUGH
        self._replies = self._hear()

    def say(self, request: Json) -> None:
        """One request. Raises NoAnswer when nobody reads it."""
        allowed = allowance(self._verb, request)
        self._until = None if allowed is None else max(self._until or 0.0, time.monotonic() + allowed)
        self._running.feed(json.dumps(request).encode("ascii") + b"\n")

    def say_no_more(self) -> None:
        self._running.feed_no_more()

    def hear(self, *kinds: str) -> Json:
        """The next reply of one of `kinds`; others are passed over. Raises HostError when none comes any more."""
        for reply in self._replies:
            if reply["reply"] in kinds:
                return reply
        raise HostUnsuitable(f"{self._host}: it ended {self._verb} without saying {' or '.join(kinds)}", "", self._host)

    def replies(self) -> Iterator[Json]:
        """All replies up to the last line. Raises what the job host program refused."""
        return self._replies

    def listen_to_the_end(self) -> None:
        """Pass over what is still said. Raises HostError when the last line does not come."""
        for _ in self._replies:
            pass

    @contextlib.contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Say every few seconds that we are here, in a block that does something else."""

        def beat(over: threading.Event) -> None:
            with contextlib.suppress(NoAnswer):  # who listens for replies is told so too
                while not over.wait(ALIVE):
                    self._running.feed(b"\n")

        with meanwhile(beat):
            yield

    def _hear(self) -> Iterator[Json]:
        marked = noise = False
        size, longest = 0, wire.MAX_LINE if self._verb == "install" else LONGEST_REPLY
        for line in _lines(self._running, self._host, longest, self._check_time):
            if not marked:
                marked = line.strip() == wire.MARKER.encode("ascii")
                noise = noise or (bool(line) and not marked)
                if marked and noise:
                    self._on_noise()
                continue
            reply = _reply(line, self._host)
            size += 0 if reply["reply"] in ("output", "alive") else len(line)
            if size > max(ANSWER, longest):
                raise HostUnsuitable(f"{self._host}: its answer to {self._verb} does not end", STRANGE, self._host)
            if reply["reply"] == wire.LAST:
                self._running.feed_no_more()
                self._running.wait_until(lambda: False, GOODBYE)
                return
            if reply["reply"] in ABOUT_THE_PLACE:
                self._on_place(reply)
                continue
            began = time.monotonic()
            yield reply
            self._allow(time.monotonic() - began + len(line) / SLOWEST)  # who reads may take his time
        self._raise_why_it_broke(marked)

    def _allow(self, seconds: float) -> None:
        self._until = None if self._until is None else self._until + seconds

    def _check_time(self) -> None:
        if self._until is not None and time.monotonic() > self._until:
            raise NoAnswer(f"{self._host}: {self._verb} there does not come to an end", STRANGE, self._host)

    def _raise_why_it_broke(self, marked: bool) -> None:
        assert self._running.exit_code is not None
        outcome = Outcome(self._running.exit_code, b"", ssh.past_sharing(self._running.err))
        words = last_words(outcome.err)
        refused = ssh.refused_by_gate(outcome.err, self._host)
        if refused is not None:
            raise refused
        if marked:
            what = words or f"exit {outcome.exit_code}"
            raise ConnectionLost(
                f"{self._host}: the connection was lost in the middle of {self._verb} ({what})",
                "The same command typed again goes on where this one was.",
                self._host,
            )
        error = ssh.error_of(outcome, self._host)
        if error is not None:
            raise error
        raise ProgramMissing(words or f"exit {outcome.exit_code} without a word")


def allowance(verb: str, request: Json) -> float | None:
    """Seconds that a call may take in all; None: as long as signs of life come.

    >>> allowance("kill", {"jobs": [{}, {}], "grace": 10.0}), allowance("clean", {})
    (430.0, None)
    """
    if verb in UNLIMITED:
        return None
    jobs = request.get("jobs") if verb in ("submit", "kill") else None
    more = [float(request.get(name) or 0.0) for name in ("seconds", "grace")]
    return ENOUGH + sum(more) + FOR_A_JOB * len(jobs or ())


def _lines(
    running: execute.Running,
    host: str,
    longest: int = wire.MAX_LINE,
    check_time: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """Whole lines of its output; what a host may send in one, and before the marker line, is limited.

    longest: bytes of one. check_time: raises when it takes too long in all.
    """
    parts: list[bytes] = []
    size, noise, marked = 0, 0, False
    for data in running:
        check_time()
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = b"".join((*parts, line))
            parts, size = [], 0
            marked = marked or whole.strip() == wire.MARKER.encode("ascii")
            noise += 0 if marked else len(whole) + 1
            yield whole
        parts.append(rest)
        size += len(rest)
        if size > (longest if marked else NOISE) or noise > NOISE:
            raise HostUnsuitable(
                f"{host}: its answer is no line of ours", "Does a start-up file there print a lot?", host
            )


def _reply(line: bytes, host: str) -> Json:
    """A line as a reply. Raises what the job host program refused."""
    try:
        reply = wire.decode(line)
    except ValueError:
        shown = last_words(line[:200])
        raise HostUnsuitable(
            f"{host}: its answer is garbage: {shown!r}", "Does something there print into the output of python3?", host
        ) from None
    if reply["reply"] == "error" and "job" not in reply:
        raise error_of(reply, host)
    return reply


def job_of(reply: Json) -> str:
    """The name of the job that a reply is about; "" where it tells none."""
    job = reply.get("job")
    return job if isinstance(job, str) else ""


def error_of(reply: Json, host: str) -> RemoteInstallError:
    """The error that a reply tells."""
    code = reply.get("code")
    kind = BY_CODE.get(code, HostUnsuitable) if type(code) is int else HostUnsuitable
    return kind(f"{host}: {told(reply.get('message'), LONGEST_WORDS)}", told(reply.get("hint"), LONGEST_WORDS), host)
