"""The jobs that a command is about, the submissions that they are, and whom to ask about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remote_install import record
from remote_install.record import Token
from remote_install.run_directory import RunDirectory
from remote_install.side_by_side import side_by_side
from remote_install.wanted import Wanted
from transfer.platforms import Platform

OF_PROCESSES = ("background", "at")  # job runners whose jobs are processes of the host that was asked


@dataclass(frozen=True)
class Asked:
    """A job to be told about: the submission with `token`, else try `number`, else its last try.

    known: its try was told to us before, so that the host must have it. again: a new try, also beside a live one.
    """

    job: str
    platform: Platform
    token: Token | None = None
    number: int | None = None

    known: bool = False
    again: bool = False

    def as_request(self, run: RunDirectory) -> dict[str, Any]:
        """What the job host is asked about. missed_for: so long we know it gone without an exit record."""
        token = self.token.token if self.token else None
        missed_for = record.missed_for(run, self.token) if self.token else 0.0
        return {"job": self.job, "token": token, "try": self.number, "missed_for": missed_for}


def take(run: RunDirectory, wanted: list[Wanted], again: bool = False) -> list[Asked]:
    """The tokens to submit these jobs with: the first act of a command, before it installs.

    Of several that are typed at once all then mean the same submission, however long each installs.
    """
    # Side by side: each is waited for until it is on disk, and disks take many at once.
    return side_by_side(lambda job: _take(run, job, again), wanted)


def _take(run: RunDirectory, job: Wanted, again: bool) -> Asked:
    token = record.take(run, job.name, tuple(platform.name for platform in job.candidates), again)
    platform = next(platform for platform in job.candidates if platform.name == token.platform)
    return Asked(job.name, platform, token, known=record.report(run, token) is not None, again=again)


def take_again(run: RunDirectory, one: Asked) -> Asked:
    """The token of a new try after `one` failed, on the same platform."""
    assert one.token is not None
    return Asked(one.job, one.platform, record.take_after(run, one.token))


def platforms_of(asked: list[Asked]) -> list[Platform]:
    return list({one.platform.name: one.platform for one in asked}.values())


def by_host(run: RunDirectory, asked: list[Asked]) -> list[list[Asked]]:
    """Those that one call can ask about: of one platform, and of one host where only that host can tell."""
    found: dict[tuple[str, str | None], list[Asked]] = {}
    for one in asked:
        found.setdefault((one.platform.name, host_of(run, one)), []).append(one)
    return list(found.values())


def host_of(run: RunDirectory, one: Asked) -> str | None:
    """The host that a job which is a process runs on, where there are several and it is known here."""
    if one.token is None or not has_hosts_of_their_own(one.platform):
        return None
    host = (record.report(run, one.token) or {}).get("host")
    return host if host in one.platform.hosts else None


def has_hosts_of_their_own(platform: Platform) -> bool:
    """Can only that one of several hosts tell of a job that it runs on?"""
    return len(platform.hosts) > 1 and platform.job_runner.name in OF_PROCESSES
