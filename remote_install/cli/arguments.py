"""The command line: what may be typed, read into a namespace; nothing is imported that a help text does not need."""

from __future__ import annotations

import argparse
import functools
import os
import sys

from remote_install.cli import commands
from transfer.errors import UsageError

TYPE_CHECKING = False  # typing's own, without the import of typing: that takes longer than all of ours
if TYPE_CHECKING:
    from typing import NoReturn

OURS = 125  # what `run --exit-with-job-code` gives for any error of ours
EPILOG = """\
exit codes: 0 done, 1 a job failed, 2 usage, 3 configuration, 4 host, 5 transfer, 6 refused by the site,
7 job runner, 8 timed out here, 9 refused because it would do harm, 130/143 interrupted"""

# The commands that print a document with --json.
WITH_JSON = (
    *("run", "install", "submit", "poll", "wait", "kill", "list", "active", "logs", "fetch", "clean", "push", "pull"),
    *("check", "gate", "platforms", "init"),
)

OPTIONS_NOT_YET = ["--max-size"]


class _Parser(argparse.ArgumentParser):
    _mixing = False

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Options may stand between what has no name: argparse alone refuses `poll RUN -p PLATFORM JOB`."""
        if self._mixing or any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def error(self, message: str) -> NoReturn:
        later = [word for word in message.split() if word in OPTIONS_NOT_YET]
        if later and message.startswith("unrecognized arguments"):
            raise UsageError(f"{later[0]}: this version does not have that option yet", f"Try `{self.prog} --help`.")
        raise UsageError(message, f"Try `{self.prog} --help`.")


def split(words: list[str]) -> tuple[list[str], list[str] | None]:
    """The command line up to the first `--`, and the job's arguments behind it; None when there is no `--`.

    >>> split(["run", ".", "--", "a", "--", "b"])
    (['run', '.'], ['a', '--', 'b'])
    """
    if "--" not in words:
        return _joined(words), None
    at = words.index("--")
    return _joined(words[:at]), words[at + 1 :]


def _joined(words: list[str]) -> list[str]:
    """A directive begins with a dash, which argparse would take for the next option.

    >>> _joined(["submit", "--directive", "--ntasks=4", "."])
    ['submit', '--directive=--ntasks=4', '.']
    """
    found: list[str] = []
    for word in words:
        if found[-1:] == ["--directive"]:
            found[-1] += "=" + word
        else:
            found.append(word)
    return found


def parser() -> argparse.ArgumentParser:
    """The parser of everything before `--`."""
    width = _columns() - 2
    plain = functools.partial(argparse.HelpFormatter, width=width)
    as_written = functools.partial(argparse.RawDescriptionHelpFormatter, width=width)
    everywhere = _Parser(add_help=False, argument_default=argparse.SUPPRESS, formatter_class=plain)
    everywhere.add_argument("--hosts", metavar="FILE", help="the hosts.yaml to use")
    everywhere.add_argument("--json", action="store_true", help="one JSON document on stdout")
    everywhere.add_argument("-v", "--verbose", action="store_true", help="show every command that is run")
    everywhere.add_argument("-q", "--quiet", action="store_true", help="say only what fails")

    top = _Parser(
        prog="remote-install",
        parents=[everywhere],
        allow_abbrev=False,
        formatter_class=as_written,
        description="Run directories on job hosts, jobs submitted there, the truth about how they went, results back.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action="store_true", help="print the version")
    made = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, summary: str, usage: str) -> argparse.ArgumentParser:
        return made.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            usage=f"remote-install {name} {usage}",
            parents=[everywhere],
            allow_abbrev=False,
            formatter_class=plain,
        )

    commands.add(command, WITH_JSON)
    # Hidden: without a summary it has no line in the help.
    made.add_parser("completion", parents=[everywhere], allow_abbrev=False, formatter_class=plain, usage="")
    return top


def _columns() -> int:
    """How wide a help text may be. Left to itself argparse asks shutil, whose import takes longer than all of ours."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
