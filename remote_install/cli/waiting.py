"""The commands that go on looking at jobs: wait and logs."""

from __future__ import annotations

from remote_install import jobs, report
from remote_install.asked import Asked
from remote_install.cli.context import Context
from remote_install.cli.results import Results, written
from remote_install.report import Report
from remote_install.wanted import Wanted, from_settings
from remote_install.watch import Viewer, watch
from transfer.errors import TimedOutHere


def wait_command(context: Context) -> int:
    asked = context.asked(context.arguments.jobs)
    with written(context) as results:
        results.expect(asked, "no answer came")
        viewer, wanted = _teller(context, results), _retries(asked, context)
        with results.beating(context), results.shown(context):
            reports = watch(context.run, asked, context.out.talk, context.arguments.timeout, viewer, wanted)
        results.tell(reports)
        if context.arguments.junit:
            results.read_tails(context, asked)
    open_ones = ", ".join(one.job for one in reports if not one.ended and not one.error)
    late = TimedOutHere(f"not ended in time: {open_ones}", "They go on; wait again to see their end.")
    context.out.reports(context.run.run_id, reports, late if open_ones else None)
    jobs.acknowledge(context.run, reports, asked)
    return max(report.exit_code(reports), 8 if open_ones else 0)


def logs_command(context: Context) -> int:
    stream = "err" if context.arguments.err else "out"

    def show(job: str, _stream: str, data: bytes) -> None:
        context.out.job_output(job, "out", data)

    (asked,) = context.asked([context.arguments.job])
    seconds = None if context.arguments.follow else 0.0
    (told,) = watch(context.run, [asked], context.out.talk, seconds, Viewer(output=show, streams=(stream,)))
    context.out.end_output()
    context.out.document(
        {
            "run": context.run.run_id,
            "jobs": [told.as_json()],
            "error": told.error.as_json() if told.error else None,
        }
    )
    if told.error:
        context.out.error(told.error)
        return told.error.exit_code
    return 0


def _teller(context: Context, results: Results) -> Viewer:
    def on_report(now: Report) -> None:
        results.update(now)
        if not now.ended:
            context.out.tell_change(now)

    def on_retry(failed: Report, retry: int, retries: int) -> None:
        context.out.tell_job(failed, f"; trying again, {retry} of {retries}")

    return Viewer(on_report, on_retry)


def _retries(asked: list[Asked], context: Context) -> dict[str, Wanted]:
    """The jobs that run.yaml wants to be tried again when they fail."""
    settings = context.run.settings.jobs
    found = [one for one in asked if one.job in settings and settings[one.job].retries]
    return {one.job: from_settings(settings[one.job], (one.platform,)) for one in found}
