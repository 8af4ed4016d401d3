"""The commands about jobs: submit, poll, wait, logs."""

from __future__ import annotations

from remote_install import jobs, report
from remote_install.cli import moves
from remote_install.cli.context import Context
from remote_install.cli.output import line_of
from remote_install.jobs import Wanted
from remote_install.report import Report
from transfer.errors import TimedOutHere


def submit_command(context: Context) -> int:
    platform, wanted = context.one_platform(), Wanted(context.job_name(), context.command())
    if not context.arguments.no_install:
        (installed,) = moves.install_all(context, [platform])
        if installed.error:
            raise installed.error
    reports = jobs.submit(context.run, platform, [wanted], context.out.talk)
    context.out.reports(context.run.run_id, reports)
    return report.exit_code(reports)


def poll_command(context: Context) -> int:
    reports = jobs.poll(context.run, context.asked(context.arguments.jobs), context.out.talk)
    context.out.reports(context.run.run_id, reports)
    return report.exit_code(reports)


def wait_command(context: Context) -> int:
    asked = context.asked(context.arguments.jobs)
    reports = jobs.watch(context.run, asked, context.out.talk, context.arguments.timeout, _teller(context))
    context.out.reports(context.run.run_id, reports)
    open_ones = [one for one in reports if not one.ended and not one.error]
    if open_ones:
        names = ", ".join(one.job for one in open_ones)
        context.out.error(TimedOutHere(f"not ended in time: {names}", "They go on; wait again to see their end."))
        return max(8, report.exit_code(reports))
    return report.exit_code(reports)


def logs_command(context: Context) -> int:
    stream = "err" if context.arguments.err else "out"

    def show(job: str, which: str, data: bytes) -> None:
        if which == stream:
            context.out.job_output(job, "out", data)

    (asked,) = context.asked([context.arguments.job])
    (told,) = jobs.watch(context.run, [asked], context.out.talk, 0.0, None, show)
    if told.error:
        context.out.error(told.error)
        return told.error.exit_code
    return 0


def _teller(context: Context):  # type: ignore[no-untyped-def]
    def on_report(now: Report) -> None:
        if not now.ended:
            context.out.tell(line_of(now))

    return on_report
