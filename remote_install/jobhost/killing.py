"""The kill verb: ends jobs that are ours, every process of their sessions: TERM, a grace, KILL."""

import contextlib
import os
import signal
import time
from typing import List, Optional

from . import processes, status
from .layout import JobDirectory
from .processes import Identity, Table, parse_identity
from .tries import Look, Looker
from .wire import Refusal

STEP = 0.05  # seconds between two looks
RECORD = 2.0  # seconds that the job wrapper gets to write the exit record once its command is gone
NOT_STARTED = "killed before it started"


def kill(job: JobDirectory, looker: Looker, grace: float, missed_for: float = 0.0) -> Look:
    """End one job, and tell how it is then. Raises Refusal when nobody here can tell whether it lives.

    A process is signalled only if it belongs to the session of the job wrapper, whose process id, start time, boot and
    pid namespace match the record.
    """
    look = looker.look(job, missed_for)
    if look.verdict.state in status.ENDED:
        return look
    if look.verdict.state == "unknown" and (look.facts.start or look.facts.submit):
        raise Refusal(7, "it can't be told whether the job is alive: %s" % look.verdict.reason, "Try again later.")
    with contextlib.suppress(OSError):  # it is there already, or the disk is full
        os.symlink(status.ASKED, job.kill)
    took_gate = not look.facts.start and _take_gate(job)
    # Who went through the gate; else who was started last, for a job may have removed its gate.
    identity = parse_identity(status.read_link(job.start) or "") or parse_identity(look.facts.submit.get("PROCESS", ""))
    if identity is not None:
        _end(job, identity, grace)
    if took_gate and status.read(job).exit_code is None and not (identity and _members(identity)):
        _record(job, signal.SIGTERM)
    looker.refresh()
    return looker.look(job, missed_for)


def _take_gate(job: JobDirectory) -> bool:
    """Go through the start gate in the job's place: whoever comes later does not start."""
    try:
        os.symlink(NOT_STARTED, job.start)
    except FileExistsError:
        return False
    except OSError as error:
        raise Refusal(7, "the job can't be kept from starting: %s" % error.strerror, "Try again when that is mended.")
    return True


def _end(job: JobDirectory, identity: Identity, grace: float) -> None:
    _signal(identity, signal.SIGTERM, spare=None)
    if _gone(identity, grace):
        return
    # The wrapper lives through this and writes down how its command ended.
    _signal(identity, signal.SIGKILL, spare=identity.pid)
    if _gone(identity, RECORD):
        return
    _signal(identity, signal.SIGKILL, spare=None)
    if _gone(identity, RECORD) and status.read(job).exit_code is None:
        _record(job, signal.SIGKILL)


def _members(identity: Identity) -> List[int]:
    """The live processes of the session; none when the id belongs to another one by now."""
    table = Table()
    return table.members(identity.pid) if table.alive(identity) else []


def _signal(identity: Identity, number: int, spare: Optional[int]) -> None:
    for pid in _members(identity):
        fields = processes.stat_fields(pid)
        if pid == spare or fields is None or int(fields[3]) != identity.pid:
            continue
        try:
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # one that was stopped hears nothing else
        except (ProcessLookupError, PermissionError):
            pass  # it has gone, or became another user's, as with sudo: the others are ended all the same


def _gone(identity: Identity, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while _members(identity):
        if time.monotonic() > until:
            return False
        time.sleep(STEP)
    return True


def _record(job: JobDirectory, number: int) -> None:
    """The exit record of a job whose wrapper can't write one any more, or never started."""
    with contextlib.suppress(OSError):  # it is there by now; or the disk is full, and the job will count as lost
        os.symlink("EXIT=%d" % (128 + number), job.end)
