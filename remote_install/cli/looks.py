"""The commands about jobs: submit, poll, wait, logs; and active, about who drives them."""

from __future__ import annotations

from remote_install import contact, jobs, report
from remote_install.asked import Asked, take
from remote_install.cli import engines, moves
from remote_install.cli.context import Context
from remote_install.cli.results import Results, written
from remote_install.report import Report
from remote_install.wanted import Wanted, from_settings
from remote_install.watch import Viewer, watch
from transfer.errors import TimedOutHere


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
        return engines.tell_ids(context, reports)
    for one in reports:
        if one.found:
            other = ", which was submitted with another command: yours was not started" if one.found == "other" else ""
            context.out.tell(f"{one.job}: found again, not started again{other}")
    context.out.reports(context.run.run_id, reports)
    jobs.acknowledge(context.run, reports, asked)
    return report.exit_code(reports)


def poll_command(context: Context) -> int:
    asked = context.asked(context.arguments.jobs)
    reports = jobs.poll(context.run, asked, context.out.talk)
    if context.arguments.snakemake:
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


def active_command(context: Context) -> int:
    """Is a driver alive, and where? Returns 0 for alive, 1 for not, 4 when that can't be told."""
    found = contact.find(context.run, context.reach, context.out.talk)
    if found.alive:
        context.out.result(f"{context.run.run_id} is driven by {found.driver}")
    elif found.error:
        context.out.error(found.error)
    else:
        last = f"; the last one was {found.driver}" if found.driver else ""
        context.out.result(f"{context.run.run_id} is not driven: {found.why}{last}")
    context.out.document(
        {
            "run": context.run.run_id,
            "active": found.alive,
            "driver": found.driver.as_json() if found.driver else None,
            "reason": found.why or None,
            "error": found.error.as_json() if found.error else None,
        }
    )
    return found.error.exit_code if found.error else int(not found.alive)


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
