"""The clean verb: removes a run directory, and what symlink_dirs made for it, once no job of it is alive.

The client hears how its jobs have ended before anything is removed, and says when it has written that down. From then
on no job can be submitted; whoever is interrupted after that and asks again goes on. Whose it is goes last.
"""

import os
from typing import Callable, Iterable, List, Tuple

from . import layout, links, status
from .layout import OURS, JobDirectory
from .links import Links
from .removal import Removal
from .sharing import find
from .target import GOING, LOOKING, Target
from .tries import Looker, as_json
from .unlinking import remove_elsewhere
from .way import Way, open_folder
from .wire import SILENCE, Client, Json, Refusal, text, to_bytes, to_text

LAST = ("lock", "uuid", "closed")  # in this order: who is interrupted finds his own again, and no job is submitted
Asked = Callable[[bytes], List[Tuple[str, JobDirectory, Json]]]


def clean(request: Json, client: Client, looker: Looker, asked: Asked) -> None:
    """Remove a run directory. asked: the tries in it that the client wants to be told about before.

    Where it is the very one of the client only what we made in it goes. Raises Refusal: 9 for another run's and for
    live jobs (not with `force`), 5 when something could not be removed.
    """
    run_dir, shared = find(request, client)
    if not os.path.lexists(run_dir):
        client.say("absent", run_dir=to_text(run_dir))
        return
    target = Target(run_dir)
    with client.heartbeat(), _way(request, run_dir, shared) as way:
        if not shared and _is_emptied(way):
            client.say("cleaned", run_dir=to_text(run_dir), files=0, left=[])
            return
        uuid = str(request.get("uuid")) if shared else _owner(target, request)
        folders = [to_text(link.target) for link in Links(run_dir).known.values()]
        if request.get("dry_run") is True:
            _look(target, request, client, looker, asked)
            removal = _remove_all(target, way, Removal(os.geteuid(), uuid, dry=True), shared)
            _tell(target, client, "would", folders, removal)
            return
        with target.locked() as held:
            if not held:
                raise Refusal(9, "an install is at work in %s" % to_text(run_dir), "Wait for its end, and try again.")
            _close(target, request, client, looker, asked)
            removal = _remove_all(target, way, Removal(target.close(GOING), uuid), shared)
            _check(target, removal)
            _remove_ours(way)
            way.prune()
        _tell(target, client, "cleaned", folders, removal)


def _way(request: Json, run_dir: bytes, shared: bool) -> Way:
    """Down to the run directory from the run root; the very one of the client stays, and is where it says it is."""
    start = open_folder(run_dir if shared else layout.run_root(text(request, "run_root")))
    try:
        return Way(start, [] if shared else to_bytes(text(request, "run")).split(b"/"))
    except NotADirectoryError:
        raise Refusal(
            9,
            "%s, or a folder above it, is a link or no folder" % to_text(run_dir),
            "What is behind a link is never removed; look at it there, and remove it by hand.",
        )
    finally:
        os.close(start)


def _is_emptied(way: Way) -> bool:
    """Was all removed but the last, whose it is too, before somebody was interrupted? That goes now."""
    if not set(os.listdir(way.end)) <= {to_text(OURS)}:
        return False
    try:
        with Way(way.end, [OURS]) as ours:
            if not set(os.listdir(ours.end)) <= {"closed"}:
                return False
        _remove_ours(way)
    except FileNotFoundError:
        pass
    way.prune()
    return True


def _owner(target: Target, request: Json) -> str:
    """The uuid of the run. A client that knows none of its own has no other way to name it than by its run id."""
    if os.path.islink(os.path.join(target.run_dir, OURS)):
        raise Refusal(9, "%s/.remote-install is a link" % to_text(target.run_dir), "Look at it there.")
    owner, asking = target.owner(), request.get("uuid")
    uuid = owner.get("uuid")
    if not isinstance(uuid, str):
        raise Refusal(
            9,
            "%s is no run directory that an install of ours has made" % to_text(target.run_dir),
            "Is the run id right, and run_root in hosts.yaml? If it is to go, remove it there by hand.",
        )
    if asking is not None and asking != uuid:
        raise Refusal(
            9,
            "%s holds another run directory under this run id, installed from %s"
            % (to_text(target.run_dir), owner.get("origin", "elsewhere")),
            "Remove it from there, or name the run that you mean with --run-id.",
        )
    return uuid


def _close(target: Target, request: Json, client: Client, looker: Looker, asked: Asked) -> None:
    """Let no job be submitted, see that none is alive, tell the client, and hear that it wants to go on."""
    if target.going:
        client.say("plan", run_dir=to_text(target.run_dir), alive=[])
        client.hear(SILENCE)
        return
    target.close(LOOKING)
    try:
        _look(target, request, client, looker, asked)
        client.hear(SILENCE)
    except BaseException:
        target.reopen()
        raise


def _look(target: Target, request: Json, client: Client, looker: Looker, asked: Asked) -> None:
    force = request.get("force") is True
    alive = [] if target.going else _alive(target.run_dir, looker, force)
    if alive and not force:
        raise Refusal(
            9,
            "%s in %s" % ("; ".join(alive[:3]), to_text(target.run_dir)),
            "`remote-install kill RUN` ends jobs, `wait` waits for them; --force removes their files all the same.",
        )
    for name, job, _ in [] if target.going else asked(target.run_dir):
        look = looker.look(job)
        client.say_soon("job", **as_json(name, look, looker.runners))
    client.say("plan", run_dir=to_text(target.run_dir), alive=alive)


def _alive(run_dir: bytes, looker: Looker, force: bool) -> List[str]:
    """The jobs of which it is not known that they have ended, each in words."""
    try:
        links.refuse_planted(run_dir)
    except Refusal:
        if force:
            return []
        raise
    found = []
    for name in layout.job_names(run_dir):
        jobs = [layout.job_directory(run_dir, name, number) for number in layout.tries(run_dir, name)]
        looker.prepare(jobs)
        for job in jobs:
            found += _words(name, job, looker)
    return found


def _words(name: str, job: JobDirectory, looker: Looker) -> List[str]:
    who = "job %s %02d" % (name, job.number)
    try:
        look = looker.look(job)
    except OSError as error:
        return ["%s: it can't be told whether it is alive: %s" % (who, error.strerror)]
    never_began = not look.facts.start and not look.facts.submit
    if look.verdict.state in status.ENDED or never_began:
        return []
    if look.verdict.state == "unknown":
        return ["%s: it can't be told whether it is alive: %s" % (who, look.verdict.reason)]
    return ["%s is %s" % (who, look.verdict.state)]


def _remove_all(target: Target, way: Way, removal: Removal, shared: bool) -> Removal:
    """All but the few files of ours that tell whose it is, and that it is being removed. shared: just what is ours."""
    known, label = Links(target.run_dir), os.fsdecode(target.run_dir)
    links_here = known.in_place()
    if not removal.dry:
        _take_jobs_away(way.end)
    remove_elsewhere(known, removal)
    if shared:
        _remove_ours_among_others(way.end, links_here, removal, label)
    for name in [] if shared else os.listdir(way.end):
        if name != to_text(OURS):
            removal.remove(way.end, name, "%s/%s" % (label, name))
    with Way(way.end, [OURS]) as ours:
        for name in os.listdir(ours.end):
            if name not in LAST and not (removal.failed and name == "links"):
                removal.remove(ours.end, name, "%s/.remote-install/%s" % (label, name))
    return removal


def _remove_ours_among_others(run_dir: int, links_here: Iterable[bytes], removal: Removal, label: str) -> None:
    """What lies about in the client's own run directory: links, the jobs' folder, and the one above if it is empty."""
    for path in [*links_here, layout.JOBS]:
        *above, name = path.split(b"/")
        try:
            with Way(run_dir, above) as way:
                removal.remove(way.end, os.fsdecode(name), "%s/%s" % (label, os.fsdecode(path)))
                if path == layout.JOBS and not removal.dry:
                    way.prune()
        except (FileNotFoundError, NotADirectoryError):
            pass


def _take_jobs_away(run_dir: int) -> None:
    """At once, so that a poll in between finds no job rather than half of one."""
    above, name = layout.JOBS.split(b"/")
    away = b"%s/jobs-%s" % (OURS, os.urandom(4).hex().encode())
    try:
        with Way(run_dir, [above]) as log:
            os.rename(name, away, src_dir_fd=log.end, dst_dir_fd=run_dir)
    except OSError:
        pass  # there are none, or they may not be moved: then they go as all else does


def _check(target: Target, removal: Removal) -> None:
    if removal.failed:
        told = ["%s: %s" % (one.path, one.why) for one in removal.left if not one.another_run]
        raise Refusal(
            5,
            "not all of %s could be removed: %s" % (to_text(target.run_dir), "; ".join(told[:3])),
            "See to that, and clean it again: it goes on where it was.",
        )


def _remove_ours(way: Way) -> None:
    with Way(way.end, [OURS]) as ours:
        for name in LAST:
            try:
                os.unlink(name, dir_fd=ours.end)
            except FileNotFoundError:
                pass
        ours.prune()


def _tell(target: Target, client: Client, reply: str, folders: List[str], removal: Removal) -> None:
    left = [list(one) for one in removal.left]
    client.say(reply, run_dir=to_text(target.run_dir), files=removal.files, left=left, folders=folders)
