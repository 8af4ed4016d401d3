"""What a run directory holds: kinds, modes and content hashes of its files, and one digest of it all.

The same code lists the run directory here and what was installed there, so both say the same of the same content.
"""

import hashlib
import os
import stat
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .wire import to_bytes, to_text

FILE, FOLDER, LINK = "f", "d", "l"
CHUNK = 1024 * 1024
# A file changed within this time of being hashed may change again without its times telling (coarse clocks, NFS).
SETTLED = 2 * 10**9  # nanoseconds


class Entry(NamedTuple):
    """One name. content: a file's hash, a link's target, "" for a folder. executable: may its owner run it?"""

    kind: str
    executable: bool
    content: str


class Seen(NamedTuple):
    """A file as stat saw it when it was hashed: while all of this is the same, so is the hash."""

    size: int
    mtime: int
    ctime: int
    inode: int
    hash: str


Entries = Dict[bytes, Entry]
Cache = Dict[bytes, Seen]


class Listing:
    """Lists files; knows hashes of files that have not changed since."""

    def __init__(self, cache: Cache, now: int) -> None:
        """now: nanoseconds of the clock that stamps the files."""
        self._known, self._now = cache, now
        self.cache: Cache = {}
        self.others: List[bytes] = []

    def walk(self, root: bytes, excluded: Callable[[bytes, bool], bool]) -> Entries:
        """All below `root`; excluded(path, is it a folder) leaves one out. Sockets and such are named in `others`."""
        found: Entries = {}
        for path, status in _below(root, b"", excluded):
            entry = self._entry(root, path, status)
            if entry is None:
                self.others.append(path)
            else:
                found[path] = entry
        return found

    def look(self, root: bytes, path: bytes) -> Optional[Entry]:
        """The entry of one path below `root`; None where there is nothing, or behind a link."""
        try:
            if _behind_link(root, path):
                return None
            return self._entry(root, path, os.lstat(os.path.join(root, path)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _entry(self, root: bytes, path: bytes, status: os.stat_result) -> Optional[Entry]:
        if stat.S_ISDIR(status.st_mode):
            return Entry(FOLDER, False, "")
        if stat.S_ISLNK(status.st_mode):
            return Entry(LINK, False, to_text(os.readlink(os.path.join(root, path))))
        if stat.S_ISREG(status.st_mode):
            return Entry(FILE, bool(status.st_mode & 0o100), self._hash(root, path, status))
        return None

    def _hash(self, root: bytes, path: bytes, status: os.stat_result) -> str:
        times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        known = self._known.get(path)
        value = known.hash if known is not None and known[:4] == times else hash_of(os.path.join(root, path))
        if max(status.st_mtime_ns, status.st_ctime_ns) < self._now - SETTLED:
            self.cache[path] = Seen(*times, hash=value)
        return value


def hash_of(path: bytes) -> str:
    """The content hash of a file. Raises OSError."""
    value = hashlib.blake2b(digest_size=20)
    with open(path, "rb") as file:
        while True:
            data = file.read(CHUNK)
            if not data:
                return value.hexdigest()
            value.update(data)


def digest(entries: Entries) -> str:
    """One digest of names, kinds, modes and contents; times are not in it.

    >>> digest({}) == digest({})
    True
    """
    value = hashlib.blake2b(digest_size=20)
    for path in sorted(entries):
        entry = entries[path]
        value.update(b"%s\0%s\0%d\0%s\0" % (path, entry.kind.encode(), entry.executable, to_bytes(entry.content)))
    return value.hexdigest()


def pack(entries: Entries) -> List[List[Any]]:
    """Entries as JSON holds them."""
    return [[to_text(path), *entries[path]] for path in sorted(entries)]


def unpack(rows: Any) -> Entries:
    """The reverse of pack. Raises ValueError when a row is not in order or a path leaves its root."""
    found: Entries = {}
    for path, kind, executable, content in rows:
        name = to_bytes(path)
        parts = name.split(b"/")
        if kind not in (FILE, FOLDER, LINK) or b"" in parts or b"." in parts or b".." in parts or b"\0" in name:
            raise ValueError("not an entry: %r" % (path,))
        found[name] = Entry(kind, bool(executable), str(content))
    return found


def pack_cache(cache: Cache) -> List[List[Any]]:
    return [[to_text(path), *seen] for path, seen in sorted(cache.items())]


def unpack_cache(rows: Any) -> Cache:
    """The reverse of pack_cache; what is not in order counts as unknown."""
    try:
        return {to_bytes(path): Seen(int(a), int(b), int(c), int(d), str(e)) for path, a, b, c, d, e in rows}
    except (TypeError, ValueError):
        return {}


def _below(
    root: bytes, folder: bytes, excluded: Callable[[bytes, bool], bool]
) -> Iterator[Tuple[bytes, os.stat_result]]:
    with os.scandir(os.path.join(root, folder)) as listed:
        children = sorted(listed, key=lambda child: child.name)
    for child in children:
        path = os.path.join(folder, child.name)
        is_folder = child.is_dir(follow_symlinks=False)
        if excluded(path, is_folder):
            continue
        yield path, child.stat(follow_symlinks=False)
        if is_folder:
            for below in _below(root, path, excluded):
                yield below


def _behind_link(root: bytes, path: bytes) -> bool:
    parts = path.split(b"/")[:-1]
    return any(os.path.islink(os.path.join(root, *parts[: count + 1])) for count in range(len(parts)))
