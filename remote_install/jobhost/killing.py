"""The kill verb: ends jobs that are ours, every process of their sessions: TERM, a grace, KILL."""

import contextlib
import os
import signal
import time
from typing import Dict, List, Optional, Union

from . import processes, status
from .layout import JobDirectory
from .processes import Identity, Table, parse_identity
from .tries import Look, Looker
from .wire import Refusal

STEP = 0.05  # seconds between two looks
RECORD = 2.0  # seconds that the job wrapper gets to write the exit record once its command is gone
KILL_ROUNDS = 5
BATCH_STEP, BATCH_ROUNDS = 0.5, 60  # a batch system ends jobs in its own time: looks after it was told to
NOT_STARTED = "killed before it started"


def kill(
    jobs: List[JobDirectory],
    looker: Looker,
    grace: float,
    missed_for: Optional[Dict[bytes, float]] = None,
    records: bool = True,
) -> List[Union[Look, Refusal]]:
    """End jobs, and tell how each is then; a Refusal where nobody here can tell whether it lives.

    A process is signalled only if it belongs to the session of the job wrapper, whose process id, start time, boot and
    pid namespace match the record; an entry of a batch system is ended only if its name is ours. missed_for: see
    Looker.look. records: are the exit records of those that left none to be written? Not where the files are a mirror.
    """
    looker.prepare(jobs)
    seen = {job.path: _look(looker, job, (missed_for or {}).get(job.path, 0.0)) for job in jobs}
    refused = {path: look for path, look in seen.items() if isinstance(look, Refusal)}
    looks = [look for look in seen.values() if isinstance(look, Look)]
    refused.update({look.job.path: _refusal(look) for look in looks if _cannot_be_told(look)})
    live = [look for look in looks if look.verdict.state not in status.ENDED and look.job.path not in refused]
    waiting = _take_gates(live, refused)
    cancelled = _cancel(looker, live, refused)
    _end_processes([look for look in live if look not in cancelled], grace)
    if records:  # at once: a gate of ours without a record is that of a lost job
        for look in waiting:
            if status.read(look.job).exit_code is None and not _members_of(look):
                _record(look.job, signal.SIGTERM)
    for job in _await_batch([look.job for look in cancelled], looker):
        if records:
            _record(job, signal.SIGKILL)
    looker.forget()
    return [refused.get(job.path) or _look(looker, job) for job in jobs]


def _look(looker: Looker, job: JobDirectory, missed_for: float = 0.0) -> Union[Look, Refusal]:
    try:
        return looker.look(job, missed_for)
    except OSError as error:
        why = "the job status files can't be read: %s" % error.strerror
        return Refusal(7, why, "Look at the job's folder in log/job there.")


def _cannot_be_told(look: Look) -> bool:
    return look.verdict.state == "unknown" and bool(look.facts.start or look.facts.submit)


def _refusal(look: Look) -> Refusal:
    return Refusal(7, "it can't be told whether the job is alive: %s" % look.verdict.reason, "Try again later.")


def _take_gates(live: List[Look], refused: Dict[bytes, Refusal]) -> List[Look]:
    """Those that had not started, and now will not: we went through the start gate in their place."""
    taken = []
    for look in live:
        with contextlib.suppress(OSError):  # it is there already, or the disk is full
            os.symlink(status.ASKED, look.job.kill)
        try:
            if not look.facts.start and _take_gate(look.job):
                taken.append(look)
        except OSError as error:
            why = "the job can't be kept from starting: %s" % error.strerror
            refused[look.job.path] = Refusal(7, why, "Try again when that is mended.")
    return taken


def _take_gate(job: JobDirectory) -> bool:
    """Go through the start gate in the job's place: whoever comes later does not start. Raises OSError."""
    try:
        os.symlink(NOT_STARTED, job.start)
    except FileExistsError:
        return False
    with contextlib.suppress(OSError):
        os.unlink(job.secrets)
    return True


def _identity(look: Look) -> Optional[Identity]:
    """Who went through the gate; else who was started last, for a job may have removed its gate."""
    started = parse_identity(status.read_link(look.job.start) or "")
    return started or parse_identity(look.facts.submit.get("PROCESS", ""))


def _members_of(look: Look) -> List[int]:
    identity = _identity(look)
    return _members(identity, Table()) if identity else []


def _cancel(looker: Looker, live: List[Look], refused: Dict[bytes, Refusal]) -> List[Look]:
    """Tell the job runners; those of batch systems are returned, because nothing else ends them."""
    by_runner: Dict[int, List[Look]] = {}
    for look in live:
        by_runner.setdefault(id(looker.runners.of(look.facts)), []).append(look)
    cancelled = []
    for its in by_runner.values():
        runner = looker.runners.of(its[0].facts)
        try:
            runner.cancel([look.facts for look in its])
        except Refusal as refusal:
            refused.update({look.job.path: refusal for look in its})
        if not runner.of_processes:
            cancelled += its
    return cancelled


def _await_batch(jobs: List[JobDirectory], looker: Looker) -> List[JobDirectory]:
    """Until the batch system has none of them any more, or it is long: an entry that is still there would count more
    than the exit record. Those are returned that it has ended together with their wrappers: no record has come."""
    for _ in range(BATCH_ROUNDS):
        looker.forget()
        looker.prepare(jobs)
        if not any(looker.answered(job) in (status.QUEUED, status.RUNNING) for job in jobs):
            break
        time.sleep(BATCH_STEP)
    gone = [job for job in jobs if looker.answered(job) == status.GONE and status.read(job).exit_code is None]
    if gone:
        time.sleep(BATCH_STEP)  # a wrapper may be about to write its record
    return [job for job in gone if status.read(job).exit_code is None]


def _end_processes(looks: List[Look], grace: float) -> None:
    """All at once: nobody waits for the grace of another."""
    found = [(look.job, _identity(look)) for look in looks]
    left = {job: identity for job, identity in found if identity is not None}
    # The wrapper would hear TERM and live on; but ksh93 forgets what it is about to read when one comes (seen).
    _signal(list(left.values()), signal.SIGTERM, spare=True)
    left = _still_there(left, grace)
    # The wrapper lives through this and writes down how its command ended.
    _signal(list(left.values()), signal.SIGKILL, spare=True)
    deaf = left = _still_there(left, RECORD)
    for _ in range(KILL_ROUNDS):  # who is deaf may have started another one meanwhile
        _signal(list(left.values()), signal.SIGKILL, spare=False)
        left = _still_there(left, RECORD / KILL_ROUNDS)
    for job in set(deaf) - set(left):
        if status.read(job).exit_code is None:
            _record(job, signal.SIGKILL)


def _signal(identities: List[Identity], number: int, spare: bool) -> None:
    """Signal every process of the sessions; spare: but for the job wrappers, which are only let go on if stopped."""
    table = Table() if identities else None
    for identity in identities:
        for pid in _members(identity, table):
            fields = processes.stat_fields(pid)
            if fields is None or int(fields[3]) != identity.pid:
                continue
            try:
                if not spare or pid != identity.pid:
                    os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # one that was stopped hears nothing else
            except (ProcessLookupError, PermissionError):
                pass  # it has gone, or became another user's, as with sudo: the others are ended all the same


def _members(identity: Identity, table: Optional[Table]) -> List[int]:
    """The live processes of the session; none when the id belongs to another one by now."""
    return table.members(identity.pid) if table and table.alive(identity) else []


def _still_there(left: Dict[JobDirectory, Identity], seconds: float) -> Dict[JobDirectory, Identity]:
    """Those of which processes live after so many seconds at most."""
    until = time.monotonic() + seconds
    while left:
        table = Table()
        left = {job: identity for job, identity in left.items() if _members(identity, table)}
        if not left or time.monotonic() > until:
            break
        time.sleep(STEP)
    return left


def _record(job: JobDirectory, number: int) -> None:
    """The exit record of a job whose wrapper can't write one any more, or never started."""
    with contextlib.suppress(OSError):  # it is there by now; or the disk is full, and the job will count as lost
        os.symlink("EXIT=%d" % (128 + number), job.end)
