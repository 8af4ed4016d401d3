"""Where everything of a run and its jobs lies; the only place that spells the file names of a job directory."""

import os
import re
from typing import List, Match, NamedTuple, Optional

from .wire import Refusal, to_bytes, to_text

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*)*")
JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
TRY = re.compile(rb"[0-9]{2,6}")
JOBS = b"log/job"
OURS = b".remote-install"
UUID = b".remote-install/uuid"
SEEN = b".remote-install/seen"  # folder in which who asks has put a file with a fresh name, its content the same
VARIABLE = re.compile(rb"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def run_root(text: str) -> bytes:
    """The absolute run root. Raises Refusal (3) as `absolute` does."""
    return absolute(text, "run_root")


def absolute(text: str, key: str) -> bytes:
    """A path of hosts.yaml: `~` and $VAR expanded here, what is relative starts in the home directory.

    key: where it stands there. Raises Refusal (3) when a variable is not set on this host, or a user is not known.
    """

    def value(found: Match[bytes]) -> bytes:
        name = found.group(1) or found.group(2) or b""
        if name not in os.environb:
            raise Refusal(
                3,
                "%s %s: %s is not set on this host" % (key, text, to_text(found.group())),
                "Non-interactive ssh sets few variables; write the path out in hosts.yaml.",
            )
        return os.environb[name]

    path = os.path.expanduser(to_bytes(text))
    if path.startswith(b"~"):
        raise Refusal(3, "%s %s: no such user on this host" % (key, text), "Write the path out in hosts.yaml.")
    return os.path.normpath(os.path.join(os.path.expanduser(b"~"), VARIABLE.sub(value, path)))


def run_directory(root: str, run: str) -> bytes:
    """The absolute path of a run directory here. Raises Refusal when `run` is no run id."""
    if not RUN_ID.fullmatch(run) or ("/%s/" % JOBS.decode()) in "/%s/" % run:
        raise Refusal(2, "%r is no run id" % run)
    return os.path.join(run_root(root), to_bytes(run))


class JobDirectory(NamedTuple):
    """The folder of one try of a job."""

    path: bytes
    number: int

    def _file(self, name: bytes) -> bytes:
        return self.path + b"/" + name

    @property
    def script(self) -> bytes:
        return self._file(b"job")

    @property
    def token(self) -> bytes:
        """Symbolic link: its content is the token that claimed this try."""
        return self._file(b"job.token")

    @property
    def submit(self) -> bytes:
        """Written by the submit command: job runner, job id, host."""
        return self._file(b"job.submit")

    @property
    def start(self) -> bytes:
        """Symbolic link, the start gate: its content is who went through."""
        return self._file(b"job.start")

    @property
    def status(self) -> bytes:
        """Written by the job wrapper: the exit record on top, then when it started."""
        return self._file(b"job.status")

    @property
    def end(self) -> bytes:
        """Symbolic link: the exit record where job.status could not be written."""
        return self._file(b"job.end")

    @property
    def gone(self) -> bytes:
        """Written by poll: since when the job runner says gone and no exit record has come."""
        return self._file(b"job.gone")

    @property
    def kill(self) -> bytes:
        """Symbolic link, made by who ends this try: why, "asked" or "time limit"."""
        return self._file(b"job.kill")

    @property
    def limit(self) -> bytes:
        """The program that keeps the time limit, where there is one."""
        return self._file(b"job.limit")

    @property
    def at(self) -> bytes:
        """What at is given to start."""
        return self._file(b"job.at")

    @property
    def batch(self) -> bytes:
        """What a batch system is given to start."""
        return self._file(b"job.batch")

    @property
    def secrets(self) -> bytes:
        """Variables that the job alone may see; it removes the file when it starts."""
        return self._file(b"job.secrets")

    @property
    def reason(self) -> bytes:
        """Written by poll: why a job ended as it did, as its job runner says while it remembers."""
        return self._file(b"job.reason")

    @property
    def messages(self) -> bytes:
        """Folder, made by remote-install-message: what the job tells of itself, in numbered files."""
        return self._file(b"job.messages")

    @property
    def out(self) -> bytes:
        return self._file(b"job.out")

    @property
    def err(self) -> bytes:
        return self._file(b"job.err")


def job_directory(run_dir: bytes, job: str, number: int) -> JobDirectory:
    """The folder of try `number` of `job`. Raises Refusal when `job` is no job name.

    >>> job_directory(b"/r", "train", 1).out
    b'/r/log/job/train/01/job.out'
    """
    if not JOB_NAME.fullmatch(job):
        raise Refusal(2, "%r is no job name" % job)
    return JobDirectory(os.path.join(run_dir, JOBS, to_bytes(job), b"%02d" % number), number)


def message_program(run_dir: bytes) -> bytes:
    """The program by which a job tells something of itself."""
    return os.path.join(run_dir, b".remote-install", b"bin", b"remote-install-message")


def tries(run_dir: bytes, job: str) -> List[int]:
    """The numbers of all tries of `job`, rising."""
    names = _listed(os.path.dirname(job_directory(run_dir, job, 1).path))
    return sorted(int(name) for name in names if TRY.fullmatch(name))


def last_try(run_dir: bytes, job: str) -> Optional[JobDirectory]:
    numbers = tries(run_dir, job)
    return job_directory(run_dir, job, numbers[-1]) if numbers else None


def job_names(run_dir: bytes) -> List[str]:
    """The names of all jobs that have a folder."""
    folder = os.path.join(run_dir, JOBS)
    try:
        with os.scandir(folder) as entries:
            names = [to_text(entry.name) for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if JOB_NAME.fullmatch(name))


def _listed(folder: bytes) -> List[bytes]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
