"""Verbs about jobs on a host that admits only rsync: what they write there is mirrored here, and looked at here."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from remote_install import rsync_only
from remote_install.jobhost import layout
from remote_install.jobhost.killing import NOT_STARTED
from remote_install.jobhost.verbs import LONGEST_WAIT
from remote_install.talk import Talk
from transfer import rsync
from transfer.errors import TransferError, WouldDoHarm
from transfer.platforms import Platform
from transfer.sync import transfer

Json = dict[str, Any]
Here = Callable[[str, Json, Callable[[Json], None]], None]  # does a verb on the mirror

JOBS = layout.JOBS.decode()
# What a job writes while it runs, and what it prints; what it is sent. The token tells other checkouts whose a try is.
WRITTEN = ("job.status", "job.start", "job.end", "job.kill", "job.token", "job.messages/", "job.messages/*")
OUTPUT = ("job.out", "job.err")
SENT = ("job", "job.batch", "job.limit", "job.secrets", "job.token")
GATES = ("job.start", "job.kill")
ENDS = 20.0  # seconds after a kill in which the exit records are waited for
ENDED = ("succeeded", "failed", "killed", "lost", "submit-failed")


def call(
    platform: Platform, verb: str, request: Callable[[], Json], heard: Callable[[Json], None], talk: Talk, here: Here
) -> None:
    """As call.call; nothing but rsync is started on the host. here: does a verb on this machine."""
    fields = request()
    if verb == "hello":
        heard({"reply": "hello", "run_dir": fields["mirror"]["there"], "exists": True})
    elif verb == "resolve":
        heard({"reply": "path", "path": rsync_only.run_dir(fields["path"], platform)})
    elif verb == "submit":
        _submit(platform, fields, heard, talk, here)
    elif verb == "kill":
        _kill(platform, fields, heard, talk, here)
    elif verb == "watch":
        _watch(platform, request, heard, talk, here)
    else:
        pull(platform, fields, talk)
        here(verb, fields, heard)


def _submit(platform: Platform, fields: Json, heard: Callable[[Json], None], talk: Talk, here: Here) -> None:
    """The files of the jobs first, then the job runner."""
    rsync_only.check_jobs(platform)
    _check_whole(platform, fields, talk)
    pull(platform, fields, talk)
    staged: list[tuple[str, int]] = []

    def note(reply: Json) -> None:
        if reply["reply"] == "job" and isinstance(reply.get("try"), int):
            staged.append((str(reply["job"]), reply["try"]))
        elif reply["reply"] == "error":
            heard(reply)

    try:
        here("submit", {**fields, "stage": True}, note)
        names = [_file(job, number, name) for job, number in staged for name in SENT]
        push(platform, fields, [*names, ".remote-install/bin/remote-install-message"], ("-p",), talk)
    finally:
        for job, number in staged:
            _forget(os.path.join(fields["mirror"]["here"], _file(job, number, "job.secrets")))
    wanted = {job for job, _ in staged}
    rest = [job for job in fields["jobs"] if job["job"] in wanted]
    here("submit", {**fields, "secrets": {}, "jobs": rest}, heard)


def _kill(platform: Platform, fields: Json, heard: Callable[[Json], None], talk: Talk, here: Here) -> None:
    """A start gate that was taken here is taken there, if no job went through before: the host has the last word."""
    pull(platform, fields, talk)
    told: list[Json] = []
    here("kill", fields, told.append)
    tries = [(str(one["job"]), one["try"]) for one in told if one["reply"] == "job" and isinstance(one["try"], int)]
    names = [_file(job, number, name) for job, number in tries for name in GATES]
    push(platform, fields, names, ("--ignore-existing",), talk)
    until = time.monotonic() + ENDS
    pull(platform, fields, talk)
    kept = [_file(*one, "") for one in tries if _record_not_started(fields["mirror"]["here"], _file(*one, ""))]
    push(platform, fields, [f"{folder}job.end" for folder in kept], ("--ignore-existing",), talk)
    if kept and platform.secrets:  # a job that starts removes them itself
        secrets = tuple(f"{folder}job.secrets".encode() for folder in kept)
        rsync_only.delete(platform, fields["mirror"]["there"], secrets, talk)
    while True:
        last: list[Json] = []
        here("poll", fields, last.append)
        open_ones = [one for one in last if one["reply"] == "job" and one.get("state") not in ENDED]
        if not open_ones or time.monotonic() > until:
            break
        time.sleep(platform.polling.first)
        pull(platform, fields, talk)
    errors = {str(one.get("job")): one for one in told if one["reply"] == "error"}
    for one in last:
        heard(errors.get(str(one.get("job")), one))


def _record_not_started(here: str, folder: str) -> bool:
    """Is its gate there ours? Then it will never start."""
    path = os.path.join(here, folder)
    try:
        ours = os.readlink(f"{path}job.start") == NOT_STARTED
    except OSError:
        return False
    if ours:
        with contextlib.suppress(OSError):  # it is recorded by now
            os.symlink(f"EXIT={128 + signal.SIGTERM}", f"{path}job.end")
    return ours


def _watch(
    platform: Platform, request: Callable[[], Json], heard: Callable[[Json], None], talk: Talk, here: Here
) -> None:
    """One look after the other, with longer and longer pauses."""
    fields = request()
    until = time.monotonic() + fields["seconds"]
    wait = max(platform.polling.first, LONGEST_WAIT)
    while fields["jobs"]:
        pull(platform, fields, talk)
        if any("out" in job or "err" in job for job in fields["jobs"]):
            pull(platform, fields, talk, OUTPUT)  # after it: a job whose end is known has printed all
        here("watch", {**fields, "seconds": 0}, heard)
        left = until - time.monotonic()
        fields = request()
        if left <= 0 or not fields["jobs"]:
            return
        time.sleep(min(wait, left))
        wait = min(wait * 1.5, platform.polling.max)


def pull(platform: Platform, fields: Json, talk: Talk, files: Iterable[str] = WRITTEN) -> None:
    """What the jobs of a request have written there; of all jobs where none is named. The small files are compared by
    content: an exit record changes no size, and where times are whole seconds it may change no time."""
    jobs = fields.get("jobs")
    folders = sorted({str(one["job"]) for one in jobs}) if jobs is not None else ["*"]
    options = [f"--include=/{folder}/" for folder in folders] + ["--include=/*/[0-9][0-9]*/"]
    options += [f"--include=/*/[0-9][0-9]*/{name}" for name in files] + ["--exclude=*"]
    options += ["-c"] if files is WRITTEN else []
    here, there = fields["mirror"]["here"], fields["mirror"]["there"]
    folder = os.path.join(here, JOBS)
    os.makedirs(folder, exist_ok=True)
    command = rsync.pull(
        platform,
        platform.hosts[0],
        f"{there}/{JOBS}/",
        "./",
        ("--safe-links", "--no-devices", "--no-specials", *options),
        folder,
    )
    try:
        rsync_only.queued(lambda: transfer(platform, platform.hosts[0], command, talk.tell, talk.command))
    except TransferError as error:
        if "No such file" not in str(error):  # no job was ever submitted there
            raise


def push(platform: Platform, fields: Json, names: list[str], options: tuple[str, ...], talk: Talk) -> None:
    """Those of the `names` in the run directory here that there are."""
    here, there = fields["mirror"]["here"], fields["mirror"]["there"]
    found = tuple(name.encode() for name in names if os.path.lexists(os.path.join(here, name)))
    if not found:
        return
    command = rsync.push_names(platform, platform.hosts[0], "./", there, found, ("-c", *options), here)
    rsync_only.queued(lambda: transfer(platform, platform.hosts[0], command, talk.tell, talk.command))


def _check_whole(platform: Platform, fields: Json, talk: Talk) -> None:
    """Raises WouldDoHarm, as the job host program would, when the install there is not whole or another's."""
    known = rsync_only.state(fields["run"], platform, talk)
    host = platform.hosts[0]
    if not known["whole"]:
        hint = "Install it first: the same install command finishes it."
        raise WouldDoHarm(f"{host}: run {fields['run']} is not installed whole there", hint, host)
    if known.get("uuid") != fields["uuid"]:
        hint = "Take it over with install --adopt."
        raise WouldDoHarm(f"{host}: run {fields['run']} there is of another run directory", hint, host)


def _file(job: str, number: int, name: str) -> str:
    return f"{JOBS}/{job}/{number:02d}/{name}"


def _forget(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
