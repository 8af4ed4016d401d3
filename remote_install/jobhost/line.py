"""How quick is the line from the client to here? Asked before much is sent, to tell whether compressing it pays."""

import re
import time

from .runners import commands
from .wire import SILENCE, Client, Json

MEASURE = "measure"
SECONDS = 10.0  # that rsync may take to tell what it can
FILLED = 300.0  # that the filler may take: a gate hands it on only when all of it has come


def hear(client: Client) -> Json:
    """The next message that does not ask for that."""
    message = client.hear(SILENCE)
    while message.get("do") == MEASURE:
        _measure(client)
        message = client.hear(SILENCE)
    return message


def _measure(client: Client) -> None:
    """Behind the question comes a message whose length is known to who asks; what is in it does not matter.

    Timed here, from the question on: so the way there and back does not count, however long it is.
    """
    began = time.monotonic()
    client.hear(FILLED)
    seconds = time.monotonic() - began
    client.say("line", seconds=round(seconds, 6), zstd=_has_zstd())


def _has_zstd() -> bool:
    """Can the rsync here compress with zstd?"""
    said = commands.run(["rsync", "--version"], commands.clean((), {"LC_ALL": "C"}), seconds=SECONDS)
    return tells_of_zstd(said.out)


def tells_of_zstd(version: str) -> bool:
    r"""Is it in the list that `rsync --version` prints, from 3.2 on?

    >>> tells_of_zstd("Compress list:\n    zstd lz4 none\n"), tells_of_zstd("rsync  version 3.1.3\n")
    (True, False)
    """
    found = re.search(r"^Compress list:\n(.*)$", version, re.MULTILINE)
    return found is not None and "zstd" in found.group(1).split()
