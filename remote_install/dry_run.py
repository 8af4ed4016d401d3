"""What an install would do to a target: the commands and the changes, and nothing is changed, here or there.

The host is asked, because only there it is known what differs; that needs the job host program. Where that is not yet,
it can't be asked without writing it there: then everything counts as to be sent.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from remote_install import elsewhere, host_path, place, plan, program, source
from remote_install.call import ask_if_there
from remote_install.conversation import Conversation
from remote_install.install import (
    Installed,
    install_command,
    is_in_place,
    one_each,
    opening,
    push_command,
    tell_others,
    unreadable,
)
from remote_install.jobhost import manifest, wire
from remote_install.plan import Plan
from remote_install.pool import on_a_host
from remote_install.run_directory import RunDirectory
from remote_install.side_by_side import side_by_side
from remote_install.source import Content
from remote_install.talk import Talk
from transfer.errors import RemoteInstallError
from transfer.platforms import Platform
from transfer.rsync import Changes


@dataclass(frozen=True)
class PlannedCommand:
    """A command line as a shell reads it, and what goes on its stdin for a reader: "" for the conversation itself."""

    line: str
    stdin: str = ""


@dataclass(frozen=True)
class Planned:
    """What an install to one target would do. asked: could the host be asked? Else `plan` says that all is sent.

    commands: all that the install would run here, in their order. bytes_to_send: the sizes of the files.
    install_command: what would run there at the end; empty when nothing would.
    """

    platform: Platform
    seconds: float
    plan: Plan | None = None
    content: Content | None = None
    commands: tuple[PlannedCommand, ...] = ()
    asked: bool = True
    bytes_to_send: int = 0
    install_command: tuple[str, ...] = ()
    mode: str = place.SSH
    error: RemoteInstallError | None = None

    @property
    def changes_something(self) -> bool:
        """Would anything be changed there?"""
        plan = self.plan or Plan("")
        named = plan.send or plan.change or plan.delete or plan.links
        return bool(named or plan.unfinished or self.install_command)

    def as_json(self) -> dict[str, Any]:
        """A target of `install --dry-run --json`: the fields of an install, with the numbers that it would have."""
        found = self.plan or Plan("")
        changes = Changes(len(found.send), self.bytes_to_send)
        fields = Installed(
            self.platform, changes, self.seconds, len(found.delete), mode=self.mode, error=self.error
        ).as_json()
        names = {
            which: [wire.to_text(name) for name in getattr(found, which)]
            for which in ("send", "new", "change", "delete", "kept")
        }
        return {
            **fields,
            "dry_run": True,
            "asked": self.asked,
            "unfinished": found.unfinished,
            **names,
            "links": dict(found.links),
            "install_command": list(self.install_command) or None,
            "commands": [command.line for command in self.commands],
        }


class _Recorder:
    """Keeps the commands that are run, of the last attempt only: a call that broke is made again."""

    def __init__(self, talk: Talk) -> None:
        self.lines: list[str] = []
        self.talk = Talk(talk.tell, self._command, learnt=talk.learnt)
        self._show = talk.command

    def _command(self, line: str) -> None:
        if line in self.lines[:1]:
            self.lines.clear()
        self.lines.append(line)
        self._show(line)


def plan_each(run: RunDirectory, platforms: list[Platform], talk: Talk, adopt: bool = False) -> list[Planned]:
    """What `install_each` with the same arguments would do now, and nothing is remembered of it. Raises as it does."""
    elsewhere.check_alike(platforms)
    return side_by_side(lambda platform: plan_install(run, platform, talk, adopt), one_each(platforms))


def plan_install(run: RunDirectory, platform: Platform, talk: Talk, adopt: bool = False) -> Planned:
    """What `install` with the same arguments would do now, with one ssh call. The error, if any, is in the answer.

    Another run's directory, or what is in the way there, is refused as the install itself would be. While another
    install is at work there, the plan is that of this moment.
    """
    began = time.monotonic()
    recorder = _Recorder(talk)
    contents: list[Content] = []

    def act(there: Conversation) -> Plan:
        contents[:] = [elsewhere.left_out(source.scan(run, platform.rsync.command, recorder.talk.command), platform)]
        tell_others(contents[0], talk)
        return _ask(there, run, platform, contents[0], adopt)

    if is_in_place(run, platform, talk):
        return Planned(platform, 0.0, Plan(run.path), mode=place.mode(platform, talk))
    try:
        platform, found = on_a_host(
            platform, lambda one: (one, ask_if_there(one, "install", act, recorder.talk)), recorder.talk
        )
        size = _size(run, found.send if found else _files(contents[0]))
    except RemoteInstallError as error:
        return Planned(platform, time.monotonic() - began, error=error)
    except OSError as error:
        return Planned(platform, time.monotonic() - began, error=unreadable(error))
    content = contents[0]
    planned = found or _everything(run, platform, content)
    commands = _commands(run, platform, planned, recorder, found is not None)
    line = tuple(install_command(run, platform)) if planned.runs_command else ()
    seconds = time.monotonic() - began
    return Planned(
        platform, seconds, planned, content, commands, found is not None, size, line, place.mode(platform, talk)
    )


def _ask(there: Conversation, run: RunDirectory, platform: Platform, content: Content, adopt: bool) -> Plan:
    # A run directory that was never installed gets its uuid with the first install; any will do until then.
    uuid = run.known_uuid() or "0" * 32
    there.say({**opening(run, platform, content, adopt, uuid, writes=False), "dry_run": True})
    answer = there.hear("same", "differs", "in place")
    if answer["reply"] == "in place":
        found = Plan(host_path.run_dir(answer, platform), runs_command=answer.get("runs_command") is True)
    elif answer["reply"] == "same":
        found = Plan(host_path.run_dir(answer, platform))
    else:
        there.say({"entries": content.rows})
        found = plan.from_reply(there.hear("plan"), content, platform)
    there.listen_to_the_end()
    return found


def _everything(run: RunDirectory, platform: Platform, content: Content) -> Plan:
    files = _files(content)
    others = tuple(name for name, entry in content.entries.items() if entry.kind != manifest.FILE)
    run_dir = f"{platform.run_root}/{run.run_id}"
    links = platform.symlink_dirs
    return Plan(run_dir, files, others, new=files, runs_command=bool(run.settings.install_command), links=links)


def _files(content: Content) -> tuple[bytes, ...]:
    return tuple(name for name, entry in content.entries.items() if entry.kind == manifest.FILE)


def _size(run: RunDirectory, names: tuple[bytes, ...]) -> int:
    return sum(os.lstat(os.path.join(os.fsencode(run.path), name)).st_size for name in names)


def _commands(
    run: RunDirectory, platform: Platform, planned: Plan, recorder: _Recorder, asked: bool
) -> tuple[PlannedCommand, ...]:
    """What the install runs: what was run to ask, and what was not."""
    commands = [PlannedCommand(line) for line in recorder.lines]
    if not asked:  # it finds the program missing, sends it, and begins anew
        sending = PlannedCommand(str(program.sending(platform, platform.hosts[0])), "the job host program")
        commands = [*commands, sending, *commands]
    if planned.send:
        command = push_command(run, platform, planned.send, planned.run_dir, recorder.talk)
        commands.append(PlannedCommand(str(command), f"{len(planned.send)} names"))
    return tuple(commands)
