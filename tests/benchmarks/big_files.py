"""One big file: on a quick line, where the window of a connection is the limit, and where the line is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import trees
from hosts import JobHost, JobHosts
from measure import Command, in_turn
from table import OURS, Row
from user import SSHD, User, link

GIGABIT, FAST = 125e6, 12.5e6  # bytes a second; the second is Fast Ethernet's
RSYNC = "rsync -a"
CHACHA = f"{OURS}, ssh.options: Ciphers chacha20-poly1305"
PROCESSOR = "zstd takes the whole of a processor, of which these hosts and this side share two"
WINDOW = "the 2 MiB window of one connection; see what was not done"


def rows(hosts: JobHosts, folder: Path, rounds: int) -> Iterator[Row]:
    """Measure."""
    host = hosts.make(home_size="3g", sshd_config=SSHD)
    user = User(folder)
    few = max(1, rounds - 1)  # of those that take many seconds
    sizes = {"noise": 1024, "window": 256, "text": 512, "less": 256}
    for name, size in sizes.items():
        (trees.noise if name in ("noise", "window") else trees.text)(folder / name, size)
    with contextlib.ExitStack() as links:
        far = links.enter_context(link(host, 0.05, GIGABIT))
        slow = links.enter_context(link(host, 0.01, FAST))
        slow_cipher = {"command": f"ssh -F {user.ssh_config}", "options": {"Ciphers": "chacha20-poly1305@openssh.com"}}
        user.add("near", host)
        user.add("near-chacha", host, ssh=slow_cipher)
        user.add("gigabit", host, far)
        user.add("fast", host, slow)
        for platform in ("near", "near-chacha", "gigabit", "fast"):
            user.ours("check", platform, codes=(0, 1, 4)).run()
        near = {**commands(user, host, "noise", "near"), CHACHA: push(user, host, "noise", "near-chacha")}
        yield Row("1 GiB of noise, one file, no delay", in_turn(near, rounds), RSYNC, 0.8)
        figures = in_turn(commands(user, host, "text", "near"), rounds)
        yield Row("512 MiB of text, one file, no delay", figures, RSYNC)
        figures = in_turn(commands(user, host, "window", "gigabit"), few)
        yield Row("256 MiB of noise, one file, 50 ms and 1 Gbit/s", figures, RSYNC, 0.4, why=WINDOW)
        figures = in_turn(commands(user, host, "text", "gigabit"), few)
        yield Row("512 MiB of text, one file, 50 ms and 1 Gbit/s", figures, RSYNC, 0.3, why=PROCESSOR)
        figures = in_turn(commands(user, host, "less", "fast"), few)
        yield Row("256 MiB of text, one file, 10 ms and 100 Mbit/s", figures, RSYNC, 0.3)


def push(user: User, host: JobHost, name: str, platform: str) -> Command:
    """Ours, to a folder where nothing is."""
    return user.ours("push", name, f"{platform}:big/", before=lambda: host.run(["rm", "-rf", "remote-install-run/big"]))


def commands(user: User, host: JobHost, name: str, platform: str) -> dict[str, Command]:
    """Who does it, and how."""

    def clear() -> None:
        host.run(["rm", "-f", name])

    return {
        OURS: push(user, host, name, platform),
        RSYNC: user.command("rsync", "-a", name, f"{platform}:", before=clear),
        "scp": user.command("scp", "-qF", user.ssh_config, name, f"{platform}:", before=clear),
    }
