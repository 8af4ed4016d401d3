"""Job logs and results back to the run directory."""

from __future__ import annotations

from typing import Any, Callable

from remote_install import place, plan
from remote_install.call import call
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


def hello(run: RunDirectory, platform: Platform, talk: Talk) -> str:
    """The path of the run directory on the job host. What was found out of its place is in `talk` then."""
    replies: list[dict[str, Any]] = []
    call(platform, "hello", lambda: place.where(run, platform), replies.append, talk)
    return run_dir_of(replies[0] if replies else {}, run, platform)


def run_dir_of(answer: dict[str, Any], run: RunDirectory, platform: Platform) -> str:
    """The path that a reply to `hello` tells. Raises TransferError when the run is not installed there."""
    path = plan.path(answer, "run_dir", platform)
    if answer.get("exists") is not True:
        raise TransferError(
            f"{platform.hosts[0]}: run {run.run_id} is not installed there", "Is it another run id, or platform?"
        )
    return path


def fetch(
    run: RunDirectory, platform: Platform, paths: tuple[str, ...], talk: Talk, run_dir: str | None = None
) -> Changes:
    """The jobs' folders and `paths` from the host of `platform`. run_dir: its path there, where it is known.

    Raises HostError or TransferError.
    """
    there = run_dir or place.known_shared(run, platform, talk) or hello(run, platform, talk)
    if place.known_shared(run, platform, talk):
        return Changes(0, 0)  # what the jobs wrote is here
    command = fetching(run, platform, paths, lambda: there)
    run.remember_fetched(paths)
    past = past_noise(platform, platform.hosts[0], talk)
    return transfer(platform, platform.hosts[0], command, talk.tell, talk.command, past)


def fetching(
    run: RunDirectory, platform: Platform, paths: tuple[str, ...], run_dir: Callable[[], str], *more: str
) -> Command:
    """What `fetch` runs, with `more` options. Raises UsageError, WouldDoHarm."""
    for path in paths:
        for link in run.links_on(path):
            raise WouldDoHarm(
                f"{link} is a link here, and would be replaced by what comes",
                "Fetch something else, or remove the link.",
            )
    names = tuple(checked(path).encode("utf-8", "surrogateescape") for path in paths)
    options = (*more, "--safe-links", "--no-devices", "--no-specials", *LOGS)
    wanted = (JOBS.encode() + b"/", *names)
    return rsync.pull_names(platform, platform.hosts[0], f"{run_dir()}/", "./", wanted, options, run.path)


def checked(path: str) -> str:
    """`path` in its plain form if it stays in the run directory and is not ours, else a UsageError.

    >>> checked("./results//a/")
    'results/a'
    """
    plain = inside(path)
    if plain is None:
        raise UsageError(f"{path!r} is no path of results inside the run directory", "Give it relative to that.")
    return plain
