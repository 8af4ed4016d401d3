"""The connections that are kept for a minute (docs/connections.md), as tests see them, and as they end them."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from pathlib import Path


def sockets(runtime: str) -> list[str]:
    """The sockets in an XDG_RUNTIME_DIR, and in those that lie in it."""
    found = []
    for folder, _, names in os.walk(runtime):
        for path in (os.path.join(folder, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(os.lstat(path).st_mode):
                    found.append(path)
    return found


def masters(runtime: str) -> dict[int, str]:
    """Process id -> command line of each master whose socket was made there, also of one whose socket is gone."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"ControlPath={runtime}/" in line and "ControlMaster=yes" in line:
            found[int(entry)] = line
    return found


def in_use(runtime: str) -> list[str]:
    """The command lines of those whose socket is there: what is kept as it is meant to be."""
    paths = sockets(runtime)
    return [line for line in masters(runtime).values() if any(f"ControlPath={path} " in line for path in paths)]


def end(runtime: str) -> None:
    """End what is kept; other processes are left as they are, lest that hides them."""
    lines = in_use(runtime)
    doomed = {pid for pid, line in masters(runtime).items() if line in lines}
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 10
    while doomed & set(masters(runtime)) and time.monotonic() < until:
        time.sleep(0.01)
