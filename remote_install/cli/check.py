"""The command check: a block of rows for each host, as soon as it is known."""

from __future__ import annotations

from remote_install.check import check, each_host
from remote_install.cli import colours
from remote_install.cli.context import Context
from remote_install.cli.output import worst
from remote_install.findings import NAMES, Checked
from remote_install.side_by_side import side_by_side
from remote_install.talk import Talk
from transfer.errors import ConfigError, UsageError
from transfer.hosts_file import SEARCHED
from transfer.hosts_yaml import is_expression
from transfer.platforms import Platform

WORDS = {True: "ok", False: "FAILED", None: "-"}
WIDTH, WORD_WIDTH = max(map(len, NAMES)), max(map(len, WORDS.values()))


def check_command(context: Context) -> int:
    platforms = each_host(context.platforms or _all(context))
    # What is tried stands in the rows: nothing is told besides, but the commands for -v.
    talk = Talk(command=context.out.talk.command)
    failures_only = getattr(context.arguments, "quiet", False)

    def show(found: Checked) -> None:
        for line in block(found, failures_only):
            context.out.result(line, _coloured(line))

    found = side_by_side(lambda platform: check(platform, talk), platforms, show)
    error = worst([host.error for host in found])
    context.out.document({"platforms": [host.as_json() for host in found], "error": error})
    if context.out.as_json:  # else they stand in the rows
        for failed in (row.error for host in found for row in host.checks if row.error):
            context.out.error(failed)
    return max((host.error.exit_code for host in found if host.error), default=0)


def _coloured(row: str) -> tuple[int, int, int] | None:
    """Where in a row its word stands, and its colour."""
    start = WIDTH + 4
    word = row[start : start + WORD_WIDTH].strip()
    colour = {WORDS[True]: colours.GREEN, WORDS[False]: colours.RED}.get(word)
    return (start, start + len(word), colour) if colour and row.startswith("  ") else None


def _all(context: Context) -> list[Platform]:
    """Those of hosts.yaml that have hosts of their own."""
    known = context.known_platforms
    names = [name for name in known.given if not is_expression(name)]
    if known.path is None:
        raise ConfigError("there is no hosts.yaml, so nothing to check", f"Looked for: {SEARCHED}.")
    if not names:
        raise UsageError("no platform of hosts.yaml has hosts of its own", "Name what to check.")
    return [known.get(name) for name in names]


def block(found: Checked, failures_only: bool = False) -> list[str]:
    """The lines of one host; a remedy stands below its row. failures_only: none where all is right.

    >>> from remote_install.findings import Check
    >>> block(Checked("hpc", "login1", (Check("reach", False, "timed out", "Is it up?"), Check("rsync", None, "x"))))
    ['hpc (login1)', '  reach       FAILED  timed out', '                      Is it up?', '  rsync       -       x']
    """
    lines = []
    for row in found.checks:
        if failures_only and row.ok is not False:
            continue
        lines.append(f"  {row.check:{WIDTH}}  {WORDS[row.ok]:{WORD_WIDTH}}  {row.detail}".rstrip())
        if row.remedy:
            lines.append(" " * (WIDTH + WORD_WIDTH + 6) + row.remedy)
    return [f"{found.platform} ({found.host})", *lines] if lines else []
