"""Slurm. Its commands: sbatch, squeue, scancel, sacct (their man pages; seen with 22.05).

Each cluster is asked by itself: of several one that is down is silently left out, with rc 0.
"""

import re
import shlex
from typing import Dict, List, Optional

from ..status import GONE, QUEUED, RUNNING
from ..wire import Refusal
from .words import Job, Listed, Said, Settings, clock, options

NAME = "slurm"
ID = "$SLURM_JOB_ID"  # how the job itself knows its id
KEEP = ("SLURM_CONF",)  # variables that its commands need
FORBIDDEN = ("--array", "-a", "--job-name", "-J", "--wrap", "--parsable", "--clusters", "-M")
ONE_LETTER = True  # an option with one dash has one letter, which its value may follow in the same word

ROW = re.compile(r"\d[\d+_\[\],%-]*\|[A-Z_]+\|[^|]*\|.*")  # of what `listing` gives

PARTS = ":"  # the directive that holds the options of the other parts of a heterogeneous job
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
    """argv. Not requeued unless a directive says so: a second start would be a second run.

    The directive `:` is written as sbatch(1) has the other parts of a heterogeneous job. Raises Refusal (7) when it
    can't be split into words.
    """
    argv = ["sbatch", "--parsable", "--no-requeue", "--output=job.log", "--open-mode=append", "--export=ALL"]
    if job.time_limit:
        argv.append("--time=" + clock(job.time_limit))
    if job.folder:
        argv.append("--chdir=" + job.folder)
    own = {name: value for name, value in job.directives.items() if name != PARTS}
    argv += [*options(own), "--job-name=" + job.tag, *_cluster(settings)]
    if PARTS in job.directives:
        argv += [PARTS, *_parts(job.directives[PARTS])]
    return [*argv, "job.batch"]


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
    lines = [line for line in said.out.splitlines() if line.strip()]
    if not all(ROW.fullmatch(line) for line in lines) or (said.err.strip() and not lines):
        return None
    rows = [line.split("|", 3) for line in reversed(lines)]  # the first part of a heterogeneous job speaks for it
    return {number.partition("+")[0]: Listed(name, *_word(state, why)) for number, state, why, name in rows}


def accounting(ids: List[str], settings: Settings) -> List[str]:
    """argv that tells jobs that Slurm itself has forgotten, where the site keeps accounts."""
    return ["sacct", "-n", "-X", "-P", "-o", "JobID,State,JobName", *_cluster(settings), "-j", ",".join(ids)]


def parse_accounting(said: Said, _settings: Settings) -> Dict[str, Listed]:
    """Job id -> entry; empty when nothing is known.

    >>> parse_accounting(Said(0, "15|CANCELLED by 4000|a.tag\\n", ""), Settings("me"))
    {'15': Listed(name='a.tag', word='gone', reason='cancelled')}
    """
    rows = [line.split("|", 2) for line in said.out.splitlines() if line.count("|") >= 2]
    return {number: Listed(name, *_word(state.partition(" ")[0], "")) for number, state, name in rows}


def kill(ids: List[str], settings: Settings) -> List[str]:
    """argv that ends jobs, waiting or running; for one that has ended Slurm says nothing, with rc 0."""
    return ["scancel", *_cluster(settings), *ids]


def configuration() -> List[str]:
    """argv that tells which cluster the commands here belong to."""
    return ["scontrol", "show", "config"]


def parse_configuration(said: Said) -> str:
    """The name of that cluster; "" where there is none, or it does not answer.

    >>> parse_configuration(Said(0, "ClusterName             = c1\\n", ""))
    'c1'
    """
    found = re.search(r"^ClusterName\s*= (\S+)$", said.out, re.MULTILINE)
    return found.group(1) if found and said.code == 0 else ""


def _parts(text: str) -> List[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Refusal(7, "the directive `:` is no list of options: %s" % error, "Close its quotes.")


def _cluster(settings: Settings) -> List[str]:
    return ["--clusters=" + settings.cluster] if settings.cluster else []


def _word(state: str, why: str) -> "tuple[str, str]":
    if state in ENDED:
        return GONE, ENDED[state]
    if state in WAITING:
        return QUEUED, "" if why in ("None", "") else why
    return RUNNING, ""
