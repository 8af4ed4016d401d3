"""The command run: install, submit, follow the log, fetch."""

from __future__ import annotations

import shlex

from remote_install import jobs, report
from remote_install.cli import moves
from remote_install.cli.arguments import OURS
from remote_install.cli.context import Context
from remote_install.cli.output import line_of
from remote_install.install import checked
from remote_install.jobs import Asked, Wanted
from remote_install.report import Report
from transfer.errors import RemoteInstallError, TimedOutHere, WouldDoHarm
from transfer.platforms import Platform


def run(context: Context) -> int:
    """Returns the exit code: 0 only if the job succeeded and all else was done."""
    platform, wanted = context.one_platform(), Wanted(context.job_name(), context.command())
    paths = tuple(checked(path) for path in context.arguments.fetch)
    context.on_interrupt = "nothing was submitted"
    (asked,) = jobs.take(context.run, platform, [wanted.name], context.arguments.again)
    context.run.remember_fetched(paths)
    (installed,) = moves.install_all(context, [platform])
    if installed.error:
        raise installed.error
    context.on_interrupt = f"the job may have been submitted. To see: {_again(context, 'poll', wanted.name)}"
    (submitted,) = jobs.submit(context.run, platform, [asked], [wanted], context.out.talk)
    if submitted.error:
        context.out.reports(context.run.run_id, [submitted])
        return OURS if context.arguments.exit_with_job_code else submitted.error.exit_code
    context.out.tell(line_of(submitted))
    _refuse_other(submitted)
    context.on_interrupt = f"the job goes on. To pick it up: {_again(context, 'wait', wanted.name)}"
    last = _follow(context, asked, submitted)
    context.on_interrupt = f"the job has ended. To fetch again: {_again(context, 'fetch', *paths)}"
    error = last.error or _fetch(context, platform, paths, installed.run_dir)
    code = _finish(context, last, error)
    jobs.acknowledge(context.run, [last], [asked])
    return code


def _refuse_other(submitted: Report) -> None:
    if submitted.found == "other":
        raise WouldDoHarm(
            f"job {submitted.job} was found, submitted with another command, and its end was not reported here yet: "
            "yours was not started",
            f"Wait for it with `remote-install wait RUN {submitted.job}`, or give yours another --name.",
        )


def _follow(context: Context, asked: Asked, submitted: Report) -> Report:
    """The job's last report; its output is shown meanwhile."""
    told = {submitted.state}

    def on_report(now: Report) -> None:
        if not now.ended and now.state not in told:
            context.out.tell(line_of(now))
        told.add(now.state)

    one = Asked(asked.job, asked.platform, asked.token, submitted.number, known=True)
    if submitted.job_id and submitted.found == "same":
        context.out.tell(f"{submitted.job}: found again, not started again")
    (last,) = jobs.watch(
        context.run, [one], context.out.talk, context.arguments.timeout, on_report, context.out.job_output
    )
    return last


def _fetch(
    context: Context, platform: Platform, paths: tuple[str, ...], run_dir: str | None
) -> RemoteInstallError | None:
    try:
        moves.fetch_from(context, platform, paths, run_dir)
    except RemoteInstallError as error:
        return error
    return None


def _finish(context: Context, last: Report, error: RemoteInstallError | None) -> int:
    out = context.out
    if not last.ended and error is None:
        error = TimedOutHere(
            f"job {last.job} has not ended after {context.arguments.timeout:.0f} s: {last.state}",
            f"It goes on. To wait for it: {_again(context, 'wait', last.job)}",
        )
    out.tell(line_of(last))
    out.document({"run": context.run.run_id, "jobs": [last.as_json()], "error": error.as_json() if error else None})
    if error is not None:
        out.error(error)
    if context.arguments.exit_with_job_code:
        return OURS if error is not None or last.exit_code is None else last.exit_code
    return max(report.exit_code([last]), error.exit_code if error else 0)


def _again(context: Context, command: str, *words: str) -> str:
    line = ["remote-install", command, context.arguments.run, *words]
    if context.arguments.run_id:
        line += ["--run-id", context.arguments.run_id]
    if getattr(context.arguments, "hosts", None):
        line += ["--hosts", context.arguments.hosts]
    return shlex.join(line)
