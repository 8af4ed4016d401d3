"""The command list: it asks nobody, and imports nothing of what talks to job hosts."""

from __future__ import annotations

from remote_install import report
from remote_install.cli.context import Context
from remote_install.known import known
from remote_install.run_directory import unread


def list_command(context: Context) -> int:
    # Only the document names the run, by what run.yaml may say.
    run_id = context.run.run_id if context.out.as_json or context.arguments.run_id is not None else ""
    reports = known(unread(context.arguments.run))
    context.out.reports(run_id, reports)
    return report.exit_code(reports)
