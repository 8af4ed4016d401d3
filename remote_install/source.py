"""What of a run directory is installed: its names, kinds, modes and content hashes."""

from __future__ import annotations

import functools
import json
import os
import threading
from dataclasses import dataclass
from typing import Any

from remote_install.durable import replace
from remote_install.jobhost import links, manifest
from remote_install.jobhost.files import now_ns, open_regular
from remote_install.run_directory import JOBS, RunDirectory
from remote_install.run_settings import OURS
from remote_install.talk import Tell
from transfer import execute, rsync
from transfer.platforms import Platform

HASHES = f"{OURS}/hashes"


@dataclass(frozen=True)
class Content:
    """entries: all that is installed. others: what can't be, such as sockets. cache: hashes for the next time, if they
    are not those of the last time."""

    entries: manifest.Entries
    others: tuple[bytes, ...]
    cache: manifest.Cache | None

    @functools.cached_property
    def digest(self) -> str:
        return manifest.digest(self.entries)

    @functools.cached_property
    def rows(self) -> list[list[Any]]:
        """The entries as JSON holds them."""
        return manifest.pack(self.entries)


class Scans:
    """Looks at a run directory for several targets that are installed side by side: one look is for all of them, but a
    target that asks again, since its install has to begin anew, gets a new one."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._found: dict[tuple[str, ...], tuple[Content, set[str]]] = {}

    def content(self, platform: Platform, say_command: Tell) -> Content:
        """As `scan`, for this platform's target. Raises what `scan` raises."""
        program = platform.rsync.command
        with self._lock:
            found, given = self._found.get(program, (None, set()))
            if found is None or platform.install_target in given:
                found, given = scan(self._run, program, say_command), set()
            given.add(platform.install_target)
            self._found[program] = found, given
            return found


def scan(run: RunDirectory, rsync_command: tuple[str, ...], say_command: Tell) -> Content:
    """Look at the run directory. Raises OSError when a file can't be read; ConfigError, TransferError: see _remaining.

    Left out: .git, at the top what jobs left here, what is ours, what was fetched, for results are not sent back,
    and what install.exclude of run.yaml matches. rsync_command: the program that knows what it matches.
    """
    kept = manifest.unpack_cache(_kept(run))
    listing = manifest.Listing(kept, now_ns())
    top = {os.fsencode(name) for name in (JOBS, OURS, *(path.strip("/") for path in run.results()))}
    top |= set(links.Links(os.fsencode(run.path)).in_place())  # of an install in place: they lead elsewhere
    remaining = _remaining(run, rsync_command, say_command) if run.settings.exclude else None

    def excluded(path: bytes, _is_folder: bool) -> bool:
        always = path in top or os.path.basename(path) == b".git"
        return always or (remaining is not None and path not in remaining)

    entries = listing.walk(os.fsencode(run.path), excluded)
    _leave_out_what_jobs_made(entries)
    return Content(entries, tuple(listing.others), None if listing.cache == kept else listing.cache)


def _leave_out_what_jobs_made(entries: manifest.Entries) -> None:
    """The folder above the jobs' own, unless it holds more: the first submit, which makes it, is no new content."""
    above = os.fsencode(os.path.dirname(JOBS))
    more = any(path.startswith(above + b"/") for path in entries)
    if above in entries and entries[above].kind == manifest.FOLDER and not more:
        del entries[above]


def _remaining(run: RunDirectory, rsync_command: tuple[str, ...], say_command: Tell) -> set[bytes]:
    """The names that install.exclude leaves: rsync itself is asked, because only rsync knows its patterns.

    Raises ConfigError for a pattern that it refuses, TransferError when it can't list the run directory.
    """
    # Ours come first, where the first match counts: what changes there while jobs run is not even looked at.
    ours = (".git", f"/{OURS}/", f"/{JOBS}/")
    command = rsync.remaining(rsync_command, (*ours, *run.settings.exclude), run.path)
    say_command(str(command))
    outcome = execute.run(command)
    error = rsync.refusal(outcome)
    if error is not None:
        raise error
    return rsync.names(outcome.out)


def remember(run: RunDirectory, content: Content) -> None:
    """Keep the hashes, so that unchanged files are not read again. Raises OSError."""
    if content.cache is not None:
        rows = manifest.pack_cache(content.cache)
        replace(os.path.join(run.path, HASHES), json.dumps(rows).encode("ascii"))


def _kept(run: RunDirectory) -> object:
    try:
        with open_regular(os.fsencode(os.path.join(run.path, HASHES))) as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return []
