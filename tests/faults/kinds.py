"""What can go wrong: each fault, how it is made and undone, and which exit codes tell it right."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from end_to_end.client import Client

LOSE = """
table inet fault
delete table inet fault
table inet fault {
    chain in { type filter hook input priority 0; %s
    }
    chain out { type filter hook output priority 0; %s
    }
}
"""
SOME = 'iifname "eth0" numgen random mod 100 < 30 drop;'
ANSWERS = 'oifname "eth0" drop;'

Act = Callable[[Client, "subprocess.Popen[bytes]"], object]


@dataclass(frozen=True)
class Fault:
    """make: the fault. heal: undoes what the host's own repair does not. before: is it there when the step begins, or
    does it come while the host is at work? codes: with which the step may end under it. options: of ssh. rsync: its own
    options. steps: those that it can hit; () for all. spoils: may it end a job that runs, or keep it from its work?"""

    make: Act
    heal: Callable[[Client], object] = lambda _client: None
    before: bool = False
    codes: tuple[int, ...] = (4,)
    options: Mapping[str, str] = field(default_factory=dict)
    rsync: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    spoils: bool = False


def lose(client: Client, way_in: str, way_out: str) -> None:
    client.host.faults.add("network")
    client.host.network.filter(client.host.pid, LOSE % (way_in, way_out))


def remount(options: str) -> Callable[..., None]:
    return lambda client, *_: client.host.as_root(f"mount -o remount,{options} /home")


def run_out_of_inodes(client: Client, _process: object) -> None:
    used = client.host.run(["sh", "-c", "df --output=iused /home | tail -n 1"], check=True).stdout.strip()
    client.host.as_root(f"mount -o remount,nr_inodes={used} /home")


def kill_rsync_here(_client: Client, process: subprocess.Popen[bytes]) -> None:
    for pid in found(lambda: [one for one in descendants(process.pid) if name_of(one) == "rsync"]):
        with contextlib.suppress(ProcessLookupError):  # one of rsync's two processes ends with the other
            os.kill(pid, signal.SIGKILL)


def kill_rsync_there(client: Client, _process: object) -> None:
    pids = found(lambda: [one.pid for one in client.host.processes() if one.args.startswith("rsync --server")])
    client.host.as_root("kill -KILL $1 2>/dev/null || true", argument=" ".join(map(str, pids)))


def found(look: Callable[[], list[int]]) -> list[int]:
    """What `look` finds, as soon as it finds something."""
    until = time.monotonic() + 30
    while not (pids := look()):
        assert time.monotonic() < until, "no rsync was ever there"
        time.sleep(0.005)
    return pids


def descendants(pid: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            mine = [int(word) for word in child.read_text().split()]
        except OSError:
            continue
        found += [each for one in mine for each in (one, *descendants(one))]
    return found


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


SLOW = {"ProxyCommand": f"{sys.executable} {Path(__file__).with_name('slow_link.py')} %h %p 0.1"}
DISK = (0, 5, 7)
RSYNC = ("install", "fetch")
IN_THE_MIDDLE = ("--bwlimit=200",)  # kilobytes a second: its files take a second
AT_REST = ("install", "submit", "fetch", "clean")  # a disk with files that are written to can't be made read-only

FAULTS = {
    "link cut": Fault(lambda client, _: client.host.cut(), codes=(0, 4)),
    "packets dropped one way": Fault(lambda client, _: lose(client, "", ANSWERS), codes=(0, 4)),
    "30 % loss": Fault(lambda client, _: lose(client, SOME, ""), before=True, codes=(0, 4)),
    "200 ms delay": Fault(lambda *_: None, before=True, codes=(0,), options=SLOW),
    "sshd killed": Fault(lambda client, _: client.shut_out(), before=True),
    "sessions killed": Fault(lambda client, _: client.host.kill_sessions(), codes=(0,)),
    "host frozen": Fault(lambda client, _: client.host.freeze(), codes=(0, 4)),
    "host crashed": Fault(lambda client, _: client.host.crash(), codes=(0, 4), spoils=True),
    "disk full": Fault(lambda client, _: client.host.fill(), before=True, codes=(*DISK, 1), spoils=True),
    "read-only": Fault(remount("ro"), remount("rw"), before=True, codes=DISK, steps=AT_REST),
    "no inodes": Fault(run_out_of_inodes, remount("nr_inodes=0"), before=True, codes=(*DISK, 1), spoils=True),
    "client killed": Fault(lambda _, process: process.kill(), codes=(0, -signal.SIGKILL)),
    "rsync killed here": Fault(kill_rsync_here, codes=(0, 5), rsync=IN_THE_MIDDLE, steps=RSYNC),
    "rsync killed there": Fault(kill_rsync_there, codes=(0, 5), rsync=IN_THE_MIDDLE, steps=RSYNC),
}
