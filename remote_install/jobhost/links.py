"""symlink_dirs: folders of a run directory that lie elsewhere on the job host; an install makes the links to them.

PATH in the run directory leads to FOLDER/remote-install-run/RUN_ID/PATH; hosts.yaml names FOLDER. What is made is
written down on both sides first: in the run directory which links are ours, and in the folder elsewhere whose it is. So
a link that something else has put there is never followed, and no other run's folder is ever taken.
"""

import json
import os
import re
import stat
from typing import Any, Dict, List, NamedTuple, Optional

from . import layout
from .files import read_regular, write
from .layout import OURS
from .wire import Json, Refusal, text, to_bytes, to_text

ELSEWHERE = b"remote-install-run"
RELATIVE = r"(?!/)(?!(.*/)?\.\.?(/|$))[^\0]+"
MAX_FILE = 1024 * 1024


class Link(NamedTuple):
    """path: in the run directory. base: the folder that hosts.yaml names. run: the run id."""

    path: bytes
    base: bytes
    run: bytes

    @property
    def far(self) -> bytes:
        """The run's own folder there; `path` lies in it as it does in the run directory."""
        return os.path.join(self.base, ELSEWHERE, self.run)

    @property
    def target(self) -> bytes:
        return os.path.join(self.far, self.path)


class Owner(NamedTuple):
    """Whose a folder elsewhere is. place: made up once for each install target, so that no two mean the same."""

    uuid: str
    origin: str
    place: str


class Links:
    """What was written down in a run directory about its links."""

    def __init__(self, run_dir: bytes) -> None:
        self.run_dir = run_dir
        self._file = os.path.join(run_dir, OURS, b"links")
        fields = _load(self._file)
        place = fields.get("place")
        self.place: Optional[str] = place if isinstance(place, str) and re.fullmatch("[0-9a-f]{32}", place) else None
        self.known = {link.path: link for link in _links(fields)}

    def remember(self, links: List[Link]) -> str:
        """Write down that these are ours, before they are made; returns the place. Raises OSError."""
        place = self.place or os.urandom(16).hex()
        known = {**self.known, **{link.path: link for link in links}}
        if place != self.place or known != self.known:
            rows = [[to_text(field) for field in link] for link in known.values()]
            write(self._file, json.dumps({"place": place, "links": rows}).encode("ascii"), durable=True)
        self.place, self.known = place, known
        return place

    def in_place(self) -> Dict[bytes, Link]:
        """The links that an install has made and that are still as it made them."""
        return {path: link for path, link in self.known.items() if _leads(self.run_dir, link)}


def wanted(request: Json, run_id: str) -> List[Link]:
    """The links that a request names, the folders expanded here. Raises Refusal (3) for a variable that is not set."""
    given = request.get("symlink_dirs") or {}
    if not isinstance(given, dict):
        raise Refusal(2, "symlink_dirs of the request is not in order")
    found = []
    for path in given:
        if not re.fullmatch(RELATIVE, path):
            raise Refusal(2, "a path of symlink_dirs is not in order")
        base = layout.absolute(text(given, path), "symlink_dirs")
        found.append(Link(to_bytes(path), base, to_bytes(run_id)))
    return found


def missing(run_dir: bytes, links: List[Link], uuid: str, adopt: bool) -> List[Link]:
    """Which of these are still to be made; nothing is changed. Raises Refusal (9) when something else is in the way."""
    known = Links(run_dir)
    for link in links:
        _check_here(run_dir, link)
        _check_there(link, uuid, known.place, adopt)
    return [link for link in links if link.path not in known.known or not _is_made(run_dir, link, known.place)]


def make(run_dir: bytes, links: List[Link], uuid: str, origin: str) -> None:
    """Make what is missing, each step so that it can be interrupted and made again. Raises OSError, Refusal (9)."""
    if not links:
        return
    mine = Owner(uuid, origin, Links(run_dir).remember(links))
    for link in links:
        os.makedirs(link.far, exist_ok=True)
        if owner(link.far) != mine:
            write(_mark(link.far), json.dumps(mine._asdict()).encode("ascii"), durable=True)
        os.makedirs(link.target, exist_ok=True)
        here = os.path.join(run_dir, link.path)
        os.makedirs(os.path.dirname(here), exist_ok=True)
        try:
            os.symlink(link.target, here)
        except FileExistsError:
            _check_here(run_dir, link)


def refuse_planted(run_dir: bytes) -> None:
    """Raises Refusal (9) when the jobs' folder lies behind a link that no install has made."""
    parts = layout.JOBS.split(b"/")
    for count in range(1, len(parts) + 1):
        path = b"/".join(parts[:count])
        if os.path.islink(os.path.join(run_dir, path)) and path not in Links(run_dir).in_place():
            raise Refusal(
                9,
                "%s is a link there that no install has made" % to_text(os.path.join(run_dir, path)),
                "Replace it by a folder, or name it under symlink_dirs in hosts.yaml.",
            )


def _check_here(run_dir: bytes, link: Link) -> None:
    parts = link.path.split(b"/")
    for count in range(1, len(parts)):
        above = os.path.join(run_dir, *parts[:count])
        if os.path.lexists(above) and (os.path.islink(above) or not os.path.isdir(above)):
            raise _in_the_way(above, link)
    here = os.path.join(run_dir, link.path)
    if os.path.lexists(here) and not _leads(run_dir, link):
        raise _in_the_way(here, link)


def _in_the_way(path: bytes, link: Link) -> Refusal:
    what = "a link to %s" % to_text(os.readlink(path)) if os.path.islink(path) else "no link"
    return Refusal(
        9,
        "%s is to lead to %s, but %s is %s" % (to_text(link.path), to_text(link.target), to_text(path), what),
        "Move what it holds to %s, remove it there, and install again." % to_text(link.target),
    )


def _check_there(link: Link, uuid: str, place: Optional[str], adopt: bool) -> None:
    """What is there already must be real folders, and from the run's own on yours: a link could lead us anywhere."""
    parts = [ELSEWHERE, *link.run.split(b"/"), *link.path.split(b"/")]
    for way in (os.path.join(link.base, *parts[:count]) for count in range(1, len(parts) + 1)):
        if not os.path.lexists(way):
            break
        status = os.lstat(way)
        own = len(way) >= len(link.far)
        if not stat.S_ISDIR(status.st_mode) or (own and status.st_uid != os.geteuid()):
            raise _taken(link, "%s is no folder of yours" % to_text(way))
        if own and way != link.far and os.path.lexists(_mark(way)):
            raise _taken(link, "%s is another run's" % to_text(way))
    known = owner(link.far)
    if known is None and os.path.lexists(link.target) and not adopt:
        raise _taken(link, "%s is there already, and no install has made it" % to_text(link.target))
    if known is not None and (known.uuid, known.place) != (uuid, place) and not adopt:
        raise _taken(link, "%s belongs to a run that was installed from %s" % (to_text(link.far), known.origin))


def _taken(link: Link, why: str) -> Refusal:
    return Refusal(
        9,
        "%s is to lead to %s, but %s" % (to_text(link.path), to_text(link.target), why),
        "Give this run an id of its own with --run-id, or name another folder under symlink_dirs in hosts.yaml; "
        "--adopt takes over what another run directory of yours has left there.",
    )


def _is_made(run_dir: bytes, link: Link, place: Optional[str]) -> bool:
    known = owner(link.far)
    return _leads(run_dir, link) and os.path.isdir(link.target) and known is not None and known.place == place


def _leads(run_dir: bytes, link: Link) -> bool:
    """Is it there, with nothing but folders on the way, and does it lead where it should?"""
    parts = link.path.split(b"/")
    if any(os.path.islink(os.path.join(run_dir, *parts[:count])) for count in range(1, len(parts))):
        return False
    try:
        return os.readlink(os.path.join(run_dir, link.path)) == link.target
    except OSError:
        return False


def _mark(far: bytes) -> bytes:
    return os.path.join(far, OURS)


def owner(far: bytes) -> Optional[Owner]:
    """Whose the folder is; None when that is not written down there."""
    fields = _load(_mark(far))
    if not fields:
        return None
    uuid, origin, place = (str(fields.get(name, "somewhere (its record is damaged)")) for name in Owner._fields)
    return Owner(uuid, origin, place)


def _links(fields: Json) -> List[Link]:
    found = []
    rows: Any = fields.get("links")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, list) and len(row) == 3 and all(isinstance(field, str) for field in row):
            path, base, run = row
            if re.fullmatch(RELATIVE, path) and base.startswith("/") and layout.RUN_ID.fullmatch(run):
                found.append(Link(to_bytes(path), to_bytes(base), to_bytes(run)))
    return found


def _load(path: bytes) -> Json:
    """A file of ours; {} where there is none, and {"damaged": true} where its content is not in order."""
    data = read_regular(path, MAX_FILE)
    if not data and not os.path.lexists(path):
        return {}
    try:
        fields: Any = json.loads(data.decode("ascii"))
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {"damaged": True}
