"""Runs the commands of job runners: in a clean environment, with a time-out, never through a shell."""

import contextlib
import os
import pwd
import selectors
import signal
import subprocess
import time
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from ..files import write
from ..layout import JobDirectory
from ..wire import Refusal, to_bytes, to_text
from .quoting import quoted
from .words import Said

SECONDS = 50.0  # that a command may take: a frozen controller holds its callers for minutes (measured)
MOST, CHUNK = 64 * 1024**2, 64 * 1024  # bytes that it may print, and that are read at once
TICK = 0.2  # seconds between two looks whether it has ended
PLAIN = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ")
TIMED_OUT, NOT_FOUND = -1001, -1002  # beside the exit codes of commands; -9 is one that was killed by signal 9


def clean(keep: Tuple[str, ...], more: Mapping[str, str]) -> Dict[bytes, bytes]:
    """The environment of a command: what every login has, the variables in `keep`, and `more`.

    What else a login has set may change what a job runner does (SBATCH_*, SGE's request files, LSB_*).
    """
    found = {name: value for name, value in os.environb.items() if to_text(name) in PLAIN + keep}
    found.update({to_bytes(name): to_bytes(value) for name, value in more.items()})
    return found


def run(
    argv: List[str], environment: Dict[bytes, bytes], folder: Optional[bytes] = None, seconds: Optional[float] = None
) -> Said:
    """Run a command to its end; what takes longer than `seconds` (SECONDS), or prints more than MOST, is killed with
    all that it started.

    Like any shell it sets PWD: some ask it where they are (oarsub fails without it).
    """
    allowed = SECONDS if seconds is None else seconds
    if folder is not None:
        environment = {**environment, b"PWD": folder}
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        return Said(NOT_FOUND, "", "there is no %s here" % argv[0])
    except OSError as error:
        return Said(NOT_FOUND, "", "%s can't be started: %s" % (argv[0], error.strerror))
    with process:
        try:
            out, err = _listen(process, time.monotonic() + allowed)
            return Said(process.returncode, out, err)
        except subprocess.TimeoutExpired:
            why = "did not answer within %.0f s" % allowed
        except OverflowError:
            why = "printed more than %d MB" % (MOST // 1024**2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return Said(TIMED_OUT, "", "%s %s" % (argv[0], why))


def _listen(process: "subprocess.Popen[bytes]", until: float) -> Tuple[str, str]:
    """What it prints on stdout and stderr up to its own end: what it left in the background may hold them open.

    until: monotonic seconds. Raises TimeoutExpired; OverflowError when it prints more than MOST.
    """
    said: Dict[Any, List[bytes]] = {process.stdout: [], process.stderr: []}
    size = 0
    with selectors.DefaultSelector() as selector:
        for pipe in said:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ended = process.poll() is not None
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(process.args, 0)
            ready = selector.select(0 if ended else TICK)
            if ended and not ready:
                break
            for key, _ in ready:
                data = os.read(key.fd, CHUNK)
                said[key.fileobj].append(data)
                size += len(data)
                if not data:
                    selector.unregister(key.fileobj)
            if size > MOST:
                raise OverflowError
    process.wait(max(0.0, until - time.monotonic()))
    out, err = (to_text(b"".join(parts)) for parts in said.values())
    return out, err


def check_there(programs: Iterable[str]) -> None:
    """Raises Refusal (7) when PATH leads to no program of one of these names."""
    folders = os.get_exec_path()
    missing = [
        name
        for name in dict.fromkeys(programs)
        if not any(os.access(os.path.join(folder, name), os.X_OK) for folder in folders)
    ]
    if missing:
        hint = "If it has them, let its start-up files, such as .bashrc, set PATH also without a terminal; else name "
        hint += "another job_runner in hosts.yaml."
        raise Refusal(7, "there is no %s on the PATH of a command there" % " and no ".join(missing), hint)


def ended_early(said: Said) -> bool:
    """Was a command killed, by whoever, so that nobody knows how much of its work it did?"""
    return said.code < 0 and said.code != NOT_FOUND


def keep_secrets(job: JobDirectory, secrets: Mapping[str, str]) -> None:
    """In a file that only its owner can read, and that the job removes when it starts.

    Not by way of the job runner: some put variables into argument lists, or into a shell (seen), and keep them on disk.
    """
    if secrets:
        lines = (b"export %s=%s\n" % (to_bytes(name), quoted(to_bytes(value))) for name, value in secrets.items())
        write(job.secrets, b"".join(lines), mode=0o600)


def user() -> str:
    """Who we are, as job runners know us."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def last_words(said: Said) -> str:
    """The end of what a command said, for a message.

    >>> last_words(Said(1, "", "sbatch: error: invalid account\\n\\n"))
    'sbatch: error: invalid account'
    """
    lines = [line.strip() for line in (said.err or said.out).splitlines() if line.strip()]
    text = "".join(letter if letter.isprintable() else "?" for letter in " / ".join(lines[-3:])[:1000])
    return text or "exit %d without a word" % said.code
