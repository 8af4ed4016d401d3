"""Whose hosts are whose: a directory for each test process, and removal of what dead ones left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
from collections.abc import Iterator

from . import network

# Not below TMPDIR: another run must find it. Short: ssh control sockets have to fit into about 100 bytes.
STATE = "/run/remote-install-test-hosts"


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Keep other test processes from taking a subnet or sweeping meanwhile."""
    os.makedirs(STATE, mode=0o755, exist_ok=True)
    with open(f"{STATE}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start_time(pid: int) -> str | None:
    """Return when the process started, in clock ticks since boot; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            # The name, in parentheses, may hold blanks; the state letter comes first after it.
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def claim() -> str:
    """Create the directory of this process; call it with the lock held."""
    pid = os.getpid()
    directory = f"{STATE}/{pid}-{start_time(pid)}"
    os.mkdir(directory, mode=0o755)
    return directory


def record_process(directory: str, pid: int) -> None:
    """Note that process `pid`, the first one of a host, is ours."""
    with open(f"{directory}/process", "w") as file:
        file.write(f"{pid} {start_time(pid)}\n")


def sweep() -> list[int]:
    """Remove what test processes that are no longer alive left behind; return their pids."""
    if not os.path.isdir(STATE) or os.geteuid() != 0:
        return []
    with locked():
        return sweep_locked()


def sweep_locked() -> list[int]:
    """Do the same with the lock held already."""
    swept = []
    for entry in sorted(os.listdir(STATE)):
        match = re.fullmatch(r"(\d+)-(\d+)", entry)
        if match is None or start_time(int(match[1])) == match[2]:
            continue
        discard(f"{STATE}/{entry}", int(match[1]))
        swept.append(int(match[1]))
    return swept


def discard(directory: str, pid: int) -> None:
    """End the hosts recorded in `directory` that live, and remove the links of test process `pid`."""
    for name in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError, ProcessLookupError):
            with open(f"{directory}/{name}/process") as file:
                host, started = file.read().split()
            if start_time(int(host)) == started:
                os.kill(int(host), signal.SIGKILL)
    network.remove_links(pid)
    shutil.rmtree(directory, ignore_errors=True)
