"""A reader who stands in front of run directories and has hosts.yaml word for word from the page; an ssh_config tells
what its names lead to, as it does for users."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hosts import JobHost
from reading import plain

from . import pages
from .reader import REMOTE_INSTALL, Reader


class Follower(Reader):
    """Their ssh is the one of this machine, with that ssh_config."""

    @property
    def stands(self) -> Path:
        return self.folder

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    def know(self, hosts_yaml: str, hosts: Mapping[str, JobHost], more: str = "") -> None:
        """hosts: what ssh is given -> the test host that it leads to. more: what stands first in ssh_config."""
        self.folder.chmod(0o755)
        (self.folder / "hosts.yaml").write_text(hosts_yaml)
        named = (one.ssh_config_block().replace(f"Host {one.name}", f"Host {name}") for name, one in hosts.items())
        self.ssh_config.write_text("\n".join([more, *named]))
        self.put("ssh", f"exec /usr/bin/ssh -F {self.ssh_config}")
        self.put("remote-install", REMOTE_INSTALL)

    def write_run(self, name: str, files: Mapping[str, str]) -> Path:
        """Make a run directory; what begins like a script is executable."""
        for path, text in files.items():
            file = self.folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if text.startswith("#!") else 0o644)
        return self.folder / name

    def sees(self, block: str, code: int = 0, any_order: bool = False) -> str:
        """Type what a block has one type: it shows what the block shows, but for what differs each time. The last
        line exits with `code`. any_order: what is told of several targets. Returns all that was shown."""
        told = ""
        steps = pages.typed(block)
        for number, (line, shown) in enumerate(steps, 1):
            done, said = self.type(line)
            assert done == (code if number == len(steps) else 0), f"$ {line}\n{said}"
            assert same(said, shown, any_order), f"$ {line}\n{said}"
            told += said
        return told


def same(said: str, shown: str, any_order: bool = False) -> bool:
    """Does a page show what is said, but for what differs each time? An ellipsis stands for anything."""
    in_order = sorted if any_order else list
    heard, told = in_order(plain(said)), in_order(plain(shown))
    patterns = [re.escape(line).replace("…", ".*") for line in told]
    return len(heard) == len(told) and all(map(re.fullmatch, patterns, heard))
