"""What keeps a help text fast: it imports next to nothing. tests/benchmarks/start_up.py tells how fast it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[1])
OF_OURS = {
    "remote_install",
    "remote_install.cli",
    "remote_install.cli.arguments",
    "remote_install.cli.commands",
    "remote_install.cli.options",
    "remote_install.cli.signals",
    "transfer",
    "transfer.durations",
    "transfer.errors",
}
EXPENSIVE = {
    *("yaml", "sh", "tenacity", "rich"),
    *("asyncio", "concurrent.futures", "dataclasses", "email", "hashlib", "inspect", "json", "logging", "pathlib"),
    *("random", "secrets", "selectors", "shutil", "socket", "subprocess", "tempfile", "threading", "typing", "zipfile"),
}

# What the interpreter itself imports (site, a .pth file), or argparse, is not our doing.
PROGRAM = """
import argparse, sys
before = set(sys.modules)
from remote_install.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps(loaded), file=sys.stderr)
"""


def loaded(*words: str) -> set[str]:
    """The modules that a command imports."""
    line = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, check=True)
    assert done.stdout != b""
    return set(json.loads(done.stderr))


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["run", "--help"], ["poll", "-h"]], ids=" ".join)
def test_a_help_text_imports_nothing_that_takes_time(words: list[str]) -> None:
    found = loaded(*words)
    assert found & EXPENSIVE == set()
    assert {name for name in found if name.partition(".")[0] in ("remote_install", "transfer")} == OF_OURS


@pytest.mark.parametrize(("columns", "width"), [("60", 60), ("200", 200), ("0", 80), ("wide", 80), ("", 80)])
def test_a_help_text_is_as_wide_as_the_terminal(columns: str, width: int) -> None:
    line = [sys.executable, "-m", "remote_install", "--help"]
    env = {**os.environ, "PYTHONPATH": ROOT, "COLUMNS": columns}
    told = subprocess.run(line, env=env, capture_output=True, check=True, text=True).stdout
    assert ("the pre-run install step: the run directory to each install target\n" in told) == (width == 200)
    wrapped = told.partition("positional arguments:")[2].partition("exit codes:")[0]
    assert width - 40 < max(map(len, wrapped.splitlines())) <= width or width == 200


def test_the_package_alone_imports_nothing() -> None:
    program = "import sys; before = set(sys.modules); import remote_install; print(*set(sys.modules) - before)"
    line = [sys.executable, "-c", program]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["remote_install"]
