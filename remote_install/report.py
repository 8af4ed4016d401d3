"""What is told of one job: the document of the contract, made from a job host's reply, each field checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from remote_install.jobhost.layout import JOB_NAME
from remote_install.jobhost.status import ENDED, MAX_MESSAGES, TIME
from transfer import wording
from transfer.errors import ConnectionLost, HostUnreachable, HostUnsuitable, NoAnswer, RemoteInstallError

if TYPE_CHECKING:  # what is known here is told without reading hosts.yaml
    from transfer.platforms import Platform

STATES = ("submitted", "running", "unknown", *ENDED)
SIGNAL = re.compile(r"[A-Z0-9+-]{1,16}")
MAX_TEXT = 2000
MAX_SECONDS = 10.0**10
KEYS = (
    *("job", "try", "state", "exit_code", "signal", "reason", "platform", "host", "job_runner", "job_id"),
    *("submitted_at", "started_at", "finished_at", "messages", "error"),
)


@dataclass(frozen=True)
class Report:
    """The state of a job as it was last told. Times are UTC of the job host; exit_code is 128 + n for signal n.

    found: of a submission: was the try there already, "same" with this command, or "other" with another one?
    kill_asked: did somebody ask to end it? missed_for: seconds since it was first seen gone without an exit record.
    """

    job: str
    number: int | None
    state: str
    platform: str
    host: str
    exit_code: int | None = None
    signal: str | None = None
    reason: str | None = None
    job_runner: str = "background"
    job_id: str | None = None
    submitted_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    messages: tuple[str, ...] = field(default=())
    error: RemoteInstallError | None = None
    found: str = ""
    kill_asked: bool = False
    missed_for: float | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def failed(self) -> bool:
        return self.ended and self.state != "succeeded"

    def as_json(self) -> dict[str, Any]:
        """The job's object in a JSON document, with the names and the order of the contract."""
        fields = {name: getattr(self, "number" if name == "try" else name) for name in KEYS}
        fields["messages"] = list(self.messages)
        fields["error"] = self.error.as_json() if self.error else None
        return fields


def from_reply(reply: dict[str, Any], platform: Platform) -> Report:
    """The report that a job host's reply makes.

    Raises HostUnsuitable when a field is not what our program writes: whatever the host is, nothing it sends
    is believed unseen.
    """
    return _checked(reply, platform.name, platform.hosts[0])


def _checked(reply: dict[str, Any], platform: str, host: str) -> Report:
    job, number, state, code = reply.get("job"), reply.get("try"), reply.get("state"), reply.get("exit_code")
    in_order = (
        isinstance(job, str)
        and JOB_NAME.fullmatch(job)
        and type(number) is int
        and 0 < number < 1_000_000
        and state in STATES
        and (code is None or (type(code) is int and 0 <= code <= 255))
        and _agree(str(state), code)
    )
    if not in_order:
        raise HostUnsuitable(f"{host}: its report of a job is not in order", "Is that host what it should be?", host)
    return Report(
        job=str(job),
        number=number,
        state=str(state),
        platform=platform,
        host=host,
        exit_code=code,
        signal=_matching(SIGNAL, reply.get("signal")),
        reason=_text(reply.get("reason")),
        job_runner=_text(reply.get("job_runner")) or "background",
        job_id=_text(reply.get("job_id")),
        submitted_at=_matching(TIME, reply.get("submitted_at")),
        started_at=_matching(TIME, reply.get("started_at")),
        finished_at=_matching(TIME, reply.get("finished_at")),
        found=wording.told(reply.get("found")),
        kill_asked=reply.get("kill_asked") is True,
        missed_for=_seconds(reply.get("missed_for")),
        messages=_messages(reply.get("messages")),
    )


def _agree(state: str, code: int | None) -> bool:
    if state == "succeeded":
        return code == 0
    return bool(code) if state in ("failed", "killed") else code is None


def from_json(fields: dict[str, Any], platform: str, host: str) -> Report | None:
    """The report that was kept here as as_json; None when it is not in order."""
    try:
        return _checked(fields, platform, host)
    except HostUnsuitable:
        return None


def not_told(job: str, platform: Platform, error: RemoteInstallError, number: int | None = None) -> Report:
    """A job of which nothing can be told now, and why."""
    what = "host unreachable: " if isinstance(error, (HostUnreachable, ConnectionLost, NoAnswer)) else ""
    runner = platform.job_runner.name
    return Report(
        job,
        number,
        "unknown",
        platform.name,
        platform.hosts[0],
        reason=what + str(error),
        job_runner=runner,
        error=error,
    )


def submit_failed(job: str, platform: Platform, error: RemoteInstallError) -> Report:
    """A job that the host could not start; submitted again, it is the same try."""
    runner = platform.job_runner.name
    return Report(
        job, None, "submit-failed", platform.name, platform.hosts[0], reason=str(error), job_runner=runner, error=error
    )


def with_error(told: Report, error: RemoteInstallError) -> Report:
    """The report, and an error that belongs to it."""
    return replace(told, error=error)


def exit_code(reports: list[Report]) -> int:
    """The highest of 3 to 9 if there was an error of ours, else 1 if a job failed, else 0.

    >>> exit_code([])
    0
    """
    errors = [report.error.exit_code for report in reports if report.error]
    return max(errors) if errors else int(any(report.failed for report in reports))


def _messages(value: object) -> tuple[str, ...]:
    texts = value[-MAX_MESSAGES:] if isinstance(value, list) else []
    return tuple(text for text in map(_text, texts) if text)


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _seconds(value: object) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value < MAX_SECONDS else None  # type: ignore[arg-type, operator]


def _text(value: object) -> str | None:
    return wording.told(value, MAX_TEXT) or None
