"""The tries of a job: a token claims one, and one look tells the state of each."""

import os
import time
from typing import Any, Dict, NamedTuple, Optional

from . import layout, processes, status
from .files import open_regular, write
from .layout import JobDirectory
from .runners import background
from .status import Facts, Verdict
from .wire import Json, Refusal

MAX_TRIES = 9999


class Look(NamedTuple):
    """One try as seen at one moment."""

    job: JobDirectory
    facts: Facts
    verdict: Verdict


class Looker:
    """Looks at tries; the processes of this host are listed once for all of them."""

    def __init__(self) -> None:
        self._here = processes.here()
        self.refresh()

    def refresh(self) -> None:
        self._table = processes.Table()

    def look(self, job: JobDirectory) -> Look:
        """The job runner is asked first and the files are read after: a job may end between the two."""
        facts = status.read(job)
        if facts.exit_code is None:
            answer = background.ask(facts, self._here, self._table)
            facts = status.read(job)
        else:
            answer = status.Answer(status.GONE)
        gone_for = 0.0
        if answer.word == status.GONE and facts.exit_code is None and (facts.start or facts.submit):
            gone_for = _gone_for(job)
        return Look(job, facts, status.judge(facts, answer, gone_for))


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
        "messages": status.messages(look.job),
    }
    return known


def _gone_for(job: JobDirectory) -> float:
    """Seconds since somebody first saw this job gone without an exit record; written down for the next look."""
    now = time.time()
    try:
        with open_regular(job.gone) as file:
            since = float(file.read(64))
    except (OSError, ValueError):
        since = now + 1.0
    if since > now:  # never seen before, or the clock was set back
        try:
            write(job.gone, b"%.3f\n" % now)
        except OSError:
            pass  # a full disk: looked at again next time
        return 0.0
    return now - since
