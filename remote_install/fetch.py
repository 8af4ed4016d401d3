"""Job logs and results back to the run directory."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remote_install import elsewhere, host_path, incoming, place
from remote_install.admission import is_mirrored
from remote_install.call import call
from remote_install.incoming import Arrived
from remote_install.pool import on_a_host
from remote_install.program import past_noise
from remote_install.run_directory import JOBS, RunDirectory
from remote_install.run_yaml import inside
from remote_install.talk import Talk
from transfer import rsync
from transfer.command import Command
from transfer.errors import TransferError, UsageError, WouldDoHarm
from transfer.platforms import Platform
from transfer.rsync import Changes
from transfer.sync import transfer
from transfer.wording import visible

# Of log/job just the tries' files come back: what is ours here, tokens and reports, no host may overwrite. A pattern
# that ends with / matches folders only, so a link instead of one is left out.
FILES = ("job", "job.log", "job.out", "job.err", "job.status", "job.submit")
LOGS = (
    f"--include=/{JOBS}/*/",
    f"--exclude=/{JOBS}/*",
    f"--include=/{JOBS}/*/[0-9][0-9]*/",
    f"--exclude=/{JOBS}/*/*",
    *(f"--include=/{JOBS}/*/*/{name}" for name in FILES),
    f"--exclude=/{JOBS}/*/*/*",
    f"--exclude=/{JOBS}/*/*/*/*",
)
# Whether an rsync keeps to these is not up to us: what has come is looked at once more.
LOG_FOLDER = re.compile(f"{JOBS}(/[^/]+(/[0-9]{{2,6}})?)?".encode())
LOG_FILE = re.compile(f"{JOBS}/[^/]+/[0-9]{{2,6}}/({'|'.join(map(re.escape, FILES))})".encode())
LOG = f"{JOBS}/"
IF_THERE = ("--ignore-missing-args",)
MOST_TOLD = 5  # of what is left out


@dataclass(frozen=True)
class Place:
    """Where a run directory is on a job host. links: what of it symlink_dirs lead elsewhere -> the folder in which it
    lies under the same path. jobs: there may be jobs' folders in it."""

    run_dir: str
    links: Mapping[str, str] = field(default_factory=dict)
    jobs: bool = True


def hello(run: RunDirectory, platform: Platform, talk: Talk) -> Place:
    """Where the run directory is on the job host. What was found out of its filesystem is in `talk` then."""
    replies: list[dict[str, Any]] = []
    call(platform, "hello", lambda: place.where(run, platform), replies.append, talk)
    return place_of(replies[0] if replies else {}, run, platform)


def place_of(answer: dict[str, Any], run: RunDirectory, platform: Platform) -> Place:
    """What a reply to `hello` tells. Raises TransferError when the run is not installed there."""
    path = host_path.run_dir(answer, platform)
    if answer.get("exists") is not True:
        raise TransferError(
            f"{platform.hosts[0]}: run {run.run_id} is not installed there", "Is it another run id, or platform?"
        )
    return Place(path, elsewhere.from_reply(answer.get("links"), platform), answer.get("jobs") is not False)


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
    refuse_links(run, (JOBS, *paths))
    run.remember_fetched(paths)
    host, seen = platform.hosts[0], talk.watching(f"from {platform.name}")
    past = past_noise(platform, host, talk)
    with incoming.stage(run, _stage(run, platform, paths)) as stage:
        gated = (platform.name, host) in talk.learnt.gates
        commands = fetching(run, platform, paths, there, stage, gated)
        done = [transfer(platform, host, one, talk.tell, talk.command, past, seen) for one in commands]
        left = incoming.take(run, stage, lambda one: _admits(one, paths, is_mirrored(platform)), host)
    for path in left[:MOST_TOLD]:
        talk.tell(f"{visible(os.fsdecode(path))} was left out: it is no file or folder, or a link that leads elsewhere")
    return Changes(sum(one.files for one in done), sum(one.bytes_sent for one in done))


def _stage(run: RunDirectory, platform: Platform, paths: tuple[str, ...]) -> str:
    return incoming.where(platform.install_target, run.run_id, *paths)


def fetching(
    run: RunDirectory, platform: Platform, paths: tuple[str, ...], there: Place, stage: str = "", gated: bool = False
) -> list[Command]:
    """What `fetch` runs: one command, and one more for each folder that symlink_dirs lead to.

    stage: where what comes is looked at before it takes its place. gated: one command for each name, because rrsync
    gives up at the first that is not there. Raises UsageError, WouldDoHarm.
    """
    refuse_links(run, paths)
    stage = stage or f"{_stage(run, platform, paths)}-0/"
    return _pulls(run, platform, paths, there, stage, (incoming.beside(run),), gated)


def looking(
    run: RunDirectory, platform: Platform, paths: tuple[str, ...], there: Place, *options: str, gated: bool
) -> list[Command]:
    """The same with `options` by which rsync writes nothing, and tells what would come."""
    return _pulls(run, platform, paths, there, "./", options, gated)


def _pulls(
    run: RunDirectory,
    platform: Platform,
    paths: tuple[str, ...],
    there: Place,
    target: str,
    more: tuple[str, ...],
    gated: bool,
) -> list[Command]:
    names = (*([LOG] if there.jobs else []), *map(checked, paths))
    # Where jobs are submitted from here, what was submitted is known here, and no host may say something else.
    ours = (f"--exclude=/{JOBS}/*/*/job.submit",) if is_mirrored(platform) else ()
    options = (*more, *incoming.SAFE, *ours, *LOGS)
    return [
        rsync.pull_names(
            platform,
            platform.hosts[0],
            f"{folder}/",
            target,
            tuple(map(os.fsencode, which)),
            (*options, *(IF_THERE if which == [LOG] and is_mirrored(platform) else ())),
            run.path,
        )
        for folder, found in _by_folder(names, there).items()
        for which in _at_once(found, platform, gated)
    ]


def _at_once(names: list[str], platform: Platform, gated: bool) -> list[list[str]]:
    """Which names one command asks for. Where rsync is all there is, nobody tells whether there are jobs."""
    if gated:
        return [[name] for name in names]
    if is_mirrored(platform) and LOG in names:
        return [one for one in ([LOG], [name for name in names if name != LOG]) if one]
    return [names]


def _admits(one: Arrived, paths: tuple[str, ...], mirrored: bool) -> bool | None:
    """May it take its place? See incoming.Admits."""
    tops = [os.fsencode(checked(path)) for path in paths]
    above = [top for top in (*tops, os.fsencode(JOBS)) if top.startswith(one.path + b"/")]
    if one.kind == incoming.IS_FOLDER and above:
        return True
    if one.path == os.fsencode(JOBS) or one.path.startswith(os.fsencode(JOBS) + b"/"):
        return _admits_log(one, mirrored)
    if not any((one.path + b"/").startswith(top + b"/") for top in tops):
        return False
    if one.kind == incoming.LINK:
        return incoming.stays_below(one, tops) or None
    return True if one.kind in (incoming.IS_FOLDER, incoming.FILE) else None


def _admits_log(one: Arrived, mirrored: bool) -> bool | None:
    """Of log/job the jobs' own files alone: a job may have put anything beside them."""
    if one.kind == incoming.IS_FOLDER:
        return LOG_FOLDER.fullmatch(one.path) is not None or None
    ours = mirrored and one.path.endswith(b"/job.submit")
    return (one.kind == incoming.FILE and LOG_FILE.fullmatch(one.path) is not None and not ours) or None


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
