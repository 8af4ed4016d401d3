"""Every snippet of the pages that a user follows is run by a test, or it is said why it is not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from .snippets import SNIPPETS

ROOT = Path(__file__).parents[2]
REFERENCE = {"inside-a-job.md", "job-runners.md", "python-api.md"}  # with something to follow in them


def followed() -> set[str]:
    """The pages: the first ones, those on how to do something, and some more."""
    index = (ROOT / "docs/index.md").read_text()
    below = re.findall(r":caption: (?:Begin|How to)\n.*?\n\n(.*?)```", index, re.DOTALL)
    listed = {f"{name}.md" for names in below for name in names.split()}
    return {*listed, *REFERENCE, "index.md", "README.md", "CONTRIBUTING.md"}


def path_of(page: str) -> Path:
    return ROOT / page if page[0].isupper() else ROOT / "docs" / page


def counted() -> dict[tuple[str, str], int]:
    """Page and heading -> how many snippets stand below it, but for what Sphinx puts in."""
    found: dict[tuple[str, str], int] = {}
    for page in followed():
        heading, inside = "", False
        for line in path_of(page).read_text().splitlines():
            fence = re.match(r" *```(.*)", line)
            if fence:
                inside = not inside
                if inside and not fence[1].startswith("{"):
                    found[page, heading] = found.get((page, heading), 0) + 1
            elif not inside and line.startswith("#"):
                heading = line.lstrip("# ")
    return found


def test_every_snippet_has_a_test_or_a_reason() -> None:
    assert {place: len(tests) for place, tests in SNIPPETS.items()} == counted()


@pytest.mark.parametrize("place", SNIPPETS, ids=": ".join)
def test_the_test_is_there_and_reads_the_page(place: tuple[str, str]) -> None:
    for named in SNIPPETS[place]:
        path, found, test = named.partition("::")
        if not found:
            assert re.match("none: .+", named)
            continue
        text = (ROOT / path).read_text()
        beside = [
            (ROOT / path).with_name(f"{name}.py") for name in re.findall(r"^from \.?(\w+) import", text, re.MULTILINE)
        ]
        read = "\n".join([text, *(one.read_text() for one in beside if one.is_file())])
        assert test in {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}, named
        assert re.search(rf"{re.escape(place[0])}|glob\(\"\*\.md\"\)", read), f"{path} does not read {place[0]}"


def test_exceptions_are_few() -> None:
    reasons = [one for tests in SNIPPETS.values() for one in tests if one.startswith("none: ")]
    assert len(reasons) <= 6
