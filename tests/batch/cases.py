"""Recorded output of batch systems: tests/cases/SYSTEM/CASE.txt, one command each, as it was typed and what it did.

The first line is the command as a shell would read it, the second its exit code; then come standard output and standard
error, byte for byte. They are made by record.py from real systems; parsers are tested on them without any. Those of
systems that can't be had (pbspro, lsf) are what others published; SOURCES.md beside them says where.
"""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

CASES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases")
OUT = "--- stdout\n"
ERR = "--- stderr\n"
UNENDED = "\n\\ no newline at the end\n"


class Case(NamedTuple):
    """A command that was run, and what it did."""

    argv: tuple[str, ...]
    exit_code: int
    out: str
    err: str


def case_path(system: str, name: str) -> str:
    """Return the file of a case."""
    return f"{CASES}/{system}/{name}.txt"


def names_of(system: str) -> list[str]:
    """Return the names of all cases of a system."""
    return sorted(name[: -len(".txt")] for name in os.listdir(f"{CASES}/{system}") if name.endswith(".txt"))


def read_case(system: str, name: str) -> Case:
    """Read a case."""
    with open(case_path(system, name), newline="", encoding="utf-8", errors="surrogateescape") as file:
        head, _, rest = file.read().partition(OUT)
    out, _, err = rest.partition(ERR)
    command, code = head.splitlines()
    return Case(tuple(shlex.split(command[len("$ ") :])), int(code[len("exit ") :]), unmark(out), unmark(err))


def write_case(system: str, name: str, case: Case) -> None:
    """Write a case, over what was there."""
    path = case_path(system, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    text = f"$ {shlex.join(case.argv)}\nexit {case.exit_code}\n{OUT}{mark(case.out)}{ERR}{mark(case.err)}"
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def mark(text: str) -> str:
    """Return text that ends in a newline, marked if it did not."""
    return text + UNENDED if text and not text.endswith("\n") else text


def unmark(text: str) -> str:
    """Undo `mark`."""
    return text[: -len(UNENDED)] if text.endswith(UNENDED) else text
