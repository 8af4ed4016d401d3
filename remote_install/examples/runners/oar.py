"""OAR, as an example of a site's own job runner. In hosts.yaml: `job_runner: {name: oar, file: runners/oar.py}`.

Job, Listed, Said, Settings, clock, options, GRACE and the words QUEUED, RUNNING, GONE are there without an import. It
runs on the job host, with Python 3.6 or newer and nothing but its standard library.
"""

import json
import re

NAME = "oar"
ID = "$OAR_JOB_ID"  # how the job itself knows its id, for the shell
KEEP = ()  # variables of a login that the commands need
FORBIDDEN = ("--array", "--array-param-file", "-n", "--name", "-I")
LIMIT_HERE = True  # the time limit is kept by the job wrapper: OAR's own is KILL for all at once, also for the wrapper


def submit(job, settings):
    """argv that submits job.batch, which lies in the current folder."""
    limit = ["-l", "walltime=" + clock(job.time_limit + GRACE)] if job.time_limit else []
    names = ["-O", "job.log", "-E", "job.log", "-n", job.tag]
    return ["oarsub", *limit, *options(job.directives), *names, "./job.batch"]


def parse_submit(said):
    """The job id; "" when there is none."""
    found = re.search(r"^OAR_JOB_ID=(\d+)$", said.out, re.MULTILINE)
    return found.group(1) if found and said.code == 0 else ""


def listing(ids, settings):
    """argv that tells all jobs of the user that have not ended."""
    return ["oarstat", "-u", settings.user, "-J"]


def parse_listing(said, settings):
    """Job id -> Listed(name, word, reason); None when OAR could not be asked."""
    if said.code != 0 or (said.err and not said.out):
        return None
    try:
        entries = json.loads(said.out or "{}")
    except ValueError:
        return None
    if not isinstance(entries, dict):
        return None
    return {number: Listed(entry.get("name") or "", *word(entry)) for number, entry in entries.items()}


def word(entry):
    state = entry.get("state", "")
    if state in ("Terminated", "Error"):
        return GONE, ""
    if state in ("Waiting", "Hold", "toLaunch", "toError", "toAckReservation"):
        return QUEUED, "held" if state == "Hold" else ""
    return RUNNING, ""


def kill(ids, settings):
    """argv that ends jobs, waiting or running."""
    return ["oardel", *ids]
