"""at and atd: a job is a process on this host that atd starts. Commands: at, atq, atrm (at(1); seen with 3.2.5)."""

import os
import re
from typing import Dict, List, Mapping, Optional

from .. import processes
from ..files import write
from ..layout import JobDirectory
from ..status import GONE, NOT_ASKED, QUEUED, Answer, Facts
from ..wire import Refusal
from . import commands
from .background import Background
from .quoting import quoted
from .words import Job, Said, Unsure

KEEP: "tuple[str, ...]" = ()
ENTRY = re.compile(r"(\d+)\t.* ([A-Za-z=]) \S+")  # a line of atq: id, time, queue, user


class At(Background):
    """Once it runs a job is looked at and ended as a process; as long as it waits, atd is asked."""

    name = "at"

    def __init__(self, forward: Mapping[str, str]) -> None:
        super().__init__()
        self._forward = forward

    def submit(self, job: JobDirectory, wanted: Job, secrets: Mapping[str, str]) -> Dict[str, str]:
        """What is to be written down of the submission. Raises Refusal (7) when there is none, OSError.

        atd's jobs share its process group, and what at reads is copied: so the job starts in a session of its own.
        """
        line = b"cd %s && exec setsid /bin/sh ./job %s </dev/null >/dev/null 2>&1\n"
        write(job.at, line % (quoted(job.path), quoted(wanted.tag.encode())))
        commands.keep_secrets(job, secrets)
        said = self._run(["at", "-f", "job.at", "now"], self._forward, job.path)
        number = re.search(r"^job (\d+) at ", said.err, re.MULTILINE)
        if number and said.code == 0:
            return {"JOB_ID": number.group(1)}
        # One that failed may have submitted it all the same, and it may have run by now: then nobody knows its number.
        found = self.recover(wanted.tag) or ({"JOB_ID": ""} if os.path.lexists(job.start) else None)
        if found is not None:
            return found
        refusal = Unsure if commands.ended_early(said) else Refusal
        raise refusal(7, "at: %s" % commands.last_words(said), "Is atd running there, and may you use at?")

    def check(self, seconds: float) -> str:
        """As batch.Batch.check: atq answers, and atd runs."""
        commands.check_there(("at", "atq", "atrm", "setsid"))
        said = commands.run(["atq"], commands.clean(KEEP, {"LC_ALL": "C"}), seconds=seconds)
        if said.code != 0:
            hint = "May you use at there (at.allow, at.deny)?"
            raise Refusal(7, "it could not be asked: %s" % commands.last_words(said), hint)
        runs = processes.is_running(b"atd")
        if runs is False:
            raise Refusal(7, "atd does not run there", "Have it started.")
        return super().check(seconds) or ("" if runs else "whether atd runs can't be seen there")

    def recover(self, tag: str) -> Optional[Dict[str, str]]:
        """A submission that was made before, found by what at was given; surplus ones are taken out of the queue."""
        entries, _ = self._entries()  # who submits twice for want of an answer is held at the start gate
        ours = [number for number in sorted(entries, key=int) if self._is(number, tag)]
        for number in ours[1:]:
            if entries[number]:
                self._run(["atrm", number], self._forward)
        return {"JOB_ID": ours[0]} if ours else None

    def ask(self, tries: List[Facts]) -> List[Answer]:
        """Those that started are processes; of the others atq tells which still wait."""
        answers = super().ask(tries)
        unstarted = [number for number, facts in enumerate(tries) if not facts.start]
        entries, complete = self._entries() if unstarted else ({}, True)
        for number in unstarted:
            if not complete:
                answers[number] = Answer(NOT_ASKED, "atq could not be asked")
            else:
                waits = entries.get(tries[number].submit.get("JOB_ID", ""), False)
                answers[number] = Answer(QUEUED if waits else GONE)
        return answers

    def cancel(self, tries: List[Facts]) -> None:
        """Take jobs that wait out of the queue; atrm of one that runs would leave it running."""
        for facts in tries:
            number, tag = facts.submit.get("JOB_ID", ""), facts.submit.get("TAG", "")
            if number and not facts.start and self._is(number, tag):
                self._run(["atrm", number], self._forward)

    def job_id(self, facts: Facts) -> str:
        return facts.submit.get("JOB_ID", "")

    def _entries(self) -> "tuple[Dict[str, bool], bool]":
        """Job id -> does it wait? `=` is the queue of those that run now. And is that all? atq stops when a job ends
        while it looks (seen)."""
        said = self._run(["atq"], {"LC_ALL": "C"})
        found = [ENTRY.fullmatch(line) for line in said.out.splitlines()]
        complete = said.code == 0 and not said.err and None not in found
        return {entry.group(1): entry.group(2) != "=" for entry in found if entry}, complete

    def _is(self, number: str, tag: str) -> bool:
        said = self._run(["at", "-c", number], {"LC_ALL": "C"})
        return bool(tag) and said.code == 0 and "./job '%s' " % tag in said.out

    def _run(self, argv: List[str], more: Mapping[str, str], folder: Optional[bytes] = None) -> Said:
        return commands.run(argv, commands.clean(KEEP, more), folder)
