"""What is known here about the jobs of a run: their tokens, and what was last reported of each."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from dataclasses import dataclass
from typing import Any

from remote_install.durable import create, create_empty, replace, sync_folder
from remote_install.jobhost import layout
from remote_install.jobhost.files import read_regular
from remote_install.jobhost.status import ENDED
from remote_install.run_directory import JOBS, RunDirectory
from transfer.errors import ConfigError, WouldDoHarm

MAX_FILE = 1024 * 1024
TOKEN_FILE = re.compile(r"token\.([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Token:
    """What makes a submission the same one when it is asked for again.

    number: 1 for the first submission of this job from here. platform: where its first request went. retry: 0 for a
    submission that somebody asked for, else which of the tries after its failure it is. above: the try of which logs
    were here when it was made; its own has a higher number, also where the host knows nothing of that one any more.
    """

    job: str
    number: int
    token: str
    platform: str
    retry: int = 0
    above: int = 0


def tokens(run: RunDirectory) -> list[Token]:
    """The latest token of each job."""
    found = (latest(run, job) for job in run.job_names())
    return [token for token in found if token is not None]


def latest(run: RunDirectory, job: str) -> Token | None:
    """The token of the last submission of `job` from here."""
    folder = run.job_folder(job)
    numbers = [int(m.group(1)) for m in map(TOKEN_FILE.fullmatch, os.listdir(folder)) if m]
    return _read(run, job, max(numbers)) if numbers else None


def _read(run: RunDirectory, job: str, number: int) -> Token:
    path = os.path.join(run.job_folder(job), f"token.{number}")
    try:
        fields = json.loads(read_regular(os.fsencode(path), MAX_FILE))
        retry = fields.get("retry", 0)
        if not re.fullmatch("[0-9a-f]{32}", fields["token"]) or not isinstance(fields["platform"], str):
            raise ValueError
        return Token(job, number, fields["token"], fields["platform"], int(retry), int(fields.get("above", 0)))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ConfigError(
            f"{path}: not a token of ours", "Remove the file if no job of this run is alive; that starts a new try."
        ) from None


def take(run: RunDirectory, job: str, platforms: tuple[str, ...], again: bool = False) -> Token:
    """The token to submit `job` with: the last one unless its end was reported here, else the next.

    platforms: where it may run, the first choice first. again: the next in any case.

    It is on disk when mark_sent returns: before it is used. Of two that take the next one at the same time both get
    the same.
    Raises WouldDoHarm when the last one went to another platform, and may be alive there.
    """
    last = latest(run, job)
    last_open = None if last is None or again or ended(report(run, last)) else last
    if last_open is not None and last_open.platform in platforms:
        return last_open
    _check_not_sent(run, last_open)
    _make(run, job, 1 if last is None else last.number + 1, platforms[0], retry=0)
    _check_not_sent(run, last_open)  # it may have been meanwhile; who sends it looks for us after it said so
    token = latest(run, job)
    assert token is not None
    if token.platform not in platforms:  # another one took it at the same time
        _check_not_sent(run, token)
        raise WouldDoHarm(f"job {job} was begun on {token.platform} at the same time", "Type the command again.")
    return token


def take_after(run: RunDirectory, token: Token) -> Token:
    """The token of the new try after the one with `token` failed, on the same platform.

    It is the one that follows `token`, whoever made it: of several that watch a job all mean the same new try. Raises
    WouldDoHarm when it is on another platform.
    """
    _make(run, token.job, token.number + 1, token.platform, token.retry + 1)
    new = _read(run, token.job, token.number + 1)
    if new.platform != token.platform:
        raise WouldDoHarm(
            f"job {token.job} was begun anew meanwhile, on {new.platform}: it is not tried again on {token.platform}",
            f"Wait for it with `remote-install wait RUN {token.job}`.",
        )
    return new


def _make(run: RunDirectory, job: str, number: int, platform: str, retry: int) -> None:
    """A token's file, unless somebody was faster."""
    above = max(layout.tries(os.fsencode(run.path), job), default=0)
    fields = {"token": os.urandom(16).hex(), "platform": platform, "retry": retry, "above": above}
    data = json.dumps(fields).encode("ascii") + b"\n"
    create(os.path.join(run.job_folder(job), f"token.{number}"), data, named=False)  # mark_sent sees to the name


def mark_sent(run: RunDirectory, token: Token) -> None:
    """Write down that a request with `token` leaves now: from here on the job stays on its platform. When this returns
    the token is on disk too, whoever made it: they lie in one folder, whose names are written through at once.

    Raises WouldDoHarm when the job was begun anew on another platform meanwhile.
    """
    path = _sent_file(run, token)
    is_first = create_empty(path)
    sync_folder(path)  # also after another one, who may not have come so far yet
    if not is_first:
        return
    now = latest(run, token.job)
    if now is not None and now.number != token.number:
        raise WouldDoHarm(
            f"job {token.job} was begun anew meanwhile, on {now.platform}: this submission was not made",
            f"Ask with `remote-install poll RUN {token.job}`.",
        )


def is_sent(run: RunDirectory, token: Token) -> bool:
    """May a request with `token` have left?"""
    return os.path.lexists(_sent_file(run, token))


def _check_not_sent(run: RunDirectory, token: Token | None) -> None:
    if token is not None and is_sent(run, token):
        raise WouldDoHarm(
            f"job {token.job} was submitted on {token.platform}, and its end was not reported here yet",
            f"Ask with `remote-install poll RUN {token.job}`, or give the new job another --name.",
        )


def _sent_file(run: RunDirectory, token: Token) -> str:
    return os.path.join(run.job_folder(token.job), f"sent.{token.number}")


def report(run: RunDirectory, token: Token) -> dict[str, Any] | None:
    """What was last reported here of the submission with `token`; None when nothing was."""
    try:
        fields = json.loads(read_regular(os.fsencode(_report_file(run, token)), MAX_FILE))
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def write_report(run: RunDirectory, token: Token, fields: dict[str, Any]) -> None:
    """Keep what was just reported of the submission with `token`. Not written through to the disk: should the power
    fail, the job counts as not reported, and is asked for again."""
    path, data = _report_file(run, token), json.dumps(fields).encode("ascii") + b"\n"
    if read_regular(os.fsencode(path), MAX_FILE) != data:
        replace(path, data, durable=False)


def missed_for(run: RunDirectory, token: Token) -> float:
    """Seconds since the job was first told to be gone without an exit record; 0 when it is not."""
    text = read_regular(os.fsencode(_missed_file(run, token)), 64)
    try:
        return max(0.0, time.time() - float(text)) if text else 0.0
    except ValueError:
        return 0.0


def write_missed(run: RunDirectory, token: Token, seconds: float | None) -> None:
    """Keep for how many seconds the job has been gone without an exit record, None when it is not: its own folder may
    be on a disk that nobody can write to. The first word counts."""
    path = _missed_file(run, token)
    if seconds is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    elif not os.path.lexists(path):
        replace(path, b"%.3f\n" % (time.time() - seconds), durable=False)


def ended(fields: dict[str, Any] | None) -> bool:
    """Does a report tell the end of its job?

    >>> ended({"state": "failed"}), ended({"state": "running"}), ended(None)
    (True, False, False)
    """
    return fields is not None and fields.get("state") in ENDED


def _report_file(run: RunDirectory, token: Token) -> str:
    """Looked up by itself: the folder was made, and seen to be no link, when its token was read."""
    return f"{run.path}/{JOBS}/{token.job}/report.{token.number}"


def _missed_file(run: RunDirectory, token: Token) -> str:
    return f"{run.path}/{JOBS}/{token.job}/missed.{token.number}"
