"""The command submit: installs, unless that is not wanted, then sees to it that jobs are submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remote_install import jobs, report
from remote_install.asked import Asked, take
from remote_install.cli.context import Context
from remote_install.report import Report
from remote_install.wanted import Wanted
from transfer.errors import WouldDoHarm

if TYPE_CHECKING:  # with --no-install, what installs is not imported
    from remote_install.install import Installed


def submit_command(context: Context) -> int:
    wanted = context.wanted()
    if context.arguments.dry_run:
        from remote_install.cli.dry_runs import jobs_dry_run

        return jobs_dry_run(context, wanted, (), follows=False)
    context.on_interrupt = "nothing was submitted"
    asked = take(context.run, wanted, context.arguments.again)
    installed = [] if context.arguments.no_install else _install(context, asked, wanted)
    context.on_interrupt = "the job may have been submitted; the same command typed again does not start it twice"
    reports = submit_installed(context, asked, wanted, installed)
    if context.arguments.parsable:
        from remote_install.cli import engines

        return engines.tell_ids(context, reports)
    for one in reports:
        if one.found:
            other = ", which was submitted with another command: yours was not started" if one.found == "other" else ""
            context.out.tell(f"{one.job}: found again, not started again{other}")
    context.out.reports(context.run.run_id, reports)
    jobs.acknowledge(context.run, reports, asked)
    return report.exit_code(reports)


def _install(context: Context, asked: list[Asked], wanted: list[Wanted]) -> list[Installed]:
    from remote_install.cli import moves

    return moves.install_for(context, asked, wanted)


def submit_installed(
    context: Context, asked: list[Asked], wanted: list[Wanted], installed: list[Installed]
) -> list[Report]:
    """A report of each job, in their order; those whose install target failed are not submitted."""
    failed = {one.platform.install_target: one.error for one in installed if one.error}
    ready = [(one, job) for one, job in zip(asked, wanted) if one.platform.install_target not in failed]
    done = jobs.submit(context.run, [one for one, _ in ready], [job for _, job in ready], context.out.talk)
    by_job = {told.job: told for told in done}
    for one in asked:
        error = failed.get(one.platform.install_target)
        if error:
            by_job[one.job] = report.not_told(one.job, one.platform, error)
    return [by_job[one.job] for one in asked]


def refused_other(told: Report) -> Report:
    """The report, with an error if it is of another job that was found under the same name."""
    if told.found != "other":
        return told
    error = WouldDoHarm(
        f"job {told.job} was found, submitted with another command, and its end was not reported here yet: "
        "yours was not started",
        f"Wait for it with `remote-install wait RUN {told.job}`, or give yours another --name.",
    )
    return report.with_error(told, error)
