"""Removes folders with all that is in them, by a walk that follows no link and never leaves where it began.

Every step is made from an open folder, by the bare name of what is in it: whatever is renamed or swapped for a link
meanwhile, nothing else is opened. On the way up the folder above must be the one that we came from. What belongs to
another user or another run, and what is mounted there, is left. Depth costs no open files, and no recursion.
"""

import errno
import json
import os
import re
import stat
from typing import List, NamedTuple, Optional, Tuple

from .way import FOLDER
from .wire import to_text

OURS = ".remote-install"
RESTARTS = 50  # folders that are moved about while we walk
PASSES = 20  # looks at a folder into which something still writes
MOST_TOLD = 20  # of what is left


class Left(NamedTuple):
    """Something that was not removed. another_run: it is not ours, and stays for good."""

    path: str
    why: str
    another_run: bool = False


class _Level:
    """One folder on the way down. above: which folder we came from, as device and inode."""

    def __init__(self, name: str, above: Tuple[int, int], names: List[str]) -> None:
        self.name, self.above, self.names = name, above, names
        self.passes = 0
        self.keeps = False  # something in it is left


class _Moved(Exception):
    """The folder above is not the one that we came from."""


class Removal:
    """Removes trees, and keeps count. uid: whose things are ours. uuid: of our run. dry: nothing is removed."""

    def __init__(self, uid: int, uuid: str, dry: bool = False) -> None:
        self._uid, self._uuid, self.dry = uid, uuid, dry
        self.files = 0
        self.left: List[Left] = []
        self._mount = ""
        self._label = ""
        self._path: List[_Level] = []

    @property
    def failed(self) -> bool:
        """Is something left that should have gone, and may go later?"""
        return any(not one.another_run for one in self.left)

    def remove(self, parent: int, name: str, label: str) -> bool:
        """Remove what is called `name` in the open folder `parent`: is it gone? label: how `left` calls it."""
        self._label, self._mount = label, _mount_of(parent)
        for _ in range(RESTARTS):
            try:
                return self._walk(parent, name)
            except _Moved:
                pass
        self._leave(name, "folders are moved about there while they are removed")
        return False

    def _walk(self, parent: int, name: str) -> bool:
        here = os.dup(parent)
        top = _Level("", (0, 0), [name])
        self._path = [top]
        try:
            while True:
                level = self._path[-1]
                if level.names:
                    below = self._take(here, level.names.pop())
                    if below is not None:
                        os.close(here)
                        here = below
                elif level is top:
                    return not top.keeps
                else:
                    above = _up(here, level)
                    os.close(here)
                    here = above
                    self._path.pop()
                    self._finish(here, level)
        finally:
            os.close(here)

    def _take(self, here: int, name: str) -> Optional[int]:
        """Remove a name, unless it is a folder: that is opened, and now the end of the path."""
        try:
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                return self._enter(here, name)
            if status.st_uid != self._uid:
                self._leave(name, "it belongs to another user")
                return None
            if not self.dry:
                os.unlink(name, dir_fd=here)
            self.files += 1
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):  # it was swapped for something else just now
                self._path[-1].names.append(name)
                self._check_passes(name)
            else:
                self._leave(name, error.strerror or "error")
        return None

    def _enter(self, here: int, name: str) -> Optional[int]:
        below = self._open(here, name)
        why = self._foreign(below)
        if why is not None:
            os.close(below)
            self._leave(name, *why)
            return None
        status = os.fstat(here)
        self._path.append(_Level(name, (status.st_dev, status.st_ino), os.listdir(below)))
        return below

    def _open(self, here: int, name: str) -> int:
        """Open a folder; one that its owner may not read or write is made so, if it is ours."""
        try:
            below = os.open(name, FOLDER, dir_fd=here)
        except PermissionError:
            if self.dry:
                raise FileNotFoundError  # nothing is told of what is in it
            self._make_readable(here, name)
            below = os.open(name, FOLDER, dir_fd=here)
        status = os.fstat(below)
        if not self.dry and status.st_uid == self._uid and status.st_mode & 0o700 != 0o700:
            os.fchmod(below, stat.S_IMODE(status.st_mode) | 0o700)
        return below

    def _make_readable(self, here: int, name: str) -> None:
        """By its inode: a chmod by name would follow a link that is there by now."""
        found = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        try:
            status = os.fstat(found)
            if status.st_uid == self._uid:
                os.chmod("/proc/self/fd/%d" % found, stat.S_IMODE(status.st_mode) | 0o700)
        finally:
            os.close(found)

    def _foreign(self, folder: int) -> Optional[Tuple[str, bool]]:
        """Why a folder is to be left, and is it for another run's sake? None when it is ours."""
        if os.fstat(folder).st_uid != self._uid:
            return "it belongs to another user", False
        if _mount_of(folder) != self._mount:
            return "something is mounted there", False
        if _is_another_runs(folder, self._uuid):
            return "another run is installed there", True
        return None

    def _finish(self, above: int, level: _Level) -> None:
        """Remove an empty folder; one into which something was written meanwhile is looked at again."""
        if level.keeps:
            self._path[-1].keeps = True
            return
        if self.dry:
            return
        try:
            os.rmdir(level.name, dir_fd=above)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                self._path[-1].names.append(level.name)
                self._check_passes(level.name)
            else:
                self._leave(level.name, error.strerror or "error")

    def _check_passes(self, name: str) -> None:
        level = self._path[-1]
        level.passes += 1
        if level.passes > PASSES:
            level.names = [other for other in level.names if other != name]
            self._leave(name, "something still writes there")

    def _leave(self, name: str, why: str, another_run: bool = False) -> None:
        for level in self._path:
            level.keeps = True
        names = [level.name for level in self._path[2:]] + ([name] if len(self._path) > 1 else [])
        path = "/".join([self._label, *names])
        if len(self.left) < MOST_TOLD and path not in [one.path for one in self.left]:
            self.left.append(Left(to_text(os.fsencode(path)), why, another_run))


def _up(here: int, level: _Level) -> int:
    above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
    status = os.fstat(above)
    if (status.st_dev, status.st_ino) != level.above:
        os.close(above)
        raise _Moved
    return above


def _mount_of(folder: int) -> str:
    """Which mount an open folder lies in (proc(5), fdinfo): a bind mount of the same disk has another one."""
    try:
        with open("/proc/self/fdinfo/%d" % folder) as file:
            found = re.search(r"^mnt_id:\s*(\d+)$", file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else ""


def _is_another_runs(folder: int, uuid: str) -> bool:
    """Is this the run directory, or a folder elsewhere, of another run? A copy of our own, or of a client's, is not."""
    for name in (OURS + "/uuid", OURS):
        try:
            found = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                continue
            return True
        try:
            if stat.S_ISREG(os.fstat(found).st_mode):
                return not _is_ours(os.read(found, 64 * 1024), uuid)
        finally:
            os.close(found)
    return False


def _is_ours(data: bytes, uuid: str) -> bool:
    if re.fullmatch(rb"[0-9a-f]{32}\s*", data):  # as a run directory has it where it comes from: no target
        return True
    try:
        fields = json.loads(data.decode("ascii"))
    except ValueError:
        return False
    return isinstance(fields, dict) and fields.get("uuid") == uuid
