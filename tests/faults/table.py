"""docs/faults.md: how each step ended under each fault, as it was seen.

Written by WRITE_DOCS=1 ./dev test tests/faults -m faults.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
HEAD = """# Every fault at every step

What a command ends with when its job host or the network fails under it: its [exit code](exit-codes.md), as
`tests/faults` saw it on a real sshd. 0: it got through, by a retry or because what it needed was over.

After each fault it was healed and the same command typed again: it ended well each time, the job had run once, its
output and its results were whole. Where the fault itself ended the job, by a crash or a full disk, that was told.
Faults that come "during" come as soon as the host has accepted the login. An empty field: the fault can't come there.

| fault | {steps} |
|---|{lines}|
"""


class Table:
    """Collects what tests/faults noted, in the process that hears of all tests."""

    def __init__(self) -> None:
        self.codes: dict[tuple[str, str], int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the note of a test that passed."""
        for name, value in report.user_properties if report.when == "call" and report.passed else ():
            if name == "fault" and isinstance(value, (list, tuple)):
                fault, step, code = value
                self.codes[fault, step] = code

    def pytest_sessionfinish(self) -> None:
        """Write the page, if all is known."""
        if not self.codes:
            return
        from .kinds import FAULTS
        from .test_faults import CASES, STEPS

        if set(self.codes) != set(CASES):
            return
        rows = [
            f"| {fault}, {'before' if kind.before else 'during'} | "
            + " | ".join(_shown(self.codes.get((fault, step))) for step in STEPS)
            + " |"
            for fault, kind in FAULTS.items()
        ]
        head = HEAD.format(steps=" | ".join(STEPS), lines="|".join("---" for _ in STEPS))
        PAGE.write_text(head + "\n".join(rows) + "\n")


def _shown(code: int | None) -> str:
    """A signal as who types the command sees it; nothing where the fault can't come."""
    return "" if code is None else "killed" if code < 0 else str(code)


def pytest_configure(config: pytest.Config) -> None:
    """Only where it is asked for, and not in the processes that run the tests for another one."""
    if os.environ.get("WRITE_DOCS") == "1" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table())
