"""A batch system as a job runner: its few pure functions, put to use for all jobs of a call at once."""

import re
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional

from ..files import write
from ..layout import JobDirectory
from ..status import GATE, GONE, NOT_ASKED, QUEUED, Answer, Facts, read_link
from ..wire import Refusal, to_bytes
from . import commands
from .quoting import quoted
from .words import Job, Listed, Said, Settings, Unsure

# What a command says when it does not know itself whether the job was submitted.
UNSURE = re.compile(
    r"timed? ?out|unable to contact|connect|communicat|zero bytes|premature|end of file|try again|not respond|is down"
    r"|(read|send|receive) error|fail\w* (to )?(receiv|read|send)|broken pipe",
    re.I,
)
OURS = "remote-install."  # the beginning of each tag
AT_ONCE = 500  # ids in one command
ACCOUNTING_SECONDS = 10.0  # that the accounting may take


class Batch:
    """One batch system, or one cluster of it. forward: variables that its commands see besides a login's own."""

    of_processes = False  # its jobs are ended by its command, not by signals from here

    def __init__(self, module: Any, cluster: str, forward: Mapping[str, str]) -> None:
        self.name = str(module.NAME)
        self._module = module
        self._settings = Settings(commands.user(), cluster)
        self._keep, self._forward = tuple(module.KEEP), forward
        self._accounts = hasattr(module, "accounting")

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
        self.stage(job, wanted, secrets)
        said = self._run(self._module.submit(wanted, self._settings), self._forward, job.path)
        number = self._module.parse_submit(said)
        if number:
            return self._fields(number)
        # A command that failed may have submitted it all the same (seen: "Socket timed out"); it may even have ended.
        found = self.recover(wanted.tag) or self._started(job)
        if found is not None:
            return found
        why = "%s: %s" % (self.name, commands.last_words(said))
        if commands.ended_early(said) or UNSURE.search(said.err):
            raise Unsure(
                7, why, "It may come into the queue all the same: the same command again does not start it twice."
            )
        raise Refusal(7, why, "The words are the job runner's own.")

    def check(self, seconds: float) -> str:
        """What to warn of, "" for nothing, when its commands are there and it answers. Raises Refusal (7) else.

        seconds: that its answer may take.
        """
        ids = ["1"]  # whether it knows that one does not matter
        job = Job(OURS + "check", 0, {})
        module, settings = self._module, self._settings
        lines = (module.submit(job, settings), module.listing(ids, settings), module.kill(ids, settings))
        commands.check_there(line[0] for line in lines)
        listed, why = self._list(ids, seconds)
        if listed is None:
            raise Refusal(7, "it could not be asked: %s" % why, "The words are its own: try `%s` there." % lines[1][0])
        return ""

    def stage(self, job: JobDirectory, wanted: Job, secrets: Mapping[str, str]) -> None:
        """Write all files that the job needs. Raises Refusal (7) for a directive that can't be used."""
        forbidden = [name for name in wanted.directives if self._forbids(name)]
        if forbidden:
            raise Refusal(7, "the directive %s can't be used here" % forbidden[0], "It would make it another job.")
        # Not the job script itself: batch systems look for directives in all of it, also in the user's words (seen).
        folder = quoted(to_bytes(wanted.folder) or job.path)
        write(job.batch, b"#!/bin/sh\ncd %s && exec /bin/sh ./job\n" % folder, mode=0o777)
        commands.keep_secrets(job, secrets)

    def _forbids(self, name: str) -> bool:
        """Also cut short, as getopt_long(3) takes long options, and with its value in the same word."""
        words = self._module.FORBIDDEN
        if getattr(self._module, "ONE_LETTER", False) and name[:1] == "-" and name[:2] in words:
            return True
        return any(name == word or (name[:2] == "--" and word.startswith(name)) for word in words)

    def recover(self, tag: str) -> Optional[Dict[str, str]]:
        """What is to be written down of a submission that was made before, found by its name.

        None when there is none. Raises Refusal (7) when the batch system can't be asked.
        """
        listed, why = self._list(None)
        if listed is None:
            raise Refusal(7, "%s could not be asked: %s" % (self.name, why), "Try again later.")
        ours = [number for number in sorted(listed, key=_age) if listed[number].name == tag]
        alive = [number for number in ours if listed[number].word != GONE]
        chosen = (alive or ours)[:1]
        return self._fields(chosen[0]) if chosen else None

    def _started(self, job: JobDirectory) -> Optional[Dict[str, str]]:
        gate = GATE.fullmatch(read_link(job.start) or "")
        return self._fields(gate.group(3)) if gate else None

    def ask(self, tries: List[Facts]) -> List[Answer]:
        """What the batch system says of each try: one query for all."""
        answers: List[Answer] = []
        for some in self._portions(tries):
            listed, why = self._list([self.job_id(facts) for facts in some])
            if listed is None:
                answers += [Answer(NOT_ASKED, "%s: %s" % (self.name, why))] * len(some)
                continue
            self._end_surplus(some, listed)
            listed = {**self._accounted(some, listed), **listed}
            answers += [_answer(listed.get(self.job_id(facts)), facts) for facts in some]
        return answers

    def _end_surplus(self, tries: List[Facts], listed: Dict[str, Listed]) -> None:
        """A submission whose answer was lost may have been made twice.

        Ended is only what waits beside a job that went through the start gate: it could not start any more, so it does
        not matter what becomes of it meanwhile.
        """
        started = {facts.submit.get("TAG"): self.job_id(facts) for facts in tries if GATE.fullmatch(facts.start or "")}
        self._end(
            number
            for number, entry in listed.items()
            if entry.word == QUEUED and started.get(entry.name, number) != number
        )

    def _accounted(self, tries: List[Facts], listed: Dict[str, Listed]) -> Dict[str, Listed]:
        """What the accounting still knows of jobs that the batch system has forgotten: why they failed. It is never
        needed; where it is off, or does not answer, nothing is known."""
        forgotten = {self.job_id(facts) for facts in tries if facts.exit_code != 0} - set(listed) - {""}
        if not forgotten or not self._accounts:
            return {}
        argv = self._module.accounting(sorted(forgotten, key=_age)[:AT_ONCE], self._settings)
        said = commands.run(argv, commands.clean(self._keep, self._forward), seconds=ACCOUNTING_SECONDS)
        self._accounts = said.code == 0  # it is not waited for at each look
        found: Dict[str, Listed] = self._module.parse_accounting(said, self._settings)
        return {number: entry for number, entry in found.items() if entry.word == GONE}

    def refresh(self) -> None:
        """Nothing is kept between two questions."""

    def cancel(self, tries: List[Facts]) -> None:
        """End jobs that wait or run: only such whose name is ours, because ids start over."""
        for some in self._portions(tries):
            listed = self._list([self.job_id(facts) for facts in some])[0] or {}
            tags = {facts.submit.get("TAG") or self._name_of(facts, listed) for facts in some} - {""}
            self._end(number for number, entry in listed.items() if entry.name in tags and entry.word != GONE)

    def _name_of(self, facts: Facts, listed: Dict[str, Listed]) -> str:
        """Of a job whose submission was not written down: it is known by what went through the start gate."""
        entry = listed.get(self.job_id(facts))
        return entry.name if entry and _may_be(entry, facts) else ""

    def _end(self, numbers: Iterable[str]) -> None:
        ids = sorted(numbers, key=_age)
        for start in range(0, len(ids), AT_ONCE):
            self._run(self._module.kill(ids[start : start + AT_ONCE], self._settings), self._forward)

    def job_id(self, facts: Facts) -> str:
        """The id of the entry that went through the start gate, else of the last that was submitted."""
        gate = GATE.fullmatch(facts.start or "")
        return gate.group(3) if gate else facts.submit.get("JOB_ID", "")

    def _portions(self, tries: List[Facts]) -> Iterator[List[Facts]]:
        """As many as one command can ask for: ids are words of its command line, where it needs them."""
        size = AT_ONCE if getattr(self._module, "BY_ID", False) else max(1, len(tries))
        for start in range(0, len(tries), size):
            yield tries[start : start + size]

    def _list(
        self, ids: Optional[List[str]], seconds: Optional[float] = None
    ) -> "tuple[Optional[Dict[str, Listed]], str]":
        said = self._run(self._module.listing(ids, self._settings), {**self._forward, "LC_ALL": "C"}, seconds=seconds)
        return self._module.parse_listing(said, self._settings), commands.last_words(said)

    def _run(
        self,
        argv: List[str],
        more: Mapping[str, str],
        folder: Optional[bytes] = None,
        seconds: Optional[float] = None,
    ) -> Said:
        return commands.run(argv, commands.clean(self._keep, more), folder, seconds)

    def _fields(self, number: str) -> Dict[str, str]:
        return {"JOB_ID": number, "CLUSTER": self._settings.cluster}


def _answer(entry: Optional[Listed], facts: Facts) -> Answer:
    if entry is None or not _may_be(entry, facts):
        return Answer(GONE)
    return Answer(entry.word, entry.reason)


def _may_be(entry: Listed, facts: Facts) -> bool:
    """Is it the entry of this job? Ids start over. Without a record of its submission it is at least one of ours."""
    tag = facts.submit.get("TAG")
    return entry.name == tag if tag else entry.name.startswith(OURS)


def _age(number: str) -> "tuple[int, str]":
    found = re.match(r"\d+", number)
    return (int(found.group()) if found else 0, number)
