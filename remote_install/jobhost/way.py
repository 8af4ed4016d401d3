"""Ways down into folders, by names that are no links: for what is going to be removed."""

import errno
import os
from typing import List

STAYS = (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Way:
    """Folders opened one below the other, none of them by a link; closed with the block."""

    def __init__(self, start: int, parts: List[bytes]) -> None:
        """start: an open folder. Raises FileNotFoundError, NotADirectoryError (also for a link), OSError."""
        self._parts = parts
        self._opened = [os.dup(start)]
        try:
            for part in parts:
                self._opened.append(os.open(part, FOLDER, dir_fd=self._opened[-1]))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Way":
        return self

    def __exit__(self, *_error: object) -> None:
        for descriptor in self._opened:
            os.close(descriptor)

    @property
    def end(self) -> int:
        """The last folder, open."""
        return self._opened[-1]

    def prune(self, keep: int = 0) -> None:
        """Remove the folders from the last one up, as long as they are empty and we may; the first `keep` stay.

        Raises OSError for what is no matter of that.
        """
        for count in range(len(self._parts) - 1, keep - 1, -1):
            try:
                os.rmdir(self._parts[count], dir_fd=self._opened[count])
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno in STAYS:
                    return
                raise


def open_folder(path: bytes) -> int:
    """A folder, by its path as it is: what is on the way to it may be links. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
