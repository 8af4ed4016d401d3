"""The install command on the job host: what it prints is passed on, and it does not outlive who waits for it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from remote_install.jobhost import building, manifest, wire
from remote_install.jobhost.manifest import Entry, Listing
from remote_install.jobhost.processes import Table
from remote_install.jobhost.target import Altered, Manifest, Target
from remote_install.jobhost.wire import Refusal

from .test_program import EACH, UUID, Host, Json, host, replies_of  # noqa: F401, host is a fixture

FILE = Entry("f", False, "0" * 40)
OTHER = Entry("f", False, "1" * 40)


def install(host: Host, python: str, line: str) -> tuple[subprocess.Popen[bytes], bytes]:  # noqa: F811
    """Start an install of nothing but a command, up to its `place`."""
    opening = {
        "run_root": "runs",
        "run": "demo",
        "uuid": UUID,
        "origin": "here",
        "digest": manifest.digest({}),
        "command": ["sh", "-c", line],
    }
    says = [opening, {"entries": []}, {"do": "place"}]
    return host.start(python, "install"), b"".join(json.dumps(say).encode() + b"\n" for say in says)


@EACH
def test_every_python_runs_it_and_passes_on_every_byte(host: Host, python: str) -> None:  # noqa: F811
    line = "head -c 300000 /dev/urandom | tee out; printf '\\0\\377' | tee -a out; sleep 600 & echo $! >pid"
    process, says = install(host, python, line)
    assert process.stdin is not None
    process.stdin.write(says)
    process.stdin.flush()
    assert process.stdout is not None
    out = b""
    while not out.endswith(b'{"reply": "end"}\n'):
        out += os.read(process.stdout.fileno(), 65536)
    process.communicate(timeout=10)
    replies: list[Json] = replies_of(out)
    printed = b"".join(base64.b64decode(one["data"]) for one in replies if one["reply"] == "output")
    assert printed == (host.home / "runs/demo/out").read_bytes()
    assert len(printed) == 300002
    assert [one["reply"] for one in replies if one["reply"] != "output"] == ["differs", "plan", "installed", "end"]
    os.kill(int((host.home / "runs/demo/pid").read_text()), signal.SIGKILL)


class Ends:
    """A Client of the job host program whose other ends are ours."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.its_in, self.in_ = os.pipe()
        self.out, self.its_out = os.pipe()
        monkeypatch.setattr("sys.stdin", SimpleNamespace(fileno=lambda: self.its_in))
        monkeypatch.setattr("sys.stdout", SimpleNamespace(fileno=lambda: self.its_out))
        self.open = {self.its_in, self.in_, self.out, self.its_out}
        self.client = wire.Client()

    def close(self, end: int) -> None:
        self.open.remove(end)
        os.close(end)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    found = Ends(monkeypatch)
    yield found
    for end in found.open:
        os.close(end)


def test_what_can_not_be_said_at_once_is_not_said(ends: Ends) -> None:
    count = 0
    while ends.client.offer("output", data="x" * 4000):
        count += 1
    assert count > 5
    assert not ends.client.attend(0.01, None, to_say=True)
    os.read(ends.out, 65536)
    assert ends.client.offer("output", data="x" * 4000)


def test_signs_of_life_are_waited_for_and_silence_is_the_end(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SILENCE", 0.3)
    for _ in range(4):
        time.sleep(0.2)
        os.write(ends.in_, b"\n")
        assert not ends.client.attend(0.0, None, to_say=False)
    time.sleep(0.4)
    with pytest.raises(BrokenPipeError):
        ends.client.attend(0.0, None, to_say=False)


def test_a_request_that_comes_meanwhile_is_heard_later(ends: Ends) -> None:
    os.write(ends.in_, b'\n{"do": ')
    ends.client.attend(0.0, None, to_say=False)
    os.write(ends.in_, b'"it"}\n')
    ends.client.attend(0.0, None, to_say=False)
    assert ends.client.hear(1.0) == {"do": "it"}


@pytest.mark.parametrize("end", ["in_", "out"])
def test_who_goes_away_is_noticed_at_once(ends: Ends, end: str) -> None:
    ends.close(getattr(ends, end))
    with pytest.raises(BrokenPipeError):
        ends.client.attend(60.0, None, to_say=False)


def test_the_process_is_ended_when_nobody_says_anything(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The link is dead, so that nothing can be said either: the pipe to the client is full."""
    monkeypatch.setattr(wire, "SILENCE", 0.5)
    target = Target(os.fsencode(tmp_path))
    with pytest.raises(BrokenPipeError):
        building.run(["sh", "-c", "echo $$ >session; yes"], "demo", target, ends.client)
    assert Table().members(int((tmp_path / "session").read_text())) == []


@pytest.mark.parametrize(
    ("argv", "built", "here", "altered", "due"),
    [
        ([], "", FILE, {}, False),
        (["a"], "", FILE, {}, True),
        (["a"], "same", FILE, {}, False),
        (["b"], "same", FILE, {}, True),
        (["a"], "same", OTHER, {b"x": OTHER}, False),
        (["a"], "same", FILE, {b"x": OTHER}, True),
        (["a"], "same", None, {b"x": None}, False),
        (["a"], "same", FILE, {b"x": None}, True),
        ([], "same", OTHER, {b"x": OTHER}, False),
    ],
)
def test_when_it_is_due(argv: list[str], built: str, here: Entry | None, altered: Altered, due: bool) -> None:
    class Seen(Listing):
        def look(self, _root: bytes, _path: bytes) -> Entry | None:
            return here

    known = building.key_of("content", ["a"]) if built else ""
    build = building.decide(argv, "content", Manifest({b"x": FILE}, {}, known, altered), Target(b"/t"), Seen({}, 0))
    assert build.due is due
    assert build.settled == (altered if argv and not due else {})


def test_a_word_more_or_less_is_another_command() -> None:
    keys = [building.key_of("c", argv) for argv in (["a", "b"], ["ab"], ["a b"], ["a", "b", ""], [])]
    assert len(set(keys)) == len(keys)


def test_a_manifest_remembers_what_was_altered_and_a_damaged_one_forgets_it(tmp_path: Path) -> None:
    target = Target(os.fsencode(tmp_path))
    target.prepare()
    altered: Altered = {b"a": OTHER, b"caf\xe9": None}
    target.finish(Manifest({b"a": FILE, b"caf\xe9": FILE}, {}, "key", altered))
    assert target.manifest()[2:] == ("key", altered)
    assert target.brought()[b"a"] == {FILE, OTHER}
    target.mark({}, "")
    assert target.manifest()[2:] == ("", altered)
    path = tmp_path / ".remote-install/manifest"
    path.write_text(json.dumps({**json.loads(path.read_text()), "altered": [["../x"], 7]}))
    assert target.manifest().altered == {}


@pytest.mark.timeout(20)
def test_a_pipe_in_the_place_of_a_record_holds_nobody(tmp_path: Path) -> None:
    """A job may have put it there: an install that waits for it would hold the lock for ever."""
    target = Target(os.fsencode(tmp_path))
    target.prepare()
    for name in ("uuid", "manifest", "unfinished"):
        os.mkfifo(tmp_path / ".remote-install" / name)
    assert (target.brought(), target.manifest().entries) == ({}, {})
    with pytest.raises(Refusal, match="record is damaged"):
        target.claim("0" * 32, "here", adopt=False)
    target.claim("0" * 32, "here", adopt=True)
    assert target.owner()["uuid"] == "0" * 32


@pytest.mark.timeout(20)
def test_a_link_or_a_pipe_in_the_place_of_the_lock_is_not_opened(tmp_path: Path) -> None:
    target = Target(os.fsencode(tmp_path))
    target.prepare()
    lock = tmp_path / ".remote-install" / "lock"
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"), target.locked():
        pass
    assert not (tmp_path / "elsewhere").exists()
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(OSError, match="No such device"), target.locked():
        pass
