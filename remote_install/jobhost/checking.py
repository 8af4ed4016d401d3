"""The check verb: facts about this host, one after the other, for who asks to judge. Nothing that it does stays."""

import errno
import os
import platform
import re
import sys
import time
from typing import Callable, Dict

from . import files, layout
from .runners import commands
from .runners.choice import Runners
from .wire import SILENCE, Client, Json, Refusal, number, strings, text, to_text

SECONDS = 10  # that a command may take, where the request does not say it
PROBE = 64 * 1024  # bytes written to see that they can be: a quota, unlike a full disk, is seen by nothing else
# What open(2) says where the kernel, or the file system, has no files without a name.
NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
FULL = (errno.ENOSPC, errno.EDQUOT)


def tell(request: Json, client: Client) -> None:
    """What this host is, then the `facts` that the request names, in that order; `seconds`: that a command may take.

    There is no sign of life between them: who asks is to see what hangs. `clock`: at last a second request, answered
    at once with the time here.
    """
    client.say(
        "python", version=platform.python_version(), host=os.uname().nodename, user=commands.user(), **_program()
    )
    for name in strings(request, "facts"):
        if name not in FACTS:
            raise Refusal(2, "%r is nothing that is checked here" % name)
        client.say(name, **FACTS[name](request))
    if request.get("clock") is True:
        client.hear(SILENCE)
        client.say("clock", time=time.time())


def _program() -> Json:
    """Where this program lies, and what no copy of it has."""
    path = os.path.abspath(os.fsencode(sys.argv[0]))
    return {"program": to_text(path), "marks": files.marks(path)}


def _root(request: Json) -> Json:
    """The run root, or the folder in which it would be made: can it be written, and how much room is there?"""
    try:
        root = layout.run_root(text(request, "run_root"))
    except Refusal as refusal:
        return _refused(refusal)
    above = root
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    told: Json = {"path": to_text(root), "above": to_text(above), "why": "", "full": False}
    try:
        told.update(_room(above))
        _try_to_write(above)
    except OSError as error:
        told.update(why=error.strerror, full=error.errno in FULL)
    return told


def _room(folder: bytes) -> Json:
    found = os.statvfs(folder)
    return {
        "free": found.f_bavail * found.f_frsize,
        "size": found.f_blocks * found.f_frsize,
        "free_files": found.f_favail,
        "files": found.f_files,  # 0: this file system does not count them
    }


def _try_to_write(folder: bytes) -> None:
    """Write to a file without a name, or that has lost it before. Raises OSError when nothing can be written."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        descriptor = os.open(folder, flags | os.O_TMPFILE, 0o600)
    except OSError as error:
        if error.errno not in NO_NAMELESS:
            raise
        path = os.path.join(folder, b".remote-install-check-" + os.urandom(8).hex().encode("ascii"))
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.unlink(path)
    try:
        left = PROBE
        while left:
            left -= os.write(descriptor, bytes(left))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rsync(request: Json) -> Json:
    """The version of rsync here; None: there is none. "": it does not tell."""
    said = commands.run(["rsync", "--version"], commands.clean((), {"LC_ALL": "C"}), seconds=_seconds(request))
    if said.code == commands.NOT_FOUND:
        return {"version": None}
    found = re.search(r"^rsync +version v?(\S+)", said.out, re.MULTILINE)
    return {"version": found.group(1) if found else ""}


def _runner(request: Json) -> Json:
    """Why the job runner of the request can't be used; else what to warn of."""
    try:
        return {"warning": Runners(request).wanted().check(_seconds(request))}
    except Refusal as refusal:
        return _refused(refusal)
    except OSError as error:
        return _refused(Refusal(7, str(error), "It must be readable there."))
    except Exception as error:  # of a site's own file
        return _refused(Refusal(3, "it fails with %s: %s" % (type(error).__name__, error), "Correct its file."))


def _seconds(request: Json) -> int:
    return number(request, "seconds") or SECONDS


def _refused(refusal: Refusal) -> Json:
    return {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}


FACTS: Dict[str, Callable[[Json], Json]] = {"root": _root, "rsync": _rsync, "runner": _runner}
