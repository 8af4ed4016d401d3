"""One call of the check verb: the facts that the job host program tells, and to which row its failure belongs."""

from __future__ import annotations

import functools
import re
import time
from dataclasses import dataclass, field

from remote_install import place, program
from remote_install.conversation import Conversation, Json, ProgramMissing
from remote_install.findings import Fact
from remote_install.talk import Talk
from transfer import execute, ssh
from transfer.command import Command
from transfer.errors import (
    ConfigError,
    HostKeyError,
    HostUnreachable,
    HostUnsuitable,
    LoginRefused,
    NoAnswer,
    RemoteInstallError,
)
from transfer.platforms import Platform

VERB = "check"
PATIENCE = 10.0  # seconds that a login and the start of Python may take, besides the connect time-out
# What is told -> the row of which it is the first news.
NEWS_OF = {"root": "run root", "rsync": "rsync", "runner": "job runner", "clock": "clock"}
OF_SSH: tuple[tuple[type[RemoteInstallError], str], ...] = (
    (ConfigError, "settings"),
    (HostUnreachable, "reach"),
    (HostKeyError, "host key"),
    (LoginRefused, "auth"),
    (NoAnswer, "auth"),
)


@dataclass
class Answers:
    """What the job host program has told: fact -> its fields, and the seconds that it took.

    clock: just before and after the time there was told. sent: did the program have to be sent? error: why not all of
    `asked` was told. lasted: seconds in all.
    """

    asked: tuple[str, ...]
    facts: dict[str, Fact] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    clock: tuple[float, float] = (0.0, 0.0)
    sent: bool = False
    error: RemoteInstallError | None = None
    lasted: float = 0.0

    @property
    def pending(self) -> str:
        """The row that the next fact would have been news of."""
        return next((NEWS_OF[name] for name in self.asked if name not in self.facts), "program")


def patience(platform: Platform) -> float:
    """Seconds of silence after which the host counts as hung."""
    return platform.ssh.connect_timeout + PATIENCE


def ask_there(platform: Platform, request: Json, talk: Talk) -> Answers:
    """One call to the first host of `platform`, two more where the program is missing there; nothing is tried again."""
    host, answers, began = platform.hosts[0], Answers((*request["facts"], "clock")), time.monotonic()
    request = {**request, "clock": True}
    try:
        try:
            _converse(platform, _command(platform, talk), request, answers, talk)
        except ProgramMissing:
            answers.sent = True
            program.send(platform, host, talk)
            try:
                _converse(platform, _command(platform, talk), request, answers, talk)
            except ProgramMissing as missing:
                raise program.unsuitable(platform, host, str(missing)) from None
    except NoAnswer:
        answers.error = _hung(platform, answers)
    except RemoteInstallError as error:
        answers.error = error
    answers.lasted = time.monotonic() - began
    return answers


def ask_here(platform: Platform, request: Json, talk: Talk) -> Answers:
    """The same program, started on this machine."""
    answers = Answers(tuple(request["facts"]))
    try:
        _converse(platform, place.verb(VERB), request, answers, talk)
    except ProgramMissing as missing:
        answers.error = HostUnsuitable(f"the job host program does not start on this machine: {missing}")
    except RemoteInstallError as error:
        answers.error = error
    return answers


def _command(platform: Platform, talk: Talk) -> Command:
    host = platform.hosts[0]
    return Command(ssh.command_line(platform, host, program.words(platform, host, VERB, talk)), stdin=None)


def _converse(platform: Platform, command: Command, request: Json, answers: Answers, talk: Talk) -> None:
    host = platform.hosts[0]
    talk.command(str(command))
    last = time.monotonic()
    with execute.stream(command, patience(platform)) as running:
        noise = functools.partial(talk.learnt.hear_noise, platform.name, host)
        there = Conversation(running, host, VERB, noise, lambda reply: place.learn(reply, platform, talk))
        there.say(request)
        for name in ("python", *request["facts"]):
            answers.facts[name] = there.hear(name)
            answers.seconds[name], last = time.monotonic() - last, time.monotonic()
        if "clock" in answers.asked:
            began = time.time()
            there.say({"clock": True})
            answers.facts["clock"] = there.hear("clock")
            answers.clock = began, time.time()
        there.say_no_more()
        there.listen_to_the_end()


def _hung(platform: Platform, answers: Answers) -> NoAnswer:
    host, seconds = platform.hosts[0], patience(platform)
    if answers.facts:
        hint = f"Something hangs there, for instance the file system of {platform.run_root}: look with `df`."
        return NoAnswer(f"{host}: nothing came for {seconds:.0f} s", hint, host)
    hint = f"Does a start-up file there, such as .bashrc, hang, or the home directory? Try `ssh {host} true`."
    return NoAnswer(f"{host}: it was reached, and then nothing came for {seconds:.0f} s", hint, host)


def row_of(error: RemoteInstallError, answers: Answers) -> str:
    """The row that failed, where `answers` end with `error`."""
    if answers.facts:
        return answers.pending
    for kind, row in OF_SSH:
        if isinstance(error, kind):
            return row
    if re.search("could not resolve hostname", error.message, re.IGNORECASE):
        return "reach"
    return "host key" if re.search("no matching .* found", error.message) else "program"


def python_version(platform: Platform, talk: Talk) -> str | None:
    """The version of its Python in a host's own words, for one that does not start our program; None: there is none."""
    host = platform.hosts[0]
    command = Command(ssh.command_line(platform, host, (platform.python, "-V")))
    talk.command(str(command))
    try:
        outcome = execute.run(command, patience(platform))
    except RemoteInstallError:
        return None
    found = re.search(rb"^Python (\d+\.\d+\S*)", outcome.out + b"\n" + outcome.err, re.MULTILINE)
    return found.group(1).decode("ascii", "replace") if found and outcome.exit_code == 0 else None
