"""What a command costs: time, processor time, memory, processes; and several commands that are run in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable

# Process 1 of a pid namespace of its own: runs the command, then tells the last process id that was given there.
COUNTING = '"$@"; read -r _ _ _ _ last </proc/loadavg; echo "$last" >"$COUNTED"'


@dataclass(frozen=True)
class Cost:
    """One run. seconds: of the clock. processor: seconds of it and all it waited for. memory: bytes that the largest
    of its processes held."""

    seconds: float
    processor: float
    memory: int


@dataclass(frozen=True)
class Command:
    """What is run. codes: the exit codes that are in order. before: what is done first, and not timed."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: str = "."
    codes: tuple[int, ...] = (0,)
    before: Callable[[], object] = lambda: None

    def run(self, argv: Sequence[str] | None = None, **env: str) -> Cost:
        """Run it to its end. Raises RuntimeError, with what it said, for an exit code that is not in order."""
        with tempfile.TemporaryFile() as said:
            began = time.perf_counter()
            process = subprocess.Popen(
                argv or self.argv,
                env={**self.env, **env},
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in self.codes:
                said.seek(0)
                words = said.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"exit {process.returncode} of {list(self.argv)}: {words}")
        return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)

    def processes(self) -> int:
        """Run it once more, not timed: how many processes and threads it starts on this machine, itself included."""
        self.before()
        with tempfile.NamedTemporaryFile("r") as counted:
            apart = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", "-c", COUNTING, "count")
            self.run((*apart, *self.argv), COUNTED=counted.name)
            return int(counted.read()) - 1  # the shell


@dataclass(frozen=True)
class Figure:
    """What several runs of one command cost: medians, but for the memory. processes: None where not counted."""

    seconds: float
    processor: float
    memory: int
    processes: int | None = None


def figure(costs: Sequence[Cost], processes: int | None = None) -> Figure:
    """The medians, and the most memory.

    >>> figure([Cost(1.0, 0.5, 10), Cost(9.0, 0.7, 30), Cost(2.0, 0.6, 20)])
    Figure(seconds=2.0, processor=0.6, memory=30, processes=None)
    """
    return Figure(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.processor for cost in costs),
        max(cost.memory for cost in costs),
        processes,
    )


def in_turn(commands: Mapping[str, Command], rounds: int, counted: bool = True) -> dict[str, Figure]:
    """Run each once a round, so that what else this machine does hits all alike. What fails is told and left out."""
    counts: dict[str, int | None] = {}
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(-counted, rounds):
        for name in list(costs):
            try:
                if turn < 0:
                    counts[name] = commands[name].processes()
                else:
                    commands[name].before()
                    costs[name].append(commands[name].run())
            except (RuntimeError, OSError) as error:
                print(f"not measured: {name}: {error}", file=sys.stderr, flush=True)
                del costs[name]
    return {name: figure(found, counts.get(name)) for name, found in costs.items()}
