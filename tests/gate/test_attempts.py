"""Nothing outside the root is read, written or run, whatever is tried; what is there to be seen is seen by canaries."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_install.jobhost.meanwhile import meanwhile

from .attempts import Attempt, attempt
from .sandbox import SECRET, Answer, Sandbox

FEW, ALL = 100, 5000


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    made = Sandbox(tmp_path)
    made.prepare()
    (tmp_path / "here/mine").mkdir(parents=True)
    (tmp_path / "here/mine/file").write_text("sent\n")
    (tmp_path / "here/mine/link").symlink_to("file")
    (made.outside / "run").write_text(f"#!/bin/sh\ntouch {made.outside}/ran\n")
    (made.outside / "run").chmod(0o755)
    return made


@contextlib.contextmanager
def swapped(sandbox: Sandbox) -> Iterator[None]:
    """Two names below the root are now a folder, now a link out of it, all the time."""
    names = [sandbox.box / "swap", sandbox.box / "demo/swapped"]
    for name in names:
        (name.parent / f"{name.name}-folder").mkdir(exist_ok=True)

    def swap(over: threading.Event) -> None:
        while not over.is_set():
            for name in names:
                part = name.parent / f"{name.name}-part"
                with contextlib.suppress(OSError):
                    part.symlink_to(sandbox.outside)
                    part.rename(name)
                with contextlib.suppress(OSError):
                    name.unlink()
                    (name.parent / f"{name.name}-folder").rename(name)
                with contextlib.suppress(OSError):
                    name.rename(name.parent / f"{name.name}-folder")

    with meanwhile(swap):
        yield


def make(one: Attempt, sandbox: Sandbox) -> Answer:
    options = sandbox.options(one.allow, "--runner", "slurm")
    if one.kind == "line":
        return sandbox.ask(os.fsencode(one.line), one.stdin, options)
    here = sandbox.folder / "here"
    subprocess.run(["rm", "-rf", here / "got"], check=True)
    (here / "got").mkdir()
    words = ["rsync", "--timeout=20", "-e", sandbox.rsh(*options), *one.words]
    done = subprocess.run(words, cwd=here, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    got = b"".join(path.read_bytes() for path in (here / "got").rglob("*") if path.is_file() and not path.is_symlink())
    return Answer(done.returncode, got + done.stdout, done.stderr.decode(errors="replace"))


def judge(one: Attempt, answer: Answer, sandbox: Sandbox, before: dict[str, object]) -> None:
    assert SECRET not in answer.out.decode(errors="replace") + answer.err, one
    assert sandbox.seen_outside() == before, one
    assert "gate.py" not in answer.err, (one, answer.err)  # a traceback; rrsync has some, where a folder is swapped


def attack(sandbox: Sandbox, numbers: range) -> int:
    """How many of these attempts were refused; fails where one got out."""
    refused = 0
    before = sandbox.seen_outside()
    with swapped(sandbox):
        for number in numbers:
            one = attempt(number, sandbox)
            answer = make(one, sandbox)
            judge(one, answer, sandbox, before)
            refused += answer.refused or "gate: " in answer.err
    return refused


def test_a_hundred_attempts_get_nowhere(sandbox: Sandbox) -> None:
    assert attack(sandbox, range(FEW)) > FEW / 2
    lines = sandbox.audit()  # each of them is JSON, and has its own number of fields
    assert all(
        line["gate"] in ("admitted", "refused") and line["client"] == "192.0.2.1"
        for line in lines
        if line["client"] != "-"
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_thousand_attempts_get_nowhere(sandbox: Sandbox) -> None:
    assert attack(sandbox, range(FEW, FEW + ALL)) > ALL / 2
