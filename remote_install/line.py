"""Has rsync compress what is sent where the line to the job host is the limit, which is measured in a conversation."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from typing import Any

from remote_install import place
from remote_install.admission import is_mirrored
from remote_install.conversation import Conversation
from remote_install.jobhost.line import MEASURE
from remote_install.talk import Talk
from transfer import compression
from transfer.compression import Sample
from transfer.platforms import Platform

SMALL, LARGE = 1024**2, 8 * 1024**2  # bytes that are sent to see how long they take
QUICK = 16e6  # bytes a second: on a quicker line what else the machines do counts for more than SMALL (measured)
ENOUGH = 16 * LARGE  # bytes to send for which LARGE is little


def worth_a_look(platform: Platform, paths: Iterable[bytes], talk: Talk) -> Sample | None:
    """What compressing the files among `paths` would give, where it is worth to measure the line before they are sent.

    Nothing is asked of the host. None: they are not much, do not get smaller, or somebody has chosen.
    """
    if platform.local or is_mirrored(platform) or place.is_here(platform, talk) or compression.is_chosen(platform):
        return None
    found = compression.sample(paths)
    if found is None or found.ratio < compression.GAIN or not compression.is_known_here(platform):
        return None
    return found


def options(there: Conversation, found: Sample) -> tuple[str, ...]:
    """Options of rsync that make the transfer quicker; () where nothing does. One exchange, on a quick line two.

    there: in it the job host program waits for what is to be done next.
    """
    rate = _rate(there, SMALL)
    if rate is not None and rate > QUICK:
        rate = _rate(there, LARGE) if found.size >= ENOUGH else None
    level = None if rate is None else compression.level(rate, found)
    return () if level is None else compression.options(level)


def _rate(there: Conversation, size: int) -> float | None:
    """Bytes a second; None: rsync there can't compress with zstd, or the answer is not in order."""
    filler = base64.b64encode(os.urandom(size * 3 // 4)).decode("ascii")  # it does not get smaller, where ssh tries
    there.say({"do": MEASURE})
    there.say({"filler": filler})
    answer = there.hear("line")
    seconds: Any = answer.get("seconds")
    if answer.get("zstd") is not True or type(seconds) not in (int, float) or seconds <= 0:
        return None
    return size / float(seconds)
