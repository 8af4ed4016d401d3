"""A batch system as a job runner: its few pure functions, put to use for all jobs of a call at once."""

import re
from typing import Any, Dict, List, Mapping, Optional

from ..files import write
from ..layout import JobDirectory
from ..status import GONE, NOT_ASKED, QUEUED, Answer, Facts
from ..wire import Refusal
from . import commands
from .quoting import quoted
from .words import Job, Listed, Said, Settings

GATE = re.compile(r"batch ([^ :]+):([^ :]*):(\S+)")  # what the job wrapper writes through the start gate
# What a command says when it does not know itself whether the job was submitted.
UNSURE = re.compile(
    r"timed? ?out|unable to contact|connect|communicat|zero bytes|premature|end of file|try again|not respond|is down",
    re.I,
)
AT_ONCE = 500  # ids in one command


class Unsure(Refusal):
    """Nobody can tell whether a job was submitted."""


class Batch:
    """One batch system, or one cluster of it. forward: variables that its commands see besides a login's own."""

    of_processes = False  # its jobs are ended by its command, not by signals from here

    def __init__(self, module: Any, cluster: str, forward: Mapping[str, str]) -> None:
        self.name = str(module.NAME)
        self._module = module
        self._settings = Settings(commands.user(), cluster)
        self._keep, self._forward = tuple(module.KEEP), forward

    @property
    def limit_here(self) -> bool:
        """Does the job wrapper keep the time limit, because the batch system would end it with all else?"""
        return bool(getattr(self._module, "LIMIT_HERE", False))

    @property
    def gate(self) -> str:
        """Who a job is to the start gate: a shell word that is put together when it starts."""
        return "%s:%s:%s" % (self.name, self._settings.cluster, self._module.ID)

    def submit(self, job: JobDirectory, wanted: Job, secrets: Mapping[str, str]) -> Dict[str, str]:
        """What is to be written down of the submission. Raises Refusal (7) when there is none."""
        forbidden = [name for name in wanted.directives if name in self._module.FORBIDDEN]
        if forbidden:
            raise Refusal(7, "the directive %s can't be used here" % forbidden[0], "It would make it another job.")
        # Not the job script itself: batch systems look for directives in all of it, also in the user's words (seen).
        write(job.batch, b"#!/bin/sh\ncd %s && exec /bin/sh ./job\n" % quoted(job.path), mode=0o777)
        commands.keep_secrets(job, secrets)
        said = self._run(self._module.submit(wanted, self._settings), self._forward, job.path)
        number = self._module.parse_submit(said)
        if number:
            return self._fields(number)
        # A command that failed may have submitted it all the same (seen: "Socket timed out").
        found = self.recover(wanted.tag)
        if found is not None:
            return found
        why = "%s: %s" % (self.name, commands.last_words(said))
        if said.code == commands.TIMED_OUT or UNSURE.search(said.err):
            raise Unsure(
                7, why, "It may come into the queue all the same: the same command again does not start it twice."
            )
        raise Refusal(7, why, "The words are the job runner's own.")

    def recover(self, tag: str) -> Optional[Dict[str, str]]:
        """What is to be written down of a submission that was made before, found by its name; surplus ones are ended.

        None when there is none. Raises Refusal (7) when the batch system can't be asked.
        """
        listed, why = self._list(None)
        if listed is None:
            raise Refusal(7, "%s could not be asked: %s" % (self.name, why), "Try again later.")
        ours = [number for number in sorted(listed, key=_age) if listed[number].name == tag]
        alive = [number for number in ours if listed[number].word != GONE]
        surplus = [number for number in alive[1:] if listed[number].word == QUEUED]
        if surplus:
            self._run(self._module.kill(surplus, self._settings), self._forward)
        chosen = (alive or ours)[:1]
        return self._fields(chosen[0]) if chosen else None

    def ask(self, tries: List[Facts]) -> List[Answer]:
        """What the batch system says of each try: one query for all."""
        ids = [self.job_id(facts) for facts in tries]
        answers: Dict[str, Answer] = {}
        for start in range(0, len(ids), AT_ONCE) if self._needs_ids() else (0,):
            listed, why = self._list(ids[start : start + AT_ONCE] if self._needs_ids() else ids)
            some = ids[start : start + AT_ONCE] if self._needs_ids() else ids
            for number, facts in zip(some, tries[start : start + len(some)]):
                answers[number] = _answer(listed, number, facts, "%s: %s" % (self.name, why))
        return [answers[number] for number in ids]

    def refresh(self) -> None:
        """Nothing is kept between two questions."""

    def cancel(self, tries: List[Facts]) -> None:
        """End jobs that wait or run: only such whose name is ours, because ids start over."""
        answers = self.ask(tries)
        ids = [self.job_id(facts) for facts, answer in zip(tries, answers) if answer.word not in (GONE, NOT_ASKED)]
        for start in range(0, len(ids), AT_ONCE):
            self._run(self._module.kill(ids[start : start + AT_ONCE], self._settings), self._forward)

    def job_id(self, facts: Facts) -> str:
        """The id of the entry that went through the start gate, else of the last that was submitted."""
        gate = GATE.fullmatch(facts.start or "")
        return gate.group(3) if gate else facts.submit.get("JOB_ID", "")

    def _needs_ids(self) -> bool:
        return bool(getattr(self._module, "BY_ID", False))

    def _list(self, ids: Optional[List[str]]) -> "tuple[Optional[Dict[str, Listed]], str]":
        said = self._run(self._module.listing(ids, self._settings), {**self._forward, "LC_ALL": "C"})
        return self._module.parse_listing(said, self._settings), commands.last_words(said)

    def _run(self, argv: List[str], more: Mapping[str, str], folder: Optional[bytes] = None) -> Said:
        return commands.run(argv, commands.clean(self._keep, more), folder)

    def _fields(self, number: str) -> Dict[str, str]:
        return {"JOB_ID": number, "CLUSTER": self._settings.cluster}


def _answer(listed: Optional[Dict[str, Listed]], number: str, facts: Facts, why: str) -> Answer:
    if listed is None:
        return Answer(NOT_ASKED, why)
    entry = listed.get(number)
    if entry is None or entry.name != facts.submit.get("TAG", entry.name):
        return Answer(GONE)
    return Answer(entry.word, entry.reason)


def _age(number: str) -> "tuple[int, str]":
    found = re.match(r"\d+", number)
    return (int(found.group()) if found else 0, number)
