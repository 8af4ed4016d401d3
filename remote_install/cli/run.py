"""The command run: install, submit, follow the log, fetch."""

from __future__ import annotations

import shlex
from typing import Any

from remote_install import jobs, record, report
from remote_install.cli import moves
from remote_install.cli.context import Context
from remote_install.cli.output import Output, line_of
from remote_install.install import checked
from remote_install.jobs import Asked, Wanted
from remote_install.report import Report
from transfer.errors import RemoteInstallError, TimedOutHere
from transfer.platforms import Platform


def run(context: Context) -> int:
    """Returns the exit code: 0 only if the job succeeded and all else was done."""
    platform, name, argv = context.one_platform(), context.job_name(), context.command()
    paths = tuple(checked(path) for path in context.arguments.fetch)
    out = context.out
    context.run.remember_fetched(paths)
    (installed,) = moves.install_all(context, [platform])
    if installed.error:
        raise installed.error
    (submitted,) = jobs.submit(context.run, platform, [Wanted(name, argv)], out.talk)
    if submitted.error:
        out.reports(context.run.run_id, [submitted])
        return submitted.error.exit_code
    out.tell(line_of(submitted))
    last = _follow(context, platform, submitted)
    fetch_error = _fetch(context, platform, paths, installed.run_dir)
    return _finish(context, last, fetch_error)


def _follow(context: Context, platform: Platform, submitted: Report) -> Report:
    """The job's last report; its output is shown meanwhile."""
    token = record.latest(context.run, submitted.job)
    asked = [Asked(submitted.job, platform, token, submitted.number)]
    told = {submitted.state}

    def on_report(now: Report) -> None:
        if not now.ended and now.state not in told:
            context.out.tell(line_of(now))
        told.add(now.state)

    try:
        (last,) = jobs.watch(
            context.run, asked, context.out.talk, context.arguments.timeout, on_report, context.out.job_output
        )
    except KeyboardInterrupt:
        context.out.tell(f"interrupted; the job goes on. To pick it up: {_again(context, submitted.job)}")
        raise
    return last


def _fetch(
    context: Context, platform: Platform, paths: tuple[str, ...], run_dir: str | None
) -> RemoteInstallError | None:
    try:
        moves.fetch_from(context, platform, paths, run_dir)
    except RemoteInstallError as error:
        return error
    return None


def _finish(context: Context, last: Report, fetch_error: RemoteInstallError | None) -> int:
    out, error = context.out, last.error or fetch_error
    if not last.ended and error is None:
        error = TimedOutHere(
            f"job {last.job} has not ended after {context.arguments.timeout:.0f} s: {last.state}",
            f"It goes on. To wait for it: {_again(context, last.job)}",
        )
    out.tell(line_of(last))
    _document(out, context.run.run_id, last, error)
    if error is not None:
        out.error(error)
        return max(report.exit_code([last]), error.exit_code)
    return report.exit_code([last])


def _document(out: Output, run_id: str, last: Report, error: RemoteInstallError | None) -> None:
    fields: dict[str, Any] = {"run": run_id, "jobs": [last.as_json()], "error": error.as_json() if error else None}
    out.document(fields)


def _again(context: Context, job: str) -> str:
    words = ["remote-install", "wait", context.arguments.run, job]
    if context.arguments.run_id:
        words += ["--run-id", context.arguments.run_id]
    if getattr(context.arguments, "hosts", None):
        words += ["--hosts", context.arguments.hosts]
    return shlex.join(words)
