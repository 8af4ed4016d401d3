"""What a job host sends comes into a folder of ours first; of that just what was asked for takes its place.

So it does not matter what an rsync there sends, nor whether the rsync here looks at it: older ones than 3.2.5 do not,
and each of them follows a link on the way to what it writes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

from remote_install.jobhost.way import FOLDER as AS_FOLDER
from remote_install.jobhost.way import Way, open_folder
from remote_install.run_directory import RunDirectory
from remote_install.run_settings import OURS
from transfer.errors import TransferError
from transfer.wording import visible

FOLDER = f"{OURS}/incoming"
IS_FOLDER, FILE, LINK, OTHER = "folder", "file", "link", "other"
# What an rsync that brings something here is told. Whether it keeps to it is not up to us: `take` looks once more.
SAFE = ("--safe-links", "--no-devices", "--no-specials", "--no-inc-recursive")


class Arrived(NamedTuple):
    """A name in our folder. path: relative to the run directory. target: of a link. mode, mtime_ns: of a folder."""

    path: bytes
    kind: str
    target: bytes
    mode: int
    mtime_ns: int


# Says of what has arrived whether it may take its place: False, it was not asked for; None, it is left out.
Admits = Callable[[Arrived], "bool | None"]


def beside(run: RunDirectory, folder: str = "") -> str:
    """The option by which rsync sends what differs from the run directory, or a folder in it, alone.

    The whole path: one with `..` ends in "failed verification" with the rsync of Debian 12 and 13 (3.2.7-1+deb12u6 and
    3.4.1, measured), since CVE-2024-12086 was mended there.
    """
    return f"--compare-dest={os.path.join(run.path, folder)}"


def where(*what: str) -> str:
    """The folder for `what` is asked for, relative to the run directory; a second such fetch at once has another."""
    key = hashlib.sha256(repr(what).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{FOLDER}/{key}"


@contextlib.contextmanager
def stage(run: RunDirectory, folder: str) -> Iterator[str]:
    """The folder `where`, relative to the run directory, with a slash at its end, for this process alone.

    What is in it stays when the block fails, so that the same fetch goes on there. Raises OSError, WouldDoHarm.
    """
    above = run.own_folder(FOLDER)
    name, descriptor = _locked(above, os.path.basename(folder))
    try:
        _remove_links(os.path.join(os.fsencode(above), os.fsencode(name)))
        yield f"{FOLDER}/{name}/"
        _sweep(above, name)
    finally:
        os.close(descriptor)


def take(run: RunDirectory, folder: str, admits: Admits, host: str) -> list[bytes]:
    """Move what is in `folder` to its place in the run directory; what was left out, by its path.

    Raises TransferError, and nothing has moved, where something was not asked for.
    """
    stage = os.path.join(os.fsencode(run.path), os.fsencode(folder))
    found = sorted(_below(stage, b""))
    answers = {one.path: admits(one) for one in found}
    unasked = [path for path, answer in answers.items() if answer is False]
    if unasked:
        shutil.rmtree(stage)
        name = visible(os.fsdecode(unasked[0]))[:300]
        raise TransferError(
            f"{host}: it sends what was not asked for: {name}",
            "Nothing of it was taken. Is that host, and its rsync, what it should be?",
            host,
        )
    root = open_folder(os.fsencode(run.path))
    try:
        for one in found:
            if answers[one.path]:
                _place(root, stage, one)
        for one in reversed(found):
            if answers[one.path] and one.kind == IS_FOLDER:
                _set_time(root, one)
    except OSError as error:
        message = f"{visible(os.fsdecode(one.path))} can't be written here: {error.strerror}"
        raise TransferError(message, "Mend that, and fetch again: nothing that came is lost.") from None
    finally:
        os.close(root)
    shutil.rmtree(stage)
    return [path for path, answer in answers.items() if answer is None]


def stays_below(one: Arrived, tops: Iterable[bytes]) -> bool:
    r"""Does a link lead to one of `tops` or below it, whatever other links like it are there?

    `..` may stand just at the front: behind another link it would lead up from elsewhere.

    >>> [stays_below(Arrived(b"a/b/l", LINK, to, 0, 0), [b"a"]) for to in (b"x", b"../x", b"../../b", b"x/../y", b"/x")]
    [True, True, False, False, False]
    """
    parts = one.target.split(b"/")
    up = next((at for at, part in enumerate(parts) if part != b".."), len(parts))
    above = one.path.split(b"/")[:-1]
    if one.target.startswith(b"/") or b".." in parts[up:] or up > len(above):
        return False
    way = b"/".join([*above[: len(above) - up], *(part for part in parts[up:] if part not in (b"", b"."))])
    return any((way + b"/").startswith(top + b"/") for top in tops)


def _locked(above: str, name: str) -> tuple[str, int]:
    """The first of our folders of that name that no other process has, and the descriptor that holds it."""
    for number in itertools.count():
        path = os.path.join(above, f"{name}-{number}")
        while True:
            try:
                os.makedirs(path, mode=0o700, exist_ok=True)
                descriptor = os.open(path, AS_FOLDER)
            except (FileExistsError, NotADirectoryError):  # a stranger's run directory may have anything there
                os.unlink(path)
                continue
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                    return f"{name}-{number}", descriptor
            except (BlockingIOError, FileNotFoundError) as error:
                os.close(descriptor)
                if isinstance(error, BlockingIOError):
                    break
                continue
            os.close(descriptor)
    raise AssertionError("numbers do not end")


def _sweep(above: str, name: str) -> None:
    """Remove what fetches have left that broke off, as nobody goes on with it; and our own, of which all is taken."""
    for other in os.listdir(above):
        path = os.path.join(above, other)
        with contextlib.suppress(OSError):
            descriptor = os.open(path, AS_FOLDER)
            try:
                if other != name:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(descriptor)


def _remove_links(stage: bytes) -> None:
    """What an earlier fetch has left: rsync would follow its links."""
    for folder, folders, files in os.walk(stage):
        for name in folders + files:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                os.unlink(path)


def _below(stage: bytes, folder: bytes) -> Iterator[Arrived]:
    with os.scandir(os.path.join(stage, folder)) as listed:
        children = list(listed)
    for child in children:
        path, status = os.path.join(folder, child.name), child.stat(follow_symlinks=False)
        kind = _kind(status.st_mode)
        target = os.readlink(child.path) if kind == LINK else b""
        yield Arrived(path, kind, target, stat.S_IMODE(status.st_mode), status.st_mtime_ns)
        if kind == IS_FOLDER:
            os.chmod(child.path, status.st_mode | stat.S_IRWXU)  # else nothing could be moved out of it
            yield from _below(stage, path)


def _kind(mode: int) -> str:
    return {stat.S_IFDIR: IS_FOLDER, stat.S_IFREG: FILE, stat.S_IFLNK: LINK}.get(stat.S_IFMT(mode), OTHER)


def _place(root: int, stage: bytes, one: Arrived) -> None:
    """No link is followed on the way: Way opens none. Raises OSError."""
    *above, name = one.path.split(b"/")
    with Way(root, above) as way:
        if one.kind == IS_FOLDER:
            _make_folder(way.end, name, one.mode)
            return
        try:
            os.rename(os.path.join(stage, one.path), name, dst_dir_fd=way.end)
        except OSError as error:
            if error.errno == errno.EISDIR:  # goes if nothing is in it, as rsync has it
                os.rmdir(name, dir_fd=way.end)
                os.rename(os.path.join(stage, one.path), name, dst_dir_fd=way.end)
            elif error.errno == errno.EXDEV:
                _copy(os.path.join(stage, one.path), way.end, name, one)
            else:
                raise


def _make_folder(above: int, name: bytes, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(name, dir_fd=above).st_mode):
            return
        os.unlink(name, dir_fd=above)
    os.mkdir(name, mode | stat.S_IRWXU, dir_fd=above)


def _copy(source: bytes, above: int, name: bytes, one: Arrived) -> None:
    """A file or link to a folder that is another filesystem; old or new, as ever."""
    part = b".%s.part-%s" % (name[:200], os.urandom(4).hex().encode())
    try:
        if one.kind == LINK:
            os.symlink(one.target, part, dir_fd=above)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(source, "rb") as data, open(os.open(part, flags, one.mode, dir_fd=above), "wb") as file:
                shutil.copyfileobj(data, file, 1024 * 1024)
                os.utime(file.fileno(), ns=(one.mtime_ns, one.mtime_ns))
        os.rename(part, name, src_dir_fd=above, dst_dir_fd=above)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=above)
        raise


def _set_time(root: int, one: Arrived) -> None:
    with Way(root, one.path.split(b"/")) as way, contextlib.suppress(PermissionError):
        os.utime(way.end, ns=(one.mtime_ns, one.mtime_ns))
