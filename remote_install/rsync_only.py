"""Job hosts that admit nothing but rsync: how an install is done there, and where things lie."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

from remote_install import source
from remote_install.admission import run_dir
from remote_install.jobhost import manifest
from remote_install.jobhost.layout import OURS
from remote_install.jobhost.target import Manifest, Target
from remote_install.run_directory import RunDirectory
from remote_install.source import Content
from remote_install.talk import Talk
from transfer import rsync
from transfer.command import Command
from transfer.errors import RefusedBySite, WouldDoHarm
from transfer.platforms import Platform
from transfer.progress import Seen
from transfer.rsync import Changes
from transfer.sync import transfer
from transfer.wording import told

UUID, MANIFEST, MARK = (OURS + b"/" + name for name in (b"uuid", b"manifest", b"unfinished"))
IGNORE = ("--ignore-missing-args", "--no-links")  # a link there could lead to anything here


def install(run: RunDirectory, platform: Platform, talk: Talk, adopt: bool) -> tuple[Changes, int, str]:
    """Bring the target to what the run directory holds: what was sent, how many names were deleted, the path there.

    rsync compares by content. Raises HostError, TransferError, WouldDoHarm for another run's directory, RefusedBySite
    for what only a program there could do.
    """
    there = run_dir(run.run_id, platform)
    if run.settings.install_command or platform.symlink_dirs:
        what = "install.command of run.yaml" if run.settings.install_command else "symlink_dirs"
        raise RefusedBySite(f"platform {platform.name} admits only rsync: {what} can't be done there", "Leave it out.")
    content = source.scan(run, platform.rsync.command, talk.command)
    uuid = run.uuid()
    source.remember(run, content)
    with record(run.run_id, platform, talk) as target:
        _check_owner(target, uuid, there, adopt, platform)
        changes, gone = _bring(run, platform, content, target, talk)
    return changes, gone, there


def _bring(run: RunDirectory, platform: Platform, content: Content, target: Target, talk: Talk) -> tuple[Changes, int]:
    there, names, uuid = run_dir(run.run_id, platform), tuple(content.entries), run.uuid()
    before = target.brought()
    if is_whole(target) and target.manifest().entries == content.entries and target.owner().get("uuid") == uuid:
        return _send(run, platform, there, names, talk), 0
    target.prepare()
    target.claim(uuid, f"{os.uname().nodename}:{run.path}", adopt=True)
    target.mark(content.entries)
    put(target, (OURS + b"/.gitignore", UUID, MARK), run.run_id, platform, talk)
    in_the_way = tuple(path for path in before if not _has_folder(path, content))
    if in_the_way:  # in a folder where a file is to be: with what a job has put there it stays, and rsync says so
        delete(platform, there, in_the_way, talk)
    changes = _send(run, platform, there, names, talk)
    gone = tuple(path for path, found in before.items() if any(entry.kind != manifest.FOLDER for entry in found))
    gone = tuple(path for path in gone if path not in content.entries and _has_folder(path, content))
    if gone:
        delete(platform, there, gone, talk)
    target.finish(Manifest(content.entries, {}, "", {}))
    put(target, (MANIFEST,), run.run_id, platform, talk)
    delete(platform, there, (MARK,), talk)
    return changes, len(gone)


def is_whole(target: Target) -> bool:
    """Is all there that an install was to bring?"""
    return target.installed and not target.unfinished


@contextlib.contextmanager
def record(run_id: str, platform: Platform, talk: Talk) -> Iterator[Target]:
    """What our files there tell of the run directory, brought here as long as the block lasts."""
    names = tuple(_below_root(run_id, platform) + b"/" + name for name in (UUID, MANIFEST, MARK))
    with tempfile.TemporaryDirectory() as folder:
        _run(
            platform, rsync.pull_names(platform, platform.hosts[0], _root(platform), "./", names, IGNORE, folder), talk
        )
        yield Target(os.path.join(os.fsencode(folder), _below_root(run_id, platform)))


def _has_folder(path: bytes, content: Content) -> bool:
    """Was no folder above it replaced by a file or link? Then it has gone with that."""
    above = map(content.entries.get, _ways(path))
    return all(entry is None or entry.kind == manifest.FOLDER for entry in above)


def _root(platform: Platform) -> str:
    return platform.rsync.root or "/"


def _check_owner(target: Target, uuid: str, there: str, adopt: bool, platform: Platform) -> None:
    owner = target.owner()
    if owner and owner.get("uuid") != uuid and not adopt:
        raise WouldDoHarm(
            f"{platform.hosts[0]}: {there} holds another run directory under this run id, installed from "
            f"{told(owner.get('origin')) or 'elsewhere'}",
            "Give this run an id of its own with --run-id, or take the place over with --adopt.",
            platform.hosts[0],
        )


def _send(run: RunDirectory, platform: Platform, there: str, names: tuple[bytes, ...], talk: Talk) -> Changes:
    """By content, and each file in its place when all have arrived. Just the names: a folder of them would bring all
    that lies in it, also what is excluded, and what the jobs there have written, as it was here."""
    options = ("-c", "--delay-updates", "--no-recursive")
    command = rsync.push_names(platform, platform.hosts[0], "./", there, names, options, run.path)
    return _run(platform, command, talk, talk.watching(f"to {platform.name}"))


def delete(platform: Platform, there: str, names: tuple[bytes, ...], talk: Talk) -> None:
    """Just these names are removed there. What no pattern includes is excluded, and what is excluded is not deleted
    (rsync(1), --delete). Not by --delete-missing-args: the rsync of Debian 12 breaks off at that (measured)."""
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as patterns:
        gone = set(names)
        for name in names:  # the folders that they are in must be there, or would go too
            if not gone.intersection(_ways(name)):
                os.makedirs(os.path.join(os.fsencode(folder), os.path.dirname(name)), exist_ok=True)
        patterns.write(b"".join(pattern + b"\0" for pattern in _patterns(names)))
        patterns.flush()
        options = ("--delete", "--from0", f"--include-from={patterns.name}", "--exclude=*")
        _run(platform, rsync.push(platform, platform.hosts[0], ("./",), f"{there}/", options, folder), talk)


def _patterns(names: tuple[bytes, ...]) -> list[bytes]:
    """What matches these names, and the folders on the way to them.

    >>> _patterns((b"a/b", b"x[1]"))
    [b'/a/', b'/a/b', b'/x\\\\[1]']
    """
    found: dict[bytes, None] = {}
    for name in names:
        for way in _ways(name):
            found[b"/" + way + b"/"] = None
        found[b"/" + name] = None
    return [literal(pattern) for pattern in found]


def _ways(name: bytes) -> list[bytes]:
    """The folders on the way to a name.

    >>> _ways(b"a/b/c")
    [b'a', b'a/b']
    """
    parts = name.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]


def literal(pattern: bytes) -> bytes:
    """A name as a pattern that matches nothing else. A backslash counts as an escape only in a pattern that has one of
    *?[ (rsync(1), PATTERN MATCHING RULES)."""
    return re.sub(rb"([*?\[\\])", rb"\\\1", pattern) if re.search(rb"[*?\[]", pattern) else pattern


def put(target: Target, names: tuple[bytes, ...], run_id: str, platform: Platform, talk: Talk) -> None:
    """Bring `names` of our files there. From the root on, so that rsync makes the folders on the way: the one of
    Debian 11 has no --mkpath."""
    below = _below_root(run_id, platform)
    options = ("-c", "--omit-dir-times")  # of the folders on the way not all are ours
    root = os.fsdecode(target.run_dir[: -len(below)])
    paths = tuple(below + b"/" + name for name in names)
    _run(platform, rsync.push_names(platform, platform.hosts[0], "./", _root(platform), paths, options, root), talk)


def _below_root(run_id: str, platform: Platform) -> bytes:
    return os.fsencode(os.path.relpath(run_dir(run_id, platform), _root(platform)))


def _run(platform: Platform, command: Command, talk: Talk, seen: Seen | None = None) -> Changes:
    return transfer(platform, platform.hosts[0], command, talk.tell, talk.command, seen=seen)
