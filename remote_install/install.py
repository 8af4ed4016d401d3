"""A run directory to the install targets, and results back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from remote_install.call import call
from remote_install.run_directory import JOBS, OURS, RunDirectory
from remote_install.talk import Talk
from transfer import rsync
from transfer.errors import HostUnsuitable, RemoteInstallError, UsageError
from transfer.platforms import Platform
from transfer.rsync import Changes
from transfer.sync import transfer

# Never installed: what git keeps, what jobs left here, what is ours.
NEVER = (".git", f"/{JOBS}/", f"/{OURS}/")
# What lies in a job directory there for our own use, and is of none here.
NOT_FETCHED = ("job.token", "job.gone", "job.start", "*.part-*")


@dataclass(frozen=True)
class Installed:
    """How one install target fared. seconds: from the first call to the end. run_dir: its path there."""

    platform: Platform
    changes: Changes | None
    seconds: float
    run_dir: str | None = None
    error: RemoteInstallError | None = None

    def as_json(self) -> dict[str, Any]:
        """A target of `install --json`."""
        return {
            "install_target": self.platform.install_target,
            "platform": self.platform.name,
            "host": self.platform.hosts[0],
            "mode": "ssh",
            "files_sent": self.changes.files if self.changes else 0,
            "files_deleted": 0,
            "bytes_sent": self.changes.bytes_sent if self.changes else 0,
            "seconds": round(self.seconds, 3),
            "error": self.error.as_json() if self.error else None,
        }


def hello(run: RunDirectory, platform: Platform, talk: Talk, make: bool = False) -> dict[str, Any]:
    """What the job host answers about itself and this run. make: the run directory is created there."""
    replies: list[dict[str, Any]] = []
    request = {"run_root": platform.run_root, "run": run.run_id, "make": make}
    call(platform, "hello", lambda: request, replies.append, talk)
    host = platform.hosts[0]
    path = replies[0].get("run_dir") if replies else None
    if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
        raise HostUnsuitable(f"{host}: it does not say where the run directory is", "", host)
    return replies[0]


def install(run: RunDirectory, platform: Platform, talk: Talk) -> Installed:
    """The run directory to the host of `platform`, but for what was fetched: results are not sent back.

    Each file is old or new: rsync puts all in place when all has arrived. The error, if any, is in the answer.
    """
    began = time.monotonic()
    host = platform.hosts[0]
    try:
        there = hello(run, platform, talk, make=True)["run_dir"]
        excluded = tuple(f"--exclude={pattern}" for pattern in (*NEVER, *map(_anchored, run.fetched())))
        command = rsync.push(platform, host, "./", f"{there}/", ("--delay-updates", *excluded), run.path)
        changes = transfer(platform, host, command, talk.tell, talk.command)
    except RemoteInstallError as error:
        return Installed(platform, None, time.monotonic() - began, error=error)
    return Installed(platform, changes, time.monotonic() - began, there)


def fetch(
    run: RunDirectory, platform: Platform, paths: tuple[str, ...], talk: Talk, run_dir: str | None = None
) -> Changes:
    """The jobs' folders and `paths` from the host of `platform`. run_dir: its path there, where it is known.

    Raises HostError or TransferError.
    """
    run.remember_fetched(paths)
    there = run_dir or hello(run, platform, talk)["run_dir"]
    names = tuple(checked(path).encode("utf-8", "surrogateescape") for path in paths)
    excluded = tuple(f"--exclude=/{JOBS}/*/*/{name}" for name in NOT_FETCHED)
    options = ("--safe-links", "--no-devices", "--no-specials", *excluded)
    command = rsync.pull(
        platform, platform.hosts[0], f"{there}/", "./", (JOBS.encode() + b"/", *names), options, run.path
    )
    return transfer(platform, platform.hosts[0], command, talk.tell, talk.command)


def checked(path: str) -> str:
    """`path` if it stays in the run directory, else a UsageError.

    >>> checked("results/a")
    'results/a'
    """
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or not path.strip("/.") or "\0" in path:
        raise UsageError(f"{path!r} is no path inside the run directory", "Give it relative to the run directory.")
    return path


def _anchored(path: str) -> str:
    """An rsync pattern that means just `path` at the top: a backslash is special only next to a wildcard."""
    name = path.strip("/")
    if any(c in name for c in "*?["):
        name = "".join("\\" + c if c in "*?[\\" else c for c in name)
    return "/" + name
