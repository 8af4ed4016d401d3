"""The man page names every command and option, and is the one that the parser makes."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path

import pytest

from remote_install.cli import arguments, completion

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "man/remote-install.1"


def made() -> str:
    return str(runpy.run_path(str(DOCS / "man_page.py"))["page"]())


def plain(text: str) -> str:
    """What is read of it."""
    return re.sub(r"\\f[BIR]", "", text).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def section(command: str) -> str:
    found = re.search(rf"^\.SS {command}\n(.*?)(?=^\.S[SH] )", plain(PAGE.read_text()), re.MULTILINE | re.DOTALL)
    assert found, command
    return found[1]


def test_the_man_page_is_the_one_that_the_parser_makes() -> None:
    if os.environ.get("WRITE_DOCS") == "1":
        PAGE.write_text(made())
    assert PAGE.read_text() == made(), "WRITE_DOCS=1 writes it anew"


@pytest.mark.parametrize("command", completion.subcommands(arguments.parser()))
def test_every_command_and_option_has_its_lines(command: str) -> None:
    text = section(command)
    everywhere = plain(PAGE.read_text()).partition(".SH COMMANDS")[0]
    for action in completion.subcommands(arguments.parser())[command]._actions:
        line = ", ".join(action.option_strings) or str(action.metavar)
        assert re.search(rf"^\.TP\n{re.escape(line)}( |$)", text + everywhere, re.MULTILINE), line


def test_no_line_is_taken_for_a_request_that_it_is_not() -> None:
    for line in PAGE.read_text().splitlines():
        assert not line.startswith((".", "'")) or re.match(r"\.(TH|SH|SS|TP|PP)( |$)", line), line
