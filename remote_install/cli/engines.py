"""What workflow engines read of us: the ids of jobs that were submitted, and one word for how a job is."""

from __future__ import annotations

from remote_install import report
from remote_install.cli.context import Context
from remote_install.report import Report
from transfer.errors import HostError, TransferError

WORDS = {"succeeded": "success", "submitted": "running", "running": "running", "unknown": "running"}


def tell_ids(context: Context, reports: list[Report]) -> int:
    """A line for each job that is submitted: what `poll`, `wait`, `kill` and `logs` know it by.

    Returns 0 when all are, however short they were: how a job went is asked for by its id. A job that was found in
    place of this one is none that the engine may wait for.
    """
    from remote_install.cli.submitting import refused_other  # a poll, which refuses none, starts faster without

    told = [refused_other(one) for one in reports]
    missing = [one for one in told if one.error or one.state == "submit-failed"]
    for one in told:
        if one not in missing:
            context.out.result(one.job)
    context.out.tell_reports(context.run.run_id, told)
    return report.exit_code(missing)


def tell_words(context: Context, reports: list[Report]) -> int:
    """A line for each job: `running`, `success` or `failed`, as Snakemake wants it. Returns 0 where that can be told.

    A job that can't be asked about now counts as running: what Snakemake is told once, it never asks again.
    """
    context.out.tell_reports(context.run.run_id, reports)
    lasting = [one for one in reports if one.error and not isinstance(one.error, (HostError, TransferError))]
    for one in reports:
        if one not in lasting:
            context.out.result(WORDS.get(one.state, "failed"))
    return report.exit_code(lasting)
