"""The commands that look at jobs once: poll; and kill, which then tells how they are."""

from __future__ import annotations

from remote_install import jobs, report
from remote_install.cli.context import Context


def poll_command(context: Context) -> int:
    asked = context.asked(context.arguments.jobs)
    reports = jobs.poll(context.run, asked, context.out.talk)
    if context.arguments.snakemake:
        from remote_install.cli import engines

        code = engines.tell_words(context, reports)
    else:
        context.out.reports(context.run.run_id, reports)
        code = report.exit_code(reports)
    jobs.acknowledge(context.run, reports, asked)
    return code


def kill_command(context: Context) -> int:
    if context.arguments.dry_run:
        from remote_install.cli.dry_runs import kill_dry_run

        return kill_dry_run(context)
    asked = context.asked(context.arguments.jobs)
    reports = jobs.kill(context.run, asked, context.arguments.grace, context.out.talk)
    context.out.reports(context.run.run_id, reports)
    jobs.acknowledge(context.run, reports, asked)
    errors = report.exit_code([one for one in reports if one.error])
    return errors or int(not all(one.ended for one in reports))
