"""What a signal raises, and when: at once, or at the end of a block that holds it; once for one that is sent twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[1])
PROGRAM = """
import os, signal, sys, time
from remote_install.cli import signals

def send(number, wait=signals.SAME):
    os.kill(os.getpid(), number)
    time.sleep(wait)

signals.listen()
try:
{}
except signals.Interrupted as interrupted:
    print(interrupted.number, interrupted.again, flush=True)
"""
HELD = "with signals.held('wait'):\n        send({}); print('whole', flush=True)"


def told(body: str, ignored: int | None = None) -> tuple[list[str], str]:
    """What a program printed whose middle is `body`. ignored: a signal that it was started with ignored."""
    text = PROGRAM.format("    " + body)
    before = None if ignored is None else lambda: signal.signal(ignored, signal.SIG_IGN)
    line = [sys.executable, "-c", text]
    env = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run(line, env=env, capture_output=True, check=True, text=True, timeout=20, preexec_fn=before)
    return done.stdout.split("\n")[:-1], done.stderr


@pytest.mark.parametrize("number", [1, 2, 15])
def test_a_signal_is_raised_where_the_program_is(number: int) -> None:
    assert told(f"send({number}); print('on')") == ([f"{number} False"], "")


def test_in_a_block_that_holds_it_it_is_raised_at_the_end() -> None:
    assert told(HELD.format(15)) == (["whole", "15 False"], "remote-install: wait\n")


def test_a_second_one_is_raised_at_once() -> None:
    assert told(HELD.format("2); send(15")) == (["15 True"], "remote-install: wait\n")


def test_one_that_comes_twice_is_meant_once() -> None:
    assert told(HELD.format("15, 0); send(15")) == (["whole", "15 False"], "remote-install: wait\n")


def test_after_the_block_it_is_raised_where_the_program_is() -> None:
    body = "with signals.held('wait'):\n        pass\n    send(2); print('on')"
    assert told(body) == (["2 False"], "")


def test_one_that_is_ignored_stays_so() -> None:
    assert told(HELD.format(1) + "\n    send(1); print('on')", ignored=1) == (["whole", "on"], "")
