"""The commands that move files: install, fetch, push, pull."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Callable

from remote_install import copy, place, record
from remote_install.asked import Asked, platforms_of, take
from remote_install.cli.context import Context
from remote_install.cli.output import count, worst
from remote_install.fetch import checked, fetch
from remote_install.install import Installed, held_twice, install_each
from remote_install.wanted import Wanted
from transfer.errors import HostError, RemoteInstallError, UsageError
from transfer.platforms import Platform
from transfer.rsync import Changes
from transfer.wording import amount, visible


def install_command(context: Context) -> int:
    if not context.platforms:
        raise UsageError("name where to install with -p PLATFORM")
    if context.argv is not None:
        raise UsageError("install takes no command behind `--`", "The command that installs and runs is `run`.")
    context.refuse_if_driven()
    if context.arguments.dry_run:
        from remote_install.cli.dry_run import install_dry_run

        return install_dry_run(context)
    installed = install_all(context, context.platforms)
    errors = [one.error for one in installed]
    targets = [one.as_json() for one in installed]
    context.out.document({"run": context.run.run_id, "targets": targets, "error": worst(errors)})
    for error in errors:
        if error:
            context.out.error(error)
    return max(error.exit_code if error else 0 for error in errors)


def install_all(context: Context, platforms: list[Platform]) -> list[Installed]:
    """Install to each target once, side by side, and say how it went."""
    run, talk = context.run, context.out.talk
    began = time.monotonic()
    installed = install_each(run, platforms, talk, context.arguments.adopt)
    for one in installed:
        if not one.error and one.mode in place.IN_PLACE:
            talk.tell(f"{one.platform.name}: nothing to install, jobs run in {visible(str(one.run_dir))} ({one.mode})")
    for target, other in held_twice(installed):
        talk.tell(
            f"install targets {target} and {other} are one and the same folder: write `install_target: {target}` for "
            f"both in hosts.yaml, and it is installed once"
        )
    done = [one.changes for one in installed if one.changes and one.mode not in place.IN_PLACE]
    if done:
        files, size = sum(one.files for one in done), sum(one.bytes_sent for one in done)
        where = count(len(done), "install target")
        spent = time.monotonic() - began
        deleted = sum(one.deleted for one in installed)
        also = f", deleted {deleted}" if deleted else ""
        context.out.tell(f"installed {count(files, 'file')}, {amount(size)}{also}, on {where} in {spent:.1f} s")
    return installed


def install_for(context: Context, asked: list[Asked], wanted: list[Wanted]) -> list[Installed]:
    """Install where the jobs are to run. A job of a group goes to the next platform where one can't be reached, unless
    it was sent there before; `asked` is as it is then."""
    installed = install_all(context, platforms_of(asked))
    while moved := _moved(context, asked, wanted, installed):
        known = {one.platform.install_target for one in installed}
        new = [one for one in platforms_of(moved) if one.install_target not in known]
        installed += install_all(context, new) if new else []
    return installed


def _moved(context: Context, asked: list[Asked], wanted: list[Wanted], installed: list[Installed]) -> list[Asked]:
    """The jobs whose platform can't be reached, on another one of their group; in `asked` they take their places."""
    down = {one.platform.install_target: one.error for one in installed if isinstance(one.error, HostError)}
    moved = []
    for at, (one, job) in enumerate(zip(asked, wanted)):
        error = down.get(one.platform.install_target)
        rest = tuple(other for other in job.candidates if other.install_target not in down)
        if error is not None and rest and one.token and not record.is_sent(context.run, one.token):
            (asked[at],) = take(context.run, [replace(job, candidates=rest)], context.arguments.again)
            context.out.tell(f"{error}; job {job.name} goes to {asked[at].platform.name} instead")
            moved.append(asked[at])
    return moved


def fetch_command(context: Context) -> int:
    paths = (*context.run.settings.fetch, *(checked(path) for path in context.arguments.paths))
    errors: list[RemoteInstallError] = []
    if context.arguments.dry_run:
        from remote_install.cli.dry_runs import fetch_dry_run

        return fetch_dry_run(context, context.platforms or _with_jobs(context), paths)
    for platform in context.platforms or _with_jobs(context):
        try:
            fetch_from(context, platform, paths)
        except RemoteInstallError as error:
            context.out.error(error)
            errors.append(error)
    context.out.document({"run": context.run.run_id, "error": worst(list(errors))})
    return max((error.exit_code for error in errors), default=0)


def fetch_from(context: Context, platform: Platform, paths: tuple[str, ...], run_dir: str | None = None) -> None:
    """Job logs and `paths` from one platform, and say what came. Raises HostError or TransferError."""
    began = time.monotonic()
    changes = fetch(context.run, platform, paths, context.out.talk, run_dir)
    spent = time.monotonic() - began
    if place.known_shared(context.run, platform, context.out.talk) is not None:
        context.out.tell(f"nothing to fetch from {platform.name}: its jobs write to the run directory here")
        return
    context.out.tell(f"fetched {_amounts(changes)}, from {platform.name} in {spent:.1f} s")


def push_command(context: Context) -> int:
    platform, path = copy.place(context.arguments.there, context.known_platforms)
    sources = tuple(context.arguments.sources)
    if context.arguments.dry_run:
        from remote_install.cli.dry_runs import push_dry_run

        return push_dry_run(context, platform, path)
    return _copied(context, platform, "pushed", "to", lambda: copy.push(sources, platform, path, context.out.talk))


def pull_command(context: Context) -> int:
    platform, path = copy.place(context.arguments.there, context.known_platforms)
    target = context.arguments.target
    if context.arguments.dry_run:
        from remote_install.cli.dry_runs import pull_dry_run

        return pull_dry_run(context, platform, path)
    return _copied(context, platform, "pulled", "from", lambda: copy.pull(platform, path, target, context.out.talk))


def _copied(context: Context, platform: Platform, done: str, word: str, copied: Callable[[], Changes]) -> int:
    began = time.monotonic()
    changes = copied()
    spent = time.monotonic() - began
    for name in changes.skipped[:5]:
        context.out.tell(f"{visible(name)} was passed over: it is no file, folder or link")
    context.out.tell(f"{done} {_amounts(changes)}, {word} {platform.name} in {spent:.1f} s")
    context.out.document(
        {
            "platform": platform.name,
            "host": platform.hosts[0],
            "files": changes.files,
            "bytes": changes.bytes_sent,
            "seconds": round(spent, 3),
            "error": None,
        }
    )
    return 0


def _amounts(changes: Changes) -> str:
    return f"{count(changes.files, 'file')}, {amount(changes.bytes_sent)}"


def _with_jobs(context: Context) -> list[Platform]:
    names = {token.platform: None for token in record.tokens(context.run)}
    if not names:
        raise UsageError("no job of this run is known here", "Name where to fetch from with -p PLATFORM.")
    return [context.known_platforms.get(name) for name in names]
