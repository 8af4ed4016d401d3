"""The command remote-install: the only room that prints or exits."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable

from remote_install.cli import arguments, signals
from transfer.errors import RemoteInstallError, TransferError, UsageError


def main(words: list[str] | None = None) -> int:
    """Run one command; returns its exit code. words: the command line without the program's name."""
    signals.listen()
    gc.disable()  # what is imported lives as long as we do: to look through it time and again takes a tenth of a start
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from remote_install.cli.output import open_standard_streams

        open_standard_streams()
    try:
        return _main(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt as interrupt:
        return _code_of(interrupt)
    except OSError as error:  # of our output: what else can't be read or written was told by _main
        from remote_install.cli.output import no_more_output

        no_more_output()
        if isinstance(error, BrokenPipeError):
            _last_words("nobody reads the output any more; what was submitted goes on")
            return 141  # 128 + SIGPIPE, as shells tell it
        _last_words(f"the output can't be written: {error.strerror}")
        return 5
    finally:
        gc.freeze()  # nor is it looked through at the end
        gc.enable()


def _last_words(text: str) -> None:
    try:
        print(f"remote-install: {text}", file=sys.stderr, flush=True)
    except OSError:  # it may be what can't be written
        from remote_install.cli.output import no_more_output

        no_more_output(2)


def _main(words: list[str]) -> int:
    before, argv = arguments.split(words)
    try:
        return _dispatch(before, argv)
    except RemoteInstallError as error:
        return _ours(_told(error, "--json" in before), before)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        told = TransferError(f"{error.strerror}{where}", "That is on this machine: is its disk full, or read-only?")
        return _ours(_told(told, "--json" in before), before)


def _ours(code: int, before: list[str]) -> int:
    return arguments.OURS if "--exit-with-job-code" in before else code


def _told(error: RemoteInstallError, as_json: bool) -> int:
    from remote_install.cli.output import Output

    out = Output(as_json, False, False)
    out.error(error)
    out.annotate("remote-install", error.message)
    out.document({"error": error.as_json()})
    return error.exit_code


def _dispatch(before: list[str], argv: list[str] | None) -> int:
    parser = arguments.parser()
    parsed = parser.parse_args(before)
    if parsed.version:
        from remote_install import __version__

        print("remote-install", __version__)
        return 0
    if parsed.command is None:
        parser.print_help()
        return 0
    if argv is not None and parsed.command not in ("run", "submit", "install", "ci"):
        raise UsageError(f"{parsed.command} takes no command behind `--`")
    return _run(parsed, argv, before)


def _run(parsed: argparse.Namespace, argv: list[str] | None, before: list[str]) -> int:
    from remote_install.cli.context import Context

    context = Context(parsed, argv, before)
    try:
        command = _command(parsed.command)
        gc.freeze()
        gc.enable()
        code = command(context)
    except KeyboardInterrupt as interrupt:
        code = _code_of(interrupt)
        context.out.close()
        context.out.end_output()
        context.out.interrupted(code, context.on_interrupt, context.at_interrupt)
    except RemoteInstallError as error:
        context.finish(error.exit_code)
        raise
    finally:
        context.out.close()
    context.finish(code)
    return code


def _command(name: str) -> Callable[..., int]:
    """The function of a command; it is imported only now, so that a help text starts fast."""
    if name in ("poll", "kill"):
        from remote_install.cli import looks

        found = getattr(looks, f"{name}_command")
    elif name in ("wait", "logs"):
        from remote_install.cli import waiting

        found = getattr(waiting, f"{name}_command")
    elif name in ("install", "fetch", "push", "pull"):
        from remote_install.cli import moves

        found = getattr(moves, f"{name}_command")
    elif name in ("schema", "platforms"):
        from remote_install.cli import settings

        found = getattr(settings, f"{name}_command")
    elif name in ("init", "completion"):
        from remote_install.cli import setting_up

        found = getattr(setting_up, f"{name}_command")
    else:
        return _alone(name)
    command: Callable[..., int] = found
    return command


def _alone(name: str) -> Callable[..., int]:
    """The function of a command that has a file of its own."""
    if name == "list":
        from remote_install.cli.listing import list_command as found
    elif name == "submit":
        from remote_install.cli.submitting import submit_command as found
    elif name == "active":
        from remote_install.cli.driving import active_command as found
    elif name == "run":
        from remote_install.cli.run import run as found
    elif name == "clean":
        from remote_install.cli.clean import clean_command as found
    elif name == "check":
        from remote_install.cli.check import check_command as found
    elif name == "gate":
        from remote_install.cli.gate import gate_command as found
    elif name == "ci":
        from remote_install.cli.in_ci import ci_command as found
    else:
        from remote_install.cli.demo import demo as found
    return found


def _code_of(interrupt: KeyboardInterrupt) -> int:
    """130, 143 or 129: 128 and the signal's number, as shells tell it."""
    return 128 + interrupt.number if isinstance(interrupt, signals.Interrupted) else 130
