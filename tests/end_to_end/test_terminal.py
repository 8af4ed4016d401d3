"""On a terminal it is seen what goes on; afterwards the terminal is as it was, however the command ended."""

from __future__ import annotations

import re

import pytest

from .client import Client
from .terminal import Terminal

TWO = """
jobs:
  one: {platform: localhost, command: "until test -e go; do sleep 0.05; done; echo bytes"}
  two: {platform: localhost, command: "until test -e go; do sleep 0.05; done; exit 3"}
"""
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-7]m")


@pytest.fixture
def two(client: Client) -> Client:
    """A user with two jobs on this machine that go on until there is a file."""
    client.write("run.yaml", TWO)
    return client


def shows_both(text: str) -> bool:
    return all(re.search(pattern, text) for pattern in (r"(?m)^jobs .*0/2 2 running", "one +01 +running", "two +01"))


def test_several_jobs_are_shown_while_they_run_and_their_ends_stay(two: Client) -> None:
    terminal = Terminal(two, "run", "demo")
    terminal.read_until(shows_both)
    assert "one 01 running on" not in terminal.text()
    two.write("go", "")
    assert terminal.end() == 1
    text = terminal.text()
    assert "one| bytes" in text
    assert re.search(r"(?m)^one 01 succeeded on localhost", text)
    assert re.search(r"(?m)^two 01 failed \(exit 3\) on localhost", text)
    assert "job  try" not in text
    assert not re.search("(?m)^jobs ", text)
    assert COLOUR.search(terminal.raw)


def test_without_colour_there_is_none(two: Client) -> None:
    two.variables["NO_COLOR"] = "1"
    terminal = Terminal(two, "run", "demo")
    terminal.read_until(shows_both)
    two.write("go", "")
    assert terminal.end() == 1
    assert not COLOUR.search(terminal.raw)


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"CI": "true"}], ids=str)
def test_where_nothing_can_be_drawn_each_change_is_a_line(two: Client, variables: dict[str, str]) -> None:
    two.variables.update(variables)
    terminal = Terminal(two, "run", "demo")
    terminal.read_until(lambda text: re.search("two 01 (running|submitted) on", text))
    two.write("go", "")
    assert terminal.end() == 1
    assert b"\x1b[J" not in terminal.raw
    assert b"job  try" not in terminal.raw
    assert b"\x1b" not in terminal.raw or "TERM" not in variables


def test_ctrl_c_takes_what_is_drawn_away(two: Client) -> None:
    terminal = Terminal(two, "run", "demo")
    terminal.read_until(shows_both)
    terminal.type(b"\x03")
    assert terminal.end() == 130
    text = terminal.text()
    assert "interrupted; ending one, two" in text
    assert "one 01 killed (signal TERM)" in text
    assert "job  try" not in text


def test_a_transfer_is_shown_while_it_lasts(client: Client) -> None:
    path = client.folder / "hosts.yaml"
    path.write_text(path.read_text() + "    rsync: {options: [--bwlimit=1000]}\n")  # kilobytes a second
    client.write("big", b"x" * 3_000_000)
    terminal = Terminal(client, "push", "demo/big", "hpc:file")
    terminal.read_until(lambda text: re.search(r"(?m)^to hpc .* [1-9][0-9]?% .* MB", text))
    assert terminal.end() == 0
    (line,) = terminal.lines()
    assert line.startswith("pushed 1 file, 3.0 MB, to hpc in ")
