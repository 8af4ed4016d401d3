"""A run directory as an install target: whose it is, who changes it now, what installs brought, is it whole."""

import contextlib
import errno
import fcntl
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set

from .files import open_regular, read_regular, write
from .layout import OURS
from .manifest import Cache, Entries, Entry, pack, pack_cache, unpack, unpack_cache
from .wire import Json, Refusal, to_bytes, to_text

STAGING = ".remote-install/staging"
LOOKING, GOING = b"looking\n", b"going\n"  # a removal: before and after it is known that no job is alive
Brought = Dict[bytes, Set[Entry]]
Altered = Dict[bytes, Optional[Entry]]


class Manifest(NamedTuple):
    """What the last whole install brought, and what is known of these files since.

    built: the content and install command that has succeeded, as one digest; "" when it may have to run again.
    altered: what that command has made of files that were installed; None: it removed one.
    """

    entries: Entries
    cache: Cache
    built: str
    altered: Altered


class Target:
    """The files of ours in a run directory on the job host."""

    def __init__(self, run_dir: bytes) -> None:
        self.run_dir = run_dir
        self._own = os.path.join(run_dir, OURS)
        self.staging = os.path.join(self._own, b"staging")
        self._uuid = os.path.join(self._own, b"uuid")
        self._lock = os.path.join(self._own, b"lock")
        self._manifest = os.path.join(self._own, b"manifest")
        self._mark = os.path.join(self._own, b"unfinished")
        self._closed = os.path.join(self._own, b"closed")
        self.lock: Optional[int] = None  # the descriptor that holds the lock, while it is held

    def prepare(self) -> None:
        """Make our folder. Raises OSError; Refusal (9) where a link stands in its place: it could lead anywhere."""
        if self.is_led_away:
            raise Refusal(
                9,
                "%s/.remote-install is a link, which no install has made" % to_text(self.run_dir),
                "Look at it there, and remove it.",
            )
        os.makedirs(self._own, exist_ok=True)
        ignore = os.path.join(self._own, b".gitignore")
        if not os.path.lexists(ignore):
            write(ignore, b"*\n")

    @property
    def is_led_away(self) -> bool:
        """Does a link stand where our folder should be?"""
        return os.path.islink(self._own)

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the lock, if nobody else does: is it held? The kernel gives it back however this process ends."""
        # A link in its place leads elsewhere, and a pipe would hold us for ever: neither is opened.
        flags = os.O_NOFOLLOW | os.O_NONBLOCK
        with open(self._lock, "ab", opener=lambda name, given: os.open(name, given | flags, 0o666)) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                yield False
                return
            if not self._is_still(file.fileno()):  # it was removed with the run directory: it locks nobody out
                yield False
            else:
                self.lock = file.fileno()
                try:
                    yield True
                finally:  # said, not left to the closing: what an install command left behind has it open too
                    self.lock = None
                    fcntl.flock(file, fcntl.LOCK_UN)

    def _is_still(self, descriptor: int) -> bool:
        try:
            there = os.stat(self._lock)
        except FileNotFoundError:
            return False
        ours = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def claim(self, uuid: str, origin: str, adopt: bool) -> None:
        """Write down whose run directory this is. Raises Refusal (9) when it is another one's."""
        if self.check_owner(uuid, adopt) != uuid:
            write(self._uuid, json.dumps({"uuid": uuid, "origin": origin}).encode("ascii"), durable=True)

    def owner(self) -> Json:
        """Whose run directory this is: uuid and origin; {} if nobody's, no uuid where the record is damaged."""
        return _load(self._uuid)

    def check_owner(self, uuid: str, adopt: bool) -> object:
        """The uuid of whose run directory this is, None if nobody's. Raises Refusal (9) as claim does."""
        owner = self.owner()
        if owner and owner.get("uuid") != uuid and not adopt:
            raise Refusal(
                9,
                "%s holds another run directory under this run id, installed from %s"
                % (to_text(self.run_dir), owner.get("origin", "elsewhere")),
                "Give this run an id of its own with --run-id, or take the place over with --adopt.",
            )
        return owner.get("uuid")

    @property
    def installed(self) -> bool:
        """Did an install ever begin here?"""
        return os.path.lexists(self._manifest) or self.unfinished

    @property
    def unfinished(self) -> bool:
        """Was an install begun here and not brought to its end, or a removal?"""
        return os.path.lexists(self._mark) or os.path.lexists(self._closed)

    @property
    def going(self) -> bool:
        """Was its removal begun? Then no job can have been submitted since."""
        return read_regular(self._closed, 64) == GOING

    def close(self, word: bytes) -> int:
        """Let no job be submitted any more, for a removal; returns the user id that our files have here."""
        write(self._closed, word, durable=True)
        return os.stat(self._closed).st_uid

    def reopen(self) -> None:
        """Let jobs be submitted again."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._closed)

    def manifest(self) -> Manifest:
        """What the last whole install brought."""
        fields = _load(self._manifest)
        rows = _rows(fields)
        built = _load(self._mark) if self.unfinished else fields
        return Manifest(
            {path: next(iter(found)) for path, found in rows.items()},
            unpack_cache(fields.get("cache", [])),
            str(built.get("built", "")),
            _altered(fields),
        )

    def brought(self) -> Brought:
        """All that whole and unfinished installs have brought or were about to: only this may be deleted."""
        fields = _load(self._manifest)
        found = _rows(fields)
        for path, altered in _altered(fields).items():
            if altered is not None:
                found.setdefault(path, set()).add(altered)
        for path, entries in _rows(_load(self._mark)).items():
            found.setdefault(path, set()).update(entries)
        return found

    def mark(self, wanted: Entries, built: str = "", brought: Optional[Brought] = None) -> None:
        """Say that an install is unfinished, before anything changes. built: as in Manifest, while this one lasts.

        brought: what `brought` tells, where that is known; what is wanted is added to it.
        """
        brought = self.brought() if brought is None else brought
        for path, entry in wanted.items():
            brought.setdefault(path, set()).add(entry)
        rows = [row for path, found in brought.items() for entry in found for row in pack({path: entry})]
        write(self._mark, json.dumps({"entries": rows, "built": built}).encode("ascii"), durable=True)

    def remember(self, whole: Manifest) -> None:
        """Write the manifest."""
        fields = {
            "entries": pack(whole.entries),
            "cache": pack_cache(whole.cache),
            "built": whole.built,
            "altered": _pack_altered(whole.altered),
        }
        write(self._manifest, json.dumps(fields).encode("ascii"), durable=True)

    def finish(self, whole: Manifest) -> None:
        """Write the manifest, then take the mark away: the install is whole."""
        self.remember(whole)
        with contextlib.suppress(OSError):
            os.rmdir(self.staging)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._mark)
        self.reopen()


def why_unfinished(run_dir: bytes) -> Optional[str]:
    """Why no job may be submitted in this run directory; None when its install is whole."""
    if not os.path.isdir(run_dir):
        return "is not installed here"
    target = Target(run_dir)
    if target.is_led_away:
        return "is not installed here: its .remote-install is a link"
    return "is not installed whole here" if target.unfinished else None


def _rows(fields: Json) -> Brought:
    found: Brought = {}
    try:
        for row in fields.get("entries", []):
            for path, entry in unpack([row]).items():
                found.setdefault(path, set()).add(entry)
    except (TypeError, ValueError, AttributeError, RecursionError):
        pass  # a file that was tampered with: what it does not tell is not deleted
    return found


def _pack_altered(altered: Altered) -> List[List[Any]]:
    rows = pack({path: entry for path, entry in altered.items() if entry is not None})
    return rows + [[to_text(path)] for path in sorted(altered) if altered[path] is None]


def _altered(fields: Json) -> Altered:
    found: Altered = {}
    try:
        for row in fields.get("altered", []):
            if len(row) == 1:
                found[to_bytes(row[0])] = None
            else:
                found.update(unpack([row]))
    except (TypeError, ValueError, AttributeError, RecursionError):
        return {}
    return found


def _load(path: bytes) -> Json:
    """A file of ours; {} where there is none. A job may have put anything in its place, a pipe too."""
    damaged = {"origin": "somewhere (its record is damaged)"}
    try:
        with open_regular(path) as file:
            fields: Any = json.loads(file.read().decode("ascii"))
    except FileNotFoundError:
        return damaged if os.path.lexists(path) else {}
    except (ValueError, RecursionError):
        return damaged
    return fields if isinstance(fields, dict) else damaged
