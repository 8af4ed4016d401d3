"""The command clean: a run directory is removed on its install targets."""

from __future__ import annotations

from remote_install import jobs, place, record
from remote_install.asked import Asked
from remote_install.call import calling
from remote_install.clean import Cleaned, How, clean
from remote_install.cli.context import Context
from remote_install.cli.output import count, worst
from remote_install.install import one_each
from remote_install.report import Report
from remote_install.side_by_side import side_by_side
from transfer.errors import UsageError
from transfer.platforms import Platform
from transfer.wording import visible


def clean_command(context: Context) -> int:
    """Returns 0 when it is gone everywhere, also when it was gone before."""
    platforms = one_each(context.platforms or _known(context))
    asked = _asked(context)
    if not context.arguments.force:
        context.refuse_if_driven()
    how = How(context.arguments.force, context.arguments.dry_run, lambda told, whose: _tell_ends(context, told, whose))

    def on(platform: Platform) -> Cleaned:
        mine = [one for one in asked if one.platform.install_target == platform.install_target]
        return clean(context.run, platform, mine, how, context.out.talk)

    cleaned = side_by_side(on, platforms)
    for one in cleaned:
        _show(context, one)
    errors = [one.error for one in cleaned]
    document = {"run": context.run.run_id, "targets": [one.as_json() for one in cleaned], "error": worst(errors)}
    context.out.document({**document, "dry_run": True} if how.dry_run else document)
    for error in errors:
        if error:
            context.out.error(error)
    return max(error.exit_code if error else 0 for error in errors)


def _known(context: Context) -> list[Platform]:
    """Where it was installed from here."""
    names = {*context.run.installed(), *(token.platform for token in record.tokens(context.run))}
    if not names:
        raise UsageError("nothing is known here of where this run is installed", "Name where with -p PLATFORM.")
    return [context.known_platforms.get(name) for name in sorted(names)]


def _asked(context: Context) -> list[Asked]:
    """The jobs that are known here, but for those of platforms that are in no hosts.yaml any more."""
    tokens = record.tokens(context.run)
    known = {one.platform for one in tokens if context.known_platforms.has(one.platform)}
    return [Asked(one.job, context.known_platforms.get(one.platform), one) for one in tokens if one.platform in known]


def _tell_ends(context: Context, told: list[Report], whose: list[Asked]) -> None:
    """What is told now is the last that is ever heard of these jobs: it is shown and written down before they go."""
    for one, asked in zip(told, whose):
        known = record.report(context.run, asked.token) if asked.token else None
        if one.ended and not record.ended(known):
            context.out.tell_job(one)
    jobs.acknowledge(context.run, told, whose)


def _show(context: Context, one: Cleaned) -> None:
    out, where = context.out, f"{one.platform.name} ({one.platform.hosts[0]})"
    if one.dry_run and one.error is None and one.mode != place.RSYNC_ONLY:
        out.result(f"$ {visible(str(calling(one.platform, 'clean', out.talk)))}")
    if one.error is not None or one.run_dir is None:
        return
    in_place = one.mode in place.IN_PLACE
    if not one.removed:
        out.result(f"{'what we make' if in_place else one.run_dir} is not on {where}: nothing to remove")
        return
    word = "would remove" if one.dry_run else "removed"
    what = f"what we made in {one.run_dir}" if in_place else one.run_dir
    out.result(f"{word} {what} on {where}: {count(one.files, 'file')}")
    for folder in one.folders:
        out.result(f"  with {folder}")
    for path, why in one.left:
        out.result(f"  left: {path}: {why}")
    for job in one.alive:
        out.tell(f"{where}: {job}, and goes on; its files are gone")
