"""What the pages show can be used: every settings file in them is in order, every command line is understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from remote_install import run_yaml
from remote_install.cli import arguments
from transfer.hosts_yaml import HOSTS_YAML
from transfer.platforms import load_platforms

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELLIPSIS = ("...", "…", "[")  # a line that stands for several


def blocks(page: Path, *kinds: str) -> list[str]:
    """The text of code blocks of these kinds, without the blanks that a list puts in front."""
    found = re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{blanks}", "", text, flags=re.MULTILINE) for blanks, kind, text in found if kind in kinds]


def settings(of: set[str]) -> list[object]:
    """The yaml blocks whose keys at the top are some of these."""
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, text in enumerate(blocks(page, "yaml"))
        if isinstance(found := yaml.safe_load(text), dict) and set(found) <= of and "runs-on" not in text
    ]


def command_lines() -> list[object]:
    """What stands behind a prompt, but for patterns such as `[option...]`."""
    lines = [
        (page.stem, line)
        for page in PAGES
        for text in blocks(page, "console")
        for line in re.findall(r"^\$ (remote-install .*)$", re.sub(r"\\\n *", "", text), re.MULTILINE)
    ]
    return [
        pytest.param(line, id=f"{page}: {line}") for page, line in lines if not any(part in line for part in ELLIPSIS)
    ]


@pytest.mark.parametrize("text", settings(set(HOSTS_YAML.keys)))
def test_each_hosts_yaml_is_in_order(text: str, tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(text)
    platforms = load_platforms(str(path))
    for name in platforms.given:
        platforms.get("desktop7" if name.startswith("/") else name)


@pytest.mark.parametrize("text", settings(set(run_yaml.RUN_YAML.keys)))
def test_each_run_yaml_is_in_order(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text)
    run_yaml.read(str(tmp_path))


@pytest.mark.parametrize("line", command_lines())
def test_each_command_line_is_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    before, _ = arguments.split([word for word in words if not word.startswith(">")])
    parsed = arguments.parser().parse_args(before)
    assert parsed.command or parsed.version
