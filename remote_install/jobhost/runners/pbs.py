"""PBS Pro, OpenPBS and Torque. Their commands: qsub, qstat, qdel (the guide of PBS Professional, Torque's man pages).

qstat ends with 153 when any of the jobs is unknown; what it knows of the others it prints all the same.
"""

import re
from typing import Dict, List, Optional

from ..status import GONE, QUEUED, RUNNING
from .words import GRACE, Job, Listed, Said, Settings, clock, options

NAME = "pbs"
ID = "${PBS_JOBID:-$SLURM_JOB_ID}"  # Torque's commands in front of a Slurm set only the other
KEEP = ("PBS_CONF_FILE", "PBS_EXEC", "PBS_HOME", "PBS_SERVER", "PBS_DEFAULT", "SLURM_CONF")
FORBIDDEN = ("-J", "-t", "-N", "-I", ":")
ONE_LETTER = True  # an option has one letter, which its value may follow in the same word

BY_ID = True  # jobs are asked for by their ids
LIMIT_HERE = True  # nothing that all of them print tells that a job reached its limit
UNKNOWN, FINISHED = 153, 35  # qstat(1B): unknown job id; job has finished
WAITING = "QHWTM"
ENDED = "CFX"


def submit(job: Job, _settings: Settings) -> List[str]:
    """argv. -r n: not rerunnable unless a directive says so."""
    argv = ["qsub", "-r", "n", "-j", "oe", "-o", "job.log"]
    if job.time_limit:
        argv += ["-l", "walltime=" + clock(job.time_limit + GRACE)]
    return argv + options(job.directives) + ["-N", job.tag, "job.batch"]


def parse_submit(said: Said) -> str:
    """The job id; "" when there is none.

    >>> parse_submit(Said(0, "1234.server.site.org\\n", ""))
    '1234.server.site.org'
    """
    found = re.search(r"^(\d+(?:\.[\w.-]+)?)$", said.out, re.MULTILINE)
    return found.group(1) if found and said.code == 0 else ""


def listing(ids: Optional[List[str]], _settings: Settings) -> List[str]:
    """argv that tells jobs by id; all jobs of everybody where None is given, since -u has no full names."""
    return ["qstat", "-f", *(ids or [])]


def parse_listing(said: Said, _settings: Settings) -> Optional[Dict[str, Listed]]:
    """Job id -> entry; None when PBS could not be asked.

    >>> parse_listing(Said(0, "Job Id: 12.host\\n    Job_Name = a.tag\\n    job_state = Q\\n\\n", ""), Settings("me"))
    {'12.host': Listed(name='a.tag', word='queued', reason='')}
    """
    others = [
        line for line in said.err.splitlines() if not re.search(r"Unknown Job|has finished|Invalid job id", line, re.I)
    ]
    if said.code not in (0, UNKNOWN, FINISHED) or any(line.strip() for line in others):
        return None
    if said.out.strip() and "Job Id:" not in said.out:
        return None
    found = {}
    for block in re.split(r"^Job Id:[ \t]*", said.out, flags=re.MULTILINE)[1:]:
        number, _, rest = block.partition("\n")
        fields = _fields(rest)
        found[number.strip()] = Listed(fields.get("Job_Name", ""), *_word(fields))
    return found


def kill(ids: List[str], _settings: Settings) -> List[str]:
    """argv that ends jobs, waiting or running."""
    return ["qdel", *ids]


def _fields(text: str) -> Dict[str, str]:
    """The attributes of a job. What is longer than a line, a long job name too, goes on in the next one behind a tab;
    but Torque's commands over Slurm have a tab before each attribute.

    >>> _fields("    Job_Name = remote-ins\\n\\ttall.ab\\n    job_state = R\\n")["Job_Name"]
    'remote-install.ab'
    """
    if re.search(r"^    \S", text, re.MULTILINE):
        text = text.replace("\n\t", "")
    found = re.findall(r"^[ \t]+([\w.]+) = (.*)$", text, re.MULTILINE)
    return dict(found[::-1])  # the first of a name counts: lines of an environment variable may look like these


def _word(fields: Dict[str, str]) -> "tuple[str, str]":
    state, comment = fields.get("job_state", "").strip(), fields.get("comment", "")
    if state in ENDED:
        return GONE, "time limit" if "walltime" in comment and "exceed" in comment else ""
    return (QUEUED, comment) if state in WAITING else (RUNNING, "")
