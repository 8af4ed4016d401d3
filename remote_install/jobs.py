"""Submit, poll and kill jobs: one call for each platform, the answers merged in the order asked for."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import Any, Callable

from remote_install import place, pool, record, report
from remote_install.asked import Asked, by_host, has_hosts_of_their_own, host_of, platforms_of
from remote_install.call import call
from remote_install.conversation import error_of, job_of
from remote_install.own_runner import runner_fields
from remote_install.pool import on_a_host
from remote_install.report import Report
from remote_install.run_directory import RunDirectory
from remote_install.side_by_side import side_by_side
from remote_install.talk import Talk
from remote_install.wanted import Wanted, secrets
from transfer.errors import HostError, JobRunnerError, RemoteInstallError
from transfer.platforms import Platform


def submit(run: RunDirectory, asked: list[Asked], wanted: list[Wanted], talk: Talk) -> list[Report]:
    """See to it that `wanted` are submitted: a job that is, and whose end was not reported here, is found again.

    asked: what `take` gave for them: on disk here, so the same command typed again asks for the same job. Raises
    ConfigError, before anything is sent, when a secret is not set here.
    """
    uuid = run.uuid()
    kept = {platform.name: secrets(platform, os.environ) for platform in platforms_of(asked)}
    side_by_side(lambda one: record.mark_sent(run, one), [one.token for one in asked if one.token is not None])

    by_token = {id(one): job for one, job in zip(asked, wanted)}

    def on(some: list[Asked]) -> list[Report]:
        platform = some[0].platform
        jobs = [_submission(run, one, by_token[id(one)]) for one in some]
        request = {**where(run, platform), "uuid": uuid, "secrets": kept[platform.name], "jobs": jobs}
        return _ask(run, "submit", some, lambda: request, talk)

    return in_order(asked, side_by_side(on, by_host(run, asked)))


def _submission(run: RunDirectory, one: Asked, job: Wanted) -> dict[str, Any]:
    above = one.token.above if one.token else 0
    fields = {"argv": list(job.argv(one.platform)), "known": one.known, "again": one.again, "above": above}
    limit = None if job.time_limit is None else int(job.time_limit)
    directives = {**one.platform.directives, **job.directives}
    return {**one.as_request(run), **fields, "time_limit": limit, "directives": directives}


def poll(run: RunDirectory, asked: list[Asked], talk: Talk) -> list[Report]:
    """The state of each job now; what is unreachable is told as unknown with its error."""

    def on(some: list[Asked]) -> list[Report]:
        def request() -> dict[str, Any]:  # made while ssh connects
            return {**where(run, some[0].platform), "jobs": [one.as_request(run) for one in some]}

        return _ask(run, "poll", some, request, talk)

    return in_order(asked, side_by_side(on, by_host(run, asked)))


def kill(run: RunDirectory, asked: list[Asked], grace: float, talk: Talk) -> list[Report]:
    """End the jobs, TERM first and KILL after `grace` seconds, and tell how each is then."""

    def on(some: list[Asked]) -> list[Report]:
        jobs = [one.as_request(run) for one in some]
        request = {**where(run, some[0].platform), "jobs": jobs, "grace": grace}
        return _ask(run, "kill", some, lambda: request, talk)

    return in_order(asked, side_by_side(on, by_host(run, asked)))


def discover(run: RunDirectory, platform: Platform, talk: Talk) -> list[Asked]:
    """All jobs of this run that the host of `platform` knows. Raises HostError when it can't be asked."""
    replies: list[dict[str, Any]] = []
    request = {**where(run, platform), "jobs": None}

    def act(one: Platform) -> None:
        replies.clear()
        call(one, "poll", lambda: request, replies.append, talk)

    on_a_host(platform, act, talk)
    reports = [report.from_reply(reply, platform) for reply in replies if reply["reply"] == "job"]
    return list({one.job: Asked(one.job, platform, number=one.number) for one in reports}.values())


def _ask(
    run: RunDirectory, verb: str, asked: list[Asked], request: Callable[[], dict[str, Any]], talk: Talk
) -> list[Report]:
    """One call about jobs of one platform; a report for each of `asked`, in their order."""
    platform, reports = asked[0].platform, dict[str, Report]()
    by_name = {one.job: one for one in asked}

    def act(on: Platform) -> None:
        call(on, verb, request, lambda reply: _hear(run, on, verb, by_name, reply, reports), talk)

    try:
        on_a_host(platform, act, talk, host_of(run, asked[0]))
        _look_elsewhere(run, verb, asked, request, reports, talk)
    except RemoteInstallError as error:
        for one in asked:
            if one.job not in reports:
                reports[one.job] = from_here(run, one) or report.not_told(one.job, platform, error, number_of(run, one))
    return [reports.get(one.job) or from_here(run, one) or missing(one) for one in asked]


def _hear(
    run: RunDirectory,
    on: Platform,
    verb: str,
    by_name: dict[str, Asked],
    reply: dict[str, Any],
    reports: dict[str, Report],
) -> None:
    one = by_name.get(job_of(reply))
    if one is None:
        return
    if reply["reply"] == "job":
        reports[one.job] = keep(run, one, report.from_reply(reply, on))
    elif reply["reply"] == "error":
        error = error_of(reply, on.hosts[0])
        told = report.submit_failed if verb == "submit" else report.not_told
        reports[one.job] = told(one.job, on, error)


def _look_elsewhere(
    run: RunDirectory,
    verb: str,
    asked: list[Asked],
    request: Callable[[], dict[str, Any]],
    reports: dict[str, Report],
    talk: Talk,
) -> None:
    """Of a job that is a process only the host can tell that it runs on: of several all are asked."""
    platform = asked[0].platform
    for host in platform.hosts if has_hosts_of_their_own(platform) else ():
        open_ones = {one.job: one for one in asked if _is_unknown(reports.get(one.job), host)}
        if open_ones:
            fields = request()
            some = {**fields, "jobs": [job for job in fields["jobs"] if job["job"] in open_ones]}
            with contextlib.suppress(HostError):  # what the others say stands
                found = _look(run, verb, pool.only(platform, host), open_ones, some, talk)
                reports.update({job: told for job, told in found.items() if told.state != "unknown"})


def _look(
    run: RunDirectory, verb: str, on: Platform, asked: dict[str, Asked], request: dict[str, Any], talk: Talk
) -> dict[str, Report]:
    found: dict[str, Report] = {}
    asking = "poll" if verb == "submit" else verb  # an error of that is none of the submission
    heard = functools.partial(_hear, run, on, asking, asked)
    call(on, asking, lambda: request, lambda reply: heard(reply, found), talk)
    return found


def _is_unknown(told: Report | None, host: str) -> bool:
    """Could nobody tell, and was that not this host?"""
    return told is not None and told.state == "unknown" and told.host != host


def acknowledge(run: RunDirectory, reports: list[Report], asked: list[Asked]) -> None:
    """Write down the ends that the user has now been shown: from here on the same command means the next try.

    Not before: who was killed while he waited for the answer and types the command again gets that answer. And where
    another job could not be told, all will be typed again: what has succeeded must not be repeated by that.
    """
    is_whole = all(told.error is None for told in reports)
    for told, one in zip(reports, asked):
        if told.ended and one.token and not told.error and (is_whole or told.state != "succeeded"):
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
    return (
        report.from_json(fields, one.platform.name, one.platform.hosts[0]) if fields and record.ended(fields) else None
    )


def number_of(run: RunDirectory, one: Asked) -> int | None:
    """Its try, where that was told here before or is asked for."""
    fields = record.report(run, one.token) if one.token is not None else None
    number = fields.get("try") if fields else None
    return number if isinstance(number, int) else one.number


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


def in_order(asked: list[Asked], found: list[list[Report]]) -> list[Report]:
    by_place = {(one.platform, one.job): one for reports in found for one in reports}
    return [by_place[(one.platform.name, one.job)] for one in asked]
