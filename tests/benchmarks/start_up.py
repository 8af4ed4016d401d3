"""How long a help text takes, against a Python that only imports argparse: python tests/benchmarks/start_up.py

Exits 1 when the aim is missed. The commands are timed in turn, so that what else this machine does hits all alike,
and their medians are compared.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = str(Path(__file__).parents[2])
ROUNDS = 15
AIM = 2.0
FLOOR = "python -c 'import argparse'"


def commands() -> dict[str, list[str]]:
    """What is timed, by its name; the installed command only where it is installed."""
    module = [sys.executable, "-m", "remote_install"]
    found = {
        FLOOR: [sys.executable, "-c", "import argparse"],
        "python -m remote_install --help": [*module, "--help"],
        "python -m remote_install --version": [*module, "--version"],
    }
    script = Path(sys.executable).with_name("remote-install")
    if script.exists():
        found["remote-install --help"] = [str(script), "--help"]
    return found


def seconds(argv: list[str]) -> float:
    """How long `argv` runs."""
    # What is installed has its bytecode beside it, so ours may be written too.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run(argv, env={**kept, "PYTHONPATH": ROOT}, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def medians(timed: Mapping[str, list[str]], rounds: int) -> dict[str, float]:
    """The median of each; the first round only fills the caches."""
    taken = [{name: seconds(argv) for name, argv in timed.items()} for _ in range(rounds + 1)][1:]
    return {name: statistics.median(one[name] for one in taken) for name in timed}


def main() -> int:
    """Print the table."""
    found = medians(commands(), ROUNDS)
    worst = 0.0
    print(f"{'median of ' + str(ROUNDS):36} {'ms':>6} {'ratio':>6}   aim")
    for name, median in found.items():
        ratio = median / found[FLOOR]
        worst = max(worst, ratio)
        aim = "" if name == FLOOR else f"at most {AIM:g}" + ("" if ratio <= AIM else ": missed")
        print(f"{name:36} {median * 1000:6.1f} {ratio:6.2f}   {aim}".rstrip())
    return int(worst > AIM)


if __name__ == "__main__":
    sys.exit(main())
