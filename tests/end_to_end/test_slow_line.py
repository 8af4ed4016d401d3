"""What goes over a slow line is compressed where that pays, and arrives the same; nowhere else is anything asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hosts import JobHost, MakeHost

from remote_install import copy, line
from remote_install.install import install_each
from remote_install.run_directory import RunDirectory
from remote_install.talk import Talk
from transfer import compression
from transfer.platforms import Platform, Rsync, Ssh

from .gated import KEY_OPTIONS, ROOT, Site

LINK = Path(__file__).parents[1] / "benchmarks/link.py"
RUN = "slow-line"  # other tests of the host have a demo
SIZE = 1024 * 1024
SLOW = 4e6  # bytes a second
OLD_RSYNC = """#!/bin/sh
case $* in --version) echo rsync  version 3.1.3;; *) exec /usr/bin/rsync "$@";; esac
"""


@dataclass
class User:
    """Somebody with a folder of text, and a platform."""

    folder: Path
    platform: Platform
    commands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.write(b"".join(b"%07d station-012 14.25 13.90\n" % number for number in range(SIZE // 25)))
        self.talk = Talk(command=self.commands.append)

    @property
    def data(self) -> Path:
        return self.folder / "demo/data"

    def write(self, content: bytes) -> None:
        self.data.parent.mkdir(exist_ok=True)
        self.data.write_bytes(content)

    def push(self, to: str = "there/") -> None:
        copy.push((str(self.data),), self.platform, to, self.talk)

    def install(self) -> None:
        (done,) = install_each(RunDirectory(str(self.data.parent), RUN), [self.platform], self.talk)
        assert done.error is None

    @property
    def rsync(self) -> str:
        """The rsync that was run."""
        (found,) = (command for command in self.commands if command.startswith("rsync"))
        return found


def arrived(host: JobHost, path: str, user: User) -> bool:
    content = host.run(["cat", path], check=True).stdout
    return content.encode() == user.data.read_bytes()


@pytest.fixture(autouse=True)
def _little_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MUCH", SIZE)
    monkeypatch.setattr(line, "SMALL", SIZE // 2)  # less comes at once


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Callable[..., User]]:
    """Make a user behind a slow line to a host."""
    links = []

    def make(host: JobHost, **settings: object) -> User:
        argv = [sys.executable, str(LINK), host.address, "22", "0.005", str(SLOW)]
        link = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        links.append(link)
        assert link.stdout is not None
        port = int(link.stdout.readline())
        config = tmp_path / "ssh_config"
        block = host.ssh_config_block().replace(f"HostName {host.address}", f"HostName 127.0.0.1\n    Port {port}")
        config.write_text(f"{block}    HostKeyAlias {host.name}\n")
        given = {"ssh": Ssh(command=("ssh", "-F", str(config))), **settings}
        return User(tmp_path, Platform("hpc", (host.name,), "hpc", **given))  # type: ignore[arg-type]

    yield make
    for link in links:
        link.communicate(timeout=10)


@pytest.fixture
def never_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object) -> None:
        raise AssertionError("the line was measured")

    monkeypatch.setattr(line, "_rate", measured)


def test_text_is_compressed_and_arrives_the_same(job_host: JobHost, slow: Callable[..., User]) -> None:
    user = slow(job_host)
    user.push("slow/")
    assert "--compress --compress-level=" in user.rsync
    assert arrived(job_host, "remote-install-run/slow/data", user)
    user.commands.clear()
    user.push(f"{job_host.home}/by-its-path")  # for which the host need not be asked where it is
    assert "--compress --compress-level=" in user.rsync
    assert arrived(job_host, "by-its-path", user)
    user.commands.clear()
    user.install()
    assert "--compress --compress-level=" in user.rsync
    assert arrived(job_host, f"remote-install-run/{RUN}/data", user)
    user.commands.clear()
    user.write(user.data.read_bytes()[: SIZE // 2])
    user.install()
    assert "--compress" not in user.rsync  # it is little
    assert arrived(job_host, f"remote-install-run/{RUN}/data", user)


def test_a_quick_line_is_left_as_it_is(
    job_host: JobHost, slow: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "QUICK", SLOW / 10)
    user = slow(job_host)
    user.push()
    assert "--compress" not in user.rsync


@pytest.mark.usefixtures("never_measured")
@pytest.mark.parametrize("chosen", ["rsync", "ssh", "noise", "no zstd"])
def test_the_line_is_not_even_measured(
    job_host: JobHost, tmp_path: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody has chosen, where the files get no smaller, and where the rsync here knows nothing quick."""
    ssh = Ssh(command=("ssh", "-F", job_host.ssh_config))
    user = User(tmp_path, Platform("hpc", (job_host.name,), "hpc", ssh=ssh))
    if chosen == "rsync":
        user.platform = replace(user.platform, rsync=Rsync(options=("--no-compress",)))
    elif chosen == "ssh":
        user.platform = replace(user.platform, ssh=replace(ssh, options={"Compression": "yes"}))
    elif chosen == "noise":
        user.write(os.urandom(SIZE))
    else:
        monkeypatch.setattr(compression, "is_known_here", lambda _platform: False)
    user.push()
    assert "--compress " not in user.rsync


def test_a_host_whose_rsync_has_no_zstd_gets_it_as_before(make_host: MakeHost, slow: Callable[..., User]) -> None:
    host = make_host()
    host.write_file("bin/rsync", OLD_RSYNC, 0o755)
    host.write_file(".bashrc", "PATH=$HOME/bin:$PATH\n")
    user = slow(host)
    user.push()
    assert "--compress" not in user.rsync


def test_it_goes_through_a_gate(make_host: MakeHost, slow: Callable[..., User]) -> None:
    host = make_host(key_options=KEY_OPTIONS)
    site = Site(host)
    site.prepare()
    user = slow(host, run_root=f"{ROOT}/runs")
    user.install()
    assert "--compress" in user.rsync
    assert arrived(host, f"{ROOT}/runs/{RUN}/data", user)
    assert {line["gate"] for line in site.log()} == {"admitted"}


def test_where_only_the_measuring_is_refused_it_goes_as_it_is(make_host: MakeHost, slow: Callable[..., User]) -> None:
    """The run root, which is of no use here, lies outside what the gate lets the key see."""
    host = make_host(key_options=KEY_OPTIONS)
    Site(host).prepare()
    user = slow(host)
    user.push(f"{ROOT}/data")
    assert not any("--compress" in command for command in user.commands)
    assert arrived(host, f"{ROOT}/data", user)


def test_it_goes_past_noise(make_host: MakeHost, slow: Callable[..., User]) -> None:
    host = make_host()
    host.write_file(".bashrc", "echo Welcome\n")
    user = slow(host)
    user.push()
    assert "--compress" in user.rsync
    assert "--rsync-path" in user.rsync
    assert arrived(host, "remote-install-run/there/data", user)


class Answers:
    """A conversation in which the host says one thing."""

    def __init__(self, **answer: object) -> None:
        self._answer = answer

    def say(self, _request: object) -> None:
        pass

    def hear(self, *_kinds: str) -> dict[str, object]:
        return self._answer


@pytest.mark.parametrize("seconds", ["1", -1, 0, None, True, [1], 1e-300])
def test_what_is_no_time_tells_nothing(seconds: object) -> None:
    found = compression.Sample(5.0, 150e6, SIZE)
    there: Any = Answers(zstd=True, seconds=seconds)
    assert line.options(there, found) == ()
    for zstd in (False, None, "yes"):
        there = Answers(zstd=zstd, seconds=1.0)
        assert line.options(there, found) == ()
