"""The options that several commands share, and the types of values that a command line may hold."""

from __future__ import annotations

import argparse
import re

from transfer import durations


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


def run(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", metavar="RUN", help="the run directory: a path")
    p.add_argument("--run-id", metavar="ID", help="its name on every job host; default: the folder's name")


def platforms(p: argparse.ArgumentParser, summary: str) -> None:
    p.add_argument("-p", dest="platforms", action="append", default=[], metavar="PLATFORM", help=summary)


def name(p: argparse.ArgumentParser) -> None:
    p.add_argument("--name", metavar="N", help="the name of the job behind `--`; default: job")


def job(p: argparse.ArgumentParser) -> None:
    p.add_argument("--time-limit", type=time_limit, metavar="T", help="end the job after T (90s, 30m, 2h, HH:MM:SS)")
    p.add_argument(
        "--directive",
        action="append",
        default=[],
        type=directive,
        metavar="K=V",
        help="a directive for the job runner; repeats",
    )


def adopt(p: argparse.ArgumentParser) -> None:
    p.add_argument("--adopt", action="store_true", help="take over what another run directory left under this run id")


def dry_run(p: argparse.ArgumentParser) -> None:
    p.add_argument("--dry-run", action="store_true", help="print the commands and the changes, and change nothing")


def again(p: argparse.ArgumentParser) -> None:
    p.add_argument("--again", action="store_true", help="start a new try, whatever became of the last one")


def timeout(p: argparse.ArgumentParser) -> None:
    p.add_argument("--timeout", type=seconds, metavar="T", help="stop waiting after T (90s, 30m, 2h, 1d): exit 8")


def on_cancel(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--on-cancel",
        choices=("kill", "leave"),
        default="kill",
        help="what becomes of the jobs when this command is interrupted; default: kill",
    )


def reports(p: argparse.ArgumentParser) -> None:
    p.add_argument("--junit", metavar="FILE", help="write how the jobs went there, as JUnit XML")


def ci(p: argparse.ArgumentParser) -> None:
    for option, default, what in (
        ("--key", "REMOTE_INSTALL_KEY", "the private key, or a file's path"),
        ("--known-hosts", "REMOTE_INSTALL_KNOWN_HOSTS", "lines of a known_hosts, or a file's path"),
        ("--line", "REMOTE_INSTALL_LINE", "the command and its words, where none stand behind `--`"),
    ):
        p.add_argument(option, metavar="VARIABLE", default=default, help=f"holds {what}; default: {default}")
