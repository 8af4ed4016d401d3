"""Paths on a job host as it tells them: nothing it says is believed unseen."""

from __future__ import annotations

import os
from typing import Any

from transfer.errors import HostUnsuitable
from transfer.platforms import Platform

LONGEST_PATH = 4096  # bytes; PATH_MAX of Linux


def run_dir(reply: dict[str, Any], platform: Platform) -> str:
    """The absolute path of the run directory that a reply tells. Raises HostUnsuitable when it is none."""
    host = platform.hosts[0]
    found = reply.get("run_dir")
    if not isinstance(found, str) or not found.startswith("/") or not found.isprintable() or not is_path(found):
        raise HostUnsuitable(f"{host}: it does not say where the run directory is", "", host)
    return found


def is_path(text: str) -> bool:
    r"""Can it be one: no NUL, no endless length, and no lone surrogate that stands for no byte?

    >>> is_path("/a"), is_path("/caf\udce9"), is_path("/\ud800"), is_path("/" + "x" * 4096)
    (True, True, False, False)
    """
    try:
        return len(os.fsencode(text)) < LONGEST_PATH and "\0" not in text
    except UnicodeEncodeError:
        return False
