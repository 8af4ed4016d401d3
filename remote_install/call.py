"""One verb on one job host: request on stdin, replies back; sends the job host program if it is missing there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from typing import Any, Callable

from remote_install import bundle
from remote_install.jobhost import wire
from remote_install.talk import Talk
from transfer import execute, rsync, ssh
from transfer.command import Command, Outcome, last_words
from transfer.errors import (
    ConfigError,
    ConnectionLost,
    HostUnsuitable,
    JobRunnerError,
    RefusedBySite,
    RemoteInstallError,
    TransferError,
    UsageError,
    WouldDoHarm,
)
from transfer.platforms import Platform
from transfer.retry import retried
from transfer.sync import transfer

Json = dict[str, Any]
SILENCE = 60.0  # seconds without a reply after which a host counts as hung; watch says something every 5
NOISE = 1024 * 1024  # bytes that login banners and start-up files may print before the marker line

BY_CODE: dict[int, type[RemoteInstallError]] = {
    2: UsageError,
    3: ConfigError,
    4: HostUnsuitable,
    5: TransferError,
    6: RefusedBySite,
    7: JobRunnerError,
    9: WouldDoHarm,
}


class _ProgramMissing(Exception):
    """No marker line came: the job host program did not start."""


def call(platform: Platform, verb: str, request: Callable[[], Json], heard: Callable[[Json], None], talk: Talk) -> None:
    """Ask the host of `platform` for `verb`; each reply is given to `heard`.

    request: made anew for each attempt, because a call that broke is asked again. Raises HostError when the
    host can't be asked, and what the job host program itself refused as the error of its code.
    """
    host = platform.hosts[0]

    def once() -> None:
        try:
            _ask(platform, host, verb, request(), heard, talk)
        except _ProgramMissing:
            _send_program(platform, host, talk)
            try:
                _ask(platform, host, verb, request(), heard, talk)
            except _ProgramMissing as missing:
                raise _unsuitable(platform, host, str(missing)) from None

    retried(once, platform, talk.tell)


def _ask(platform: Platform, host: str, verb: str, request: Json, heard: Callable[[Json], None], talk: Talk) -> None:
    words = (platform.python, "-I", bundle.build().path, verb)
    command = Command(ssh.command_line(platform, host, words), json.dumps(request).encode("ascii"))
    talk.command(str(command))
    with execute.stream(command, SILENCE) as running:
        marked, ended = False, False
        for line in _lines(running, host):
            if not marked:
                marked = line.strip() == wire.MARKER.encode("ascii")
            elif not ended:
                ended = _hear(line, host, heard)
        if ended:
            return
        assert running.exit_code is not None
        outcome = Outcome(running.exit_code, b"", running.err)
    error = ssh.error_of(outcome, host)
    if marked:
        words_there = last_words(outcome.err) or f"exit {outcome.exit_code}"
        raise ConnectionLost(f"{host}: the connection was lost in the middle of {verb} ({words_there})", host=host)
    if error is not None:
        raise error
    raise _ProgramMissing(last_words(outcome.err) or f"exit {outcome.exit_code} without a word")


def _lines(running: execute.Running, host: str) -> Iterator[bytes]:
    """Whole lines of its output; what a host may send in one is limited."""
    rest, noise, marked = b"", 0, False
    for data in running:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            marked = marked or line.strip() == wire.MARKER.encode("ascii")
            noise += 0 if marked else len(line) + 1
            yield line
        if len(rest) > wire.MAX_LINE or noise > NOISE:
            raise HostUnsuitable(
                f"{host}: its answer is no line of ours", "Does a start-up file there print a lot?", host
            )


def _hear(line: bytes, host: str, heard: Callable[[Json], None]) -> bool:
    """Pass one reply on; was it the last? Raises what the job host program refused."""
    try:
        reply = wire.decode(line)
    except ValueError:
        shown = last_words(line[:200])
        raise HostUnsuitable(
            f"{host}: its answer is garbage: {shown!r}", "Does something there print into the output of python3?", host
        ) from None
    if reply["reply"] == wire.LAST:
        return True
    if reply["reply"] == "error" and "job" not in reply:
        raise error_of(reply, host)
    heard(reply)
    return False


def error_of(reply: Json, host: str) -> RemoteInstallError:
    """The error that a reply tells."""
    code = reply.get("code")
    kind = BY_CODE.get(code, HostUnsuitable) if isinstance(code, int) else HostUnsuitable
    return kind(f"{host}: {_printable(reply.get('message'))}", _printable(reply.get("hint")), host)


def _printable(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text or ""))[:2000]


def _send_program(platform: Platform, host: str, talk: Talk) -> None:
    program = bundle.build()
    with tempfile.TemporaryDirectory(prefix="remote-install-") as folder:
        path = os.path.join(folder, program.name)
        with open(path, "wb") as file:
            file.write(program.data)
        command = rsync.push(platform, host, path, f"{bundle.FOLDER}/")
        transfer(platform, host, command, talk.tell, talk.command)


def _unsuitable(platform: Platform, host: str, words: str) -> HostUnsuitable:
    return HostUnsuitable(
        f"{host}: {platform.python} does not start our program there: {words}",
        f"It needs Python 3.6 or newer; name one with `python:` in hosts.yaml. Try `ssh {host} {platform.python} -V`.",
        host,
    )
