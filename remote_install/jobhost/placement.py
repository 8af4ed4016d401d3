"""What an install has to change here, and the change: nothing moves before all has arrived, deletions come last."""

import contextlib
import os
from typing import Iterable, List, NamedTuple, Optional, Set, Tuple

from .manifest import FILE, FOLDER, LINK, Cache, Entries, Entry, Listing, Seen, hash_of
from .target import Altered, Brought, Target
from .wire import Refusal, to_bytes, to_text


class Plan(NamedTuple):
    """send: files whose content must come. change: names that get another kind or mode here. delete: names that an
    install brought and that are no more. kept: of those, what a job has changed since and is left alone."""

    send: List[bytes]
    change: List[bytes]
    delete: List[bytes]
    kept: List[bytes]


def make_plan(target: Target, wanted: Entries, brought: Brought, listing: Listing, settled: Iterable[bytes]) -> Plan:
    """Compare `wanted` with what is here. Raises Refusal (9) when what no install brought is in the way.

    settled: names that stay as they are here.
    """
    plan = Plan([], [], [], [])
    looked = listing.look_all(target.run_dir, sorted(set(wanted) - set(settled)))
    for path, here in looked.items():
        entry = wanted[path]
        if here == entry:
            continue
        if here is not None and here.kind != entry.kind:
            _check_in_the_way(target.run_dir, path, here, entry, brought)
        same_content = here is not None and here._replace(executable=entry.executable) == entry
        (plan.send if entry.kind == FILE and not same_content else plan.change).append(path)
    for path in sorted(set(brought) - set(wanted)):
        here = listing.look(target.run_dir, path)
        if here is not None and (here.kind == FOLDER or here in brought[path]):
            plan.delete.append(path)
        elif here is not None:
            plan.kept.append(path)
    return plan


def spared(plan: Plan, paths: List[bytes]) -> Plan:
    """The plan without deletions of `paths` and of what lies below them: they lead elsewhere."""

    def stays(path: bytes) -> bool:
        return any(path == one or path.startswith(one + b"/") for one in paths)

    deleted, kept = ([path for path in names if not stays(path)] for names in (plan.delete, plan.kept))
    return plan._replace(delete=deleted, kept=kept)


def _check_in_the_way(root: bytes, path: bytes, here: Entry, entry: Entry, brought: Brought) -> None:
    if here.kind != FOLDER:
        if FOLDER in (here.kind, entry.kind) and here not in brought.get(path, ()):
            raise _in_the_way(path, "a %s" % ("link" if here.kind == LINK else "file"))
        return
    for folder, folders, files in os.walk(os.path.join(root, path)):
        for name in folders + files:
            below = os.path.relpath(os.path.join(folder, name), root)
            if below not in brought:
                raise _in_the_way(path, "a folder with %s, which no install brought," % to_text(below))


def _in_the_way(path: bytes, what: str) -> Refusal:
    return Refusal(
        9, "%s is to be installed, but %s is in its way" % (to_text(path), what), "Move it away there, or rename yours."
    )


def clear_staging(target: Target, send: List[bytes]) -> None:
    """Keep in the staging area only what is to be sent: what a broken install left there is not sent again."""
    wanted = set(send)
    os.makedirs(target.staging, exist_ok=True)
    for folder, _, files in os.walk(target.staging, topdown=False):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.relpath(path, target.staging) not in wanted:
                os.unlink(path)
        if folder != target.staging:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def arrived(target: Target, wanted: Entries, send: List[bytes]) -> Tuple[Optional[bytes], Cache]:
    """The first of `send` that is not in the staging area with the content that was promised; None if all are.

    And what they are like there, for look_again.
    """
    found: Cache = {}
    for path in send:
        full = os.path.join(target.staging, path)
        try:
            before = os.lstat(full)
            value = hash_of(full)
        except OSError:
            return path, found
        if value != wanted[path].content:
            return path, found
        found[path] = Seen(before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_ino, value)
    return None, found


def place(target: Target, wanted: Entries, plan: Plan) -> None:
    """Put all in place: each file is the old or the new one at every moment. Raises OSError."""
    root = target.run_dir
    send, doomed = set(plan.send), set(plan.delete)
    for path in sorted(send.union(plan.change)):
        entry, full = wanted[path], os.path.join(root, path)
        _make_way(root, path, entry, doomed)
        if entry.kind == FOLDER:
            os.makedirs(full, exist_ok=True)
        elif entry.kind == LINK:
            _link(target, entry, full)
        else:
            if path in send:
                os.rename(os.path.join(target.staging, path), full)
            _set_executable(full, entry.executable)
    for path in sorted(doomed, reverse=True):
        _delete(os.path.join(root, path))
    clear_staging(target, [])


def _make_way(root: bytes, path: bytes, entry: Entry, doomed: Set[bytes]) -> None:
    full = os.path.join(root, path)
    if entry.kind == FOLDER:
        if os.path.islink(full) or os.path.isfile(full):
            os.unlink(full)
    elif os.path.isdir(full) and not os.path.islink(full):
        for below in sorted((one for one in doomed if one.startswith(path + b"/")), reverse=True):
            _delete(os.path.join(root, below))
        os.rmdir(full)
    os.makedirs(os.path.dirname(full), exist_ok=True)


def _link(target: Target, entry: Entry, full: bytes) -> None:
    part = os.path.join(target.staging, b"link-%d" % os.getpid())
    os.symlink(to_bytes(entry.content), part)
    os.rename(part, full)


def _set_executable(full: bytes, executable: bool) -> None:
    mode = os.stat(full).st_mode & 0o7777
    readable = (mode & 0o444) >> 2
    wanted = mode | readable if executable else mode & ~0o111
    if wanted != mode:
        os.chmod(full, wanted)


def _delete(full: bytes) -> None:
    """A file or link; a folder only when nothing is in it that no install brought."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if os.path.isdir(full) and not os.path.islink(full):
            with contextlib.suppress(OSError):
                os.rmdir(full)
        else:
            os.unlink(full)


def look_again(target: Target, wanted: Entries, cache: Cache, moved: Cache, now: int) -> Tuple[Altered, Cache]:
    """What is there by now of `wanted` where it differs, and the hashes of all, for the manifest.

    moved: what `arrived` found of files that were put in place since.
    """
    listing = Listing(cache, now, moved)
    found = listing.look_all(target.run_dir, wanted)
    return {path: here for path, here in found.items() if here != wanted[path]}, listing.cache
