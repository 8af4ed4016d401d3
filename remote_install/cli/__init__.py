"""The command remote-install: the only room that prints or exits."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Callable

from remote_install.cli import arguments
from transfer.errors import RemoteInstallError, UsageError


class _Terminated(KeyboardInterrupt):
    """SIGTERM came, or the terminal has gone: an interrupt like Ctrl-C, but for the exit code."""


def main(words: list[str] | None = None) -> int:
    """Run one command; returns its exit code. words: the command line without the program's name."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, _terminate)
    try:
        return _main(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt as interrupt:
        return 143 if isinstance(interrupt, _Terminated) else 130
    except BrokenPipeError:
        from remote_install.cli.output import no_more_output

        no_more_output()
        return 1


def _main(words: list[str]) -> int:
    before, argv = arguments.split(words)
    as_json = "--json" in before
    try:
        return _dispatch(before, argv)
    except RemoteInstallError as error:
        from remote_install.cli.output import Output

        out = Output(as_json, False, False)
        out.error(error)
        out.document({"error": error.as_json()})
        return error.exit_code


def _dispatch(before: list[str], argv: list[str] | None) -> int:
    _refuse_not_yet(before)
    parser = arguments.parser()
    parsed = parser.parse_args(before)
    if parsed.version:
        from remote_install import __version__

        print("remote-install", __version__)
        return 0
    if parsed.command is None:
        parser.print_help()
        return 0
    if argv is not None and parsed.command not in ("run", "submit", "install"):
        raise UsageError(f"{parsed.command} takes no command behind `--`")
    return _command(parsed.command)(parsed, argv)


def _refuse_not_yet(before: list[str]) -> None:
    name = next((word for word in before if not word.startswith("-")), "")
    if name in arguments.NOT_YET:
        raise UsageError(f"{name}: this version does not have that command yet", "Try `remote-install --help`.")


def _command(name: str) -> Callable[..., int]:
    """The function of a command; it is imported only now, so that a help text starts fast."""
    from remote_install.cli import looks, moves
    from remote_install.cli.context import Context
    from remote_install.cli.run import run

    functions = {
        "run": run,
        "install": moves.install_command,
        "fetch": moves.fetch_command,
        "submit": looks.submit_command,
        "poll": looks.poll_command,
        "wait": looks.wait_command,
        "logs": looks.logs_command,
    }
    if name == "demo":
        from remote_install.cli.demo import demo

        return lambda parsed, argv: demo(Context(parsed, argv))
    return lambda parsed, argv: functions[name](Context(parsed, argv))


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated
