"""The command line: what may be typed, read into a namespace; nothing is imported that a help text does not need."""

from __future__ import annotations

import argparse
import functools
import os
import re
import sys

from remote_install.cli import run_options
from transfer import durations
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


def seconds(text: str) -> float:
    """A time as the contract writes it: 90, 90s, 30m, 2h, 1d, HH:MM:SS."""
    found = durations.seconds(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 90, 90s, 30m, 2h, 1d or HH:MM:SS")
    return found


def time_limit(text: str) -> float:
    """A time of at least a second."""
    found = seconds(text)
    if not found:
        raise argparse.ArgumentTypeError("a time limit is at least 1s")
    return found


def directive(text: str) -> tuple[str, str]:
    """K=V, or K for a directive without a value.

    >>> directive("--ntasks=4"), directive("--exclusive")
    (('--ntasks', '4'), ('--exclusive', ''))
    """
    name, _, value = text.partition("=")
    if not re.fullmatch(r"[^\s\x00-\x1f]+", name) or not value.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no directive: K=V")
    return name, value


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
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, summary: str, usage: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            usage=f"remote-install {name} {usage}",
            parents=[everywhere],
            allow_abbrev=False,
            formatter_class=plain,
        )

    _add_run(command)
    _add_install(command)
    _add_submit(command)
    _add_looks(command)
    _add_fetch(command)
    _add_clean(command)
    _add_copies(command)
    _add_check(command)
    _add_gate(command)
    p = command("platforms", "the platforms and groups of hosts.yaml", "[--ansible]")
    p.add_argument("--ansible", action="store_true", help="as an Ansible inventory, in JSON")
    p = command(
        "schema",
        "the JSON Schema of hosts.yaml and run.yaml, for editors, or of what a command prints with --json",
        "[hosts.yaml | run.yaml | COMMAND]",
    )
    its = ("hosts.yaml", "run.yaml", *WITH_JSON)
    p.add_argument("what", nargs="?", choices=its, metavar="FILE | COMMAND", help="just this one's")
    _dry_run(command("init", "write a first hosts.yaml, from the hosts that ssh_config names", "[--dry-run]"))
    # Hidden: without a summary it has no line in the help.
    commands.add_parser("completion", parents=[everywhere], allow_abbrev=False, formatter_class=plain, usage="")
    summary = "run another of these commands, with a key that a CI system hands over"
    run_options.ci(command("ci", summary, "[option...] [-- COMMAND...]"))
    command("demo", "show it all on throw-away job hosts on this machine", "")
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


def _add_run(command) -> None:  # type: ignore[no-untyped-def]
    p = command(
        "run",
        "install, submit, follow the log, fetch",
        "RUN [-p PLATFORM] [--name N] [--time-limit T] [--fetch PATH]... [--timeout T] "
        "[--on-cancel kill|leave] [option...] [-- COMMAND...]",
    )
    _run(p)
    _platforms(p, "the platform or group to run on; wins over run.yaml")
    _name(p)
    _job(p)
    _adopt(p)
    _again(p)
    _dry_run(p)
    p.add_argument("--exit-with-job-code", action="store_true", help="exit as the job did; 125 for any error of ours")
    p.add_argument("--fetch", action="append", default=[], metavar="PATH", help="bring PATH back; repeats")
    _timeout(p)
    run_options.on_cancel(p)
    run_options.reports(p)


def _add_install(command) -> None:  # type: ignore[no-untyped-def]
    p = command(
        "install",
        "the pre-run install step: the run directory to each install target",
        "RUN -p PLATFORM... [--adopt] [--dry-run]",
    )
    _run(p)
    _platforms(p, "where to install; repeats")
    _adopt(p)
    _dry_run(p)


def _add_submit(command) -> None:  # type: ignore[no-untyped-def]
    p = command(
        "submit",
        "see to it that jobs are submitted",
        "RUN [JOB...] [-p PLATFORM] [--name N] [--again] [--adopt | --no-install] [--parsable] [-- COMMAND...]",
    )
    _run(p)
    p.add_argument("jobs", nargs="*", metavar="JOB", help="jobs of run.yaml; all of them if none is given")
    _platforms(p, "the platform or group to run on; wins over run.yaml")
    _name(p)
    _job(p)
    _adopt(p)
    _again(p)
    _dry_run(p)
    p.add_argument("--no-install", action="store_true", help="the run directory is there already")
    p.add_argument("--parsable", action="store_true", help="print the id of each job that is submitted, and no more")


def _add_looks(command) -> None:  # type: ignore[no-untyped-def]
    for name, summary in (("poll", "one look: the states now"), ("wait", "wait until all jobs have ended")):
        p = command(
            name, summary, "RUN [JOB...] [-p PLATFORM]..." + (" [--timeout T] [--junit FILE]" if name == "wait" else "")
        )
        _run(p)
        p.add_argument("jobs", nargs="*", metavar="JOB", help="job names; all jobs if none is given")
        _platforms(p, "ask there, also for jobs that nothing is known of here; repeats")
        if name == "wait":
            _timeout(p)
            run_options.reports(p)
        else:
            p.add_argument("--snakemake", action="store_true", help="print just `running`, `success` or `failed`")
    p = command("kill", "end jobs: TERM, then KILL", "RUN [JOB...] [-p PLATFORM]... [--grace T]")
    _run(p)
    p.add_argument("jobs", nargs="*", metavar="JOB", help="job names; all jobs if none is given")
    _platforms(p, "ask there, also for jobs that nothing is known of here; repeats")
    _dry_run(p)
    p.add_argument("--grace", type=seconds, default=10.0, metavar="T", help="time from TERM to KILL; default: 10s")
    _run(command("list", "what is known here, without asking anybody", "RUN"))
    _run(command("active", "is a driver alive, and where? exit 0 alive, 1 not, 4 cannot tell", "RUN"))
    p = command("logs", "print a job's output", "RUN JOB [-f] [-p PLATFORM] [--err]")
    _run(p)
    p.add_argument("job", metavar="JOB")
    _platforms(p, "ask there, also when nothing is known of the job here")
    p.add_argument("-f", "--follow", action="store_true", help="go on until it has ended")
    p.add_argument("--err", action="store_true", help="its errors instead of its output")


def _add_fetch(command) -> None:  # type: ignore[no-untyped-def]
    p = command("fetch", "bring job logs and paths back", "RUN [PATH...] [-p PLATFORM]...")
    _run(p)
    p.add_argument("paths", nargs="*", metavar="PATH", help="relative to the run directory")
    _platforms(p, "from there; else from where the jobs are; repeats")
    _dry_run(p)


def _add_clean(command) -> None:  # type: ignore[no-untyped-def]
    p = command(
        "clean",
        "remove the run directory on its install targets, and what symlink_dirs made for it",
        "RUN [-p PLATFORM]... [--run-id ID] [--force] [--dry-run]",
    )
    _run(p)
    _platforms(p, "there; else wherever it was installed from here; repeats")
    p.add_argument("--force", action="store_true", help="also while jobs or a driver are alive; they are not ended")
    _dry_run(p)


def _add_check(command) -> None:  # type: ignore[no-untyped-def]
    p = command(
        "check",
        "diagnose platforms: can jobs run there? Each failure comes with its remedy; nothing is changed there, but our "
        "program is sent where it is missing",
        "[PLATFORM...]",
    )
    p.add_argument("platforms", nargs="*", metavar="PLATFORM", help="a platform or group; default: all of hosts.yaml")


def _add_gate(command) -> None:  # type: ignore[no-untyped-def]
    p = command(
        "gate",
        "the forced command for a restricted key: put it on a host, or print the line for a key",
        "--install -p PLATFORM | --write FOLDER | --print-key-line KEY.pub --root DIR --allow WORDS [option...] "
        "| --check COMMAND ...",
    )
    p.add_argument("--install", action="store_true", help="send the gate and the program that it admits")
    _platforms(p, "where to put it; repeats")
    p.add_argument("--write", metavar="FOLDER", help="write the two into a folder of this machine")
    p.add_argument("--print-key-line", metavar="KEY", help="print the line of authorized_keys for that key")
    p.add_argument("--check", metavar="COMMAND", help="what a gate on this machine would say to a command")
    p.add_argument("--root", metavar="DIR", help="the folder below which all of it happens")
    p.add_argument("--allow", metavar="WORDS", help="install,submit,poll,kill,logs,fetch,clean,check,push,pull")
    p.add_argument("--runner", action="append", default=[], metavar="NAME", help="a job runner for submit; repeats")
    p.add_argument("--forward", action="append", default=[], metavar="NAME", help="a variable to forward; repeats")
    p.add_argument("--rrsync", metavar="PATH", help="where rrsync is there")
    p.add_argument("--program", metavar="PATH", help="where the job host program is there; default: beside the gate")
    p.add_argument("--log", metavar="FILE", help="the audit log there; default: ~/.remote-install/gate.log")
    p.add_argument("--key", metavar="NAME", help="what the key is called in the audit log")
    p.add_argument("--log-only", action="store_true", help="refuse nothing, write down what would be refused")
    p.add_argument("--gate", default=".remote-install/gate.py", metavar="PATH", help="where the gate is there")
    p.add_argument("--python", default="python3", metavar="PATH", help="the Python there; default: python3")


def _add_copies(command) -> None:  # type: ignore[no-untyped-def]
    p = command("push", "send files or folders to a job host", "SRC... PLATFORM:PATH")
    p.add_argument("sources", nargs="+", metavar="SRC", help="here; a trailing slash means what rsync means")
    p.add_argument("there", metavar="PLATFORM:PATH", help="a relative PATH starts in the run root")
    _dry_run(p)
    p = command("pull", "get a file or folder from a job host", "PLATFORM:PATH DEST")
    p.add_argument("there", metavar="PLATFORM:PATH", help="a relative PATH starts in the run root")
    p.add_argument("target", metavar="DEST", help="here")
    _dry_run(p)


def _run(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", metavar="RUN", help="the run directory: a path")
    p.add_argument("--run-id", metavar="ID", help="its name on every job host; default: the folder's name")


def _platforms(p: argparse.ArgumentParser, summary: str) -> None:
    p.add_argument("-p", dest="platforms", action="append", default=[], metavar="PLATFORM", help=summary)


def _name(p: argparse.ArgumentParser) -> None:
    p.add_argument("--name", metavar="N", help="the name of the job behind `--`; default: job")


def _job(p: argparse.ArgumentParser) -> None:
    p.add_argument("--time-limit", type=time_limit, metavar="T", help="end the job after T (90s, 30m, 2h, HH:MM:SS)")
    p.add_argument(
        "--directive",
        action="append",
        default=[],
        type=directive,
        metavar="K=V",
        help="a directive for the job runner; repeats",
    )


def _adopt(p: argparse.ArgumentParser) -> None:
    p.add_argument("--adopt", action="store_true", help="take over what another run directory left under this run id")


def _dry_run(p: argparse.ArgumentParser) -> None:
    p.add_argument("--dry-run", action="store_true", help="print the commands and the changes, and change nothing")


def _again(p: argparse.ArgumentParser) -> None:
    p.add_argument("--again", action="store_true", help="start a new try, whatever became of the last one")


def _timeout(p: argparse.ArgumentParser) -> None:
    p.add_argument("--timeout", type=seconds, metavar="T", help="stop waiting after T (90s, 30m, 2h, 1d): exit 8")
