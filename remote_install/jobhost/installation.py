"""The install verb: a conversation that holds the target's lock while rsync, beside it, brings the files.

The lock lasts as long as the connection. The client says something every few seconds; when it falls
silent or goes away this program ends, the lock is free, and the target stays marked as unfinished.
"""

import contextlib
import os
from typing import Iterator, Optional

from . import layout
from .files import now_ns
from .manifest import Entries, Listing, digest, unpack
from .placement import Plan, arrived, clear_staging, look_again, make_plan, place
from .target import Manifest, Target
from .wire import Client, Json, Refusal, text, to_text

SILENCE = 45.0  # seconds after which a client that says nothing counts as gone
LOOK_AGAIN = 0.2  # seconds between two looks at a lock that another install holds


def install(request: Json, client: Client, _wrapper: bytes) -> None:
    """Bring the run directory here to what the client has, or find that it is."""
    run_dir = layout.run_directory(text(request, "run_root"), text(request, "run"))
    target = Target(run_dir)
    try:
        target.prepare()
        with client.heartbeat(), _lock(target, client):
            target.claim(text(request, "uuid"), text(request, "origin"), request.get("adopt") is True)
            _install(target, text(request, "digest"), client)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refusal(
            5,
            "%s can't be written: %s" % (to_text(run_dir), error),
            "Is the disk full? Else set run_root in hosts.yaml to a folder that you may write to there.",
        )


def _install(target: Target, content: str, client: Client) -> None:
    manifest = target.manifest()
    if target.installed and not target.unfinished and _digest_here(target, manifest) == content:
        client.say("same", run_dir=to_text(target.run_dir))
        return
    client.say("differs")
    wanted = _wanted(client)
    listing = Listing(manifest.cache, now_ns())
    plan = make_plan(target, wanted, target.brought(), listing)
    target.mark(wanted)
    clear_staging(target, plan.send)
    _say_plan(client, target, plan)
    client.hear(SILENCE)
    changed = arrived(target, wanted, plan.send)
    if changed is not None:
        client.say("changed", path=to_text(changed))
        return
    place(target, wanted, plan)
    target.finish(wanted, look_again(target, wanted, listing.cache, now_ns()).cache)
    client.say("installed")


def _say_plan(client: Client, target: Target, plan: Plan) -> None:
    names = {name: [to_text(path) for path in paths] for name, paths in plan._asdict().items()}
    client.say("plan", run_dir=to_text(target.run_dir), **names)


@contextlib.contextmanager
def _lock(target: Target, client: Client) -> Iterator[None]:
    told = False
    while True:
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


def _digest_here(target: Target, manifest: Manifest) -> str:
    """The digest of what was brought, as it is now: a job may have changed it."""
    listing = Listing(manifest.cache, now_ns())
    found = {path: listing.look(target.run_dir, path) for path in manifest.entries}
    return digest({path: entry for path, entry in found.items() if entry is not None})


def unfinished(run_dir: bytes) -> Optional[str]:
    """Why no job may be submitted in this run directory; None when its install is whole."""
    if not os.path.isdir(run_dir):
        return "is not installed here"
    return "is not installed whole here" if Target(run_dir).unfinished else None
