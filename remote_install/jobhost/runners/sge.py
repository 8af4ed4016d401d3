"""Grid Engine and its children. Their commands: qsub, qstat, qdel (their man pages; seen with 8.1.9)."""

import re
from typing import Dict, List, Optional
from xml.etree import ElementTree

from ..status import GONE, QUEUED, RUNNING
from .words import GRACE, Job, Listed, Said, Settings, options

NAME = "sge"
ID = "$JOB_ID"
KEEP = ("SGE_ROOT", "SGE_CELL", "SGE_CLUSTER_NAME", "SGE_QMASTER_PORT", "SGE_EXECD_PORT")
LIMIT_HERE = True  # h_rt means KILL to all at once, also to the job wrapper
FORBIDDEN = ("-t", "-N", "-C", "-sync", "-terse", "-b", ":")


def submit(job: Job, _settings: Settings) -> List[str]:
    """argv. -C "": no directives in the script. -r n: not rerun unless a directive says so."""
    argv = ["qsub", "-terse", "-C", "", "-cwd", "-S", "/bin/sh", "-r", "n", "-j", "y", "-o", "job.log"]
    if job.time_limit:
        argv += ["-l", "h_rt=%d" % (job.time_limit + GRACE)]
    return argv + options(job.directives) + ["-N", job.tag, "job.batch"]


def parse_submit(said: Said) -> str:
    """The job id; "" when there is none. qsub may end with 1 for a warning, and the job is queued all the same.

    >>> parse_submit(Said(1, "17\\n", "warning: ..."))
    '17'
    """
    found = re.search(r"^(\d+)$", said.out, re.MULTILINE)
    return found.group(1) if found else ""


def listing(_ids: Optional[List[str]], settings: Settings) -> List[str]:
    """argv that tells all jobs of the user; as text the names would be cut."""
    return ["qstat", "-u", settings.user, "-xml"]


def parse_listing(said: Said, _settings: Settings) -> Optional[Dict[str, Listed]]:
    """Job id -> entry; None when Grid Engine could not be asked."""
    if said.code != 0:
        return None
    try:
        root = ElementTree.fromstring(said.out)
    except (ElementTree.ParseError, ValueError):  # ValueError: what no text holds
        return None
    if root.tag != "job_info":
        return None
    entries = root.iter("job_list")
    return {
        _text(entry, "JB_job_number"): Listed(_text(entry, "JB_name"), *_word(_text(entry, "state")))
        for entry in entries
    }


def kill(ids: List[str], _settings: Settings) -> List[str]:
    """argv that ends jobs, waiting or running."""
    return ["qdel", *ids]


def _text(entry: ElementTree.Element, name: str) -> str:
    return (entry.findtext(name) or "").strip()


def _word(state: str) -> "tuple[str, str]":
    """qstat(1): a state holds several letters; q and w: waiting, h: held, z: ended, E: in error, and never to start."""
    if "z" in state:
        return GONE, ""
    if "E" in state:
        return QUEUED, "in error state (%s): qstat -j tells why" % state
    return (QUEUED, "held" if "h" in state else "") if "q" in state or "w" in state else (RUNNING, "")
