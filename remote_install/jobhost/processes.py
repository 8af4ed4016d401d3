"""Our process or not: process id, start time, boot and pid namespace, read from /proc (proc(5))."""

import os
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

IDENTITY = re.compile(r"process ([^ ]+) ([0-9]{1,10}) ([0-9]{1,20}) ([^ ]+) ([^ ]+)")


class Identity(NamedTuple):
    """A process that can't be mistaken for another one. start: clock ticks after boot."""

    host: str
    pid: int
    start: int
    boot: str
    namespace: str


class Here(NamedTuple):
    """Where this program looks from."""

    host: str
    boot: str
    namespace: str


def here() -> Here:
    return Here(os.uname().nodename, _boot_id(), _namespace())


def parse_identity(text: str) -> Optional[Identity]:
    """What the job wrapper wrote through the start gate; None when it is something else.

    >>> parse_identity("process node1 12 3456 b0-07 4026531836").pid
    12
    """
    found = IDENTITY.fullmatch(text)
    if found is None:
        return None
    host, pid, start, boot, namespace = found.groups()
    return Identity(host, int(pid), int(start), boot, namespace)


def this_process() -> Identity:
    """Who we are."""
    fields, place = stat_fields(os.getpid()), here()
    assert fields is not None
    return Identity(place.host, os.getpid(), int(fields[19]), place.boot, place.namespace)


def lives(identity: Identity, place: Here) -> Tuple[Optional[bool], str]:
    """Does this very process live, seen from `place`, where we are? None: that can't be told. And why, if not True.

    The boot id and the pid namespace say where a process can be seen: a host may change its name while it is up.
    """
    if (identity.boot, identity.namespace) == (place.boot, place.namespace):
        return _lives_here(identity)
    if identity.host != place.host:
        return None, "it runs on %s, this is %s" % (identity.host, place.host)
    if identity.boot == place.boot:
        return None, "it runs in another pid namespace of %s" % place.host
    if place.host.startswith("localhost"):
        return None, "many a machine is named %s" % place.host
    return False, "%s was rebooted since" % place.host


def _lives_here(identity: Identity) -> Tuple[Optional[bool], str]:
    fields = stat_fields(identity.pid)
    if fields is None and _is_hidden(identity.pid):
        return None, "process %d of %s belongs to another user, and is hidden" % (identity.pid, identity.host)
    if fields is None or fields[0] in ("Z", "X"):
        return False, "it has ended"
    if int(fields[19]) != identity.start:
        return False, "it has ended, and its process id is another one's now"
    return True, ""


def _is_hidden(pid: int) -> bool:
    """Is there a process that /proc does not show (proc(5), hidepid)? Signal 0 is none."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        pass
    return False


class Table:
    """The live processes of this host at one moment; zombies are not alive."""

    def __init__(self) -> None:
        self.starts: Dict[int, int] = {}
        self.sessions: Dict[int, List[int]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                self.add(int(name))

    def add(self, pid: int) -> None:
        """Take in a process that was started since; nothing is taken in when it has ended by now."""
        fields = stat_fields(pid)
        if fields is None or fields[0] in ("Z", "X"):
            return
        self.starts[pid] = int(fields[19])
        self.sessions.setdefault(int(fields[3]), []).append(pid)

    def members(self, session: int) -> List[int]:
        """The processes of a session."""
        return self.sessions.get(session, [])

    def alive(self, identity: Identity) -> bool:
        """Does any process of the session live that `identity` leads?

        While one does, the kernel gives its id to no new process (it stays in use as a session id), so a
        process with this id but another start time means that the session is gone.
        """
        start = self.starts.get(identity.pid)
        if start is not None:
            return start == identity.start
        return identity.pid in self.sessions


def is_running(name: bytes) -> Optional[bool]:
    """Does any process here have that name? None: that can't be told, because those of others are hidden."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _name_of(entry) == name:
            return True
    return False if _name_of("1") else None


def _name_of(pid: str) -> bytes:
    try:
        with open("/proc/%s/comm" % pid, "rb") as file:
            return file.read().strip()
    except OSError:
        return b""


def stat_fields(pid: int) -> Optional[List[str]]:
    """The fields of /proc/PID/stat behind the command's name, which may hold anything: state is the first."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            text = file.read().decode("ascii", "replace")
    except OSError:
        return None
    return text.rpartition(") ")[2].split()


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid").partition("[")[2].rstrip("]")
