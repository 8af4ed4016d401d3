"""The command run: install, submit, follow the log, fetch."""

from __future__ import annotations

import contextlib

from remote_install import contact, jobs, record, report
from remote_install.asked import Asked, take
from remote_install.cli import moves
from remote_install.cli.arguments import OURS
from remote_install.cli.cancel import Stake, at_stake
from remote_install.cli.context import Context
from remote_install.cli.output import worst
from remote_install.cli.prefixed import Prefixed
from remote_install.cli.results import written
from remote_install.cli.submitting import refused_other, submit_installed
from remote_install.fetch import checked
from remote_install.install import Installed
from remote_install.report import Report
from remote_install.wanted import Wanted
from remote_install.watch import Viewer, watch
from transfer.errors import RemoteInstallError, TimedOutHere


def run(context: Context) -> int:
    """Returns the exit code: 0 only if every job succeeded and all else was done."""
    wanted = context.wanted()
    paths = (*context.run.settings.fetch, *(checked(path) for path in context.arguments.fetch))
    if context.arguments.dry_run:
        from remote_install.cli.dry_runs import jobs_dry_run

        context.refuse_if_driven()
        return jobs_dry_run(context, wanted, paths, follows=True)
    context.on_interrupt = "nothing was submitted"
    driving = contact.taken(context.run, context.typed, context.reach, context.out.talk)
    with driving, written(context) as results, at_stake(context, results) as stake:
        return _drive(context, stake, wanted, paths)


def _drive(context: Context, stake: Stake, wanted: list[Wanted], paths: tuple[str, ...]) -> int:
    asked = take(context.run, wanted, context.arguments.again)
    stake.results.expect(asked)
    context.run.remember_fetched(paths)
    with context.out.folded("install"):
        installed = moves.install_for(context, asked, wanted)
    names = [one.name for one in wanted]
    context.on_interrupt = f"the jobs may have been submitted. To see: {context.again('poll', *names)}"
    with stake.submitting():
        submitted = _submit(context, asked, wanted, installed)
        stake.results.tell(submitted)
        stake.asked = _may_live(context, asked, submitted)
        context.on_interrupt = f"the jobs go on. To pick them up: {context.again('wait', *names)}"
    last = _follow(context, stake, asked, submitted, wanted)
    if not stake.alive():
        context.on_interrupt = f"the jobs have ended. To fetch again: {context.again('fetch', *paths)}"
    with context.out.folded("fetch"):
        errors = _fetch(context, asked, submitted, paths, installed)
    code = _finish(context, last, errors)
    jobs.acknowledge(context.run, last, asked)
    return code


def _may_live(context: Context, asked: list[Asked], submitted: list[Report]) -> list[Asked]:
    """Those that may be alive by our doing: not one that another command submitted, nor one that was never sent."""
    return [
        one
        for one, told in zip(asked, submitted)
        if not told.ended and told.found != "other" and one.token and record.is_sent(context.run, one.token)
    ]


def _submit(context: Context, asked: list[Asked], wanted: list[Wanted], installed: list[Installed]) -> list[Report]:
    """A report of each job, in their order; those whose install target failed are not submitted."""
    done = submit_installed(context, asked, wanted, installed)
    told_here = [one if one.error else refused_other(one) for one in done]
    not_there = {one.platform.install_target for one in installed if one.error}
    for one, told in zip(asked, told_here):
        if one.platform.install_target not in not_there:  # that is told as an error, at the end
            context.out.tell_job(told) if len(asked) == 1 else context.out.tell_change(told)
        if told.job_id and told.found == "same":
            context.out.tell(f"{told.job}: found again, not started again")
    return told_here


def _follow(
    context: Context, stake: Stake, asked: list[Asked], submitted: list[Report], wanted: list[Wanted]
) -> list[Report]:
    """The last report of each job; the output is shown meanwhile. asked: as watch leaves it."""
    told_states = {(one.job, one.state) for one in submitted}
    several = len(asked) > 1
    output = Prefixed(context.out.job_output) if several else None

    def on_report(now: Report) -> None:
        stake.results.update(now)
        if now.ended and output:
            output.end(now.job)
            context.out.tell_end(now)
        elif not now.ended and (now.job, now.state) not in told_states:
            context.out.tell_change(now) if several else context.out.tell_job(now)
        told_states.add((now.job, now.state))

    def on_retry(failed: Report, retry: int, retries: int) -> None:
        context.out.tell_job(failed, f"; trying again, {retry} of {retries}")
        stake.results.tails.pop((failed.platform, failed.job), None)
        told_states.difference_update({(failed.job, "running"), (failed.job, "submitted")})

    watched = [
        Asked(one.job, one.platform, one.token, told.number, known=True)
        for one, told in zip(asked, submitted)
        if not told.error
    ]
    platforms = {one.job: one.platform.name for one in asked}

    def on_output(job: str, stream: str, data: bytes) -> None:
        stake.results.hear((platforms[job], job), stream, data)
        (output or context.out.job_output)(job, stream, data)

    viewer = Viewer(on_report, on_retry, on_output, ("out", "err"))
    by_name = {job.name: job for job in wanted}
    with stake.results.beating(context), stake.results.shown(context) if several else contextlib.nullcontext():
        last = watch(context.run, watched, context.out.talk, context.arguments.timeout, viewer, by_name)
    context.out.end_output()
    if not several and not submitted[0].error and (last[0].ended or (last[0].job, last[0].state) not in told_states):
        context.out.tell_end(last[0])
    tokens = {one.job: one for one in watched}
    asked[:] = [tokens.get(one.job, one) for one in asked]
    by_job = {one.job: one for one in last}
    now = [by_job.get(one.job, told) for one, told in zip(asked, submitted)]
    stake.results.tell(now)
    return now


def _fetch(
    context: Context, asked: list[Asked], submitted: list[Report], paths: tuple[str, ...], installed: list[Installed]
) -> list[RemoteInstallError]:
    """Logs and results of every job that was submitted, once for each install target."""
    run_dirs = {one.platform.install_target: one.run_dir for one in installed}
    started = [one.platform for one, told in zip(asked, submitted) if not told.error]
    errors = []
    for platform in {platform.install_target: platform for platform in started}.values():
        try:
            moves.fetch_from(context, platform, paths, run_dirs.get(platform.install_target))
        except RemoteInstallError as error:
            errors.append(error)
    return errors


def _finish(context: Context, last: list[Report], errors: list[RemoteInstallError]) -> int:
    out = context.out
    late = [one for one in last if not one.ended and not one.error]
    if late:
        errors.append(
            TimedOutHere(
                f"{_names(late)} not ended after {context.arguments.timeout:.0f} s: {late[0].state}",
                f"To wait for it: {context.again('wait', *(one.job for one in late))}",
            )
        )
    # A host that has gone is an error of each job there, and of the fetch from it: once is enough.
    every = list({one.message: one for one in (*(job.error for job in last if job.error), *errors)}.values())
    jobs_json = [one.as_json() for one in last]
    out.document({"run": context.run.run_id, "jobs": jobs_json, "error": worst(list(every))})
    for error in every:
        out.error(error)
    if context.arguments.exit_with_job_code:
        return _code_of_first(last, bool(every))
    return max([report.exit_code(last), *(error.exit_code for error in every)])


def _names(reports: list[Report]) -> str:
    return f"job {reports[0].job} has" if len(reports) == 1 else f"{len(reports)} jobs have"


def _code_of_first(last: list[Report], troubled: bool) -> int:
    """The code of the first job that failed; ours when any error is ours."""
    failed = [one.exit_code for one in last if one.failed]
    if troubled or None in failed:
        return OURS
    return next((code for code in failed if code), 0)
