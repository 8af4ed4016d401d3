"""The pages of docs/ as a reader follows them: the files that they have him write, and what they have him type."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
NAMED = re.compile(r"`(?:\./)?(?P<name>[\w./-]+)`:$")


def section(page: str, heading: str = "") -> str:
    """What stands below a heading of a page; all of it where none is given."""
    text = (DOCS / page).read_text()
    below = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return f"\n{below}" if heading else text


def files(text: str) -> dict[str, str]:
    """Path -> text of each block in front of which stands "…, `path`:"."""
    named = ((NAMED.search(block["before"]), block["text"]) for block in BLOCK.finditer(text))
    return {found["name"]: content for found, content in named if found}


def blocks(text: str, kind: str) -> list[str]:
    """The text of the blocks of one kind."""
    return [block["text"] for block in BLOCK.finditer(text) if block["kind"] == kind]


def lines(text: str) -> list[str]:
    """What is typed behind a prompt."""
    return [line for block in blocks(text, "console") for line in re.findall(r"^\$ (.+)$", block, re.MULTILINE)]


def typed(block: str) -> list[tuple[str, str]]:
    """What a block has one type, a line that goes on below in one piece, and what it shows then."""
    parts = (one.partition("\n") for one in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:])
    return [(line, shown) for line, _, shown in parts]


def write(text: str, folder: Path) -> None:
    """Write the files of a page; a script is executable."""
    for name, content in files(text).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o777 if content.startswith("#!") else 0o666)
