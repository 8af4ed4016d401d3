"""What --dry-run prints: the commands and the changes that the same command would make without it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from remote_install import place
from remote_install.cli.context import Context
from remote_install.cli.output import count, worst
from remote_install.dry_run import Planned, PlannedCommand, plan_each
from remote_install.jobhost import manifest
from remote_install.plan import Plan
from remote_install.source import Content
from transfer.command import Command
from transfer.platforms import Platform
from transfer.wording import amount, visible


def install_dry_run(context: Context) -> int:
    """`install --dry-run`; returns the exit code that the install would have as far as can be told."""
    planned = show_install(context, context.platforms)
    errors = [one.error for one in planned]
    targets = [one.as_json() for one in planned]
    context.out.document({"run": context.run.run_id, "dry_run": True, "targets": targets, "error": worst(errors)})
    for error in errors:
        if error:
            context.out.error(error)
    return max(error.exit_code if error else 0 for error in errors)


def show_install(context: Context, platforms: list[Platform]) -> list[Planned]:
    """Plan the install to each target once, side by side, and print what it would do; a target's error is left to the
    caller. Raises as `install_each` does."""
    planned = plan_each(context.run, platforms, context.out.talk, context.arguments.adopt)
    for one in planned:
        if one.error is None:
            for line in lines_of(one):
                context.out.result(line)
    return planned


def lines_of(planned: Planned) -> Iterator[str]:
    """The lines for a reader: commands, then what changes there, deletions in a section of their own."""
    plan, content = planned.plan, planned.content
    assert plan is not None
    target = f"{planned.platform.install_target} ({planned.platform.hosts[0]})"
    if planned.mode in place.IN_PLACE:
        yield f"{target}: jobs run in {plan.run_dir} ({planned.mode}), nothing would be sent or deleted"
    else:
        yield f"{target}: would be installed to {plan.run_dir}"
    if not planned.asked:
        yield "  It can't be asked what differs: the job host program is not there yet, and a dry run does not send it."
        yield "  All is listed as to be sent, and the run directory is named as hosts.yaml does."
    if plan.unfinished:
        yield "  The last install there is unfinished; this one would finish it."
    yield from _commands(planned.commands)
    if content is not None:
        yield from _changes(plan, content, planned)


def _changes(plan: Plan, content: Content, planned: Planned) -> Iterator[str]:
    kinds = {manifest.FILE: "mode", manifest.FOLDER: "folder", manifest.LINK: "link"}
    new = set(plan.new)
    yield from _section(
        f"to be sent: {count(len(plan.send), 'file')}, {amount(planned.bytes_to_send)}",
        [("new" if name in new else "changed", name) for name in plan.send],
    )
    yield from _section(
        "to be changed there without sending", [(kinds[content.entries[name].kind], name) for name in plan.change]
    )
    yield from _section("to be made there, for symlink_dirs", [("link", _led(*link)) for link in plan.links.items()])
    yield from _section("to be deleted there, because it is gone here", [("delete", name) for name in plan.delete])
    yield from _section("gone here, but changed there since: left alone", [("keep", name) for name in plan.kept])
    if planned.install_command:
        yield f"  the install command would run there: {visible(str(Command(planned.install_command)))}"
    if not planned.changes_something:
        yield "  nothing would be changed there"


def _commands(commands: tuple[PlannedCommand, ...]) -> Iterator[str]:
    if commands:
        yield "  commands:"
    for command in commands:
        yield f"    $ {visible(command.line)}" + (f"  # with {command.stdin} on stdin" if command.stdin else "")


def _led(path: str, there: str) -> bytes:
    return os.fsencode(f"{path} -> {there}")


def _section(title: str, rows: list[tuple[str, bytes]]) -> Iterator[str]:
    if rows:
        yield f"  {title}:"
    for word, name in rows:
        yield f"    {word:8}{visible(name.decode('utf-8', 'surrogateescape'))}"
