"""Files here that are written whole or not at all, and are on disk when that is said."""

from __future__ import annotations

import contextlib
import functools
import os


def create(path: str, data: bytes, mode: int | None = None, named: bool = True) -> bool:
    """Make a file with its content at once, on disk; False when there is one already. mode: else as the umask says.

    named: is its name on disk too when this returns? Else sync_folder has to see to that. Raises OSError.
    """
    part = f"{path}.part-{os.getpid()}-{os.urandom(4).hex()}"
    if os.path.lexists(path):
        return False
    try:
        write_through(part, data, mode=mode)
        os.link(part, path)
        if named:
            sync_folder(path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
    return True


def create_empty(path: str) -> bool:
    """Make an empty file; False when there is one already. Its name is on disk after sync_folder. Raises OSError."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    except FileExistsError:
        return False
    return True


def replace(path: str, data: bytes, durable: bool = True, mode: int | None = None) -> None:
    """Write a file whole or not at all. durable: on disk when this returns, which costs milliseconds; else it may be
    lost, or empty, when the power fails soon. Raises OSError."""
    part = f"{path}.part-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        write_through(part, data, durable, mode)
        os.rename(part, path)
        if durable:
            sync_folder(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise


def sync_folder(path: str) -> None:
    """See to it that the name `path` itself is on disk (fsync(2): a file's fsync does not do that)."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_through(path: str, data: bytes, durable: bool = True, mode: int | None = None) -> None:
    """Write a file that is not there yet. mode: exactly, else as the umask says; it holds from the first moment on,
    lest somebody opens the file before it is narrowed. Raises OSError."""
    opener = functools.partial(os.open, mode=0o666 if mode is None else mode)
    with open(path, "xb", opener=opener) as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
