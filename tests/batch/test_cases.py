"""What is written down of a command is read again, byte for byte; and all that was recorded can be read."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from . import cases
from .cases import CASES, Case, case_path, names_of, read_case, write_case


@pytest.mark.parametrize("text", ["", "line\n", "no newline", "\n", "two\n\nlines\r\n", "\x1b[1mbold\udcff\n"])
def test_a_case_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(cases, "CASES", str(tmp_path))
    case = Case(("at", "-c", "it's 1|2"), 3, text, text)
    write_case("system", "name", case)
    assert read_case("system", "name") == case
    assert names_of("system") == ["name"]


def test_all_recorded_cases_can_be_read() -> None:
    for system in os.listdir(CASES):
        for name in names_of(system):
            case = read_case(system, name)
            assert case.argv, case_path(system, name)
            assert 0 <= case.exit_code < 256


@pytest.mark.parametrize("system", ["lsf", "pbspro"])
def test_each_case_that_was_not_recorded_here_names_where_it_was_published(system: str) -> None:
    with open(f"{CASES}/{system}/SOURCES.md", encoding="utf-8") as file:
        rows = [line.split("|") for line in file if line.startswith("| ") and not line.startswith("| case ")]
    assert sorted(name.strip() for row in rows for name in row[1].split(",")) == names_of(system)
    for row in rows:
        assert "https://" in row[2] or re.search(r"\b(qstat|qdel|bjobs)\.c\b|put together|list-", row[2]), row
