"""Which jobs a command is about: those to be submitted, or those to be asked for."""

from __future__ import annotations

import os
from dataclasses import replace

from remote_install import jobs, record
from remote_install.admission import check_jobs
from remote_install.asked import Asked
from remote_install.cli.context import Context
from remote_install.jobhost.layout import JOB_NAME
from remote_install.run_settings import JobSettings
from remote_install.wanted import Wanted, from_settings, secrets
from transfer.errors import UsageError
from transfer.platforms import Platform
from transfer.wording import nearest


def wanted(context: Context) -> list[Wanted]:
    """The jobs to be submitted: what stands behind `--`, else those of run.yaml.

    Raises UsageError for none, and ConfigError when a secret of one is not set here.
    """
    found = _wanted(context)
    for platform in (platform for job in found for platform in job.candidates):
        secrets(platform, os.environ)
        check_jobs(platform)
    return found


def _wanted(context: Context) -> list[Wanted]:
    if context.argv:
        return [_as_typed(context, Wanted(_job_name(context), tuple(context.argv), _candidates(context, None)))]
    settings = context.run.settings.jobs
    name = context.arguments.name
    names = getattr(context.arguments, "jobs", []) or ([] if name is None else [name])
    unknown = [name for name in names if name not in settings]
    if unknown:
        hint = nearest(unknown[0], settings) or f"It has: {', '.join(settings) or 'none'}."
        raise UsageError(f"run.yaml has no job {unknown[0]!r}", hint)
    if not settings:
        raise UsageError(
            "what is to run? The job's command goes behind `--`, or into run.yaml",
            "For instance: -p PLATFORM -- ./train.sh --epochs 3",
        )
    found = [from_settings(settings[name], _candidates(context, settings[name])) for name in names or settings]
    return [_as_typed(context, one) for one in found]


def _as_typed(context: Context, job: Wanted) -> Wanted:
    """What is typed wins over what run.yaml says."""
    limit = context.arguments.time_limit or job.time_limit
    return replace(job, time_limit=limit, directives={**job.directives, **dict(context.arguments.directive)})


def _candidates(context: Context, job: JobSettings | None) -> tuple[Platform, ...]:
    """Where a job may run: -p, else what run.yaml says."""
    named = context.arguments.platforms
    if len(named) > 1:
        raise UsageError("a job runs on one platform: name it with -p PLATFORM, once")
    if named:
        return context.known_platforms.candidates(named[0])
    if job is None or job.platform is None:
        who = f"job {job.name}" if job else "the job"
        raise UsageError(f"on which platform is {who} to run?", "Name it with -p PLATFORM, or in run.yaml.")
    return context.known_platforms.candidates(job.platform)


def _job_name(context: Context) -> str:
    if getattr(context.arguments, "jobs", []):
        raise UsageError("the jobs of run.yaml have their commands there", "Leave out the names, or the command.")
    name = "job" if context.arguments.name is None else str(context.arguments.name)
    if not JOB_NAME.fullmatch(name):
        raise UsageError(f"{name!r} can't be a job's name: up to 64 letters, digits and . _ + -")
    return name


def asked(context: Context, names: list[str]) -> list[Asked]:
    """The jobs that are meant: `names`, or all that are known here, or on the platforms that -p names."""
    tokens = {token.job: token for token in record.tokens(context.run)}
    wrong = [name for name in names if not JOB_NAME.fullmatch(name)]
    if wrong:
        raise UsageError(f"{wrong[0]!r} is no job's name")
    if context.platforms:
        return _asked_there(context, names, tokens)
    unknown = [name for name in names or ["any"] if name not in tokens and (names or not tokens)]
    if unknown:
        known = ", ".join(sorted(tokens)) or "none"
        raise UsageError(
            f"nothing is known here of job {unknown[0]}" if names else "no job of this run is known here",
            f"Known here: {known}. With -p PLATFORM the job host is asked.",
        )
    named = names or sorted(tokens)
    platforms = {name: context.known_platforms.get(name) for name in {tokens[job].platform for job in named}}
    return [Asked(job, platforms[tokens[job].platform], tokens[job]) for job in named]


def _asked_there(context: Context, names: list[str], tokens: dict[str, record.Token]) -> list[Asked]:
    found = []
    for platform in context.platforms:
        here = {job: token for job, token in tokens.items() if token.platform == platform.name}
        if names:
            found += [Asked(name, platform, here.get(name)) for name in names]
        else:
            there = jobs.discover(context.run, platform, context.out.talk)
            found += [Asked(one.job, platform, here.get(one.job), one.number) for one in there]
    if not found:
        raise UsageError(f"no job of run {context.run.run_id} is known there either")
    return found
