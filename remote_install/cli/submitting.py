"""The command submit: installs, unless that is not wanted, then sees to it that jobs are submitted."""

from __future__ import annotations

from remote_install import jobs, report
from remote_install.asked import take
from remote_install.cli import moves
from remote_install.cli.context import Context


def submit_command(context: Context) -> int:
    wanted = context.wanted()
    if context.arguments.dry_run:
        from remote_install.cli.dry_runs import jobs_dry_run

        return jobs_dry_run(context, wanted, (), follows=False)
    context.on_interrupt = "nothing was submitted"
    asked = take(context.run, wanted, context.arguments.again)
    installed = [] if context.arguments.no_install else moves.install_for(context, asked, wanted)
    context.on_interrupt = "the job may have been submitted; the same command typed again does not start it twice"
    reports = moves.submit_installed(context, asked, wanted, installed)
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
