"""Plain transfers: what has nothing to do with a run, to a path on a job host or from one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any, Callable

from remote_install import line
from remote_install.call import ask_if_there, call, converse
from remote_install.conversation import Conversation
from remote_install.host_path import is_path
from remote_install.pool import on_a_host
from remote_install.program import past_noise
from remote_install.talk import Talk
from transfer import rsync
from transfer.command import Command
from transfer.errors import HostUnsuitable, RefusedBySite, UsageError
from transfer.platforms import Platform, Platforms
from transfer.rsync import Changes
from transfer.sync import transfer

# A broken transfer goes on where it was; no file is ever seen half: the part lies in a folder beside it.
OPTIONS = ("--partial-dir=.remote-install-partial",)


def place(text: str, platforms: Platforms) -> tuple[Platform, str]:
    """PLATFORM:PATH in its parts. Raises UsageError when it has no colon, ConfigError for an unknown platform."""
    colons = [at for at, letter in enumerate(text) if letter == ":"]
    if not colons or "\0" in text:
        raise UsageError(f"{text!r} names no platform", "Write PLATFORM:PATH; a relative PATH starts in the run root.")
    # A platform's name may hold colons itself: the longest that there is counts.
    at = next((at for at in reversed(colons) if text[:at] in platforms.given), colons[0])
    return platforms.get(text[:at]), text[at + 1 :]


def push(sources: tuple[str, ...], platform: Platform, path: str, talk: Talk) -> Changes:
    """`sources` here to `path` on the host of `platform`. Raises UsageError, HostError or TransferError."""

    check_sources(sources)

    def act(one: Platform) -> Changes:
        target, more = _target(one, sources, path, talk)
        command = pushing(sources, one, lambda: target, *more)
        return _transfer(one, command, talk, f"to {platform.name}")

    return on_a_host(platform, act, talk)


def pushing(sources: tuple[str, ...], platform: Platform, target: Callable[[], str], *more: str) -> Command:
    """What `push` runs, with `more` options."""
    return rsync.push(platform, platform.hosts[0], sources, target(), (*more, *OPTIONS))


def pull(platform: Platform, path: str, target: str, talk: Talk) -> Changes:
    """`path` on the host of `platform` into `target` here. Raises UsageError, HostError or TransferError."""

    def act(one: Platform) -> Changes:
        command = pulling(one, lambda: _resolved(one, path, talk, make=False), target)
        return _transfer(one, command, talk, f"from {platform.name}")

    return on_a_host(platform, act, talk)


def pulling(platform: Platform, source: Callable[[], str], target: str, *more: str) -> Command:
    """What `pull` runs, with `more` options. Raises UsageError."""
    _check_target(target)
    # --no-inc-recursive: with it one list is looked at as a whole, so that nothing in it comes behind a link in it.
    options = (*more, *OPTIONS, "--no-devices", "--no-specials", "--no-inc-recursive")
    return rsync.pull(platform, platform.hosts[0], source(), target, options)


def check_sources(sources: tuple[str, ...]) -> None:
    """Raises UsageError for what is not there, or is nothing that rsync would send: it passes over that in silence."""
    for source in sources:
        path = source if source.strip("/") else source[:1]  # "" comes from a shell variable that is not set
        if not path or not os.path.lexists(path.rstrip("/") or "/"):
            raise UsageError(f"{source or repr(source)}: there is no such file or folder here")
        if not os.path.islink(path) and not os.path.isdir(path) and not os.path.isfile(path):
            raise UsageError(f"{source}: it is no file, folder or link")


def _check_target(target: str) -> None:
    """Raises UsageError where a file would take the place of a device (/dev/null!), a socket or a pipe."""
    folder = os.path.dirname(os.path.abspath(target))
    if not target or not os.path.isdir(folder):
        raise UsageError(f"{target or repr(target)}: there is no folder {folder} here", "Make it first.")
    if os.path.exists(target) and not os.path.isdir(target) and not os.path.isfile(target):
        raise UsageError(f"{target}: it is no file or folder, and would be replaced", "Name another one.")


def needs_a_call(path: str) -> bool:
    """Must the job host be asked where `path` is? Only it knows its home directory and its variables."""
    return not path.startswith("/")


def _transfer(platform: Platform, command: Command, talk: Talk, name: str) -> Changes:
    host, seen = platform.hosts[0], talk.watching(name)
    return transfer(platform, host, command, talk.tell, talk.command, past_noise(platform, host, talk), seen)


def asked_path(platform: Platform, path: str, talk: Talk) -> str | None:
    """Where `path` is there, with nothing made; None where the job host program is not there yet."""

    def act(there: Conversation) -> str:
        there.say({"run_root": platform.run_root, "path": path, "make": False})
        answer = there.hear("path")
        there.listen_to_the_end()
        return _checked(platform, path, answer.get("path"))

    return ask_if_there(platform, "resolve", act, talk)


def _target(platform: Platform, sources: tuple[str, ...], path: str, talk: Talk) -> tuple[str, tuple[str, ...]]:
    """The absolute path there, with the folder that it lies in, and options of rsync that suit the line to there."""
    found = line.worth_a_look(platform, _files(sources), talk)
    if found is None:
        return _resolved(platform, path, talk, make=True), ()

    asked = needs_a_call(path)

    def act(there: Conversation) -> tuple[str, tuple[str, ...]]:
        there.say({"run_root": platform.run_root, "path": path, "make": asked, "line": True})
        told = there.hear("path").get("path")
        full = _checked(platform, path, told) if asked else path
        more = line.options(there, found)
        there.say({"do": "end"})
        there.listen_to_the_end()
        return full, more

    if asked:
        return converse(platform, "resolve", act, talk)
    try:
        return ask_if_there(platform, "resolve", act, talk) or (path, ())
    except (HostUnsuitable, RefusedBySite):  # it was asked only to be quicker: what rsync may not do, it says itself
        return path, ()


def _files(sources: tuple[str, ...]) -> Iterator[bytes]:
    """The files that rsync would send: those below a folder, and none that a link leads to."""
    for source in map(os.fsencode, sources):
        mode = os.lstat(source).st_mode
        if stat.S_ISREG(mode):
            yield source
        for folder, _, names in os.walk(source) if stat.S_ISDIR(mode) else ():
            paths = (os.path.join(folder, name) for name in names)
            yield from (path for path in paths if stat.S_ISREG(os.lstat(path).st_mode))


def _resolved(platform: Platform, path: str, talk: Talk, make: bool) -> str:
    """The absolute path there. make: with the folder that it lies in."""
    if not needs_a_call(path):
        return path
    replies: list[dict[str, Any]] = []
    request = {"run_root": platform.run_root, "path": path, "make": make}
    call(platform, "resolve", lambda: request, replies.append, talk)
    return _checked(platform, path, replies[0].get("path") if replies else None)


def _checked(platform: Platform, path: str, found: object) -> str:
    told = isinstance(found, str) and found.startswith("/") and is_path(found)
    if not told or not (path.startswith("~") or str(found).endswith(f"/{path}")):
        host = platform.hosts[0]
        raise HostUnsuitable(f"{host}: it does not say where {path} is", "Name an absolute path.", host)
    return str(found)
