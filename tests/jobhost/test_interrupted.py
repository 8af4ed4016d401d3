"""An install killed at every single moment: each file is old or new, what is unfinished is known, the next finishes it.

The program's own code runs in a child process, which ends without another word at the Nth change that it wants to make
to the disk, for every N that there is.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest

from remote_install.jobhost import installation, manifest
from remote_install.jobhost.manifest import Entries, Listing
from remote_install.jobhost.target import Target, why_unfinished
from remote_install.jobhost.wire import Client, Refusal

CHANGES = ("rename", "unlink", "rmdir", "mkdir", "symlink", "chmod", "fsync")
UUID = "0123456789abcdef" * 2
COMMAND = ["sh", "-c", "cat same new >built"]


def listing(root: Path) -> Entries:
    return Listing({}, 0).walk(os.fsencode(root), lambda path, _folder: path in (b".remote-install", b"log"))


def make(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


class Sender:
    """A client that has `source`: what it is asked for lies in the staging area when it says `place`."""

    def __init__(self, source: Path, target: Target) -> None:
        self.entries, self._source, self._target = listing(source), source, target
        self.said: list[str] = []
        self._plan: dict[str, Any] = {}

    def say(self, reply: str, **fields: Any) -> None:
        self.said.append(reply)
        self._plan = fields if reply == "plan" else self._plan

    def hear(self, _seconds: float) -> dict[str, Any]:
        if not self._plan:
            return {"entries": manifest.pack(self.entries)}
        for name in self._plan["send"]:
            staged = Path(os.fsdecode(self._target.staging), name)
            os.makedirs(staged.parent, exist_ok=True)
            shutil.copyfile(self._source / name, staged)
        return {"do": "place"}

    def offer(self, _reply: str, **_fields: Any) -> bool:
        return True

    def attend(self, _seconds: float, descriptor: int | None, to_say: bool) -> bool:  # noqa: ARG002
        return descriptor is not None

    heartbeat = Client.heartbeat


def install(run_dir: Path, source: Path) -> list[str]:
    sender = Sender(source, Target(os.fsencode(run_dir)))
    request = {
        "run_root": str(run_dir.parent),
        "run": run_dir.name,
        "uuid": UUID,
        "origin": "here",
        "digest": manifest.digest(sender.entries),
        "command": COMMAND,
    }
    installation.install(request, sender, b"")  # type: ignore[arg-type]
    return sender.said


def die(_name: str) -> None:
    os._exit(9)


def no_space(name: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)


def interrupted(act: Callable[[], object], number: int, fault: Callable[[str], None]) -> bool:
    """Do `act` in a child, with `fault` at its change `number`; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        left = [number]

        def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def change(*words: Any, **options: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    fault(name)
                return real(*words, **options)

            return change

        for name in CHANGES:
            setattr(os, name, counted(name, getattr(os, name)))
        try:
            act()
        except (OSError, Refusal):
            os._exit(9)
        os._exit(9 if left[0] <= 0 else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


OLD = {"same": "s", "other": "old", "gone/deep": "x", "thing/inside": "x", "flat": "x", "was": "x"}
NEW = {"same": "s", "other": "new", "thing": "a file now", "flat/inside": "a folder now", "new": "n"}


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    old, new = make(tmp_path / "old", {**OLD, "new": "-"}), make(tmp_path / "new", NEW)
    (new / "was").symlink_to("same")
    (new / "same").chmod(0o755)
    return old, new


@pytest.mark.parametrize("fault", [die, no_space], ids=["killed", "disk full"])
def test_at_every_moment(tmp_path: Path, sources: tuple[Path, Path], fault: Callable[[str], None]) -> None:
    old, new = sources
    both = {name: {listing(tree).get(name) for tree in sources} for name in {*listing(old), *listing(new)}}
    number = marked = 0
    again = True
    while again:
        number += 1
        run_dir = tmp_path / "runs" / f"demo{number}"
        install(run_dir, old)
        make(run_dir, {"output": "a job's", "gone/output": "a job's", "log/job/a/01/job.out": "a job's"})
        again = interrupted(lambda run_dir=run_dir: install(run_dir, new), number, fault)
        there = listing(run_dir)
        for name, found in both.items():
            # Only where a folder takes a file's place, or the reverse, is there a moment without either.
            assert there.get(name) in found | ({None} if name in (b"thing", b"flat") else set()), (number, name)
        reason = why_unfinished(os.fsencode(run_dir))
        remembered = Target(os.fsencode(run_dir)).manifest().entries
        whole = [{name: there.get(name) for name in listing(tree)} == listing(tree) == remembered for tree in sources]
        assert reason or any(whole), number
        marked += bool(reason)
        assert install(run_dir, new)[-1] in ("installed", "same"), number
        assert why_unfinished(os.fsencode(run_dir)) is None
        built = hashlib.blake2b(b"sn", digest_size=20).hexdigest()
        assert listing(run_dir).pop(b"built").content == built, number
        left = {name: entry for name, entry in listing(run_dir).items() if entry != listing(new).get(name)}
        assert set(left) == {b"output", b"gone", b"gone/output", b"built"}, number
        assert (run_dir / "log/job/a/01/job.out").read_text() == "a job's"
        assert install(run_dir, new) == ["same"], number
    assert number > 30
    assert marked > 10
