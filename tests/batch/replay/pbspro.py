#!/usr/bin/python3
"""qsub, qstat and qdel, which say what those of PBS Professional were recorded, or published, to say."""

from __future__ import annotations

import os
import re
import shutil
import sys

import replayed_jobs as jobs

SERVER = os.uname().nodename
FLAGS = ("-h", "-V")  # options of qsub that have no value
ENDING = ("TERM", "KILL")
STATES = {jobs.HELD: "list-held", jobs.RUNNING: "list-running"}


def qsub(words: list[str]) -> int:
    """Submit the script, a copy of it, as PBS does; the job starts in the home directory, in an environment of PBS."""
    options, (path,) = jobs.options(words, FLAGS)
    if options.get("-q") == "does-not-exist":
        return jobs.say("submit-unknown-queue", {})
    number = jobs.make(options["-N"], "-h" in options)
    job_id = f"{number}.{SERVER}"
    script = f"{jobs.STATE}/{number}/script"
    shutil.copy(path, script)
    os.chmod(script, 0o755)
    if "-h" not in options:
        plain = {name: os.environ[name] for name in ("HOME", "LOGNAME", "USER", "PATH") if name in os.environ}
        mine = {"PBS_JOBID": job_id, "PBS_JOBNAME": options["-N"], "PBS_O_WORKDIR": os.getcwd()}
        jobs.start(number, [script], {**plain, **mine}, os.path.expanduser("~"), os.path.abspath(options["-o"]))
    return jobs.say("submit", {"0.pbspro": job_id})


def qstat(words: list[str]) -> int:
    """Tell of the jobs whose ids are given; the exit code is that of the last one that could not be told of."""
    code = 0
    for job_id in words[words.index("-f") + 1 :] or [f"{number}.{SERVER}" for number in jobs.numbers()]:
        number = number_of(job_id)
        state = jobs.state(number)
        if state in STATES:
            sys.stdout.write(block(jobs.recorded(STATES[state])[1], job_id, jobs.name_of(number)))
        elif state:
            code = jobs.say("list-finished", {"5487654.pbs02": job_id})
        else:
            code = jobs.say("list-unknown", {"256.sod-pbs": job_id})
    return code


def qdel(words: list[str]) -> int:
    """End jobs."""
    code = 0
    for job_id in words:
        state = jobs.state(number_of(job_id))
        if state in STATES:
            jobs.end(number_of(job_id), ENDING)
        elif state:
            code = jobs.say("cancel-ended", {"0.pbspro": job_id})
        else:
            code = jobs.say("cancel-unknown", {"3000": job_id})
    return code


def number_of(job_id: str) -> str:
    """Return the number in a job id, "" when it is none of this server."""
    number, _, server = job_id.partition(".")
    return number if server == SERVER else ""


def block(text: str, job_id: str, name: str) -> str:
    """Return a recorded display of a job with another id and name; a value that is too long goes on in the next line,
    after 78 characters."""
    line = f"    Job_Name = {name}"
    if len(line) > 77:
        line = f"{line[:79]}\n\t{line[79:]}"
    text = re.sub(r"^Job Id: .*$", lambda _: f"Job Id: {job_id}", text, count=1, flags=re.MULTILINE)
    return re.sub(r"^    Job_Name = .*$", lambda _: line, text, count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    command = os.path.basename(sys.argv[0])
    sys.exit({"qsub": qsub, "qstat": qstat, "qdel": qdel}[command](sys.argv[1:]))
