"""Runs the commands of job runners: in a clean environment, with a time-out, never through a shell."""

import contextlib
import os
import pwd
import signal
import subprocess
from typing import Dict, List, Mapping, Optional, Tuple

from ..files import write
from ..layout import JobDirectory
from ..wire import to_bytes, to_text
from .quoting import quoted
from .words import Said

SECONDS = 50.0  # that a command may take: a frozen controller holds its callers for minutes (measured)
PLAIN = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ")
TIMED_OUT, NOT_FOUND = -1, -2


def clean(keep: Tuple[str, ...], more: Mapping[str, str]) -> Dict[bytes, bytes]:
    """The environment of a command: what every login has, the variables in `keep`, and `more`.

    What else a login has set may change what a job runner does (SBATCH_*, SGE's request files, LSB_*).
    """
    found = {name: value for name, value in os.environb.items() if to_text(name) in PLAIN + keep}
    found.update({to_bytes(name): to_bytes(value) for name, value in more.items()})
    return found


def run(argv: List[str], environment: Dict[bytes, bytes], folder: Optional[bytes] = None) -> Said:
    """Run a command to its end; what takes longer than SECONDS is killed with all that it started.

    Like any shell it sets PWD: some ask it where they are (oarsub fails without it).
    """
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
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Said(TIMED_OUT, "", "%s did not answer within %.0f s" % (argv[0], SECONDS))
    return Said(process.returncode, to_text(out), to_text(err))


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
    return " / ".join(lines[-3:])[:1000] or "exit %d without a word" % said.code
