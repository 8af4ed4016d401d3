"""What a command starts from: the platforms, the run directory, which jobs are meant, where to print."""

from __future__ import annotations

import argparse
import functools
import os

from remote_install import jobs, record
from remote_install.cli.output import Output
from remote_install.jobhost.layout import JOB_NAME
from remote_install.jobs import Asked
from remote_install.run_directory import RunDirectory, open_run
from transfer.errors import UsageError
from transfer.platforms import Platform, Platforms, find_hosts_file, load_platforms


class Context:
    """One command as it was typed. argv: what stands behind `--`, None when there is no `--`."""

    def __init__(self, arguments: argparse.Namespace, argv: list[str] | None) -> None:
        self.arguments, self.argv = arguments, argv
        self.on_interrupt = ""  # what to tell who interrupts the command now
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
        """What -p names, once for each install target."""
        named = [self.known_platforms.get(name) for name in self.arguments.platforms]
        return list({platform.name: platform for platform in named}.values())

    def one_platform(self) -> Platform:
        """The platform that a job is to run on. Raises UsageError unless -p names just one."""
        if len(self.platforms) != 1:
            raise UsageError("name the platform to run on with -p PLATFORM, once")
        return self.platforms[0]

    def command(self) -> tuple[str, ...]:
        """The job's argument list. Raises UsageError when there is none."""
        if not self.argv:
            raise UsageError(
                "what is to run? The job's command goes behind `--`",
                "For instance: -p PLATFORM -- ./train.sh --epochs 3",
            )
        return tuple(self.argv)

    def job_name(self) -> str:
        name = str(self.arguments.name)
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
        platforms = self.known_platforms
        return [Asked(name, platforms.get(tokens[name].platform), tokens[name]) for name in names or sorted(tokens)]

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
