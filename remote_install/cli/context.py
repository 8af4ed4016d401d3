"""What a command starts from: the platforms, the run directory, which jobs are meant, where to print."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
from dataclasses import replace
from typing import Any, Callable

from remote_install import contact, jobs, record
from remote_install.asked import Asked
from remote_install.cli.output import Output
from remote_install.jobhost.layout import JOB_NAME
from remote_install.rsync_only import check_jobs
from remote_install.run_directory import RunDirectory, open_run
from remote_install.run_yaml import JobSettings
from remote_install.wanted import Wanted, from_settings, secrets
from transfer.errors import UsageError
from transfer.hosts_file import find_hosts_file
from transfer.platforms import Platform, Platforms, load_platforms
from transfer.wording import nearest


class Context:
    """One command as it was typed. argv: what stands behind `--`, None when there is no `--`. before: all before it."""

    def __init__(self, arguments: argparse.Namespace, argv: list[str] | None, before: list[str]) -> None:
        self.arguments, self.argv = arguments, argv
        self.typed = shlex.join(["remote-install", *before, *(["--", *argv] if argv is not None else [])])
        self.on_interrupt = ""  # what to tell who interrupts the command now
        self.at_interrupt: dict[str, Any] = {}  # what JSON says then, besides the error
        self.finish: Callable[[int], None] = lambda _code: None  # what is done at the end, given the exit code
        self.out = Output(
            getattr(arguments, "json", False),
            getattr(arguments, "verbose", False),
            getattr(arguments, "quiet", False),
        )

    @functools.cached_property
    def run(self) -> RunDirectory:
        return open_run(self.arguments.run, self.arguments.run_id)

    @functools.cached_property
    def known_platforms(self) -> Platforms:
        return load_platforms(find_hosts_file(getattr(self.arguments, "hosts", None), os.environ))

    @functools.cached_property
    def platforms(self) -> list[Platform]:
        """What -p names, a group being all of its platforms."""
        named = [one for name in self.arguments.platforms for one in self.known_platforms.candidates(name)]
        return list({platform.name: platform for platform in named}.values())

    def reach(self, host: str) -> Platform:
        """How a host is reached that the contact file names."""
        return self.known_platforms.of_host(host)

    def again(self, command: str, *words: str) -> str:
        """The command line that goes on with this run."""
        line = ["remote-install", command, self.arguments.run, *words]
        if self.arguments.run_id:
            line += ["--run-id", self.arguments.run_id]
        if getattr(self.arguments, "hosts", None):
            line += ["--hosts", self.arguments.hosts]
        return shlex.join(line)

    def refuse_if_driven(self) -> None:
        """Raises WouldDoHarm while a driver of the run is alive, HostError when that can't be told."""
        contact.refuse_if_driven(self.run, self.reach, self.out.talk)

    def wanted(self) -> list[Wanted]:
        """The jobs to be submitted: what stands behind `--`, else those of run.yaml.

        Raises UsageError for none, and ConfigError when a secret of one is not set here.
        """
        found = self._wanted()
        for platform in (platform for job in found for platform in job.candidates):
            secrets(platform, os.environ)
            check_jobs(platform)
        return found

    def _wanted(self) -> list[Wanted]:
        if self.argv:
            return [self._as_typed(Wanted(self._job_name(), tuple(self.argv), self._candidates(None)))]
        settings = self.run.settings.jobs
        names = getattr(self.arguments, "jobs", []) or ([] if self.arguments.name is None else [self.arguments.name])
        unknown = [name for name in names if name not in settings]
        if unknown:
            hint = nearest(unknown[0], settings) or f"It has: {', '.join(settings) or 'none'}."
            raise UsageError(f"run.yaml has no job {unknown[0]!r}", hint)
        if not settings:
            raise UsageError(
                "what is to run? The job's command goes behind `--`, or into run.yaml",
                "For instance: -p PLATFORM -- ./train.sh --epochs 3",
            )
        found = [from_settings(settings[name], self._candidates(settings[name])) for name in names or settings]
        return [self._as_typed(one) for one in found]

    def _as_typed(self, job: Wanted) -> Wanted:
        """What is typed wins over what run.yaml says."""
        limit = self.arguments.time_limit or job.time_limit
        return replace(job, time_limit=limit, directives={**job.directives, **dict(self.arguments.directive)})

    def _candidates(self, job: JobSettings | None) -> tuple[Platform, ...]:
        """Where a job may run: -p, else what run.yaml says."""
        named = self.arguments.platforms
        if len(named) > 1:
            raise UsageError("a job runs on one platform: name it with -p PLATFORM, once")
        if named:
            return self.known_platforms.candidates(named[0])
        if job is None or job.platform is None:
            who = f"job {job.name}" if job else "the job"
            raise UsageError(f"on which platform is {who} to run?", "Name it with -p PLATFORM, or in run.yaml.")
        return self.known_platforms.candidates(job.platform)

    def _job_name(self) -> str:
        if getattr(self.arguments, "jobs", []):
            raise UsageError("the jobs of run.yaml have their commands there", "Leave out the names, or the command.")
        name = "job" if self.arguments.name is None else str(self.arguments.name)
        if not JOB_NAME.fullmatch(name):
            raise UsageError(f"{name!r} can't be a job's name: up to 64 letters, digits and . _ + -")
        return name

    def asked(self, names: list[str]) -> list[Asked]:
        """The jobs that are meant: `names`, or all that are known here, or on the platforms that -p names."""
        tokens = {token.job: token for token in record.tokens(self.run)}
        wrong = [name for name in names if not JOB_NAME.fullmatch(name)]
        if wrong:
            raise UsageError(f"{wrong[0]!r} is no job's name")
        if self.platforms:
            return self._asked_there(names, tokens)
        unknown = [name for name in names or ["any"] if name not in tokens and (names or not tokens)]
        if unknown:
            known = ", ".join(sorted(tokens)) or "none"
            raise UsageError(
                f"nothing is known here of job {unknown[0]}" if names else "no job of this run is known here",
                f"Known here: {known}. With -p PLATFORM the job host is asked.",
            )
        named = names or sorted(tokens)
        platforms = {name: self.known_platforms.get(name) for name in {tokens[job].platform for job in named}}
        return [Asked(job, platforms[tokens[job].platform], tokens[job]) for job in named]

    def _asked_there(self, names: list[str], tokens: dict[str, record.Token]) -> list[Asked]:
        found = []
        for platform in self.platforms:
            here = {job: token for job, token in tokens.items() if token.platform == platform.name}
            if names:
                found += [Asked(name, platform, here.get(name)) for name in names]
            else:
                there = jobs.discover(self.run, platform, self.out.talk)
                found += [Asked(one.job, platform, here.get(one.job), one.number) for one in there]
        if not found:
            raise UsageError(f"no job of run {self.run.run_id} is known there either")
        return found
