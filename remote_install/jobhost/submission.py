"""The submit verb for one job: claim the try, write its script, start it, write down what was started."""

import os
import time
from typing import List

from . import processes, status
from .files import write
from .layout import JobDirectory
from .runners import background
from .tries import Look, Looker, claim, find
from .wire import Json, Refusal, strings, text, to_bytes

WRAPPER = "job.sh"


def submit(request: Json, run_dir: bytes, wanted: Json, wrapper: bytes, looker: Looker) -> Look:
    """See to it that a job is submitted. wanted: job, token, argv. wrapper: the text of job.sh.

    The same token never starts a second process: the start gate of the job wrapper sees to that. A new token
    gets the next try, unless the last one is still alive: then that one is told.
    Raises Refusal when the job can't be submitted.
    """
    name, token, argv = text(wanted, "job"), text(wanted, "token", "[0-9a-f]{16,64}"), strings(wanted, "argv")
    text(request, "uuid", "[0-9a-f]{12,64}")
    if not argv:
        raise Refusal(2, "job %s has no command" % name)
    last = find(run_dir, name, None, None)
    if last is not None and status.read_link(last.token) != token:
        look = looker.look(last)
        if _alive(look):
            return look
    try:
        job = claim(run_dir, name, token)
        if not os.path.lexists(job.start):
            _start(request, run_dir, name, job, argv, wrapper)
            looker.refresh()
    except OSError as error:
        raise Refusal(7, "job %s could not be submitted: %s" % (name, error), "Is the disk full, or read-only?")
    return looker.look(job)


def _alive(look: Look) -> bool:
    unsettled = not look.facts.start and not look.facts.submit
    return look.verdict.state not in status.ENDED and not unsettled


def _start(request: Json, run_dir: bytes, name: str, job: JobDirectory, argv: List[str], wrapper: bytes) -> None:
    tag = tag_of(request["uuid"], name, job.number)
    write(job.script, script(request["run"], run_dir, name, job, argv, wrapper))
    job_id = background.submit(job, tag)
    here = processes.here()
    fields = processes.stat_fields(int(job_id)) or ["?"] * 20
    lines = [
        "JOB_RUNNER=" + background.NAME,
        "JOB_ID=" + job_id,
        "TAG=" + tag,
        "SUBMITTED=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "PROCESS=process %s %s %s %s %s" % (here.host, job_id, fields[19], here.boot, here.namespace),
    ]
    write(job.submit, "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape"))


def tag_of(uuid: str, name: str, number: int) -> str:
    """The job's name in the job runner: no other try of any run has it.

    >>> tag_of("0123456789abcdef", "train", 1)
    'remote-install.0123456789ab.train.01'
    """
    return "remote-install.%s.%s.%02d" % (uuid[:12], name, number)


def script(run: str, run_dir: bytes, name: str, job: JobDirectory, argv: List[str], wrapper: bytes) -> bytes:
    """The job script: what differs from job to job, each value quoted, then the job wrapper."""
    variables = {
        b"REMOTE_INSTALL_RUN": run.encode(),
        b"REMOTE_INSTALL_JOB": name.encode(),
        b"REMOTE_INSTALL_TRY": b"%d" % job.number,
        b"REMOTE_INSTALL_RUN_DIR": run_dir,
        b"REMOTE_INSTALL_JOB_DIR": job.path,
    }
    lines = [b"#!/bin/sh"]
    lines += [b"export " + key + b"=" + quoted(value) for key, value in variables.items()]
    lines += [b"set -- " + b" ".join(quoted(to_bytes(word)) for word in argv)]
    return b"\n".join(lines) + b"\n\n" + wrapper


def quoted(word: bytes) -> bytes:
    """`word` as every POSIX shell reads it back unchanged: nothing is special in single quotes but their end.

    >>> quoted(b"it's $(id)")
    b"'it'\\\\''s $(id)'"
    """
    return b"'" + word.replace(b"'", b"'\\''") + b"'"
