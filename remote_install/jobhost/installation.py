"""The install verb: a conversation that holds the target's lock while rsync, beside it, brings the files.

The lock lasts as long as the connection. The client says something at least every HEARTBEAT seconds; when it falls
silent or goes away this program ends, the lock is free, and the target stays marked as unfinished.
"""

import contextlib
import hashlib
import os
import select
import signal
import subprocess
from typing import Iterator, List, Optional

from . import layout
from .files import now_ns
from .manifest import Entries, Listing, digest, unpack
from .placement import Plan, arrived, clear_staging, look_again, make_plan, place
from .target import Manifest, Target
from .wire import Client, Json, Refusal, strings, text, to_bytes, to_text

SILENCE = 45.0  # seconds after which a client that says nothing counts as gone
LOOK_AGAIN = 0.2  # seconds between two looks at a lock that another install holds


def install(request: Json, client: Client, _wrapper: bytes) -> None:
    """Bring the run directory here to what the client has, or find that it is."""
    run_dir = layout.run_directory(text(request, "run_root"), text(request, "run"))
    target = Target(run_dir)
    dry = request.get("dry_run") is True
    if dry and not os.path.isdir(run_dir):
        client.say("differs")
        _say_plan(client, target, make_plan(target, _wanted(client), {}, Listing({}, now_ns())))
        return
    try:
        target.prepare()
        with client.heartbeat(), _lock(target, client):
            if not dry:
                target.claim(text(request, "uuid"), text(request, "origin"), request.get("adopt") is True)
            _install(target, request, client, dry)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refusal(
            5,
            "%s can't be written: %s" % (to_text(run_dir), error),
            "Is the disk full? Else set run_root in hosts.yaml to a folder that you may write to there.",
        )


def _install(target: Target, request: Json, client: Client, dry: bool) -> None:
    command = strings(request, "command") if request.get("command") else []
    content = text(request, "digest")
    manifest = target.manifest()
    key = _key(content, command)
    if not target.unfinished and manifest.command == key and _digest_here(target, manifest) == content:
        client.say("same", run_dir=to_text(target.run_dir))
        return
    client.say("differs")
    wanted = _wanted(client)
    listing = Listing(manifest.cache, now_ns())
    plan = make_plan(target, wanted, target.brought(), listing)
    if dry:
        _say_plan(client, target, plan)
        return
    target.mark(wanted)
    clear_staging(target, plan.send)
    _say_plan(client, target, plan)
    client.hear(SILENCE)
    changed = arrived(target, wanted, plan.send)
    if changed is not None:
        client.say("changed", path=to_text(changed))
        return
    place(target, wanted, plan)
    code = _run(target, request, command, client) if command and manifest.command != key else 0
    if code == 0:
        again = look_again(target, wanted, listing.cache, now_ns())
        target.finish(wanted, again.cache, key)
    client.say("installed", command_exit=code)


def _say_plan(client: Client, target: Target, plan: Plan) -> None:
    names = {name: [to_text(path) for path in paths] for name, paths in plan._asdict().items()}
    client.say("plan", run_dir=to_text(target.run_dir), staging=to_text(target.staging), **names)


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


def _key(content: str, command: List[str]) -> str:
    """What an install command has succeeded for: this content and this command."""
    value = hashlib.blake2b(content.encode(), digest_size=20)
    for word in command:
        value.update(b"\0" + to_bytes(word))
    return value.hexdigest()


def _run(target: Target, request: Json, command: List[str], client: Client) -> int:
    """Run the install command in the run directory; its output goes to the client. It ends with the client."""
    process = subprocess.Popen(
        [to_bytes(word) for word in command],
        cwd=target.run_dir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "REMOTE_INSTALL_RUN": request["run"], "REMOTE_INSTALL_RUN_DIR": to_text(target.run_dir)},
    )
    try:
        assert process.stdout is not None
        _pass_on(process.stdout.fileno(), client)
        return process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _pass_on(output: int, client: Client) -> None:
    while True:
        ready = select.select([output], [], [], 0.5)[0]
        if ready:
            data = os.read(output, 32 * 1024)
            if not data:
                return
            client.say("command output", text=data.decode("utf-8", "replace"))
        client.rest(0.0)


def unfinished(run_dir: bytes) -> Optional[str]:
    """Why no job may be submitted in this run directory; None when its install is whole."""
    if not os.path.isdir(run_dir):
        return "is not installed here"
    return "is not installed whole here" if Target(run_dir).unfinished else None
