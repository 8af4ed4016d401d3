"""Which process drives a run, and is it alive? `.remote-install/contact` in the run directory names it.

A link is made to a file that is whole, so of all who take it at once one has it, and nobody reads half of it. One that
a dead driver has left is replaced under a lock, after a second look: of all who found it dead one replaces it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

from remote_install import bundle, program
from remote_install.conversation import SILENCE, Conversation, ProgramMissing
from remote_install.durable import create, replace
from remote_install.jobhost import processes
from remote_install.jobhost.files import open_regular
from remote_install.jobhost.processes import Identity
from remote_install.jobhost.status import TIME
from remote_install.run_directory import RunDirectory
from remote_install.talk import Talk
from transfer import execute, ssh
from transfer.command import Command
from transfer.connections import connected
from transfer.errors import HostError, HostUnsuitable, RemoteInstallError, WouldDoHarm
from transfer.hosts_yaml import HOST
from transfer.platforms import Platform
from transfer.retry import retried
from transfer.wording import visible

FILE, LOCK = "contact", "contact.lock"
MAX_FILE = 1024 * 1024
LONGEST_COMMAND = 64 * 1024  # characters of it that are written down
WORLD_READABLE = 0o644  # who shares the run directory must see who drives it
WORDS = {"boot": r"[0-9a-f-]{1,64}", "pid_namespace": r"[0-9]{1,20}", "since": TIME.pattern, "uuid": "[0-9a-f]{32}"}

Reach = Callable[[str], Platform]


@dataclass(frozen=True)
class Driver:
    """Who has taken the contact file. since: UTC of its host. uuid: of this one taking."""

    process: Identity
    command: str
    since: str
    uuid: str

    def as_json(self) -> dict[str, Any]:
        """What stands in the contact file."""
        host, pid, start, boot, namespace = self.process
        where = {"host": host, "pid": pid, "start": start, "boot": boot, "pid_namespace": namespace}
        return {**where, "command": self.command, "since": self.since, "uuid": self.uuid}

    def __str__(self) -> str:
        pid, host = self.process.pid, visible(self.process.host)
        return f"process {pid} on {host} since {self.since}: {_short(self.command)}"


@dataclass(frozen=True)
class Finding:
    """What is known of a run's driver. alive: None when it can't be told; then `error` says why. why: it is not."""

    driver: Driver | None = None
    alive: bool | None = False
    why: str = ""
    error: RemoteInstallError | None = None


def find(run: RunDirectory, reach: Reach, talk: Talk) -> Finding:
    """Is a driver alive, and where? reach: how a host is reached, of which just the name is known."""
    path = run.own_file(FILE, make=False)
    try:
        driver = _read(path)
    except ValueError as damage:
        return Finding(None, None, error=_damaged(path, damage))
    if driver is None:
        return Finding(why="no driver has taken this run")
    alive, why = processes.lives(driver.process, processes.here())
    if alive is None and driver.process.host != processes.here().host:
        return _find_there(driver, path, reach, talk)
    error = HostError(_untold(driver, why), _by_hand(path), driver.process.host) if alive is None else None
    return Finding(driver, alive, why, error)


def refuse_if_driven(run: RunDirectory, reach: Reach, talk: Talk) -> None:
    """Raises WouldDoHarm while a driver is alive, HostError when that can't be told."""
    _refuse(run, find(run, reach, talk))


@contextlib.contextmanager
def taken(run: RunDirectory, command: str, reach: Reach, talk: Talk) -> Iterator[None]:
    """Be the driver of this run, in a block; the contact file is given up at its end, however it ends.

    command: what was typed. Raises WouldDoHarm while another driver is alive, HostError when that can't be told.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    mine = Driver(processes.this_process(), command[:LONGEST_COMMAND], now, os.urandom(16).hex())
    try:
        _take(run, mine, reach, talk)
        yield
    finally:
        _give_up(run, mine)


def _take(run: RunDirectory, mine: Driver, reach: Reach, talk: Talk) -> None:
    path = run.own_file(FILE, make=True)
    data = json.dumps(mine.as_json(), indent=1).encode("ascii") + b"\n"
    while not create(path, data, WORLD_READABLE):
        found = find(run, reach, talk)
        if found.driver == mine:  # over NFS a link may be made, and the answer get lost
            return
        _refuse(run, found)
        if found.driver is not None and _replace(run, path, found.driver, data):
            return


def _replace(run: RunDirectory, path: str, dead: Driver, data: bytes) -> bool:
    """Put our file in the place of a dead driver's. False: it was not there any more, so all is to be looked at anew.

    The kernel gives the lock back however this process ends.
    """
    descriptor = os.open(run.own_file(LOCK, make=True), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _read(path) != dead:
            return False
        replace(path, data, mode=WORLD_READABLE)
        return True
    except ValueError as damage:
        raise _damaged(path, damage) from None
    finally:
        os.close(descriptor)


def _give_up(run: RunDirectory, mine: Driver) -> None:
    path = run.own_file(FILE, make=False)
    with contextlib.suppress(OSError, ValueError):  # what is left counts as a dead driver's
        if _read(path) == mine:
            os.unlink(path)


def _refuse(run: RunDirectory, found: Finding) -> None:
    if found.error is not None:
        raise found.error
    if found.alive and found.driver is not None:
        pid, host = found.driver.process.pid, found.driver.process.host
        raise WouldDoHarm(
            f"{run.run_id} is driven already, by {found.driver}",
            f"`remote-install wait RUN` waits for its jobs too; `kill {pid}` on {host} ends it.",
            host,
        )


def _read(path: str) -> Driver | None:
    """Who has taken the file; None when it is not there. Raises ValueError when it is not in order."""
    regular = True
    try:
        regular = stat.S_ISREG(os.lstat(path).st_mode)
        with open_regular(os.fsencode(path)) as file:
            data = file.read(MAX_FILE)
    except FileNotFoundError:
        if regular:  # it was given up since
            return None
        raise ValueError("is no file") from None
    except OSError as error:
        raise ValueError(f"can't be read: {error.strerror}") from None
    try:
        return _parse(json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("is damaged") from None


def _parse(fields: dict[str, Any]) -> Driver:
    """Nothing in it is believed unseen: the file may come with a stranger's run directory."""
    host, command = fields["host"], fields["command"]
    pid, start = fields["pid"], fields["start"]
    words = {name: fields[name] for name in WORDS}
    if not isinstance(host, str) or not isinstance(command, str):
        raise ValueError
    if not all(re.fullmatch(pattern, words[name]) for name, pattern in WORDS.items()):
        raise ValueError
    if not all(type(number) is int and 0 < number < 10**18 for number in (pid, start)):
        raise ValueError
    process = Identity(host, pid, start, words["boot"], words["pid_namespace"])
    return Driver(process, command, words["since"], words["uuid"])


def _find_there(driver: Driver, path: str, reach: Reach, talk: Talk) -> Finding:
    """Ask the host that the file names, by one ssh call: a program on stdin, which leaves nothing there."""
    host = driver.process.host
    if not re.fullmatch(HOST, host):
        return Finding(driver, None, error=HostError(_untold(driver, "that is no host's name"), _by_hand(path)))
    try:
        platform = reach(host)
        alive, why = retried(lambda: _ask(platform, host, driver.process, talk), platform, talk.tell)
    except RemoteInstallError as error:
        told = HostError(_untold(driver, error.message), f"{error.hint} {_by_hand(path)}".strip(), host)
        return Finding(driver, None, error=told)
    untold = HostError(_untold(driver, f"{host} answers: {why}"), _by_hand(path), host) if alive is None else None
    return Finding(driver, alive, why, untold)


def _ask(platform: Platform, host: str, process: Identity, talk: Talk) -> tuple[bool | None, str]:
    talk.command(str(_looking(platform, host, process)))
    with connected(platform, host, talk.tell) as way, execute.stream(_looking(way, host, process), SILENCE) as running:
        there = Conversation(running, host, "the look at a driver")
        try:
            reply = there.hear("process")
            there.listen_to_the_end()
        except ProgramMissing as missing:
            raise program.unsuitable(platform, host, str(missing)) from None
    alive, why = reply.get("alive"), reply.get("why")
    if not (alive is None or isinstance(alive, bool)) or not isinstance(why, str):
        raise HostUnsuitable(f"{host}: its answer is not in order", "", host)
    return alive, _short(why)


def _looking(platform: Platform, host: str, process: Identity) -> Command:
    words = ssh.command_line(platform, host, (platform.python, "-I", "-"))
    return Command(words, bundle.looker("process {} {} {} {} {}".format(*process)))


def _untold(driver: Driver, why: str) -> str:
    return f"it can't be told whether the driver is alive, {driver}: {why}"


def _damaged(path: str, damage: ValueError) -> HostError:
    return HostError(f"it can't be told whether a driver is alive: {visible(path)} {damage}", _by_hand(path))


def _by_hand(path: str) -> str:
    return f"If you know that no driver is alive, remove the file: {visible(shlex.join(['rm', path]))}"


def _short(text: str) -> str:
    return visible(text[:200]) + ("..." if len(text) > 200 else "")
