"""The options that only the commands have that see jobs to their end, and those of ci."""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own, without the import of typing: that takes longer than all of ours
if TYPE_CHECKING:
    import argparse


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
