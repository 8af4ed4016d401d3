"""Files written whole or not at all, and read whatever a job has made of them."""

import contextlib
import errno
import os
import stat
import time
from typing import IO, List

FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
NOT_REGULAR = (errno.ELOOP, errno.ENXIO, errno.ENOTDIR)


def write(path: bytes, data: bytes, durable: bool = False, mode: int = 0o666) -> None:
    """`data` to `path`, whole or not at all. durable: on the disk before this returns. mode: less the umask.

    Raises OSError.
    """
    part = path + b".part-%d-%s" % (os.getpid(), os.urandom(4).hex().encode())  # two hosts may share the disk
    try:
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def open_regular(path: bytes) -> IO[bytes]:
    """Open a file that a job may have replaced by anything: a pipe would hold us for ever, a link leads elsewhere.

    Raises FileNotFoundError for what is no regular file.
    """
    try:
        descriptor = os.open(path, FLAGS)
    except OSError as error:
        if error.errno in NOT_REGULAR:
            raise FileNotFoundError(error.errno, "not a regular file", path)
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    return os.fdopen(descriptor, "rb")


def read_regular(path: bytes, limit: int) -> bytes:
    """The first `limit` bytes of a file, empty where there is no regular file. Raises OSError.

    As open_regular, without the objects that an open file costs: poll reads two of these for each job.
    """
    try:
        descriptor = os.open(path, FLAGS)
    except FileNotFoundError:
        return b""
    except OSError as error:
        if error.errno in NOT_REGULAR:
            return b""
        raise
    try:
        return os.read(descriptor, limit) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def marks(path: bytes) -> List[int]:
    """What tells a file from every copy of it, on each host that sees it: the inode, and when it was last changed, in
    nanoseconds, which nobody can set. Empty where it can't be seen: that is no mark, and equal to none."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return []
    return [found.st_ino, found.st_ctime_ns]


def has_marks(path: bytes, asked: object) -> bool:
    """Is it the very file whose marks are `asked`, and no copy?"""
    found = marks(path)
    return bool(found) and asked == found


def now_ns() -> int:
    """Nanoseconds since 1970; time.time_ns came with Python 3.7."""
    return int(time.time() * 10**9)
