"""What a run directory holds: kinds, modes and content hashes of its files, and one digest of it all.

The same code lists the run directory here and what was installed there, so both say the same of the same content.
"""

import os
import stat
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from .wire import to_bytes, to_text

FILE, FOLDER, LINK = "f", "d", "l"
CHUNK = 120 * 1024  # bytes; a larger piece is memory that the kernel maps anew each time
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

    def renamed(self, status: os.stat_result) -> bool:
        """Is it the same file, but for its name or mode?"""
        return self[:2] == (status.st_size, status.st_mtime_ns) and self.inode == status.st_ino


Entries = Dict[bytes, Entry]
Cache = Dict[bytes, Seen]


class Listing:
    """Lists files; knows hashes of files that have not changed since."""

    def __init__(self, cache: Cache, now: int, moved: Optional[Cache] = None) -> None:
        """now: nanoseconds of the clock that stamps the files. moved: files as they were hashed just before we renamed
        them, which changes their ctime and nothing else."""
        self._known, self._now, self._moved = cache, now, moved or {}
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
        return self.look_all(root, [path])[path]

    def look_all(self, root: bytes, paths: Iterable[bytes]) -> Dict[bytes, Optional[Entry]]:
        """As `look`, of many; a folder that holds several is looked at once."""
        in_place = {b"": True}  # folder -> is it reached without a link?
        return {path: self._look(root, path, in_place) for path in paths}

    def _look(self, root: bytes, path: bytes, in_place: Dict[bytes, bool]) -> Optional[Entry]:
        try:
            if not _is_in_place(root, path.rpartition(b"/")[0], in_place):
                return None
            return self._entry(root, path, os.lstat(root + b"/" + path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _entry(self, root: bytes, path: bytes, status: os.stat_result) -> Optional[Entry]:
        if stat.S_ISREG(status.st_mode):
            return Entry(FILE, bool(status.st_mode & 0o100), self._hash(root, path, status))
        if stat.S_ISDIR(status.st_mode):
            return Entry(FOLDER, False, "")
        if stat.S_ISLNK(status.st_mode):
            return Entry(LINK, False, to_text(os.readlink(os.path.join(root, path))))
        return None

    def _hash(self, root: bytes, path: bytes, status: os.stat_result) -> str:
        times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        known, settled = self._known.get(path), self._now - SETTLED
        if known is None or known[:4] != times:
            moved = self._moved.get(path)
            if moved is not None and moved.mtime < settled and moved.renamed(status):
                # Whoever wrote to it since has set its mtime to now.
                self.cache[path] = Seen(*times, hash=moved.hash)
                return moved.hash
            known = Seen(*times, hash=hash_of(os.path.join(root, path)))
        if known.mtime < settled and known.ctime < settled:
            self.cache[path] = known
        return known.hash


def hash_of(path: bytes) -> str:
    """The content hash of a file. Raises OSError."""
    import hashlib  # not at the top: it loads OpenSSL, and most calls hash nothing

    value = hashlib.blake2b(digest_size=20)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # without the objects of an open file: there are thousands
    try:
        while True:
            data = os.read(descriptor, CHUNK)
            if not data:
                return value.hexdigest()
            value.update(data)
    finally:
        os.close(descriptor)


def digest(entries: Entries) -> str:
    """One digest of names, kinds, modes and contents; times are not in it.

    >>> digest({}) == digest({})
    True
    """
    import hashlib

    told = [
        b"%s\0%s\0%d\0%s\0" % (path, kind.encode(), executable, to_bytes(content))
        for path, (kind, executable, content) in sorted(entries.items())
    ]
    return hashlib.blake2b(b"".join(told), digest_size=20).hexdigest()


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
    before = folder + b"/" if folder else b""
    for child in children:
        path = before + child.name
        is_folder = child.is_dir(follow_symlinks=False)
        if excluded(path, is_folder):
            continue
        yield path, child.stat(follow_symlinks=False)
        if is_folder:
            yield from _below(root, path, excluded)


def _is_in_place(root: bytes, folder: bytes, known: Dict[bytes, bool]) -> bool:
    """Is no link on the way to `folder`? known: what was found of others."""
    if folder not in known:
        above = _is_in_place(root, folder.rpartition(b"/")[0], known)
        known[folder] = above and not os.path.islink(os.path.join(root, folder))
    return known[folder]
