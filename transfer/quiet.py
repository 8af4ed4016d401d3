"""Stands between rsync and ssh where start-up files print: drops all up to the marker line, then passes on the rest.

    python3 -I -S quiet.py MARKER ssh ARGUMENT...

ssh has stdin and stderr for its own, and this program ends as ssh ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys

NOISE = 1024 * 1024  # bytes that may come before the marker line
CHUNK = 1024 * 1024
NO_MARKER = "remote-install: no marker line came"
SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux; Python 3.9 has no name for it


def main(marker: str, command: list[str]) -> int:
    """The exit code of `command`."""
    ours, its = os.pipe()
    with contextlib.suppress(OSError):
        fcntl.fcntl(ours, SET_PIPE_SIZE, CHUNK)
    to_its_stdout = [(os.POSIX_SPAWN_DUP2, its, 1)]
    pid = os.posix_spawnp(
        command[0], command, os.environ, file_actions=to_its_stdout, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ]
    )
    os.close(its)
    os.set_blocking(1, True)  # rsync has made it otherwise
    with contextlib.suppress(BrokenPipeError):
        first = _after(ours, os.fsencode(marker))
        if first is None:
            sys.stderr.write(f"{NO_MARKER}\n")
        else:
            _write(first)
            _pass_on(ours)
    os.close(ours)
    return _end_like(pid)


def _after(source: int, marker: bytes) -> bytes | None:
    """What has been read behind the marker line; None when it does not come."""
    line = b"\n" + marker + b"\n"
    seen = b"\n"
    while len(seen) < NOISE:
        data = os.read(source, CHUNK)
        if not data:
            return None
        seen += data
        _, found, rest = seen.partition(line)
        if found:
            return rest
    return None


def _pass_on(source: int) -> None:
    try:
        while os.splice(source, 1, CHUNK):  # the bytes do not come through this process
            pass
    except BrokenPipeError:
        raise
    except (AttributeError, OSError):  # before Python 3.10, and for what can't be spliced to
        while data := os.read(source, CHUNK):
            _write(data)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _end_like(pid: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        with contextlib.suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)  # not to be set for SIGKILL
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
