"""What is known here about the jobs of a run: their tokens, and what was last reported of each."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from typing import Any

from remote_install.jobhost.status import ENDED
from remote_install.run_directory import RunDirectory, create, replace
from transfer.errors import ConfigError, WouldDoHarm

TOKEN_FILE = re.compile(r"token\.([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Token:
    """What makes a submission the same one when it is asked for again.

    number: 1 for the first submission of this job from here. platform: where its first request went.
    """

    job: str
    number: int
    token: str
    platform: str


def tokens(run: RunDirectory) -> list[Token]:
    """The latest token of each job."""
    found = (latest(run, job) for job in run.job_names())
    return [token for token in found if token is not None]


def latest(run: RunDirectory, job: str) -> Token | None:
    """The token of the last submission of `job` from here."""
    folder = run.job_folder(job)
    numbers = [int(m.group(1)) for m in map(TOKEN_FILE.fullmatch, os.listdir(folder)) if m]
    if not numbers:
        return None
    path = os.path.join(folder, f"token.{max(numbers)}")
    try:
        with open(path, "rb") as file:
            fields = json.load(file)
        if not re.fullmatch("[0-9a-f]{32}", fields["token"]) or not isinstance(fields["platform"], str):
            raise ValueError
        return Token(job, max(numbers), fields["token"], fields["platform"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{path}: not a token of ours", "Remove the file if no job of this run is alive; that starts a new try."
        ) from None


def take(run: RunDirectory, job: str, platform: str, again: bool = False) -> Token:
    """The token to submit `job` with: the last one unless its end was reported here, else the next.

    again: the next in any case.

    Written to disk before it is used. Of two that take the next one at the same time both get the same.
    Raises WouldDoHarm when the last one went to another platform, and may be alive there.
    """
    last = latest(run, job)
    if last is not None and not again and not ended(report(run, last)):
        if last.platform != platform:
            raise WouldDoHarm(
                f"job {job} was submitted on {last.platform}, and its end was not reported here yet",
                f"Ask with `remote-install poll RUN {job}`, or give the new job another --name.",
            )
        return last
    number = 1 if last is None else last.number + 1
    data = json.dumps({"token": secrets.token_hex(16), "platform": platform}).encode("ascii") + b"\n"
    create(os.path.join(run.job_folder(job), f"token.{number}"), data)
    token = latest(run, job)
    assert token is not None
    return token


def report(run: RunDirectory, token: Token) -> dict[str, Any] | None:
    """What was last reported here of the submission with `token`; None when nothing was."""
    try:
        with open(_report_file(run, token), "rb") as file:
            fields = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def write_report(run: RunDirectory, token: Token, fields: dict[str, Any]) -> None:
    """Keep what was just reported of the submission with `token`."""
    replace(_report_file(run, token), json.dumps(fields).encode("ascii") + b"\n")


def ended(fields: dict[str, Any] | None) -> bool:
    """Does a report tell the end of its job?

    >>> ended({"state": "failed"}), ended({"state": "running"}), ended(None)
    (True, False, False)
    """
    return fields is not None and fields.get("state") in ENDED


def _report_file(run: RunDirectory, token: Token) -> str:
    return os.path.join(run.job_folder(token.job), f"report.{token.number}")
