#!/usr/bin/python3
"""bsub, bjobs and bkill, which say what those of IBM Spectrum LSF were recorded, or published, to say."""

from __future__ import annotations

import os
import sys

import replayed_jobs as jobs

ENDING = ("INT", "TERM", "KILL")
FLAGS = ("-rn", "-r", "-H", "-x")  # options of bsub that have no value
TAG = "remote-install.0123456789ab.train.01"  # the name of all recorded jobs
STATES = {jobs.HELD: "list-held", jobs.RUNNING: "list-running", jobs.ENDED: "list-done"}


def bsub(words: list[str]) -> int:
    """Submit the command that follows the options; the job starts where bsub was called, in its environment."""
    options, command = jobs.options(words, FLAGS)
    if options.get("-q") == "rhel7":
        return jobs.say("submit-unknown-queue", {})
    number = jobs.make(options["-J"], "-H" in options)
    if "-H" not in options:
        mine = {**os.environ, "LSB_JOBID": number, "LSB_JOBNAME": options["-J"], "LS_SUBCWD": os.getcwd()}
        jobs.start(number, command, mine, os.getcwd(), os.path.abspath(options["-o"]))
    return jobs.say("submit", {"235784": number})


def bjobs(_words: list[str]) -> int:
    """Tell of all jobs of the user, one line each."""
    listed = jobs.numbers()
    if not listed:
        return jobs.say("list-nothing", {})
    for number in listed:
        case = STATES[jobs.state(number)]
        if case == "list-done" and jobs.read(f"{jobs.STATE}/{number}/{jobs.ENDED}") != "0":
            case = "list-exit"
        jobs.say(case, {"101|": f"{number}|", TAG: jobs.name_of(number)})
    return 0


def bkill(words: list[str]) -> int:
    """End jobs."""
    code = 0
    for number in words:
        state = jobs.state(number)
        if state in (jobs.HELD, jobs.RUNNING):
            jobs.end(number, ENDING)
            sys.stdout.write(jobs.recorded("cancel")[1].splitlines(keepends=True)[0].replace("267", number))
        elif state:
            code = jobs.say("cancel-ended", {"11": number})
        else:
            code = jobs.say("cancel-unknown", {"99": number})
    return code


if __name__ == "__main__":
    command = os.path.basename(sys.argv[0])
    sys.exit({"bsub": bsub, "bjobs": bjobs, "bkill": bkill}[command](sys.argv[1:]))
