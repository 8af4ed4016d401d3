"""How long a command takes before it does anything: against a Python that only imports argparse."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from measure import in_turn
from table import OURS, Row
from user import User

FLOOR = "python -c 'import argparse'"
AIM = 2.0
LIST = "dataclasses, typing and json take most of what is left"


def rows(_hosts: object, folder: Path, rounds: int) -> Iterator[Row]:
    """Measure."""
    user = User(folder)
    (folder / "demo").mkdir()
    (folder / "demo/run.yaml").write_text("jobs:\n  a: {platform: localhost, command: 'true'}\n")
    floor = user.command(sys.executable, "-c", "import argparse")
    for words in (("--version",), ("--help",), ("list", "demo")):
        commands = {OURS: user.ours(*words), FLOOR: floor}
        in_turn(commands, 1)  # it only fills the caches
        yield Row(f"start: {' '.join(words)}", in_turn(commands, 5 * rounds), FLOOR, AIM, why=LIST)
