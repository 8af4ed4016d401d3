"""Removes what symlink_dirs made elsewhere, if what is written down on both sides says that it is this run's."""

import os

from . import links
from .layout import OURS
from .links import Link, Links
from .removal import Left, Removal
from .way import Way, open_folder
from .wire import to_text


def remove_elsewhere(known: Links, removal: Removal) -> None:
    """The folders that links of ours lead to, where what is written down there says so too; that goes after them."""
    every = list(known.known.values())
    for link in every:
        try:
            with _far(link) as far:
                if _is_ours(link, known):
                    _remove_below(far.end, link, removal)
                elif os.path.lexists(link.target):
                    removal.left.append(Left(to_text(link.target), "it belongs to another run", True))
        except FileNotFoundError:
            pass  # it is gone already
        except NotADirectoryError:
            removal.left.append(Left(to_text(link.target), "a folder on the way to it is a link by now"))
    for link in every if not removal.dry and not removal.failed else []:
        try:
            with _far(link) as far:
                if _is_ours(link, known):
                    os.unlink(OURS, dir_fd=far.end)
                far.prune(keep=1)
        except FileNotFoundError:
            pass


def _far(link: Link) -> Way:
    base = open_folder(link.base)
    try:
        return Way(base, [links.ELSEWHERE, *link.run.split(b"/")])
    finally:
        os.close(base)


def _is_ours(link: Link, known: Links) -> bool:
    owner = links.owner(link.far)
    return owner is not None and owner.place == known.place


def _remove_below(far: int, link: Link, removal: Removal) -> None:
    *above, name = link.path.split(b"/")
    try:
        with Way(far, above) as way:
            removal.remove(way.end, os.fsdecode(name), os.fsdecode(link.target))
            if not removal.dry:
                way.prune()
    except FileNotFoundError:
        pass
