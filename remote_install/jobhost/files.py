"""Files written whole or not at all, and times as integers on every Python."""

import contextlib
import os
import time


def write(path: bytes, data: bytes, durable: bool = False) -> None:
    """`data` to `path`, whole or not at all. durable: on the disk before this returns. Raises OSError."""
    part = path + b".part-%d" % os.getpid()
    try:
        with open(part, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def now_ns() -> int:
    """Nanoseconds since 1970; time.time_ns came with Python 3.7."""
    return int(time.time() * 10**9)
