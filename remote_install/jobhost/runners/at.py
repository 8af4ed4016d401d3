"""at and atd: a job is a process on this host that atd starts. Commands: at, atq, atrm (at(1); seen with 3.2.5)."""

import re
from typing import Dict, List, Mapping, Optional

from ..files import write
from ..layout import JobDirectory
from ..status import GONE, NOT_ASKED, QUEUED, Answer, Facts
from ..wire import Refusal
from . import commands
from .background import Background
from .quoting import quoted
from .words import Job, Said

KEEP: "tuple[str, ...]" = ()


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
        found = re.search(r"^job (\d+) at ", said.err, re.MULTILINE)
        if not found or said.code != 0:
            raise Refusal(7, "at: %s" % commands.last_words(said), "Is atd running there, and may you use at?")
        return {"JOB_ID": found.group(1)}

    def recover(self, tag: str) -> Optional[Dict[str, str]]:
        """A submission that was made before, found by what at was given."""
        for number in self._waiting() or []:
            if self._is(number, tag):
                return {"JOB_ID": number}
        return None

    def ask(self, tries: List[Facts]) -> List[Answer]:
        """Those that started are processes; of the others atq tells which still wait."""
        answers = super().ask(tries)
        unstarted = [number for number, facts in enumerate(tries) if not facts.start]
        waiting = self._waiting() if unstarted else []
        for number in unstarted:
            if waiting is None:
                answers[number] = Answer(NOT_ASKED, "atq could not be asked")
            else:
                answers[number] = Answer(QUEUED if tries[number].submit.get("JOB_ID") in waiting else GONE)
        return answers

    def cancel(self, tries: List[Facts]) -> None:
        """Take jobs that wait out of the queue; atrm of one that runs would leave it running."""
        for facts in tries:
            number, tag = facts.submit.get("JOB_ID", ""), facts.submit.get("TAG", "")
            if number and not facts.start and self._is(number, tag):
                self._run(["atrm", number], self._forward)

    def job_id(self, facts: Facts) -> str:
        return facts.submit.get("JOB_ID", "")

    def _waiting(self) -> Optional[List[str]]:
        """The ids in the queue; None when it could not be asked. `=` is the queue of those that run now."""
        said = self._run(["atq"], {"LC_ALL": "C"})
        if said.code != 0:
            return None
        return re.findall(r"^(\d+)\t(?!.* = )", said.out, re.MULTILINE)

    def _is(self, number: str, tag: str) -> bool:
        said = self._run(["at", "-c", number], {"LC_ALL": "C"})
        return bool(tag) and said.code == 0 and "./job '%s' " % tag in said.out

    def _run(self, argv: List[str], more: Mapping[str, str], folder: Optional[bytes] = None) -> Said:
        return commands.run(argv, commands.clean(KEEP, more), folder)
