"""What is written down of a command is read again, byte for byte; and all that was recorded can be read."""

from __future__ import annotations

import os
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
