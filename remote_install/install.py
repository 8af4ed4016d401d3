"""A run directory to the install targets."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from remote_install import admission, elsewhere, host_path, line, place, plan, rsync_only, source
from remote_install.call import converse
from remote_install.command_output import CommandOutput
from remote_install.conversation import Conversation
from remote_install.jobhost.target import STAGING, Target
from remote_install.plan import Plan
from remote_install.pool import on_a_host
from remote_install.program import past_noise
from remote_install.run_directory import RunDirectory
from remote_install.side_by_side import side_by_side
from remote_install.source import Content, Scans
from remote_install.talk import Talk
from transfer import rsync, wording
from transfer.command import Command
from transfer.errors import (
    HostUnsuitable,
    RemoteInstallError,
    TransferError,
    TransferInterrupted,
)
from transfer.platforms import Platform
from transfer.rsync import Changes
from transfer.sync import first_command, transfer_once
from transfer.wording import visible


@dataclass(frozen=True)
class Installed:
    """How one install target fared. seconds: from the first call to the end. run_dir: its path there. marks: of its
    uuid file there, the same for two targets only if they are one."""

    platform: Platform
    changes: Changes | None
    seconds: float
    deleted: int = 0
    run_dir: str | None = None
    mode: str = place.SSH
    error: RemoteInstallError | None = None
    marks: tuple[object, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """A target of `install --json`."""
        return {
            "install_target": self.platform.install_target,
            "platform": self.platform.name,
            "host": self.platform.hosts[0],
            "mode": self.mode,
            "files_sent": self.changes.files if self.changes else 0,
            "files_deleted": self.deleted,
            "bytes_sent": self.changes.bytes_sent if self.changes else 0,
            "seconds": round(self.seconds, 3),
            "error": self.error.as_json() if self.error else None,
        }


def install(run: RunDirectory, platform: Platform, talk: Talk, adopt: bool, scans: Scans) -> Installed:
    """Bring the target of `platform` to what the run directory holds. adopt: take over what another run left there.

    scans: looks at the run directory, for other targets too. Each file is old or new, and what is unfinished is known
    as such. The error, if any, is in the answer.
    """
    began = time.monotonic()
    try:
        platform, done = on_a_host(platform, lambda one: (one, _install(run, one, talk, adopt, scans)), talk)
    except RemoteInstallError as error:
        return Installed(platform, None, time.monotonic() - began, error=error)
    except OSError as error:
        return Installed(platform, None, time.monotonic() - began, error=unreadable(error))
    seconds, mode = time.monotonic() - began, place.mode(platform, talk)
    return Installed(platform, done.changes, seconds, done.deleted, done.run_dir, mode, marks=done.marks)


class _Done(NamedTuple):
    changes: Changes
    deleted: int
    run_dir: str
    marks: tuple[object, ...] = ()


def _install(run: RunDirectory, platform: Platform, talk: Talk, adopt: bool, scans: Scans) -> _Done:
    if admission.is_mirrored(platform):
        return _Done(*rsync_only.install(run, platform, talk, adopt))
    if is_in_place(run, platform, talk):
        return _Done(Changes(0, 0), 0, run.path)
    return converse(platform, "install", lambda there: _talk(there, run, platform, adopt, talk, scans), talk)


def install_each(run: RunDirectory, platforms: list[Platform], talk: Talk, adopt: bool = False) -> list[Installed]:
    """`install` to each target of `platforms` once, side by side; it is remembered that it was asked for.

    Raises ConfigError when platforms of one target differ in what is installed there.
    """
    elsewhere.check_alike(platforms)
    run.remember_installed(tuple(platform.name for platform in platforms))
    scans = Scans(run)
    return side_by_side(lambda platform: install(run, platform, talk, adopt, scans), one_each(platforms))


def is_in_place(run: RunDirectory, platform: Platform, talk: Talk) -> bool:
    """Do jobs run in the run directory itself, and is nothing to be made in it?"""
    nothing_to_do = not run.settings.install_command and not platform.symlink_dirs
    return place.is_here(platform, talk) and nothing_to_do and not Target(os.fsencode(run.path)).unfinished


def held_twice(installed: list[Installed]) -> list[tuple[str, str]]:
    """The install targets that turned out to be one: pairs of names."""
    first: dict[tuple[object, ...], str] = {}
    marked = [one for one in installed if one.marks]
    pairs = [(first.setdefault(one.marks, one.platform.install_target), one.platform.install_target) for one in marked]
    return [(one, other) for one, other in pairs if one != other]


def one_each(platforms: list[Platform]) -> list[Platform]:
    """The first platform of each install target, in their order."""
    return list({platform.install_target: platform for platform in reversed(platforms)}.values())[::-1]


def unreadable(error: OSError) -> TransferError:
    """The error for a file of the run directory here."""
    name = visible(os.fsdecode(error.filename)) if error.filename else "this machine"
    return TransferError(f"{name}: {error.strerror}", "Every file of the run directory must be readable here.")


def tell_others(content: Content, talk: Talk) -> None:
    """Say what can't be installed."""
    for path in content.others:
        talk.tell(f"{visible(os.fsdecode(path))} is not installed: it is no file, folder or link")


def _talk(there: Conversation, run: RunDirectory, platform: Platform, adopt: bool, talk: Talk, scans: Scans) -> _Done:
    """The install conversation: what the host lacks is asked for, sent by rsync beside it, and put in place there.

    What is lost with the connection is not tried again here but with a new conversation and a new scan.
    """
    content = elsewhere.left_out(scans.content(platform, talk.command), platform)  # while ssh connects
    tell_others(content, talk)
    there.say(opening(run, platform, content, adopt, run.uuid()))
    source.remember(run, content)  # in a folder that the uuid of the opening has made
    answer = there.hear("same", "differs", "waiting", "in place")
    if answer["reply"] == "waiting":
        talk.tell(f"{platform.hosts[0]}: another install is at work on this run directory; waiting for it")
        answer = there.hear("same", "differs", "in place")
    if answer["reply"] == "in place":
        _build_in_place(there, answer, run, platform, talk)
        return _Done(Changes(0, 0), 0, host_path.run_dir(answer, platform))
    if answer["reply"] == "same":
        return _Done(Changes(0, 0), 0, host_path.run_dir(answer, platform), _marks(answer))
    there.say({"entries": content.rows})
    answer = there.hear("plan")
    wanted = plan.from_reply(answer, content, platform)
    with there.kept_alive():
        changes = _send(there, run, platform, wanted, talk) if wanted.send else Changes(0, 0)
        there.say({"do": "place"})
        if wanted.runs_command:
            talk.tell(f"{platform.name}: the install command runs")
        told = _until(there, platform, talk, "installed", "changed")
    if told["reply"] == "changed":
        changed = wording.told(told.get("path"), host_path.LONGEST_PATH)
        raise TransferInterrupted(
            f"{platform.hosts[0]}: a file changed here while it was installed: {changed}",
            "Install again when nothing writes to the run directory.",
            platform.hosts[0],
        )
    for name in wanted.kept[:5]:
        shown = visible(os.fsdecode(name))
        talk.tell(f"{platform.name}: {shown} is gone here, but was changed there since: it is left alone")
    return _Done(changes, len(wanted.delete), wanted.run_dir, _marks(answer))


def _marks(answer: dict[str, Any]) -> tuple[object, ...]:
    found = answer.get("marks")
    return tuple(found) if isinstance(found, list) and all(type(one) is int for one in found) else ()


def _build_in_place(
    there: Conversation, answer: dict[str, Any], run: RunDirectory, platform: Platform, talk: Talk
) -> None:
    """The install command runs in the run directory itself. What it makes there is looked at when it is done."""
    if answer.get("runs_command") is True:
        talk.tell(f"{platform.name}: the install command runs")
        with there.kept_alive():
            _until(there, platform, talk, "built")
        content = source.scan(run, platform.rsync.command, talk.command)
        there.say({"digest": content.digest})
        source.remember(run, content)
    there.hear("installed")


def _until(there: Conversation, platform: Platform, talk: Talk, *kinds: str) -> dict[str, Any]:
    """The reply of one of `kinds`; what the install command prints is told as it comes. Raises InstallCommandFailed."""
    output = CommandOutput(platform.name, talk.tell)
    try:
        while True:
            told = there.hear("output", *kinds)
            if told["reply"] != "output":
                return told
            output.add(told.get("data"))
    except ValueError:
        host = platform.hosts[0]
        raise HostUnsuitable(f"{host}: what its install command prints is garbled", "", host) from None
    finally:
        output.end()


def opening(
    run: RunDirectory, platform: Platform, content: Content, adopt: bool, uuid: str, writes: bool = True
) -> dict[str, Any]:
    """What an install conversation begins with. writes: see place.where."""
    return {
        **place.where(run, platform, writes),
        "uuid": uuid,
        "origin": f"{os.uname().nodename}:{run.path}",
        "adopt": adopt,
        "digest": content.digest,
        "command": install_command(run, platform),
        "symlink_dirs": dict(platform.symlink_dirs),
    }


def install_command(run: RunDirectory, platform: Platform) -> list[str]:
    """What runs on the install target; empty when run.yaml has none."""
    line = run.settings.install_command
    return [*platform.shell, "-c", line] if line else []


def push_command(run: RunDirectory, platform: Platform, names: tuple[bytes, ...], run_dir: str, talk: Talk) -> Command:
    """What `install` sends `names` with, as far as is known before it is tried. run_dir: its path there."""
    return first_command(_push(run, platform, names, run_dir), past_noise(platform, platform.hosts[0], talk))


def _push(run: RunDirectory, platform: Platform, names: tuple[bytes, ...], run_dir: str, *more: str) -> Command:
    # --partial: a broken transfer goes on where it was; nobody sees the staging area, and hashes are compared there.
    staging = f"{run_dir}/{STAGING}/"
    return rsync.push_names(platform, platform.hosts[0], "./", staging, names, ("--partial", *more), run.path)


def _send(there: Conversation, run: RunDirectory, platform: Platform, wanted: Plan, talk: Talk) -> Changes:
    root = os.fsencode(run.path)
    found = line.worth_a_look(platform, (os.path.join(root, name) for name in wanted.send), talk)
    more = () if found is None else line.options(there, found)
    command = _push(run, platform, wanted.send, wanted.run_dir, *more)
    host, seen = platform.hosts[0], talk.watching(f"to {platform.name}")
    return transfer_once(platform, host, command, talk.tell, talk.command, past_noise(platform, host, talk), seen)
