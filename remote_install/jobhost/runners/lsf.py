"""IBM Spectrum LSF. Its commands: bsub, bjobs, bkill (IBM's documentation; not seen by us, only replayed)."""

import re
from typing import Dict, List, Optional

from ..status import GONE, QUEUED, RUNNING
from .words import GRACE, Job, Listed, Said, Settings, options

NAME = "lsf"
ID = "$LSB_JOBID"
KEEP = ("LSF_ENVDIR", "LSF_BINDIR", "LSF_LIBDIR", "LSF_SERVERDIR")
FORBIDDEN = ("-J", "-I", "-K", "-Is", "-Ip", ":")

LIMIT_HERE = True  # LSF counts in minutes, and ends what is deaf ten minutes later, with the job wrapper
WAITING = ("PEND", "PSUSP", "PROV", "WAIT", "FWD_PEND")
REASONS = {
    "TERM_RUNLIMIT": "time limit",
    "TERM_MEMLIMIT": "out of memory",
    "TERM_SWAP": "out of memory",
    "TERM_PREEMPT": "preempted",
    "TERM_OWNER": "cancelled",
    "TERM_ADMIN": "cancelled",
    "TERM_FORCE_OWNER": "cancelled",
}
NONE_FOUND = re.compile(r"No (unfinished |matching )?job found|Job <[^>]*> is not found", re.IGNORECASE)


def submit(job: Job, _settings: Settings) -> List[str]:
    """argv. -rn: not rerunnable unless a directive says so. Limits are whole minutes, rounded up."""
    argv = ["bsub", "-rn", "-o", "job.log"]
    if job.time_limit:
        argv += ["-W", "%d" % -(-(job.time_limit + GRACE) // 60)]
    return argv + options(job.directives) + ["-J", job.tag, "/bin/sh", "./job.batch"]


def parse_submit(said: Said) -> str:
    """The job id; "" when there is none.

    >>> parse_submit(Said(0, "Job <123> is submitted to default queue <normal>.\\n", ""))
    '123'
    """
    found = re.search(r"^Job <(\d+)> is submitted", said.out, re.MULTILINE)
    return found.group(1) if found else ""


def listing(_ids: Optional[List[str]], settings: Settings) -> List[str]:
    """argv that tells all jobs of the user, also those that ended and are not forgotten yet."""
    fields = "jobid stat exit_reason job_name delimiter='|'"
    return ["bjobs", "-a", "-u", settings.user, "-noheader", "-o", fields]


def parse_listing(said: Said, _settings: Settings) -> Optional[Dict[str, Listed]]:
    """Job id -> entry; None when LSF could not be asked.

    >>> parse_listing(Said(0, "12|EXIT|TERM_RUNLIMIT: killed|a.tag\\n", ""), Settings("me"))
    {'12': Listed(name='a.tag', word='gone', reason='time limit')}
    """
    rows = [line.split("|", 3) for line in said.out.splitlines() if re.match(r"\d+\|[A-Z_]+\|.*\|", line)]
    # Without a job it says so, and fails. Nothing at all, with 0, was seen when it was busy, and says nothing.
    if not rows and NONE_FOUND.search(said.err + said.out):
        return {}
    if said.code != 0 or not rows:
        return None
    return {number: Listed(name.strip(), *_word(state, why)) for number, state, why, name in rows}


def kill(ids: List[str], _settings: Settings) -> List[str]:
    """argv that ends jobs, waiting or running."""
    return ["bkill", *ids]


def _word(state: str, why: str) -> "tuple[str, str]":
    if state in ("DONE", "EXIT"):
        return GONE, REASONS.get(why.partition(":")[0].strip(), "")
    return (QUEUED, "") if state in WAITING else (RUNNING, "")
