"""Ten thousand small files: new, unchanged, one changed; without delay and over a long way."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import peers
import trees
from hosts import JobHosts
from measure import Command, in_turn
from table import OURS, Row
from user import SSHD, User, link

FILES = 10_000
LONG = 0.05
NEW, AGAIN, ONE = "new", "unchanged", "one file changed"
AIMS = {
    (NEW, "near"): 1.0,
    (AGAIN, "near"): 0.6,
    (ONE, "near"): 0.7,
    (NEW, "far"): 1.0,
    (AGAIN, "far"): 0.1,
    (ONE, "far"): 0.25,
}
WHY = {
    NEW: "what is hashed here, and there before anything is put in place",
    AGAIN: "Python's start and imports, here and there",
    ONE: "Python's start and imports, and an rsync beside it",
}
ALONE = f"{OURS}, new connection"
RSYNC = "rsync -a"


class Work:
    """One platform, and what is sent to it by whom."""

    def __init__(self, user: User, host: object, platform: str) -> None:
        self.user, self.host, self.platform = user, host, platform
        self.count = 0

    def gone(self, *paths: str) -> None:
        """Remove what an earlier round has brought."""
        self.host.run(["rm", "-rf", *paths], check=True)  # type: ignore[attr-defined]

    def forget(self) -> None:
        """As before the first install, but our program is there."""
        self.gone("remote-install-run/demo")
        shutil.rmtree(self.user.folder / "demo/.remote-install", ignore_errors=True)

    def change(self) -> None:
        """One file has another content, in both trees."""
        self.count += 1
        for tree in ("demo", "tree"):
            (self.user.folder / tree / "d0042/f42").write_text(f"change {self.count}\n")

    def commands(self, work: str) -> Mapping[str, Command]:
        """Who does it, and how."""
        user, platform = self.user, self.platform
        change = self.change if work == ONE else lambda: None
        clear = work == NEW

        def before(cold: bool) -> None:
            change()
            if clear:
                self.forget()
            if cold:
                user.hang_up()

        def fresh(path: str) -> None:
            change()
            if clear:
                self.gone(path)

        install = ("install", "demo", "-p", platform)
        found = {
            OURS: user.ours(*install, before=lambda: before(False)),
            ALONE: user.ours(*install, before=lambda: before(True)),
            RSYNC: user.command("rsync", "-a", "tree/", f"{platform}:by-rsync/", before=lambda: fresh("by-rsync")),
        }
        if work == NEW and platform == "near":  # over the long way it waits for each file: not done after ten minutes
            scp = ("scp", "-rqF", user.ssh_config, "tree", f"{platform}:by-scp")
            found["scp -r"] = user.command(*scp, before=lambda: fresh("by-scp"))
        for name, (path, peer) in peers.installs(user, platform).items():
            found[name] = dataclasses.replace(peer, before=functools.partial(fresh, path))
        return found


def rows(hosts: JobHosts, folder: Path, rounds: int) -> Iterator[Row]:
    """Measure."""
    host = hosts.make(home_size="1g", sshd_config=SSHD)
    user = User(folder)
    trees.many(folder / "demo", FILES)
    shutil.copytree(folder / "demo", folder / "tree")
    with contextlib.ExitStack() as open_links:
        user.add("near", host)
        user.add("far", host, open_links.enter_context(link(host, LONG)))
        for platform in ("near", "far"):
            one = Work(user, host, platform)
            user.ours("install", "demo", "-p", platform).run()
            for work in (NEW, AGAIN, ONE):
                figures = in_turn(one.commands(work), rounds)
                way = "no delay" if platform == "near" else f"{LONG * 1000:g} ms"
                yield Row(
                    f"{FILES:,} files of 4 KiB, {work}, {way}", figures, RSYNC, AIMS[work, platform], why=WHY[work]
                )
