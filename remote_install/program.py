"""The job host program on a job host: where it lies there, how it gets there, and how rsync is reached through it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from remote_install import bundle
from remote_install.conversation import SILENCE, Conversation, ProgramMissing
from remote_install.jobhost import wire
from remote_install.talk import Gate, Talk
from transfer import execute, ssh
from transfer.command import Command
from transfer.connections import connected
from transfer.errors import HostUnsuitable
from transfer.platforms import Platform

if TYPE_CHECKING:
    from transfer.sync import PastNoise

LONGEST_PATH = 1024


def words(platform: Platform, host: str, verb: str, talk: Talk) -> tuple[str, ...]:
    """What starts the program on `host`, as far as is known: in the home directory, or where `send` has put it."""
    path = talk.learnt.programs.get((platform.name, host), bundle.build().path)
    return platform.python, "-I", path, verb


def past_noise(platform: Platform, host: str, talk: Talk) -> PastNoise:
    """The way to rsync through the program, which must be on `host`."""
    from transfer.sync import PastNoise  # who only asks needs nothing of rsync

    line, at = words(platform, host, wire.RSYNC, talk), (platform.name, host)

    def meet_gate() -> None:
        talk.learnt.gates[at] = Gate()

    return PastNoise(line, wire.MARKER, at, talk.learnt.noisy, talk.tell, lambda: at in talk.learnt.gates, meet_gate)


def send(platform: Platform, host: str, talk: Talk) -> None:
    """Have it written to the home directory of `host`, or else to the run root there, by one ssh call.

    The call is `python3 -I -`: the bundle comes on stdin, in a program that writes it. Raises HostError.
    """
    program = bundle.build()
    talk.command(str(sending(platform, host)))
    with connected(platform, host, talk.tell) as way, execute.stream(sending(way, host), SILENCE) as running:
        there = Conversation(running, host, "the sending of our program")
        try:
            path = there.hear("arrived").get("path")
            there.listen_to_the_end()
        except ProgramMissing as missing:
            raise unsuitable(platform, host, str(missing)) from None
    if path == program.path:
        talk.learnt.programs.pop((platform.name, host), None)
        return
    pattern = rf"/[A-Za-z0-9_./+-]{{0,{LONGEST_PATH}}}/{re.escape(program.path)}"
    if not isinstance(path, str) or not re.fullmatch(pattern, path):
        raise HostUnsuitable(f"{host}: it does not say where it has put our program", "", host)
    talk.learnt.programs[(platform.name, host)] = path


def sending(platform: Platform, host: str) -> Command:
    """The command that sends it."""
    line = ssh.command_line(platform, host, (platform.python, "-I", "-"))
    return Command(line, bundle.build().sender(platform.run_root))


def unsuitable(platform: Platform, host: str, said: str) -> HostUnsuitable:
    """The error for a host where the program does not start. said: what it said instead."""
    return HostUnsuitable(
        f"{host}: {platform.python} does not start our program there: {said}",
        "It needs Python 3.6 or newer with its standard library (on Debian python3, not only python3-minimal), and "
        "start-up files, such as .bashrc, that leave stdin alone; name another Python with `python:` in hosts.yaml. "
        f"Try `ssh {host} {platform.python} -V`.",
        host,
    )
