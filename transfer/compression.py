"""Does it pay to have rsync compress? Pure rules, and a look at some bytes of the files that are to be sent."""

from __future__ import annotations

import bisect
import itertools
import os
import re
import time
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from transfer import execute
from transfer.command import Command
from transfer.errors import RemoteInstallError
from transfer.platforms import Platform

MUCH = 32 * 1024**2  # bytes to send from which on it is worth a look
MOST = 10_000  # files that are looked at: the others are taken to be like them
PIECES, PIECE = 32, 32 * 1024  # of the files' bytes that are compressed to see what comes of it
GAIN = 1.3  # times smaller the files must get
FASTER = 3.5  # times the line's speed that of compressing must be: else the processor may be the limit, not the line
# Level of zstd -> its speed in rsync beside that of zlib's level 1 here (measured). Those between give next to nothing.
SPEEDS = {9: 0.15, 6: 0.3, 1: 1.0}
SPARE = 2.0  # times as quick as what then goes over the line a level above 1 must be
ABOUT = re.compile(
    r"-[A-Za-z0-9]*z[A-Za-z0-9]*|--(no-)?(compress|skip-compress|new-compress|old-compress|z[cl]?)(-.*|=.*)?"
)


class Sample(NamedTuple):
    """What comes of some bytes of the files. ratio: how many times smaller they get. speed: bytes a second of
    this processor. size: how many bytes there are at least."""

    ratio: float
    speed: float
    size: int


def is_chosen(platform: Platform) -> bool:
    """Does hosts.yaml say something about compression, of rsync or of ssh? Then that counts.

    >>> from dataclasses import replace
    >>> from transfer.platforms import Rsync
    >>> plain = Platform("hpc", ("h",), "hpc")
    >>> is_chosen(plain), is_chosen(replace(plain, rsync=Rsync(options=("--no-compress",))))
    (False, True)
    """
    of_ssh = (value.lower() == "yes" for name, value in platform.ssh.options.items() if name.lower() == "compression")
    words = (*platform.rsync.command[1:], *platform.rsync.options)
    return any(of_ssh) or "-C" in platform.ssh.command or any(map(ABOUT.fullmatch, words))


def is_known_here(platform: Platform) -> bool:
    """Can the rsync here compress with zstd?"""
    try:
        said = execute.run(Command((*platform.rsync.command, "--version"))).out
    except RemoteInstallError:
        return False
    found = re.search(rb"^Compress list:\n(.*)$", said, re.MULTILINE)
    return found is not None and b"zstd" in found[1].split()


def sample(paths: Iterable[bytes]) -> Sample | None:
    """Some bytes of the files among `paths`, evenly spread over all of theirs. None: there are not MUCH, or they can't
    be read, which others will say."""
    try:
        sized = [(path, os.lstat(path).st_size) for path in itertools.islice(paths, MOST)]
        ends = list(itertools.accumulate(size for _, size in sized))
        if not ends or ends[-1] < MUCH:
            return None
        return _weighed(b"".join(_piece(*place(sized, ends, number)) for number in range(PIECES)), ends[-1])
    except OSError:
        return None


def place(sized: Sequence[tuple[bytes, int]], ends: Sequence[int], number: int) -> tuple[bytes, int]:
    """Which file the piece of that number is of, and where it begins there.

    >>> [place([(b"a", 100), (b"b", 200_000)], [100, 200_100], number) for number in (0, 31)]
    [(b'b', 0), (b'b', 167232)]
    """
    at = (2 * number + 1) * ends[-1] // (2 * PIECES)
    found = bisect.bisect_right(ends, at)
    path, size = sized[found]
    return path, max(0, min(at - (ends[found] - size) - PIECE // 2, size - PIECE))


def _piece(path: bytes, offset: int) -> bytes:
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        return file.read(PIECE)


def _weighed(data: bytes, size: int) -> Sample | None:
    if not data:
        return None
    began = time.thread_time()  # what else runs here now counts for the line too
    smaller = len(zlib.compress(data, 1))
    return Sample(len(data) / smaller, len(data) / max(time.thread_time() - began, 1e-6), size)


def level(rate: float, found: Sample) -> int | None:
    """Of zstd; None: it does not pay. rate: bytes a second that the line takes.

    >>> found = Sample(ratio=4.0, speed=150e6, size=MUCH)
    >>> [level(megabits * 125e3, found) for megabits in (2, 30, 100, 300, 1000)]
    [9, 6, 1, 1, None]
    >>> level(1e6, Sample(ratio=1.1, speed=150e6, size=MUCH)) is None
    True
    """
    if found.ratio < GAIN or found.speed < FASTER * rate:
        return None
    most = SPARE * rate * found.ratio
    return next((level for level, speed in SPEEDS.items() if speed * found.speed >= most), 1)


def options(level: int) -> tuple[str, ...]:
    """zstd is not named: where both sides have it they agree on it (rsync(1), --compress-choice), and where rsync there
    is another than the one that was asked, that does not break off."""
    return "--compress", f"--compress-level={level}"
