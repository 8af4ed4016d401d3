"""Remove a run directory from its install targets; how its jobs have ended is written down here before."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable

from remote_install import host_path, jobs, place, report
from remote_install.admission import is_mirrored
from remote_install.asked import Asked
from remote_install.call import ask_if_there, call, converse
from remote_install.conversation import Conversation, Json, job_of
from remote_install.host_path import LONGEST_PATH
from remote_install.pool import on_a_host
from remote_install.report import Report
from remote_install.run_directory import RunDirectory
from remote_install.talk import Talk
from transfer import wording
from transfer.errors import HostUnsuitable, RemoteInstallError
from transfer.platforms import Platform

MOST_TOLD = 100  # of what is left


@dataclass(frozen=True)
class Cleaned:
    """How one install target fared. run_dir: its path there; removed: is it gone, and was it there? folders: of
    symlink_dirs. left: what stays, and why. alive: jobs whose files were removed all the same. dry_run: would be."""

    platform: Platform
    seconds: float
    run_dir: str | None = None
    removed: bool = False
    files: int = 0
    folders: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    alive: tuple[str, ...] = ()
    dry_run: bool = False
    mode: str = place.SSH
    error: RemoteInstallError | None = None

    def as_json(self) -> dict[str, Any]:
        """A target of `clean --json`."""
        return {
            "install_target": self.platform.install_target,
            "platform": self.platform.name,
            "host": self.platform.hosts[0],
            "mode": self.mode,
            "run_dir": self.run_dir,
            "removed": self.removed and not self.dry_run,
            "files_removed": 0 if self.dry_run else self.files,
            "folders_elsewhere": list(self.folders),
            "left": [{"path": path, "why": why} for path, why in self.left],
            "alive": list(self.alive),
            "seconds": round(self.seconds, 3),
            "error": self.error.as_json() if self.error else None,
        }


@dataclass(frozen=True)
class How:
    """force: also while jobs are alive. dry_run: nothing is removed. ended: is told how jobs have ended, before what
    tells it there is removed."""

    force: bool = False
    dry_run: bool = False
    ended: Callable[[list[Report], list[Asked]], None] = lambda _reports, _asked: None


def clean(run: RunDirectory, platform: Platform, asked: list[Asked], how: How, talk: Talk) -> Cleaned:
    """Remove the run directory on the target of `platform`, by one ssh call. asked: its jobs, as known here.

    The error, if any, is in the answer.
    """
    began = time.monotonic()
    try:
        platform, found = on_a_host(platform, lambda one: (one, _clean(run, one, asked, how, talk)), talk)
    except RemoteInstallError as error:
        return Cleaned(platform, time.monotonic() - began, dry_run=how.dry_run, error=error)
    if found is None:
        talk.tell(f"{platform.hosts[0]}: our program is not there, and a dry run does not send it: it can't be asked")
    fields = {"dry_run": how.dry_run, "mode": place.mode(platform, talk), **(found or {})}
    return Cleaned(platform, time.monotonic() - began, **fields)


def _clean(run: RunDirectory, platform: Platform, asked: list[Asked], how: How, talk: Talk) -> dict[str, Any] | None:
    if is_mirrored(platform):
        return _by_rsync(run, platform, asked, how, talk)
    ask = ask_if_there if how.dry_run else converse  # a dry run does not send our program
    return ask(platform, "clean", lambda there: _talk(there, run, platform, asked, how), talk)


def _by_rsync(run: RunDirectory, platform: Platform, asked: list[Asked], how: How, talk: Talk) -> dict[str, Any]:
    """On a host that admits only rsync: whether jobs are alive is seen by what they have written, mirrored here."""
    from remote_install import rsync_only_clean

    def look() -> list[str]:
        told: list[tuple[Report, Asked]] = []
        alive: list[str] = []

        def hear(reply: Json) -> None:
            one = by_name.get(job_of(reply)) if reply["reply"] == "job" else None
            if one is not None:
                told.append((report.from_reply(reply, one.platform), one))
            if reply["reply"] == "plan":
                alive.extend(_texts(reply.get("alive"), platform))

        call(platform, "clean", lambda: _request(run, platform, asked, how, dry_run=True), hear, talk)
        if not how.dry_run:
            how.ended([one for one, _ in told], [one for _, one in told])
        return alive

    by_name = {one.job: one for one in asked}
    return rsync_only_clean.clean(run, platform, how.dry_run, look, talk)


def _request(run: RunDirectory, platform: Platform, asked: list[Asked], how: How, dry_run: bool) -> Json:
    wanted = [one.as_request(run) for one in asked]
    more = {"uuid": run.known_uuid(), "force": how.force, "dry_run": dry_run, "jobs": wanted}
    return {**jobs.where(run, platform, not how.dry_run), **more}


def _talk(there: Conversation, run: RunDirectory, platform: Platform, asked: list[Asked], how: How) -> dict[str, Any]:
    there.say(_request(run, platform, asked, how, how.dry_run))
    by_name = {one.job: one for one in asked}
    told: list[tuple[Report, Asked]] = []
    while True:
        reply = there.hear("job", "absent", "cleaned", "plan")
        if reply["reply"] != "job":
            break
        one = by_name.get(job_of(reply))
        if one is not None:
            told.append((report.from_reply(reply, one.platform), one))
    if reply["reply"] == "absent":
        there.listen_to_the_end()
        return {"run_dir": host_path.run_dir(reply, platform)}
    if reply["reply"] == "plan":
        return _go_on(there, reply, platform, told, how)
    there.listen_to_the_end()
    return _outcome(reply, platform)


def _go_on(
    there: Conversation, planned: Json, platform: Platform, told: list[tuple[Report, Asked]], how: How
) -> dict[str, Any]:
    alive = _texts(planned.get("alive"), platform)
    if not how.dry_run:
        how.ended([one for one, _ in told], [one for _, one in told])
        there.say({"do": "clean"})
    reply = there.hear("cleaned", "would")
    there.listen_to_the_end()
    return {**_outcome(reply, platform), "alive": alive}


def _outcome(reply: Json, platform: Platform) -> dict[str, Any]:
    files, rows = reply.get("files"), reply.get("left")
    in_order = type(files) is int and 0 <= files < 2**63 and isinstance(rows, list) and len(rows) <= MOST_TOLD
    if not in_order or not all(isinstance(row, list) and len(row) >= 2 for row in rows or []):
        raise _not_in_order(platform)
    left = tuple((wording.told(row[0], LONGEST_PATH), wording.told(row[1], LONGEST_PATH)) for row in rows or [])
    folders = _texts(reply.get("folders", []), platform)
    run_dir = host_path.run_dir(reply, platform)
    return {"run_dir": run_dir, "removed": True, "files": files, "left": left, "folders": folders}


def _texts(value: object, platform: Platform) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _not_in_order(platform)
    return tuple(wording.told(one, LONGEST_PATH) for one in value)


def _not_in_order(platform: Platform) -> HostUnsuitable:
    return HostUnsuitable(f"{platform.hosts[0]}: its answer to clean is not in order", "", platform.hosts[0])
