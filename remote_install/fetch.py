"""Job logs and results back to the run directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remote_install import elsewhere, place, plan
from remote_install.call import call
from remote_install.pool import on_a_host
from remote_install.program import past_noise
from remote_install.rsync_only import is_mirrored
from remote_install.run_directory import JOBS, RunDirectory
from remote_install.run_yaml import inside
from remote_install.talk import Talk
from transfer import rsync
from transfer.command import Command
from transfer.errors import TransferError, UsageError, WouldDoHarm
from transfer.platforms import Platform
from transfer.rsync import Changes
from transfer.sync import transfer

# Of log/job just the tries' files come back: what is ours here, tokens and reports, no host may overwrite. A pattern
# that ends with / matches folders only, so a link instead of one is left out.
LOGS = (
    f"--include=/{JOBS}/*/",
    f"--exclude=/{JOBS}/*",
    f"--include=/{JOBS}/*/[0-9][0-9]*/",
    f"--exclude=/{JOBS}/*/*",
    *(f"--include=/{JOBS}/*/*/{name}" for name in ("job", "job.log", "job.out", "job.err", "job.status", "job.submit")),
    f"--exclude=/{JOBS}/*/*/*",
)


@dataclass(frozen=True)
class Place:
    """Where a run directory is on a job host. links: what of it symlink_dirs lead elsewhere -> the folder in which it
    lies under the same path."""

    run_dir: str
    links: Mapping[str, str] = field(default_factory=dict)


def hello(run: RunDirectory, platform: Platform, talk: Talk) -> Place:
    """Where the run directory is on the job host. What was found out of its filesystem is in `talk` then."""
    replies: list[dict[str, Any]] = []
    call(platform, "hello", lambda: place.where(run, platform), replies.append, talk)
    return place_of(replies[0] if replies else {}, run, platform)


def place_of(answer: dict[str, Any], run: RunDirectory, platform: Platform) -> Place:
    """What a reply to `hello` tells. Raises TransferError when the run is not installed there."""
    path = plan.path(answer, "run_dir", platform)
    if answer.get("exists") is not True:
        raise TransferError(
            f"{platform.hosts[0]}: run {run.run_id} is not installed there", "Is it another run id, or platform?"
        )
    return Place(path, elsewhere.from_reply(answer.get("links"), platform))


def fetch(
    run: RunDirectory, platform: Platform, paths: tuple[str, ...], talk: Talk, run_dir: str | None = None
) -> Changes:
    """The jobs' folders and `paths` from the host of `platform`. run_dir: its path there, where it is known.

    Raises HostError or TransferError.
    """
    return on_a_host(platform, lambda one: _fetch(run, one, paths, talk, run_dir), talk)


def _fetch(run: RunDirectory, platform: Platform, paths: tuple[str, ...], talk: Talk, run_dir: str | None) -> Changes:
    there = Place(run_dir) if run_dir and not platform.symlink_dirs else None
    if place.known_shared(run, platform, talk) is None:
        there = there or hello(run, platform, talk)
    if there is None or place.known_shared(run, platform, talk) is not None:
        return Changes(0, 0)  # what the jobs wrote is here
    commands = fetching(run, platform, paths, there)
    run.remember_fetched(paths)
    past = past_noise(platform, platform.hosts[0], talk)
    seen = talk.watching(f"from {platform.name}")
    done = [transfer(platform, platform.hosts[0], one, talk.tell, talk.command, past, seen) for one in commands]
    return Changes(sum(one.files for one in done), sum(one.bytes_sent for one in done))


def fetching(run: RunDirectory, platform: Platform, paths: tuple[str, ...], there: Place, *more: str) -> list[Command]:
    """What `fetch` runs, with `more` options: one command, and one more for each folder that symlink_dirs lead to.

    Raises UsageError, WouldDoHarm.
    """
    refuse_links(run, paths)
    names = (f"{JOBS}/", *map(checked, paths))
    # Where jobs are submitted from here, what was submitted is known here, and no host may say something else.
    ours = (f"--exclude=/{JOBS}/*/*/job.submit",) if is_mirrored(platform) else ()
    options = (*more, "--safe-links", "--no-devices", "--no-specials", *ours, *LOGS)
    return [
        rsync.pull_names(
            platform, platform.hosts[0], f"{folder}/", "./", tuple(map(os.fsencode, which)), options, run.path
        )
        for folder, which in _by_folder(names, there).items()
    ]


def refuse_links(run: RunDirectory, paths: tuple[str, ...]) -> None:
    """Raises WouldDoHarm where what comes would land behind a link."""
    for path in paths:
        for link in run.links_on(path):
            raise WouldDoHarm(
                f"{link} is a link here, and would be replaced by what comes",
                "Fetch something else, or remove the link.",
            )


def _by_folder(names: tuple[str, ...], there: Place) -> dict[str, list[str]]:
    """Which names come from which folder there.

    >>> _by_folder(("log/job/", "out", "work/a"), Place("/r", {"log/job": "/s", "work": "/s", "out/big": "/t"}))
    {'/s': ['log/job/', 'work/a'], '/r': ['out'], '/t': ['out/big']}
    """
    found: dict[str, list[str]] = {}
    for name in names:
        plain = name.rstrip("/")
        around = [folder for path, folder in there.links.items() if f"{plain}/".startswith(f"{path}/")]
        found.setdefault(around[0] if around else there.run_dir, []).append(name)
        for path, folder in there.links.items():
            if path.startswith(f"{plain}/"):
                found.setdefault(folder, []).append(path)
    return found


def checked(path: str) -> str:
    """`path` in its plain form if it stays in the run directory and is not ours, else a UsageError.

    >>> checked("./results//a/")
    'results/a'
    """
    plain = inside(path)
    if plain is None:
        raise UsageError(f"{path!r} is no path of results inside the run directory", "Give it relative to that.")
    return plain
