"""The tries of a job: a token claims one, and one look tells the state of each."""

import contextlib
import os
import time
from typing import Any, Dict, NamedTuple, Optional, Tuple

from . import layout, processes, status
from .files import read_regular, write
from .layout import JobDirectory
from .runners import background
from .status import Answer, Facts, Verdict
from .wire import Json, Refusal

MAX_TRIES = 9999


class Look(NamedTuple):
    """One try as seen at one moment. missed_for: seconds since it was first seen gone without an exit record; None
    when it is not."""

    job: JobDirectory
    facts: Facts
    verdict: Verdict
    missed_for: Optional[float] = None


class Looker:
    """Looks at tries; the processes of this host are listed once for all of them."""

    def __init__(self) -> None:
        self.here = processes.here()
        self._missed: Dict[bytes, float] = {}
        self.refresh()

    def refresh(self) -> None:
        self._table = processes.Table()

    def look(self, job: JobDirectory, missed_for: float = 0.0) -> Look:
        """The job runner is asked first and the files are read after: a job may end between the two.

        missed_for: for how many seconds the client has known it gone without an exit record.
        """
        facts = status.read(job)
        if facts.exit_code is not None:
            return Look(job, facts, status.judge(facts, status.Answer(status.GONE), 0.0))
        answer = background.ask(facts, self.here, self._table)
        if answer.word == status.GONE:
            facts = status.read(job)
            if facts.exit_code is None and (facts.start or facts.submit):
                return self._missing(job, facts, answer, missed_for)
        elif answer.word != status.NOT_ASKED:
            self._found_again(job)
        return Look(job, facts, status.judge(facts, answer, 0.0))

    def _missing(self, job: JobDirectory, facts: Facts, answer: Answer, told: float) -> Look:
        """Since when is known from three: the job's folder, which may be read-only, this program, which looks for two
        minutes at most, and the client, which may have lost its own. Who knows it longest is right."""
        now = time.monotonic()
        since = self._missed[job.path] = min(self._missed.get(job.path, now), now - told)
        written, trouble = _missed_on_disk(job)
        if trouble:
            answer = answer._replace(reason="%s (%s there)" % (answer.reason or status.NO_RECORD, trouble))
        missed_for = max(written, now - since)
        return Look(job, facts, status.judge(facts, answer, missed_for), missed_for)

    def _found_again(self, job: JobDirectory) -> None:
        """Should it be missed once more, the time starts anew."""
        self._missed.pop(job.path, None)
        with contextlib.suppress(OSError):
            os.unlink(job.gone)

    def started(self, pid: int) -> None:
        """A process was started since the processes were listed."""
        self._table.add(pid)


def claim(run_dir: bytes, job: str, token: str) -> JobDirectory:
    """The try that `token` has, or the next number for it.

    A symbolic link is made with its content in one step, so of two that claim a number one gets it, and a
    token that comes again finds its own.
    """
    # Downwards, and past folders that nobody has claimed yet: who sees a claimed number knows that all below are.
    start = 1
    for number in reversed(layout.tries(run_dir, job)):
        directory = layout.job_directory(run_dir, job, number)
        owner = status.read_link(directory.token)
        if owner == token:
            return directory
        if owner is not None:
            start = max(start, number + 1)
    for number in range(start, MAX_TRIES):
        directory = layout.job_directory(run_dir, job, number)
        os.makedirs(directory.path, exist_ok=True)
        try:
            os.symlink(token, directory.token)
            return directory
        except FileExistsError:
            if status.read_link(directory.token) == token:
                return directory
    raise Refusal(7, "job %s has had %d tries" % (job, MAX_TRIES), "Remove old ones from log/job.")


def find(run_dir: bytes, job: str, token: Optional[str], number: Optional[int]) -> Optional[JobDirectory]:
    """The try of a token, or of a number, or the last one; None when there is none."""
    if token is not None:
        first = layout.job_directory(run_dir, job, 1)  # most jobs have one try, and its folder need not be listed
        if status.read_link(first.token) == token:
            return first
        for candidate in reversed(layout.tries(run_dir, job)):
            directory = layout.job_directory(run_dir, job, candidate)
            if status.read_link(directory.token) == token:
                return directory
    if number is not None:
        directory = layout.job_directory(run_dir, job, number)
        return directory if os.path.isdir(directory.path) else None
    return None if token is not None else layout.last_try(run_dir, job)


def as_json(job: str, look: Look) -> Json:
    """What the client is told of a try."""
    facts, verdict = look.facts, look.verdict
    known: Dict[str, Any] = {
        "job": job,
        "try": look.job.number,
        "state": verdict.state,
        "exit_code": verdict.exit_code,
        "signal": verdict.signal,
        "reason": verdict.reason,
        "job_runner": facts.submit.get("JOB_RUNNER", background.NAME),
        "job_id": background.job_id(facts),
        "submitted_at": facts.submit.get("SUBMITTED"),
        "started_at": facts.started_at,
        "finished_at": facts.finished_at,
        "kill_asked": facts.kill == status.ASKED,
        "missed_for": look.missed_for,
        "messages": status.messages(look.job),
    }
    return known


def _missed_on_disk(job: JobDirectory) -> Tuple[float, str]:
    """Seconds since somebody first saw this job gone without an exit record, and why that can't be written down.

    Written down now, for the next look, if nobody has.
    """
    now = time.time()
    try:
        since = float(read_regular(job.gone, 64))
    except (OSError, ValueError):
        since = now + 1.0
    if since <= now:
        return now - since, ""
    try:  # never seen before, or the clock was set back
        write(job.gone, b"%.3f\n" % now)
    except OSError as error:
        return 0.0, error.strerror or "error"
    return 0.0, ""
