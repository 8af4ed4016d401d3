"""Submit, poll and kill jobs: one call for each platform, the answers merged in the order asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Callable

from remote_install import place, record, report
from remote_install.call import call
from remote_install.conversation import error_of
from remote_install.own_runner import runner_fields
from remote_install.record import Token
from remote_install.report import Report
from remote_install.run_directory import RunDirectory
from remote_install.side_by_side import side_by_side
from remote_install.talk import Talk
from remote_install.wanted import Wanted, secrets
from transfer.errors import JobRunnerError, RemoteInstallError
from transfer.platforms import Platform


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


def submit(run: RunDirectory, asked: list[Asked], wanted: list[Wanted], talk: Talk) -> list[Report]:
    """See to it that `wanted` are submitted: a job that is, and whose end was not reported here, is found again.

    asked: what `take` gave for them: on disk here, so the same command typed again asks for the same job. Raises
    ConfigError, before anything is sent, when a secret is not set here.
    """
    uuid = run.uuid()
    kept = {platform.name: secrets(platform, os.environ) for platform in platforms_of(asked)}
    side_by_side(lambda one: record.mark_sent(run, one), [one.token for one in asked if one.token is not None])

    def on(platform: Platform) -> list[Report]:
        pairs = [(one, job) for one, job in zip(asked, wanted) if one.platform == platform]
        jobs = [_submission(run, one, job) for one, job in pairs]
        request = {**where(run, platform), "uuid": uuid, "secrets": kept[platform.name], "jobs": jobs}
        return _ask(run, platform, "submit", [one for one, _ in pairs], lambda: request, talk)

    return in_order(asked, side_by_side(on, platforms_of(asked)))


def _submission(run: RunDirectory, one: Asked, job: Wanted) -> dict[str, Any]:
    above = one.token.above if one.token else 0
    fields = {"argv": list(job.argv(one.platform)), "known": one.known, "again": one.again, "above": above}
    limit = None if job.time_limit is None else int(job.time_limit)
    directives = {**one.platform.directives, **job.directives}
    return {**one.as_request(run), **fields, "time_limit": limit, "directives": directives}


def poll(run: RunDirectory, asked: list[Asked], talk: Talk) -> list[Report]:
    """The state of each job now; what is unreachable is told as unknown with its error."""

    def on(platform: Platform) -> list[Report]:
        mine = [one for one in asked if one.platform == platform]

        def request() -> dict[str, Any]:  # made while ssh connects
            return {**where(run, platform), "jobs": [one.as_request(run) for one in mine]}

        return _ask(run, platform, "poll", mine, request, talk)

    return in_order(asked, side_by_side(on, platforms_of(asked)))


def kill(run: RunDirectory, asked: list[Asked], grace: float, talk: Talk) -> list[Report]:
    """End the jobs, TERM first and KILL after `grace` seconds, and tell how each is then."""

    def on(platform: Platform) -> list[Report]:
        mine = [one for one in asked if one.platform == platform]
        request = {**where(run, platform), "jobs": [one.as_request(run) for one in mine], "grace": grace}
        return _ask(run, platform, "kill", mine, lambda: request, talk)

    return in_order(asked, side_by_side(on, platforms_of(asked)))


def known(run: RunDirectory) -> list[Report]:
    """What is known here of every job, without asking anybody."""
    return [_known(run, token) for token in record.tokens(run)]


def _known(run: RunDirectory, token: Token) -> Report:
    fields = record.report(run, token) or {}
    host = fields.get("host")
    platform = Platform(token.platform, (host if isinstance(host, str) else "?",), token.platform)
    told = report.from_json(fields, platform)
    return told or Report(token.job, None, "unknown", token.platform, "?", reason="no answer came yet: poll it")


def discover(run: RunDirectory, platform: Platform, talk: Talk) -> list[Asked]:
    """All jobs of this run that the host of `platform` knows. Raises HostError when it can't be asked."""
    replies: list[dict[str, Any]] = []
    request = {**where(run, platform), "jobs": None}
    call(platform, "poll", lambda: request, replies.append, talk)
    reports = [report.from_reply(reply, platform) for reply in replies if reply["reply"] == "job"]
    return [Asked(one.job, platform, number=one.number) for one in reports]


def _ask(
    run: RunDirectory,
    platform: Platform,
    verb: str,
    asked: list[Asked],
    request: Callable[[], dict[str, Any]],
    talk: Talk,
) -> list[Report]:
    """One call; a report for each of `asked`, in their order."""
    reports: dict[str, Report] = {}
    by_name = {one.job: one for one in asked}

    def heard(reply: dict[str, Any]) -> None:
        one = by_name.get(str(reply.get("job")))
        if one is None:
            return
        if reply["reply"] == "job":
            reports[one.job] = keep(run, one, report.from_reply(reply, platform))
        elif reply["reply"] == "error":
            error = error_of(reply, platform.hosts[0])
            told = report.submit_failed if verb == "submit" else report.not_told
            reports[one.job] = told(one.job, platform, error)

    try:
        call(platform, verb, request, heard, talk)
    except RemoteInstallError as error:
        for one in asked:
            if one.job not in reports:
                reports[one.job] = from_here(run, one) or report.not_told(one.job, platform, error, one.number)
    return [reports.get(one.job) or from_here(run, one) or missing(one) for one in asked]


def acknowledge(run: RunDirectory, reports: list[Report], asked: list[Asked]) -> None:
    """Write down the ends that the user has now been shown: from here on the same command means the next try.

    Not before: who was killed while he waited for the answer and types the command again gets that answer.
    """
    for told, one in zip(reports, asked):
        if told.ended and one.token is not None and told.error is None:
            record.write_report(run, one.token, told.as_json())


def keep(run: RunDirectory, one: Asked, told: Report) -> Report:
    """`told`, written down here for the submission that it is about, unless it is an end: see acknowledge."""
    if one.token is not None and not told.ended:
        record.write_missed(run, one.token, told.missed_for)
        if not record.ended(record.report(run, one.token)):
            record.write_report(run, one.token, told.as_json())
    return told


def from_here(run: RunDirectory, one: Asked) -> Report | None:
    """What was kept here, if it tells an end: an ended state stays."""
    fields = record.report(run, one.token) if one.token is not None else None
    return report.from_json(fields, one.platform) if fields and record.ended(fields) else None


def missing(one: Asked) -> Report:
    error = JobRunnerError(
        f"{one.platform.hosts[0]} knows no try of job {one.job}",
        "Its record was removed there."
        if one.known or one.number
        else "Its submission may have been interrupted: submit it again, that does not start it twice.",
        one.platform.hosts[0],
    )
    return report.not_told(one.job, one.platform, error, one.number)


def where(run: RunDirectory, platform: Platform, writes: bool = True) -> dict[str, Any]:
    """What every request about jobs begins with: the run directory there, and the job runner. writes: see place."""
    return {
        **place.where(run, platform, writes),
        **runner_fields(platform),
        "polling": {"first": platform.polling.first, "max": platform.polling.max},
    }


def platforms_of(asked: list[Asked]) -> list[Platform]:
    return list({one.platform.name: one.platform for one in asked}.values())


def in_order(asked: list[Asked], found: list[list[Report]]) -> list[Report]:
    by_place = {(one.platform, one.job): one for reports in found for one in reports}
    return [by_place[(one.platform.name, one.job)] for one in asked]
