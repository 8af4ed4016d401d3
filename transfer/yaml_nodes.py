"""A YAML file as nodes that know their places, and the report of the mistakes in it."""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import yaml

from transfer.errors import ConfigError
from transfer.wording import shown, visible

LARGEST_FILE = 1024 * 1024  # bytes
MOST_VALUES = 30_000  # counted each time an alias brings them in again
DEEPEST = 20  # mappings and lists in each other, and merges of merges

_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as YAML counts lines
_NOT_YAML = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Mistake(Exception):
    """One mistake in a file; mark: its place. Reading goes on after it."""

    def __init__(self, mark: Any, message: str, hint: str) -> None:
        super().__init__(message)
        self.mark, self.message, self.hint = mark, message, hint


class Stop(Mistake):
    """A mistake that reading can't go on after."""


class YamlFile:
    """A file and the mistakes found in it so far."""

    def __init__(self, path: str) -> None:
        """Raises ConfigError: it can't be read, or is larger than LARGEST_FILE."""
        self.path = visible(path)
        self.mistakes: dict[tuple[int, int], Mistake] = {}
        try:
            with open(path, "rb") as file:
                self._data = file.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            raise ConfigError(f"{self.path} can't be read: {reason}", "Name a file that you can read.") from None
        if len(self._data) > LARGEST_FILE:
            raise ConfigError(f"{self.path} is larger than 1 MiB", "Is it the right file?")
        self._text = self._data.decode("utf-8", "backslashreplace").removeprefix("\ufeff")

    def add(self, mistake: Mistake) -> None:
        # One mistake a place: by aliases the walk comes to the same place again and again.
        self.mistakes.setdefault((mistake.mark.line, mistake.mark.column), mistake)

    def root(self) -> yaml.Node | None:
        """The root node, None in an empty file. Raises Stop: the file is not YAML, or too much of it."""
        self._check_characters()
        loader = _Composer(self._text)
        try:
            loader.take()  # the start of the stream
            root = None if loader.check_event(yaml.StreamEndEvent) else loader.compose_document()
            if not loader.check_event(yaml.StreamEndEvent):
                mark = loader.look().start_mark
                self.add(Mistake(mark, "a second document begins here", "Keep one document in the file."))
        except yaml.MarkedYAMLError as error:
            raise _not_yaml(error, self._text) from None
        except (ValueError, OverflowError):  # "\UFFFFFFFF" reaches chr()
            raise Stop(loader.get_mark(), "this is not YAML: no such character", "Correct the escape.") from None
        finally:
            for mark in loader.tagged:
                self.add(Mistake(mark, "tags such as !!str are not used here", "Remove it: text stays text."))
            loader.dispose()
        return root

    def report(self) -> ConfigError:
        """All mistakes, in the order of the file, each with its line and a caret."""
        lines = _LINE_END.split(self._text)
        ordered = (mistake for _, mistake in sorted(self.mistakes.items()))
        return ConfigError("\n".join(_render(self.path, lines[mistake.mark.line], mistake) for mistake in ordered))

    def _check_characters(self) -> None:
        try:
            self._data.decode("utf-8")
        except UnicodeDecodeError as error:
            offset = len(self._data[: error.start].decode("utf-8").removeprefix("\ufeff"))
            message = f"the byte \\x{self._data[error.start]:02x} is not UTF-8"
            raise Stop(_mark(self._text, offset), message, "Save the file as UTF-8.") from None
        bad = _NOT_YAML.search(self._text)
        if bad:
            message = f"the character {visible(bad.group())} can't stand in a YAML file"
            raise Stop(_mark(self._text, bad.start()), message, "Remove it.")


def _mark(text: str, offset: int) -> yaml.Mark:
    before = _LINE_END.split(text[:offset])
    return yaml.Mark("", offset, len(before) - 1, len(before[-1]), None, 0)


def _render(path: str, line: str, mistake: Mistake) -> str:
    column = mistake.mark.column
    start = max(0, column - 60)
    before = ("..." if start else "") + visible(line[start:column])
    after = visible(line[column : start + 100])
    # Wide characters take two columns of a terminal, combining ones none.
    width = sum((unicodedata.east_asian_width(c) in "WF") + (not unicodedata.combining(c)) for c in before)
    rendered = [
        f"{path}:{mistake.mark.line + 1}:{column + 1}: {mistake.message}",
        f"    {before}{after}".rstrip(),
        f"    {' ' * width}^",
    ]
    return "\n".join(rendered + ([f"    {mistake.hint}"] if mistake.hint else []))


class _Composer(yaml.SafeLoader):
    """Nodes with their places, and none of what lets a small file grow without end: cycles, depth, number."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.look: Callable[[], Any] = self.peek_event  # typed here, as types-PyYAML leaves it untyped
        self.take: Callable[[], Any] = self.get_event
        self.count = 0
        self.open: list[str | None] = []  # the anchors of the nodes that we are in
        self.tagged: list[yaml.Mark] = []

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.look()
        self.count += 1
        if self.count > MOST_VALUES:
            raise Stop(event.start_mark, f"more than {MOST_VALUES} values", "Is it the right file?")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.open:
                message = f"the alias *{shown(str(event.anchor))} stands inside of what it names"
                raise Stop(event.start_mark, message, "Write out what is meant.")
            # A copy, so that a mistake in the use of an alias is shown where it is used.
            node = copy.copy(super().compose_node(parent, index))
            assert node is not None
            node.start_mark = event.start_mark
            return node
        if len(self.open) == DEEPEST:
            raise Stop(event.start_mark, f"nested more than {DEEPEST} deep", "Is a bracket not closed?")
        if event.tag not in (None, "!"):
            self.tagged.append(event.start_mark)
        self.open.append(event.anchor)
        try:
            return super().compose_node(parent, index)
        finally:
            self.open.pop()


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> Stop:
    mark, start = error.problem_mark or error.context_mark, error.context_mark
    assert mark is not None
    line = _LINE_END.split(text)[mark.line]
    tab = line.find("\t", 0, len(line) - len(line.lstrip(" \t")))
    if tab >= 0:
        mark.column = tab
        return Stop(mark, "a tab is used as indentation", "Indent with spaces.")
    hint = ""
    if error.context and start:
        hint = f"It came up {visible(error.context)} from line {start.line + 1}, column {start.column + 1}."
    return Stop(mark, f"this is not YAML: {visible(error.problem or error.context or '')}", hint)
