"""What of a run directory is installed: its names, kinds, modes and content hashes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from remote_install.jobhost import manifest
from remote_install.jobhost.files import now_ns
from remote_install.run_directory import JOBS, RunDirectory, replace
from remote_install.run_yaml import OURS

HASHES = f"{OURS}/hashes"


@dataclass(frozen=True)
class Content:
    """entries: all that is installed. others: what can't be, such as sockets. cache: hashes for the next time."""

    entries: manifest.Entries
    others: tuple[bytes, ...]
    cache: manifest.Cache

    @property
    def digest(self) -> str:
        return manifest.digest(self.entries)


def scan(run: RunDirectory) -> Content:
    """Look at the run directory. Raises OSError when a file can't be read.

    Left out: .git, and at the top what jobs left here, what is ours, and what was fetched: results are not sent back.
    """
    listing = manifest.Listing(manifest.unpack_cache(_kept(run)), now_ns())
    top = {os.fsencode(name) for name in (JOBS, OURS, *(path.strip("/") for path in run.results()))}
    entries = listing.walk(
        os.fsencode(run.path), lambda path, _is_folder: path in top or os.path.basename(path) == b".git"
    )
    return Content(entries, tuple(listing.others), listing.cache)


def remember(run: RunDirectory, content: Content) -> None:
    """Keep the hashes, so that unchanged files are not read again. Raises OSError."""
    rows = manifest.pack_cache(content.cache)
    if rows != _kept(run):
        replace(os.path.join(run.path, HASHES), json.dumps(rows).encode("ascii"))


def _kept(run: RunDirectory) -> object:
    try:
        with open(os.path.join(run.path, HASHES), "rb") as file:
            return json.load(file)
    except (OSError, ValueError):
        return []
