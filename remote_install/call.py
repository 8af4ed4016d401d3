"""One verb on one job host: request on stdin, replies back; sends the job host program if it is missing there."""

from __future__ import annotations

import contextlib
from typing import Callable, TypeVar

from remote_install import place, program
from remote_install.admission import is_mirrored
from remote_install.conversation import SILENCE, Conversation, Json, ProgramMissing
from remote_install.talk import Talk
from transfer import execute, ssh
from transfer.command import Command
from transfer.connections import connected
from transfer.errors import HostUnsuitable, RefusedBySite
from transfer.platforms import Platform
from transfer.retry import retried

T = TypeVar("T")


def call(platform: Platform, verb: str, request: Callable[[], Json], heard: Callable[[Json], None], talk: Talk) -> None:
    """Ask the host of `platform` for `verb`; each reply is given to `heard`.

    request: made anew for each attempt, because a call that broke is asked again. Raises HostError when the
    host can't be asked, and what the job host program itself refused as the error of its code.
    """

    if is_mirrored(platform):
        from remote_install import mirror  # seldom needed, and a tenth of what starts

        def here(verb: str, fields: Json, heard: Callable[[Json], None]) -> None:
            _converse_here(platform, verb, _asking(lambda: fields, heard), talk)

        mirror.call(platform, verb, request, heard, talk, here)
    else:
        converse(platform, verb, _asking(request, heard), talk)


def _asking(request: Callable[[], Json], heard: Callable[[Json], None]) -> Callable[[Conversation], None]:
    def act(there: Conversation) -> None:
        there.say(request())
        there.say_no_more()
        for reply in there.replies():
            heard(reply)

    return act


def converse(platform: Platform, verb: str, act: Callable[[Conversation], T], talk: Talk) -> T:
    """What `act` returns, given a conversation about `verb` with the host of `platform`; made anew when it broke."""
    host = platform.hosts[0]
    _refuse_where_only_rsync_is_admitted(platform, verb)
    if place.is_here(platform, talk):
        return _converse_here(platform, verb, act, talk)

    def once() -> T:
        try:
            return _converse(platform, host, verb, act, talk)
        except ProgramMissing:
            program.send(platform, host, talk)
        try:
            return _converse(platform, host, verb, act, talk)
        except ProgramMissing as missing:
            raise program.unsuitable(platform, host, str(missing)) from None

    return retried(once, platform, talk.tell)


def ask_if_there(platform: Platform, verb: str, act: Callable[[Conversation], T], talk: Talk) -> T | None:
    """As converse, but nothing is sent: None where the job host program is not there yet, or can't be started."""

    _refuse_where_only_rsync_is_admitted(platform, verb)
    if place.is_here(platform, talk):
        return _converse_here(platform, verb, act, talk)

    def once() -> T | None:
        try:
            return _converse(platform, platform.hosts[0], verb, act, talk)
        except ProgramMissing:
            return None

    return retried(once, platform, talk.tell)


def _refuse_where_only_rsync_is_admitted(platform: Platform, verb: str) -> None:
    if is_mirrored(platform):
        why = f"platform {platform.name} admits only rsync: {verb} needs a program of ours there, also to try it out"
        raise RefusedBySite(why, "Leave it out, or have the site allow our program for your key.")


def calling(platform: Platform, verb: str, talk: Talk) -> Command:
    """The command of a call."""
    if place.is_here(platform, talk) or is_mirrored(platform):
        return place.verb(verb)
    host = platform.hosts[0]
    return Command(ssh.command_line(platform, host, program.words(platform, host, verb, talk)), stdin=None)


def _connected(platform: Platform, host: str, talk: Talk) -> contextlib.AbstractContextManager[Platform]:
    if place.is_here(platform, talk) or is_mirrored(platform):
        return contextlib.nullcontext(platform)
    return connected(platform, host, talk.tell)


def _converse(platform: Platform, host: str, verb: str, act: Callable[[Conversation], T], talk: Talk) -> T:
    talk.command(str(calling(platform, verb, talk)))
    with _connected(platform, host, talk) as there, execute.stream(calling(there, verb, talk), SILENCE) as running:
        return act(
            Conversation(
                running,
                host,
                verb,
                lambda: talk.learnt.hear_noise(platform.name, host),
                lambda reply: place.learn(reply, platform, talk),
            )
        )


def _converse_here(platform: Platform, verb: str, act: Callable[[Conversation], T], talk: Talk) -> T:
    host = platform.hosts[0]
    try:
        return _converse(platform, host, verb, act, talk)
    except ProgramMissing as missing:
        raise HostUnsuitable(f"{host}: the job host program does not start on this machine: {missing}", "") from None
