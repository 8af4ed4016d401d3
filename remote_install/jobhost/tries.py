"""The tries of a job: a token claims one, and one look tells the state of each."""

import contextlib
import os
import time
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from . import layout, status
from .files import read_regular, write
from .layout import JobDirectory
from .runners.choice import Runners
from .status import Answer, Facts, Verdict
from .wire import Json, Refusal, to_bytes

MAX_TRIES = 9999
SOON = 1.0  # seconds between two questions to a batch system about a job that is ending


class Look(NamedTuple):
    """One try as seen at one moment. missed_for: seconds since it was first seen gone without an exit record; None
    when it is not."""

    job: JobDirectory
    facts: Facts
    verdict: Verdict
    missed_for: Optional[float] = None


class Asked(NamedTuple):
    """What a job runner said, when (monotonic seconds), and what the job status files said then."""

    answer: Answer
    at: float
    start: Optional[str]
    exit_code: Optional[int]


class Looker:
    """Looks at tries; each job runner is asked once for all of them, and batch systems not too often.

    first, longest: seconds between two questions to a batch system; they grow from one to the other.
    """

    def __init__(self, runners: Optional[Runners] = None, first: float = 1.0, longest: float = 30.0) -> None:
        self.runners = runners or Runners()
        self._wait, self._longest = first, longest
        self._due = time.monotonic() + first
        self._asked: Dict[bytes, Asked] = {}
        self._of_batch: Set[bytes] = set()
        self._missed: Dict[bytes, float] = {}

    def refresh(self) -> None:
        """Ask again at the next look."""
        self.runners.refresh()
        now = time.monotonic()
        if now >= self._due:
            self._wait = min(self._wait * 1.5, self._longest)
            self._due = now + self._wait
            self._of_batch.clear()
        self._asked = {path: asked for path, asked in self._asked.items() if path in self._of_batch}

    def forget(self) -> None:
        """Ask again at the next look, also batch systems."""
        self._due = 0.0
        self.refresh()

    def look(self, job: JobDirectory, missed_for: float = 0.0) -> Look:
        """The job runner is asked first and the files are read after: a job may end between the two.

        missed_for: for how many seconds the client has known it gone without an exit record.
        """
        if missed_for > 0:
            now = time.monotonic()
            self._missed[job.path] = min(self._missed.get(job.path, now), now - missed_for)
        return self.look_all([job])[0]

    def look_all(self, jobs: List[JobDirectory]) -> List[Look]:
        """One look at each, in their order."""
        facts = {job.path: status.read(job) for job in jobs}
        open_ones = [job for job in jobs if self._is_open(job, facts[job.path])]
        self._ask(open_ones, facts)
        for job in open_ones:
            if facts[job.path].exit_code is None:
                facts[job.path] = status.read(job)
        return [self._judged(job, facts[job.path]) for job in jobs]

    def answered(self, job: JobDirectory) -> str:
        """The word of the job runner at the last look; "" when it was not asked."""
        asked = self._asked.get(job.path)
        return asked.answer.word if asked else ""

    def prepare(self, jobs: List[JobDirectory]) -> None:
        """Ask about all of these at once, so that looking at each asks nobody. What can't be read is left to `look`."""
        facts: Dict[bytes, Facts] = {}
        for job in jobs:
            with contextlib.suppress(OSError):
                facts[job.path] = status.read(job)
        self._ask([job for job in jobs if job.path in facts and self._is_open(job, facts[job.path])], facts)

    def submitted(self, job: JobDirectory) -> Look:
        """A job that was submitted just now: nobody need be asked."""
        facts = status.read(job)
        return Look(job, facts, status.judge(facts, Answer(status.QUEUED), 0.0))

    def _is_open(self, job: JobDirectory, facts: Facts) -> bool:
        """Is the job runner to be asked? Of a job that failed too, why: as long as it remembers."""
        asked = self._asked.get(job.path)
        if facts.exit_code is None:
            return asked is None
        if facts.exit_code == 0 or facts.reason is not None or self.runners.of(facts).of_processes:
            return False
        # A live entry beats the exit record: the job may be started again. Most are gone after a moment.
        return asked is None or asked.exit_code is None or time.monotonic() - asked.at > SOON

    def _ask(self, jobs: List[JobDirectory], facts: Dict[bytes, Facts]) -> None:
        by_runner: Dict[int, Tuple[Any, List[JobDirectory]]] = {}
        for job in jobs:
            runner = self.runners.of(facts[job.path])
            by_runner.setdefault(id(runner), (runner, []))[1].append(job)
        for runner, its in by_runner.values():
            for job, answer in zip(its, runner.ask([facts[job.path] for job in its])):
                seen = facts[job.path]
                self._asked[job.path] = Asked(answer, time.monotonic(), seen.start, seen.exit_code)
                if not runner.of_processes:
                    self._of_batch.add(job.path)
                if facts[job.path].exit_code and answer.word == status.GONE:
                    _write(job.reason, answer.reason + "\n")

    def _judged(self, job: JobDirectory, facts: Facts) -> Look:
        asked = self._asked.get(job.path)
        answer = asked.answer if asked else Answer(status.GONE)
        if asked and answer.word == status.QUEUED and facts.start and facts.start != asked.start:
            answer = Answer(status.RUNNING)  # it has started since
        if answer.word == status.GONE and facts.exit_code is None and (facts.start or facts.submit):
            return self._missing(job, facts, answer)
        alive = answer.word in (status.RUNNING, status.QUEUED)
        if alive:
            self._found_again(job)
        seen = facts._replace(exit_code=None) if facts.exit_code and alive else facts
        return Look(job, facts, status.judge(seen, answer, 0.0))

    def _missing(self, job: JobDirectory, facts: Facts, answer: Answer) -> Look:
        """Since when is known from three: the job's folder, which may be read-only, this program, which looks for two
        minutes at most, and the client, which may have lost its own. Who knows it longest is right."""
        now = time.monotonic()
        since = self._missed.setdefault(job.path, now)
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


def claim(run_dir: bytes, job: str, token: str, above: int = 0) -> JobDirectory:
    """The try that `token` has, or the next number for it. above: a higher one than this, the same for a token ever.

    A symbolic link is made with its content in one step, so of two that claim a number one gets it, and a
    token that comes again finds its own.
    """
    # Downwards, and past folders that nobody has claimed yet: who sees a claimed number knows that all below are.
    start = above + 1
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


def as_json(job: str, look: Look, runners: Optional[Runners] = None) -> Json:
    """What the client is told of a try."""
    runner = (runners or Runners()).of(look.facts)
    facts, verdict = look.facts, look.verdict
    known: Dict[str, Any] = {
        "job": job,
        "try": look.job.number,
        "state": verdict.state,
        "exit_code": verdict.exit_code,
        "signal": verdict.signal,
        "reason": verdict.reason,
        "job_runner": runner.name,
        "job_id": runner.job_id(facts),
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


def _write(path: bytes, data: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: looked at again next time
        write(path, to_bytes(data))
