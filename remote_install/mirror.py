"""Verbs about jobs on a host that admits only rsync: what they write there is mirrored here, and looked at here."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from remote_install import admission, incoming, rsync_only
from remote_install.incoming import Arrived
from remote_install.jobhost import layout, status
from remote_install.jobhost.killing import NOT_STARTED
from remote_install.jobhost.layout import JobDirectory
from remote_install.run_directory import RunDirectory
from remote_install.talk import Talk
from transfer import abandoned, rsync
from transfer.errors import TransferError, WouldDoHarm
from transfer.platforms import Platform
from transfer.sync import transfer

Json = dict[str, Any]
Here = Callable[[str, Json, Callable[[Json], None]], None]  # does a verb on the mirror

JOBS = layout.JOBS.decode()
# What a job writes while it runs, and what it prints; what it is sent. The token tells other checkouts whose a try is.
WRITTEN = ("job.status", "job.start", "job.end", "job.kill", "job.token", "job.messages/", "job.messages/*")
OUTPUT = ("job.out", "job.err")
MESSAGES = "job.messages"
PATH = re.compile(f"{JOBS}/(?P<job>{layout.JOB_NAME.pattern})(/[0-9]{{2,6}}(/(?P<name>[a-z.]+(/[^/]+)?))?)?")
LINKS = ("job.start", "job.end", "job.kill", "job.token")  # their content is what they lead to
ENDS = 20.0  # seconds after a kill in which the exit records are waited for
LONGEST_WAIT = 0.4  # seconds between two looks at first, where the platform says less: each is an rsync


def call(
    platform: Platform, verb: str, request: Callable[[], Json], heard: Callable[[Json], None], talk: Talk, here: Here
) -> None:
    """As call.call; nothing but rsync is started on the host. here: does a verb on this machine."""
    fields = request()
    if verb == "hello":
        heard({"reply": "hello", "run_dir": fields["mirror"]["there"], "exists": True})
    elif verb == "resolve":
        heard({"reply": "path", "path": admission.run_dir(fields["path"], platform)})
    elif verb == "submit":
        _submit(platform, fields, heard, talk, here)
    elif verb == "kill":
        _kill(platform, fields, heard, talk, here)
    elif verb == "watch":
        _watch(platform, request, heard, talk, here)
    else:
        # What would go with all jobs' files must be known of all.
        pull(platform, {**fields, "jobs": None} if verb == "clean" else fields, talk)
        here(verb, fields, heard)


def _submit(platform: Platform, fields: Json, heard: Callable[[Json], None], talk: Talk, here: Here) -> None:
    """The files of the jobs first, then the job runner."""
    admission.check_jobs(platform)
    _check_whole(platform, fields, talk)
    pull(platform, fields, talk)
    staged: dict[str, JobDirectory] = {}

    def note(reply: Json) -> None:
        if reply["reply"] == "job" and isinstance(reply.get("try"), int):
            staged[str(reply["job"])] = _job(reply)
        elif reply["reply"] == "error":
            heard(reply)

    try:
        here("submit", {**fields, "stage": True}, note)
        names = [name for job in staged.values() for name in (job.script, job.batch, job.limit, job.secrets, job.token)]
        push(platform, fields, [*names, layout.message_program(b"")], ("-p",), talk)
    finally:
        for job in staged.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_here(fields, job.secrets))
    wanted = staged.keys()
    rest = [job for job in fields["jobs"] if job["job"] in wanted]
    here("submit", {**fields, "secrets": {}, "jobs": rest}, heard)


def _kill(platform: Platform, fields: Json, heard: Callable[[Json], None], talk: Talk, here: Here) -> None:
    """A start gate that was taken here is taken there, if no job went through before: the host has the last word."""
    pull(platform, fields, talk)
    told: list[Json] = []
    here("kill", fields, told.append)
    tries = [_job(one) for one in told if one["reply"] == "job" and isinstance(one["try"], int)]
    push(platform, fields, [name for job in tries for name in (job.start, job.kill)], ("--ignore-existing",), talk)
    until = time.monotonic() + ENDS
    pull(platform, fields, talk)
    kept = [job for job in tries if _record_not_started(fields, job)]
    push(platform, fields, [job.end for job in kept], ("--ignore-existing",), talk)
    if kept and platform.secrets:  # a job that starts removes them itself
        rsync_only.delete(platform, fields["mirror"]["there"], tuple(job.secrets for job in kept), talk)
    while True:
        last: list[Json] = []
        here("poll", fields, last.append)
        open_ones = [one for one in last if one["reply"] == "job" and one.get("state") not in status.ENDED]
        if not open_ones or time.monotonic() > until:
            break
        abandoned.pause(max(platform.polling.first, LONGEST_WAIT))
        pull(platform, fields, talk)
    errors = {str(one.get("job")): one for one in told if one["reply"] == "error"}
    for one in last:
        heard(errors.get(str(one.get("job")), one))


def _record_not_started(fields: Json, job: JobDirectory) -> bool:
    """Is its gate there ours? Then it will never start."""
    try:
        ours = os.readlink(_here(fields, job.start)) == NOT_STARTED.encode()
    except OSError:
        return False
    if ours:
        with contextlib.suppress(OSError):  # it is recorded by now
            os.symlink(f"EXIT={128 + signal.SIGTERM}", _here(fields, job.end))
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
        abandoned.pause(min(wait, left))
        wait = min(wait * 1.5, platform.polling.max)


def pull(platform: Platform, fields: Json, talk: Talk, files: Iterable[str] = WRITTEN) -> None:
    """What the jobs of a request have written there; of all jobs where none is named. The small files are compared by
    content: an exit record changes no size, and where times are whole seconds it may change no time."""
    jobs = fields.get("jobs")
    folders = sorted({str(one["job"]) for one in jobs}) if jobs is not None else ["*"]
    options = [f"--include=/{folder}/" for folder in folders] + ["--include=/*/[0-9][0-9]*/"]
    options += [f"--include=/*/[0-9][0-9]*/{name}" for name in files] + ["--exclude=*"]
    options += ["-c"] if files is WRITTEN else []
    host, there = platform.hosts[0], fields["mirror"]["there"]
    run = RunDirectory(fields["mirror"]["here"], str(fields["run"]))
    run.own_folder(JOBS)
    with incoming.stage(run, incoming.where("mirror", platform.install_target, there, *options)) as stage:
        target = f"{stage}{JOBS}/"
        os.makedirs(os.path.join(run.path, target), exist_ok=True)
        more = (incoming.beside(run, f"{JOBS}/"), *incoming.SAFE, *options)
        command = rsync.pull(platform, host, f"{there}/{JOBS}/", target, more, run.path)
        try:
            transfer(platform, host, command, talk.tell, talk.command)
        except TransferError as error:
            if "No such file" not in str(error):  # no job was ever submitted there
                raise
        wanted = None if jobs is None else set(folders)
        incoming.take(run, stage, lambda one: _admits(one, wanted, tuple(files)), host)


def _admits(one: Arrived, jobs: set[str] | None, files: tuple[str, ...]) -> bool | None:
    """May it take its place? See incoming.Admits."""
    path = os.fsdecode(one.path)
    if f"{JOBS}/".startswith(f"{path}/"):
        return one.kind == incoming.IS_FOLDER
    found = PATH.fullmatch(path)
    if found is None or (jobs is not None and found["job"] not in jobs):
        return None if path.startswith(f"{JOBS}/") else False  # a job may have put anything beside its files
    name = found["name"]
    if one.kind == incoming.IS_FOLDER:
        return name is None or (name == MESSAGES and f"{MESSAGES}/" in files) or None
    if name not in files and not (str(name).startswith(f"{MESSAGES}/") and f"{MESSAGES}/*" in files):
        return None
    if one.kind == incoming.LINK:
        return (name in LINKS and b"/" not in one.target and one.target not in (b".", b"..")) or None
    return one.kind == incoming.FILE or None


def push(platform: Platform, fields: Json, names: list[bytes], options: tuple[str, ...], talk: Talk) -> None:
    """Those of the `names` in the run directory here that there are."""
    here, there = fields["mirror"]["here"], fields["mirror"]["there"]
    found = tuple(name for name in names if os.path.lexists(_here(fields, name)))
    if not found:
        return
    command = rsync.push_names(platform, platform.hosts[0], "./", there, found, ("-c", *options), here)
    transfer(platform, platform.hosts[0], command, talk.tell, talk.command)


def _check_whole(platform: Platform, fields: Json, talk: Talk) -> None:
    """Raises WouldDoHarm, as the job host program would, when the install there is not whole or another's."""
    host = platform.hosts[0]
    with rsync_only.record(fields["run"], platform, talk) as target:
        whole, uuid = rsync_only.is_whole(target), target.owner().get("uuid")
    if not whole:
        hint = "Install it first: the same install command finishes it."
        raise WouldDoHarm(f"{host}: run {fields['run']} is not installed whole there", hint, host)
    if uuid != fields["uuid"]:
        hint = "Take it over with install --adopt."
        raise WouldDoHarm(f"{host}: run {fields['run']} there is of another run directory", hint, host)


def _job(reply: Json) -> JobDirectory:
    """The folder of a try, relative to the run directory."""
    return layout.job_directory(b"", str(reply["job"]), reply["try"])


def _here(fields: Json, name: bytes) -> bytes:
    return os.path.join(os.fsencode(fields["mirror"]["here"]), name)
