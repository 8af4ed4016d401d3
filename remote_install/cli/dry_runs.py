"""--dry-run of the commands about jobs and files: what the same command would run, and nothing is changed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from remote_install import copy, elsewhere, fetch, place, program, record
from remote_install.call import ask_if_there, calling
from remote_install.cli.context import Context
from remote_install.cli.dry_run import show_install
from remote_install.cli.output import worst
from remote_install.conversation import Conversation
from remote_install.dry_run import Planned
from remote_install.wanted import Wanted
from transfer import rsync, sync
from transfer.command import Command, Outcome
from transfer.errors import RemoteInstallError
from transfer.platforms import Platform
from transfer.wording import visible

DRY = ("--dry-run", "--out-format=%i %l %n")  # sizes: nothing is sent that could be counted


def jobs_dry_run(context: Context, wanted: list[Wanted], paths: tuple[str, ...], follows: bool) -> int:
    """`run` and `submit`: the installs, the jobs, the calls. follows: is a job watched, and are its results fetched?"""
    platforms = [_platform(context, job) for job in wanted]
    once = list({platform.name: platform for platform in platforms}.values())
    planned = [] if getattr(context.arguments, "no_install", False) else show_install(context, once)
    run_dirs = {one.platform.install_target: one.plan.run_dir for one in planned if one.plan}
    for job, platform in zip(wanted, platforms):
        for line in _job_lines(job, platform):
            context.out.result(line)
    for platform in once:
        _command(context, calling(platform, "submit", context.out.talk), "the jobs")
        if follows:
            _command(context, calling(platform, "watch", context.out.talk), "the jobs")
        if follows and place.known_shared(context.run, platform, context.out.talk) is None:
            run_dir = run_dirs.get(platform.install_target) or _guessed(context, platform)
            there = fetch.Place(run_dir, _folders(context, platform))
            if platform.symlink_dirs:
                _command(context, calling(platform, "hello", context.out.talk))
            for command in fetch.fetching(context.run, platform, paths, there, gated=_is_gated(context, platform)):
                _command(context, _as_there(context, platform, command), "the names")
    return _end(context, planned)


def _platform(context: Context, job: Wanted) -> Platform:
    """Where it would go: a job that has begun stays on its platform."""
    folder = os.path.join(context.run.path, "log/job", job.name)
    last = record.latest(context.run, job.name) if os.path.isdir(folder) else None
    names = {platform.name: platform for platform in job.candidates}
    return names.get(last.platform, job.candidates[0]) if last else job.candidates[0]


def _job_lines(job: Wanted, platform: Platform) -> Iterator[str]:
    yield f"{job.name} would be submitted on {platform.name} ({platform.hosts[0]}, {platform.job_runner.name}):"
    yield f"  {visible(shlex.join(job.argv(platform)))}"
    if job.time_limit:
        yield f"  ended after {job.time_limit:.0f} s"
    if platform.secrets:
        yield f"  with the secrets {', '.join(platform.secrets)}"


def _guessed(context: Context, platform: Platform) -> str:
    return f"{platform.run_root}/{context.run.run_id}"


def _folders(context: Context, platform: Platform) -> dict[str, str]:
    """Where symlink_dirs lead, as hosts.yaml has it."""
    run_id = context.run.run_id
    return {path: f"{folder}/{elsewhere.FOLDER}/{run_id}" for path, folder in platform.symlink_dirs.items()}


def _end(context: Context, planned: list[Planned]) -> int:
    errors = [one.error for one in planned if one.error]
    for error in errors:
        context.out.error(error)
    context.out.document({"dry_run": True, "error": worst(list(errors))})
    return max((error.exit_code for error in errors), default=0)


def kill_dry_run(context: Context) -> int:
    """`kill`: which jobs, as far as is known here, and the calls; nobody is asked, because that writes there."""
    asked = context.asked(context.arguments.jobs)
    for one in asked:
        context.out.result(f"{one.job} on {one.platform.name} ({one.platform.hosts[0]}) would be ended if it is alive")
    for platform in {one.platform.name: one.platform for one in asked}.values():
        _command(context, calling(platform, "kill", context.out.talk), "the jobs")
    return _end(context, [])


def fetch_dry_run(context: Context, platforms: list[Platform], paths: tuple[str, ...]) -> int:
    """`fetch`: what would come."""
    errors = []
    for platform in platforms:
        try:
            _fetch(context, platform, paths)
        except RemoteInstallError as error:
            errors.append(error)
            context.out.error(error)
    context.out.document({"dry_run": True, "error": worst(list(errors))})
    return max((error.exit_code for error in errors), default=0)


def _fetch(context: Context, platform: Platform, paths: tuple[str, ...]) -> None:
    if place.known_shared(context.run, platform, context.out.talk) is not None:
        context.out.result(f"nothing would come from {platform.name}: its jobs write to the run directory here")
        return

    def ask(there: Conversation) -> fetch.Place:
        there.say(place.where(context.run, platform, writes=False))
        answer = there.hear("hello")
        there.listen_to_the_end()
        return fetch.place_of(answer, context.run, platform)

    found = ask_if_there(platform, "hello", ask, context.out.talk)
    _name_call(context, platform, "hello", found is not None)
    where = found or fetch.Place(_guessed(context, platform), _folders(context, platform))
    gated = _is_gated(context, platform)
    for command in fetch.fetching(context.run, platform, paths, where, gated=gated):
        _command(context, _as_there(context, platform, command), "the names")
    for command in fetch.looking(context.run, platform, paths, where, *DRY, gated=gated) if found else ():
        _show(context, platform, command)


def push_dry_run(context: Context, platform: Platform, path: str) -> int:
    """`push`: what would go."""
    sources = tuple(context.arguments.sources)
    copy.check_sources(sources)
    there, known = _there(context, platform, path)
    _command(context, _as_there(context, platform, copy.pushing(sources, platform, lambda: there)))
    if known:
        _show(context, platform, copy.pushing(sources, platform, lambda: there, *DRY))
    return _end(context, [])


def pull_dry_run(context: Context, platform: Platform, path: str) -> int:
    """`pull`: what would come."""
    target = context.arguments.target
    there, known = _there(context, platform, path)
    _command(context, _as_there(context, platform, copy.pulling(platform, lambda: there, target)))
    if known:
        _show(context, platform, copy.pulling(platform, lambda: there, target, *DRY))
    return _end(context, [])


def _there(context: Context, platform: Platform, path: str) -> tuple[str, bool]:
    """Where `path` is there, and is that known or just as hosts.yaml has it?"""
    if not copy.needs_a_call(path):
        return path, True
    found = copy.asked_path(platform, path, context.out.talk)
    _name_call(context, platform, "resolve", found is not None)
    return (found, True) if found is not None else (f"{platform.run_root}/{path}", False)


def _name_call(context: Context, platform: Platform, verb: str, there: bool) -> None:
    """A call and, where the job host program is not there yet, what sends it."""
    call = calling(platform, verb, context.out.talk)
    _command(context, call)
    if not there:
        _command(context, program.sending(platform, platform.hosts[0]), "the job host program")
        _command(context, call)
        context.out.result("the job host program is not there yet, and a dry run does not send it: nothing was asked")


def _command(context: Context, command: Command, stdin: str = "") -> None:
    context.out.result(f"$ {visible(str(command))}" + (f"  # with {stdin} on stdin" if stdin else ""))


def _past(context: Context, platform: Platform) -> sync.PastNoise:
    return program.past_noise(platform, platform.hosts[0], context.out.talk)


def _is_gated(context: Context, platform: Platform) -> bool:
    return _past(context, platform).is_gated()


def _as_there(context: Context, platform: Platform, command: Command) -> Command:
    """The command as it would be run, as far as is known."""
    return rsync.for_gate(command) if _is_gated(context, platform) else command


def _show(context: Context, platform: Platform, command: Command) -> None:
    """Run rsync with --dry-run, and print a line for each change. Raises HostError or TransferError."""

    def run(command: Command) -> Outcome:
        outcome = sync.run(platform, platform.hosts[0], command, context.out.talk.tell)
        error = rsync.error_of(outcome, platform.hosts[0])
        if error is not None:
            raise error
        return outcome

    outcome = sync.around_gate(command, _past(context, platform), run)
    for line in outcome.out.decode("utf-8", "replace").splitlines():
        what, _, rest = line.partition(" ")
        size, _, name = rest.partition(" ")
        context.out.result(f"  {what} {visible(name)}" + (f" ({size} bytes)" if what[1:2] == "f" else ""))
