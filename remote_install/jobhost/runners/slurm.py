"""Slurm. Its commands: sbatch, squeue, scancel (their man pages; seen with 22.05).

Each cluster is asked by itself: of several one that is down is silently left out, with rc 0.
"""

import re
from typing import Dict, List, Optional

from ..status import GONE, QUEUED, RUNNING
from .words import Job, Listed, Said, Settings, clock, options

NAME = "slurm"
ID = "$SLURM_JOB_ID"  # how the job itself knows its id
KEEP = ("SLURM_CONF",)  # variables that its commands need
FORBIDDEN = ("--array", "-a", "--job-name", "-J", "--wrap", "--parsable", "--clusters", "-M", "--cluster")

# squeue(1), JOB STATE CODES
WAITING = ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"]
ENDED = {
    "COMPLETED": "",
    "FAILED": "",
    "CANCELLED": "cancelled",
    "TIMEOUT": "time limit",
    "DEADLINE": "deadline",
    "OUT_OF_MEMORY": "out of memory",
    "NODE_FAIL": "node failed",
    "BOOT_FAIL": "node failed",
    "PREEMPTED": "preempted",
    "REVOKED": "revoked",
}


def submit(job: Job, settings: Settings) -> List[str]:
    """argv. Not requeued unless a directive says so: a second start would be a second run."""
    argv = ["sbatch", "--parsable", "--no-requeue", "--output=job.log", "--open-mode=append", "--export=ALL"]
    if job.time_limit:
        argv.append("--time=" + clock(job.time_limit))
    return argv + options(job.directives) + ["--job-name=" + job.tag] + _cluster(settings) + ["job.batch"]


def parse_submit(said: Said) -> str:
    """The job id; "" when there is none.

    >>> parse_submit(Said(0, "12;c2\\n", ""))
    '12'
    """
    found = re.search(r"^(\d+)(?:;\S*)?$", said.out, re.MULTILINE)
    return found.group(1) if found and said.code == 0 else ""


def listing(_ids: Optional[List[str]], settings: Settings) -> List[str]:
    """argv that tells all jobs of the user, also those that ended and are not forgotten yet."""
    argv = ["squeue", "--noheader", "--states=all", "--user=" + settings.user, "--format=%i|%T|%r|%j"]
    return argv + _cluster(settings)


def parse_listing(said: Said, _settings: Settings) -> Optional[Dict[str, Listed]]:
    """Job id -> entry; None when Slurm could not be asked.

    >>> parse_listing(Said(0, "12|RUNNING|None|a.tag\\n", ""), Settings("me"))
    {'12': Listed(name='a.tag', word='running', reason='')}
    """
    if said.code != 0 or "slurm_load_jobs error" in said.err:
        return None
    rows = (line.split("|", 3) for line in said.out.splitlines() if line.count("|") >= 3)
    return {
        number.strip(): Listed(name.strip(), *_word(state.strip(), why.strip())) for number, state, why, name in rows
    }


def kill(ids: List[str], settings: Settings) -> List[str]:
    """argv that ends jobs, waiting or running; for one that has ended Slurm says nothing, with rc 0."""
    return ["scancel", *_cluster(settings), *ids]


def _cluster(settings: Settings) -> List[str]:
    return ["--clusters=" + settings.cluster] if settings.cluster else []


def _word(state: str, why: str) -> "tuple[str, str]":
    if state in ENDED:
        return GONE, ENDED[state]
    if state in WAITING:
        return QUEUED, "" if why in ("None", "") else why
    return RUNNING, ""
