"""The look at one process, as its program is sent to a host: under every Python, and it leaves nothing there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from remote_install import bundle
from remote_install.jobhost import processes

from .test_program import EACH, replies_of


def look(python: str, folder: Path, words: str) -> list[dict[str, Any]]:
    argv, program = [python, "-I", "-"], bundle.looker(words)
    done = subprocess.run(argv, cwd=folder, env={"PATH": os.environ["PATH"]}, input=program, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(folder.iterdir()) == []
    return replies_of(done.stdout)[:-1]


def words(**change: Any) -> str:
    return "process {} {} {} {} {}".format(*processes.this_process()._replace(**change))


@EACH
def test_a_process_that_lives_and_one_that_does_not(python: str, tmp_path: Path) -> None:
    assert look(python, tmp_path, words()) == [{"reply": "process", "alive": True, "why": ""}]
    (told,) = look(python, tmp_path, words(start=1))
    assert (told["alive"], told["why"]) == (False, "it has ended, and its process id is another one's now")
    (told,) = look(python, tmp_path, words(host="elsewhere", boot="b0"))
    assert told["alive"] is None


@pytest.mark.parametrize("text", ["", "process h 1", "'); import os; os.mkdir('pwned'); ('"])
def test_what_is_no_process_is_refused_and_never_run(text: str, tmp_path: Path) -> None:
    (told,) = look("python3", tmp_path, text)
    assert (told["reply"], told["code"]) == ("error", 2)
