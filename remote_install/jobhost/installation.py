"""The install verb: a conversation that holds the target's lock while rsync, beside it, brings the files.

The lock lasts as long as the connection. The client says something every few seconds; when it falls
silent or goes away this program ends, the lock is free, and the target stays marked as unfinished. The install command
runs under the lock too, after all is in place and before the mark is taken away.
"""

import contextlib
import os
from typing import Iterator, List, Tuple

from . import building, layout, line, links
from .building import Build
from .files import now_ns
from .links import Link
from .manifest import Cache, Entries, Listing, digest, unpack
from .placement import Plan, arrived, clear_staging, look_again, make_plan, place, spared
from .sharing import find, marks
from .target import Manifest, Target
from .wire import SILENCE, Client, Json, Refusal, strings, text, to_text

LOOK_AGAIN = 0.2  # seconds between two looks at a lock that another install holds


def install(request: Json, client: Client, _wrapper: bytes) -> None:
    """Bring the run directory here to what the client has, or find that it is."""
    run_dir, shared = find(request, client)
    target = Target(run_dir)
    if request.get("dry_run") is True:
        with client.heartbeat():
            _rehearse(target, request, client, shared)
        return
    try:
        with client.heartbeat(), _lock(target, client):
            if shared:
                _build_in_place(target, request, client)
                return
            target.claim(text(request, "uuid"), text(request, "origin"), request.get("adopt") is True)
            _install(target, request, client)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refusal(
            5,
            "%s can't be written: %s" % (_place_of(error, run_dir), error.strerror),
            "Is the disk full? Else set run_root in hosts.yaml to a folder that you may write to there.",
        )


def _place_of(error: OSError, run_dir: bytes) -> str:
    return to_text(error.filename if isinstance(error.filename, bytes) else run_dir)


def _build_in_place(target: Target, request: Json, client: Client) -> None:
    """The run directory of the client itself: nothing is brought or deleted, only the install command runs in it.

    What the command makes lies in the run directory too: the client looks again, and tells the content as it is then.
    """
    wanted_links, _ = _links(target, request, in_place=True)
    _, _, build = _look(target, request)
    client.say("in place", run_dir=to_text(target.run_dir), runs_command=build.due)
    links.make(target.run_dir, wanted_links, text(request, "uuid"), text(request, "origin"))
    if build.due:
        target.mark({})
        building.run(build.argv, text(request, "run"), target, client)
        client.say("built")
        settled = building.key_of(text(client.hear(SILENCE), "digest"), build.argv)
        target.finish(Manifest({}, {}, settled, {}))
    elif target.unfinished:
        target.finish(Manifest({}, {}, build.key, {}))
    client.say("installed")


def _rehearse(target: Target, request: Json, client: Client, shared: bool) -> None:
    """Tell what an install would change, and change nothing: no lock, no mark; another install may be at work."""
    if shared:
        _links(target, request, in_place=True)
        _, _, build = _look(target, request)
        client.say("in place", run_dir=to_text(target.run_dir), runs_command=build.due)
        return
    target.check_owner(text(request, "uuid"), request.get("adopt") is True)
    wanted_links, missing = _links(target, request)
    manifest, listing, build = _look(target, request)
    if not missing and _is_whole(target, text(request, "digest"), manifest, build):
        client.say("same", run_dir=to_text(target.run_dir))
        return
    client.say("differs")
    plan = make_plan(target, _wanted(client), target.brought(), listing, build.settled)
    plan = spared(plan, [link.path for link in wanted_links])
    new = [to_text(path) for path in plan.send if not os.path.lexists(os.path.join(target.run_dir, path))]
    to_make = {to_text(link.path): to_text(link.target) for link in missing}
    _say_plan(client, target, plan, build, new=new, links=to_make, unfinished=target.unfinished)


def _install(target: Target, request: Json, client: Client) -> None:
    wanted_links, missing = _links(target, request)
    manifest, listing, build = _look(target, request)
    if not missing and _is_whole(target, text(request, "digest"), manifest, build, remember=True):
        client.say("same", run_dir=to_text(target.run_dir), marks=marks(target.run_dir))
        return
    client.say("differs")
    wanted, brought = _wanted(client), target.brought()
    plan = make_plan(target, wanted, brought, listing, build.settled)
    plan = spared(plan, [link.path for link in wanted_links])
    target.mark(wanted, "" if build.due else build.key, brought)
    clear_staging(target, plan.send)
    _say_plan(client, target, plan, build)
    line.hear(client)
    changed, moved = arrived(target, wanted, plan.send)
    if changed is not None:
        client.say("changed", path=to_text(changed))
        return
    place(target, wanted, plan)
    links.make(target.run_dir, wanted_links, text(request, "uuid"), text(request, "origin"))
    if build.due:
        _run_command(build, request, target, wanted, client)
    moved = {} if build.due else moved  # the install command may have written to them, and may set any time
    altered, cache = look_again(target, wanted, listing.cache, moved, now_ns())
    target.finish(Manifest(wanted, cache, build.key, altered if build.due else build.settled))
    client.say("installed")


def _run_command(build: Build, request: Json, target: Target, wanted: Entries, client: Client) -> None:
    """Run the install command. What it has removed of ours is there again, however it ended: the mark first of all."""
    try:
        building.run(build.argv, text(request, "run"), target, client)
    finally:
        run_dir_there = os.path.isdir(target.run_dir)
        if not target.unfinished:
            target.prepare()
            target.mark(wanted)
            target.claim(text(request, "uuid"), text(request, "origin"), adopt=False)
    if not run_dir_there:
        raise Refusal(1, "the install command removed the run directory", building.HINT)


def _links(target: Target, request: Json, in_place: bool = False) -> Tuple[List[Link], List[Link]]:
    """The links of symlink_dirs: all, and those that are missing. Raises Refusal (9) when something is in the way.

    in_place: where the client has its own records in the jobs' folder too, that stays where it is.
    """
    found = links.wanted(request, text(request, "run"))
    if in_place:
        found = [link for link in found if not (layout.JOBS + b"/").startswith(link.path + b"/")]
    adopt = request.get("adopt") is True
    return found, links.missing(target.run_dir, found, text(request, "uuid"), adopt)


def _look(target: Target, request: Json) -> Tuple[Manifest, Listing, Build]:
    manifest = target.manifest()
    listing = Listing(manifest.cache, now_ns())
    argv = strings(request, "command") if request.get("command") else []
    return manifest, listing, building.decide(argv, text(request, "digest"), manifest, target, listing)


def _is_whole(target: Target, content: str, manifest: Manifest, build: Build, remember: bool = False) -> bool:
    """Is `content` here, and nothing to be done? remember: keep the hashes that were made to find that out."""
    if not target.installed or target.unfinished or build.due:
        return False
    found, cache = _here(target, manifest, build)
    same = digest(found) == content
    if same and remember and len(cache) > len(manifest.cache):
        target.remember(manifest._replace(cache=cache))
    return same


def _say_plan(client: Client, target: Target, plan: Plan, build: Build, **more: object) -> None:
    names = {name: [to_text(path) for path in paths] for name, paths in plan._asdict().items()}
    told = {"run_dir": to_text(target.run_dir), "marks": marks(target.run_dir), "runs_command": build.due}
    client.say("plan", **told, **names, **more)


@contextlib.contextmanager
def _lock(target: Target, client: Client) -> Iterator[None]:
    told = False
    while True:
        target.prepare()  # it may have been removed while we waited
        with target.locked() as held:
            if held:
                yield
                return
        if not told:
            client.say("waiting")
            told = True
        client.rest(LOOK_AGAIN)


def _wanted(client: Client) -> Entries:
    return unpack(client.hear(SILENCE).get("entries"))


def _here(target: Target, manifest: Manifest, build: Build) -> Tuple[Entries, Cache]:
    """What was brought, as it is now, and its hashes: a job may have changed it. What is settled counts as brought."""
    listing = Listing(manifest.cache, now_ns())
    looked = listing.look_all(target.run_dir, (path for path in manifest.entries if path not in build.settled))
    found = {path: looked.get(path, entry) for path, entry in manifest.entries.items()}
    return {path: entry for path, entry in found.items() if entry is not None}, listing.cache
