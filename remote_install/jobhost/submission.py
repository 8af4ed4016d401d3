"""The submit verb for one job: claim the try, write its script, start it, write down what was started."""

import contextlib
import functools
import os
import pkgutil
import time
from typing import Any, Dict, List, NamedTuple, Optional

from . import layout, status
from .files import open_regular, write
from .layout import JobDirectory
from .runners.quoting import quoted
from .runners.words import Job, Unsure
from .tries import Look, Looker, claim, find
from .wire import Json, Refusal, number, strings, text, to_bytes, to_text

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
        job = claim(run_dir, name, token, number(wanted, "above") or 0)
        found = ""
        if os.path.lexists(job.start) or _waits(job, looker):
            found = _compare(job, argv)
        else:
            _start(request, run_dir, wanted, job, wrapper, looker.runners.wanted())
            return Submitted(looker.submitted(job), found)
    except OSError as error:
        why = "job %s could not be submitted: %s" % (name, error.strerror)
        raise Refusal(7, why, "Is the disk there full, or read-only?")
    return Submitted(looker.look(job), found)


def _waits(job: JobDirectory, looker: Looker) -> bool:
    """Does it wait in the queue of a batch system already?"""
    if not os.path.lexists(job.submit) or looker.runners.wanted().of_processes:
        return False
    return looker.look(job).verdict.state not in status.ENDED and looker.answered(job) in (
        status.QUEUED,
        status.RUNNING,
    )


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


def _start(request: Json, run_dir: bytes, wanted: Json, job: JobDirectory, wrapper: bytes, runner: Any) -> None:
    """Submit, and write down what was: also of a submission that broke off before that was done."""
    tag = tag_of(request["uuid"], text(wanted, "job"), job.number)
    fields = runner.recover(tag) if os.path.lexists(job.script) else None
    try:
        if fields is None:
            fields = _submit(request, run_dir, wanted, job, wrapper, runner, tag)
    except Unsure:
        raise
    except Refusal as refusal:
        _write_down(job, runner, tag, {"SUBMIT_FAILED": " ".join(refusal.message.split())})
        raise
    if fields is not None:
        _write_down(job, runner, tag, fields)


def _write_down(job: JobDirectory, runner: Any, tag: str, fields: Dict[str, str]) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    written = {"JOB_RUNNER": runner.name, **fields, "TAG": tag, "SUBMITTED": now}
    write(job.submit, to_bytes("".join("%s=%s\n" % field for field in written.items())))


def _submit(
    request: Json, run_dir: bytes, wanted: Json, job: JobDirectory, wrapper: bytes, runner: Any, tag: str
) -> Optional[Dict[str, str]]:
    limit, secrets = number(wanted, "time_limit") or 0, _secrets(request)
    kept_here = limit if runner.limit_here else 0
    if kept_here:
        write(job.limit, _text("limit.sh"))
    _write_message_program(run_dir)
    mirror = request.get("mirror")
    far = to_bytes(text(mirror, "there")) if isinstance(mirror, dict) else None
    its = job if far is None else layout.job_directory(far, text(wanted, "job"), job.number)
    name, argv = text(wanted, "job"), strings(wanted, "argv")
    about = Script(request["run"], far or run_dir, name, its, argv, kept_here, runner.gate)
    write(job.script, script(about, wrapper))
    wanted_job = Job(tag, limit, _directives(wanted), "" if far is None else to_text(its.path))
    if request.get("stage") is True:  # its files have to be elsewhere before it may start
        runner.stage(job, wanted_job, secrets)
        return None
    return dict(runner.submit(job, wanted_job, secrets))


def _directives(wanted: Json) -> Dict[str, str]:
    found = wanted.get("directives") or {}
    for name in found:
        text(found, name, "[^\0]*")
        text({"a directive": name}, "a directive", "-[^\\s\0=]+|:")
    return dict(found)


def _write_message_program(run_dir: bytes) -> None:
    """remote-install-message, where the PATH of a job leads to."""
    path = layout.message_program(run_dir)
    wanted = _text("message.sh")
    with contextlib.suppress(FileNotFoundError), open_regular(path) as file:
        if file.read(len(wanted) + 1) == wanted:
            return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, wanted, mode=0o777)


@functools.lru_cache(maxsize=None)  # of many jobs each needs them
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


class Script(NamedTuple):
    """What a job script is made of. limit: seconds, where the wrapper is to see to it. gate: who the job is to the
    start gate, in words of the shell; "" for the process itself."""

    run: str
    run_dir: bytes
    name: str
    job: JobDirectory
    argv: List[str]
    limit: int = 0
    gate: str = ""


def script(about: Script, wrapper: bytes) -> bytes:
    """The job script: what differs from job to job, each value quoted, then the job wrapper."""
    variables = {
        b"REMOTE_INSTALL_RUN": about.run.encode(),
        b"REMOTE_INSTALL_JOB": about.name.encode(),
        b"REMOTE_INSTALL_TRY": b"%d" % about.job.number,
        b"REMOTE_INSTALL_RUN_DIR": about.run_dir,
        b"REMOTE_INSTALL_JOB_DIR": about.job.path,
    }
    lines = [b"#!/bin/sh"]
    lines += [b"export " + key + b"=" + quoted(value) for key, value in variables.items()]
    lines += [b"_ri_limit=%s" % (b"%d" % about.limit if about.limit else b"")]
    lines += [b'_ri_batch="%s"' % about.gate.encode()]
    lines += [_command_line(about.argv)]
    return b"\n".join(lines) + b"\n\n" + wrapper


def _command_line(argv: List[str]) -> bytes:
    return b"set -- " + b" ".join(quoted(to_bytes(word)) for word in argv)
