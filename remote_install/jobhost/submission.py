"""The submit verb for one job: claim the try, write its script, start it, write down what was started."""

import contextlib
import os
import pkgutil
import time
from typing import Dict, List, NamedTuple, Optional

from . import layout, processes, status
from .files import open_regular, write
from .layout import JobDirectory
from .runners import background
from .tries import Look, Looker, claim, find
from .wire import Json, Refusal, number, strings, text, to_bytes

MAX_SCRIPT = 16 * 1024 * 1024


class Submitted(NamedTuple):
    """seen: the try. found: was it there already: "" no, "same" with this command, "other" with another one?"""

    seen: Look
    found: str


def submit(request: Json, run_dir: bytes, wanted: Json, wrapper: bytes, looker: Looker) -> Submitted:
    """See to it that a job is submitted. wanted: job, token, argv; time_limit: seconds; known: was its try told to
    the client before? again: a new try, also beside one that is alive.

    The same token never starts a second process: the start gate of the job wrapper sees to that. A new token
    gets the next try, unless the last one is still alive: then that one is told. wrapper: the text of job.sh.
    Raises Refusal when the job can't be submitted.
    """
    name, token, argv = text(wanted, "job"), text(wanted, "token", "[0-9a-f]{16,64}"), strings(wanted, "argv")
    text(request, "uuid", "[0-9a-f]{12,64}")
    if not argv:
        raise Refusal(2, "job %s has no command" % name)
    last = find(run_dir, name, None, None)
    if last is not None and status.read_link(last.token) != token and wanted.get("again") is not True:
        look = looker.look(last)
        if _alive(look):
            _check_owner(request["uuid"], name, look)
            return Submitted(look, _compare(last, argv))
    if wanted.get("known") is True and find(run_dir, name, token, None) is None:
        raise Refusal(
            7,
            "the record of job %s was removed from log/job there, so nobody can tell whether it still runs" % name,
            "If it does not, remove log/job/%s here too, or give the new job another --name." % name,
        )
    try:
        job = claim(run_dir, name, token)
        found = ""
        if os.path.lexists(job.start):
            found = _compare(job, argv)
        else:
            _start(request, run_dir, wanted, job, wrapper, looker)
    except OSError as error:
        why = "job %s could not be submitted: %s" % (name, error.strerror)
        raise Refusal(7, why, "Is the disk there full, or read-only?")
    return Submitted(looker.look(job), found)


def _check_owner(uuid: str, name: str, look: Look) -> None:
    """Raises Refusal for a live job that is not known to be of this run directory: it may be another's."""
    if not look.facts.submit.get("TAG", "").startswith(tag_of(uuid, name, 0).rpartition(".")[0] + "."):
        raise Refusal(
            9,
            "job %s of another run directory is alive there under this run id" % name,
            "Wait for its end, or give your job another --name, or your run another --run-id.",
        )


def _compare(job: JobDirectory, argv: List[str]) -> str:
    """Was this try submitted with the same command? Its script tells."""
    try:
        with open_regular(job.script) as file:
            text_there = file.read(MAX_SCRIPT)
    except FileNotFoundError:
        return "same"
    return "same" if b"\n" + _command_line(argv) + b"\n\n" in text_there else "other"


def _alive(look: Look) -> bool:
    unsettled = not look.facts.start and not look.facts.submit
    return look.verdict.state not in status.ENDED and not unsettled


def _start(request: Json, run_dir: bytes, wanted: Json, job: JobDirectory, wrapper: bytes, looker: Looker) -> None:
    name, limit = text(wanted, "job"), number(wanted, "time_limit")
    tag = tag_of(request["uuid"], name, job.number)
    if limit:
        write(job.limit, _text("limit.sh"))
    _write_message_program(run_dir)
    write(job.script, script(request["run"], run_dir, name, job, strings(wanted, "argv"), wrapper, limit))
    job_id = background.submit(job, tag, _secrets(request))
    here = looker.here
    looker.started(int(job_id))
    fields = processes.stat_fields(int(job_id)) or ["?"] * 20
    lines = [
        "JOB_RUNNER=" + background.NAME,
        "JOB_ID=" + job_id,
        "TAG=" + tag,
        "SUBMITTED=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "PROCESS=process %s %s %s %s %s" % (here.host, job_id, fields[19], here.boot, here.namespace),
    ]
    write(job.submit, "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape"))


def _write_message_program(run_dir: bytes) -> None:
    """remote-install-message, where the PATH of a job leads to."""
    path = layout.message_program(run_dir)
    wanted = _text("message.sh")
    with contextlib.suppress(FileNotFoundError), open_regular(path) as file:
        if file.read(len(wanted) + 1) == wanted:
            return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, wanted, executable=True)


def _text(name: str) -> bytes:
    found = pkgutil.get_data(__package__, name)
    assert found is not None
    return found


def _secrets(request: Json) -> Dict[str, str]:
    """Variables for the environment of what submits the job: they are in no file and in no argument list."""
    found = request.get("secrets") or {}
    for name in found:
        text(found, name, "[^\0]*")
        text({"a secret's name": name}, "a secret's name", "[A-Za-z_][A-Za-z0-9_]*")
    return dict(found)


def tag_of(uuid: str, name: str, number: int) -> str:
    """The job's name in the job runner: no other try of any run has it.

    >>> tag_of("0123456789abcdef", "train", 1)
    'remote-install.0123456789ab.train.01'
    """
    return "remote-install.%s.%s.%02d" % (uuid[:12], name, number)


def script(
    run: str,
    run_dir: bytes,
    name: str,
    job: JobDirectory,
    argv: List[str],
    wrapper: bytes,
    limit: Optional[int] = None,
) -> bytes:
    """The job script: what differs from job to job, each value quoted, then the job wrapper. limit: seconds."""
    variables = {
        b"REMOTE_INSTALL_RUN": run.encode(),
        b"REMOTE_INSTALL_JOB": name.encode(),
        b"REMOTE_INSTALL_TRY": b"%d" % job.number,
        b"REMOTE_INSTALL_RUN_DIR": run_dir,
        b"REMOTE_INSTALL_JOB_DIR": job.path,
    }
    lines = [b"#!/bin/sh"]
    lines += [b"export " + key + b"=" + quoted(value) for key, value in variables.items()]
    lines += [b"_ri_limit=%s" % (b"%d" % limit if limit else b"")]
    lines += [_command_line(argv)]
    return b"\n".join(lines) + b"\n\n" + wrapper


def _command_line(argv: List[str]) -> bytes:
    return b"set -- " + b" ".join(quoted(to_bytes(word)) for word in argv)


def quoted(word: bytes) -> bytes:
    """`word` as every POSIX shell reads it back unchanged: nothing is special in single quotes but their end.

    >>> quoted(b"it's $(id)")
    b"'it'\\\\''s $(id)'"
    """
    return b"'" + word.replace(b"'", b"'\\''") + b"'"
