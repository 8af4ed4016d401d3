"""The removal of a run directory on a host that admits only rsync, which follows no link in what it deletes."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from remote_install import admission, rsync_only
from remote_install.jobhost.layout import OURS
from remote_install.jobhost.target import GOING, Target
from remote_install.run_directory import RunDirectory
from remote_install.talk import Talk
from transfer import rsync
from transfer.errors import TransferError, WouldDoHarm
from transfer.platforms import Platform
from transfer.sync import transfer
from transfer.wording import told, visible

CLOSED = OURS + b"/closed"


def clean(
    run: RunDirectory, platform: Platform, dry_run: bool, look: Callable[[], list[str]], talk: Talk
) -> dict[str, Any]:
    """Remove the run directory there: fields of clean.Cleaned.

    look: tells which jobs are alive, when none can be submitted any more; what it raises ends the removal before it
    began. Raises HostError, TransferError, WouldDoHarm for what is not this run's.
    """
    there = admission.run_dir(run.run_id, platform)
    others = _runs_in(there, platform, talk)
    if others is None:
        return {"run_dir": there}
    with rsync_only.record(run.run_id, platform, talk) as target:
        _check_owner(target, run, there, platform)
        with contextlib.nullcontext() if dry_run else _closed(target, run, platform, talk):
            alive = look()
        uuid = b".remote-install/uuid"  # last: who is interrupted finds his own again
        files = _remove(there, platform, (*others, uuid), talk, dry_run)
        if not dry_run:
            _remove(there, platform, others, talk)
            for parent in _parents(run.run_id):
                rsync_only.delete(platform, os.path.normpath(platform.run_root), (parent,), talk)
    left = [(visible(os.fsdecode(path)), "another run") for path in others]
    files += 1 if dry_run else 0  # uuid, which goes for the mark that none was made of
    return {"run_dir": there, "removed": True, "files": files, "left": tuple(left), "alive": tuple(alive)}


def _runs_in(there: str, platform: Platform, talk: Talk) -> tuple[bytes, ...] | None:
    """The paths of other runs in the run directory there; None when it is not there."""
    options = ("-m", "--no-links", "--include=*/", "--include=/**/.remote-install/uuid", "--exclude=*")
    with tempfile.TemporaryDirectory() as folder:
        command = rsync.pull(platform, platform.hosts[0], f"{there}/", "./", options, folder)
        try:
            transfer(platform, platform.hosts[0], command, talk.tell, talk.command)
        except TransferError as error:
            if "No such file" not in str(error):
                raise
            return None
        found = [os.path.relpath(os.fsencode(path), os.fsencode(folder)) for path, _, files in os.walk(folder) if files]
    return tuple(sorted(os.path.dirname(path) for path in found if path != OURS))


def _check_owner(target: Target, run: RunDirectory, there: str, platform: Platform) -> None:
    owner, host = target.owner(), platform.hosts[0]
    if not isinstance(owner.get("uuid"), str):
        raise WouldDoHarm(
            f"{host}: {there} is no run directory that an install of ours has made",
            "Is the run id right, and run_root in hosts.yaml? If it is to go, remove it there by hand.",
            host,
        )
    if run.known_uuid() not in (None, owner["uuid"]):
        raise WouldDoHarm(
            f"{host}: {there} holds another run directory under this run id, installed from "
            f"{told(owner.get('origin')) or 'elsewhere'}",
            "Remove it from there, or name the run that you mean with --run-id.",
            host,
        )


@contextlib.contextmanager
def _closed(target: Target, run: RunDirectory, platform: Platform, talk: Talk) -> Iterator[None]:
    """No job is submitted there from now on; again, when the block is left by an error."""
    target.prepare()
    target.close(GOING)
    rsync_only.put(target, (CLOSED,), run.run_id, platform, talk)
    try:
        yield
    except BaseException:
        rsync_only.delete(platform, admission.run_dir(run.run_id, platform), (CLOSED,), talk)
        raise


def _remove(there: str, platform: Platform, spared: tuple[bytes, ...], talk: Talk, dry_run: bool = False) -> int:
    """All of it but what is spared; how many files and links are gone then."""
    parent, name = os.path.split(there)
    top = rsync_only.literal(b"/" + os.fsencode(name))
    patterns = [b"- " + top + rsync_only.literal(b"/" + path) for path in spared]
    patterns += [b"+ " + top + b"/***", b"- *"]
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(pattern + b"\0" for pattern in patterns))
        file.flush()
        options = ("--delete", "--from0", f"--filter=merge {file.name}", *(("-n",) if dry_run else ()))
        command = rsync.push(platform, platform.hosts[0], ("./",), f"{parent}/", options, folder)
        return transfer(platform, platform.hosts[0], command, talk.tell, talk.command).deleted


def _parents(run_id: str) -> Iterator[bytes]:
    """The folders of a nested run id, the innermost first: they go when nothing is in them.

    >>> list(_parents("a/b/c"))
    [b'a/b', b'a']
    """
    while "/" in run_id:
        run_id = run_id.rpartition("/")[0]
        yield run_id.encode()
