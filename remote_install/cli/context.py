"""What a command starts from: the platforms, the run directory, where to print."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
from typing import TYPE_CHECKING, Any, Callable

from remote_install.cli.output import Output
from remote_install.run_directory import RunDirectory, open_run

if TYPE_CHECKING:  # what only some commands need, they import when they ask for it: half of `list` would be that
    from remote_install.asked import Asked
    from remote_install.wanted import Wanted
    from transfer.platforms import Platform, Platforms


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
        from transfer.hosts_file import find_hosts_file
        from transfer.platforms import load_platforms

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
        from remote_install import contact

        contact.refuse_if_driven(self.run, self.reach, self.out.talk)

    def wanted(self) -> list[Wanted]:
        """The jobs to be submitted: see meant.py."""
        from remote_install.cli import meant

        return meant.wanted(self)

    def asked(self, names: list[str]) -> list[Asked]:
        """The jobs that are meant: see meant.py."""
        from remote_install.cli import meant

        return meant.asked(self, names)
