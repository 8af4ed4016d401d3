"""Reads one YAML file against a table of keys and reports every mistake in it at once, each with its place."""

from __future__ import annotations

import copy
import difflib
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Optional

import yaml

from transfer.errors import ConfigError

LARGEST_FILE = 1024 * 1024  # bytes
MOST_VALUES = 30_000  # counted each time an alias brings them in again
DEEPEST = 20  # mappings and lists in each other, and merges of merges
LONGEST_TEXT = 16 * 1024  # characters

Refusal = Optional[tuple[str, str]]  # what is wrong, and the remedy

_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as YAML counts lines
_NOT_YAML = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_TEXT = re.compile("[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")


class Kind(Enum):
    """What stands under a key; the value is how messages call it."""

    TEXT = "text"
    WHOLE = "a whole number"
    SECONDS = "a number of seconds"
    BOOLEAN = "true or false"
    LIST = "a list"
    COMMAND = "a program with its arguments"  # text, split as a shell splits words, or a list
    MAPPING = "a mapping of names"  # that the file chooses
    TABLE = "a mapping"  # with the keys of a table


@dataclass(frozen=True)
class Key:
    """What may stand under one key of a file.

    about: one line for people. default: for people too; what the file leaves out is left out of what is read.
    pattern: what a text must match, whole; wanted: the same in words. least, most: bounds of a number.
    name, item: what each name of a MAPPING and each value of a MAPPING or LIST must be (None: any text).
    keys: of a TABLE. refuse: looks at the value read. later: known, but this version does not act on it.
    """

    about: str
    kind: Kind = Kind.TEXT
    default: object = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    wanted: str = ""
    least: int | None = None
    most: int | None = None
    name: Key | None = None
    item: Key | None = None
    keys: Mapping[str, Key] = field(default_factory=dict)
    refuse: Callable[[Any], Refusal] | None = None
    later: bool = False

    @property
    def expected(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        span = f" from {self.least} to {self.most}" if self.most is not None else ""
        return self.wanted or self.kind.value + span


_ANY_TEXT = Key("text")
_NAME = Key("the name of a key", wanted="a name")

# Name -> its node and its value's.
Entries = dict[str, tuple[yaml.Node, yaml.Node]]


@dataclass(frozen=True)
class Mistake:
    """One mistake; line and column count from 0, column in characters."""

    line: int
    column: int
    message: str
    hint: str


class _Wrong(Exception):
    """A value is wrong; reading goes on with the next one."""

    def __init__(self, mark: Any, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mistake = Mistake(mark.line, mark.column, message, hint)


class _Stop(_Wrong):
    """Reading can't go on after this."""


def read_settings(path: str, table: Key) -> dict[str, Any]:
    """What the file sets, and only that: nested dicts for mappings, tuples for lists and commands.

    Raises ConfigError: the file can't be read, or has mistakes; then its message shows all of them.
    """
    text = _read_text(path)
    reading = _Reading()
    values: Any = None
    try:
        root = _compose(text, reading)
        if root is not None and not _is_null(root):
            values = reading.value(root, table, "")
        elif not reading.mistakes:
            raise ConfigError(f"{visible(path)} is empty", f"It can have: {_list_keys(table)}.")
    except _Stop as stop:
        reading.add(stop)
    if reading.mistakes:
        raise _report(path, text, reading.mistakes.values())
    assert isinstance(values, dict)
    return values


def nearest(word: str, words: Iterable[str]) -> str:
    """A sentence that offers the most similar of the words, "" if none is similar.

    >>> nearest("prot", ["user", "port"])
    'Did you mean `port`?'
    """
    close = difflib.get_close_matches(word, words, n=1)
    return f"Did you mean `{shown(close[0])}`?" if close else ""


def visible(text: str) -> str:
    r"""The text with what a terminal would obey or hide written as an escape.

    >>> print(visible("a\x1b[31m\u202eb"))
    a\x1b[31m\u202eb
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str) -> str:
    """The text as it can stand in a message: visible, and not endless."""
    return visible(text[:60]) + ("..." if len(text) > 60 else "")


def _read_text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise ConfigError(f"{visible(path)} can't be read: {reason}", "Name a file that you can read.") from None
    if len(data) > LARGEST_FILE:
        raise ConfigError(f"{visible(path)} is larger than 1 MiB", "Is it the right file?")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", "backslashreplace")
        place = _place(text, len(data[: error.start].decode("utf-8")))
        message = f"the byte \\x{data[error.start]:02x} is not UTF-8"
        raise _report(path, text, [Mistake(*place, message, "Save the file as UTF-8.")]) from None
    bad = _NOT_YAML.search(text)
    if bad:
        message = f"the character {visible(bad.group())} can't stand in a YAML file"
        raise _report(path, text, [Mistake(*_place(text, bad.start()), message, "Remove it.")])
    return text


def _place(text: str, offset: int) -> tuple[int, int]:
    before = _LINE_END.split(text[:offset])
    return len(before) - 1, len(before[-1])


def _report(path: str, text: str, mistakes: Iterable[Mistake]) -> ConfigError:
    lines = _LINE_END.split(text)
    ordered = sorted(mistakes, key=lambda mistake: (mistake.line, mistake.column))
    return ConfigError("\n".join(_render(visible(path), lines[mistake.line], mistake) for mistake in ordered))


def _render(path: str, line: str, mistake: Mistake) -> str:
    start = max(0, mistake.column - 60)
    before = ("..." if start else "") + visible(line[start : mistake.column])
    after = visible(line[mistake.column : start + 100])
    # Wide characters take two columns of a terminal, combining ones none.
    width = sum((unicodedata.east_asian_width(c) in "WF") + (not unicodedata.combining(c)) for c in before)
    shown_lines = [
        f"{path}:{mistake.line + 1}:{mistake.column + 1}: {mistake.message}",
        f"    {before}{after}".rstrip(),
        f"    {' ' * width}^",
    ]
    return "\n".join(shown_lines + ([f"    {mistake.hint}"] if mistake.hint else []))


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
            raise _Stop(event.start_mark, f"more than {MOST_VALUES} values", "Is it the right file?")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.open:
                message = f"the alias *{shown(str(event.anchor))} stands inside of what it names"
                raise _Stop(event.start_mark, message, "Write out what is meant.")
            # A copy, so that a mistake in the use of an alias is shown where it is used.
            node = copy.copy(super().compose_node(parent, index))
            assert node is not None
            node.start_mark = event.start_mark
            return node
        if len(self.open) == DEEPEST:
            raise _Stop(event.start_mark, f"nested more than {DEEPEST} deep", "Is a bracket not closed?")
        if event.tag not in (None, "!"):
            self.tagged.append(event.start_mark)
        self.open.append(event.anchor)
        try:
            return super().compose_node(parent, index)
        finally:
            self.open.pop()


def _compose(text: str, reading: _Reading) -> yaml.Node | None:
    """The root node; None where there is none, or where a mistake in the YAML hides it."""
    loader = _Composer(text)
    try:
        loader.take()  # the start of the stream
        root = None if loader.check_event(yaml.StreamEndEvent) else loader.compose_document()
        if not loader.check_event(yaml.StreamEndEvent):
            mark = loader.look().start_mark
            reading.add(_Wrong(mark, "a second document begins here", "Keep one document in the file."))
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text) from None
    except (ValueError, OverflowError):  # "\UFFFFFFFF" reaches chr()
        raise _Stop(loader.get_mark(), "this is not YAML: no such character", "Correct the escape.") from None
    finally:
        for mark in loader.tagged:
            reading.add(_Wrong(mark, "tags such as !!str are not used here", "Remove it: text stays text."))
        loader.dispose()
    return root


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> _Stop:
    mark, start = error.problem_mark or error.context_mark, error.context_mark
    assert mark is not None
    line = _LINE_END.split(text)[mark.line]
    tab = line.find("\t", 0, len(line) - len(line.lstrip(" \t")))
    if tab >= 0:
        mark.column = tab
        return _Stop(mark, "a tab is used as indentation", "Indent with spaces.")
    hint = ""
    if error.context and start:
        hint = f"It came up {visible(error.context)} from line {start.line + 1}, column {start.column + 1}."
    return _Stop(mark, f"this is not YAML: {visible(error.problem or error.context or '')}", hint)


class _Reading:
    """One walk over the nodes of a file: values are returned, mistakes collected."""

    def __init__(self) -> None:
        self.mistakes: dict[tuple[int, int], Mistake] = {}
        self.count = 0
        self.known: dict[tuple[object, ...], Any] = {}

    def add(self, wrong: _Wrong) -> None:
        # One mistake a place: by aliases the walk comes to the same place again and again.
        mistake = wrong.mistake
        self.mistakes.setdefault((mistake.line, mistake.column), mistake)

    def spend(self, node: yaml.Node) -> None:
        self.count += 1
        if self.count > 2 * MOST_VALUES:  # names are looked at twice
            message = "the aliases bring in too many values, all in all"
            raise _Stop(node.start_mark, message, "Write out what is meant.")

    def value(self, node: yaml.Node, key: Key, label: str) -> Any:
        """What the node says; None where that is wrong. label: the dotted path, for messages."""
        self.spend(node)
        # The nodes of an anchor and its aliases share one value: it is read once for each use in the table.
        seen = (id(node.value), node.tag, getattr(node, "style", None), id(key))
        if seen in self.known:
            return self.known[seen]
        try:
            value = _READERS[key.kind](self, node, key, label)
            refusal = key.refuse(value) if key.refuse else None
            if refusal:
                raise _Wrong(node.start_mark, *refusal)
        except _Stop:
            raise
        except _Wrong as wrong:
            self.add(wrong)
            return None
        self.known[seen] = value
        return value

    def text(self, node: yaml.Node, key: Key, label: str) -> str:
        # The resolved type does not matter: 2:00:00, no and 010 are text where text is meant.
        if not isinstance(node, yaml.ScalarNode) or _is_null(node):
            raise _unexpected(node, key, label)
        text = str(node.value)
        if len(text) > LONGEST_TEXT:
            raise _Wrong(node.start_mark, f"{label}: longer than {LONGEST_TEXT} characters", "Make it shorter.")
        bad = _NOT_TEXT.search(text)
        if bad:
            message = f"{label}: {visible(bad.group())} can't stand in this text"
            raise _Wrong(node.start_mark, message, "Write it on one line, without control characters.")
        if (key.choices and text not in key.choices) or not re.fullmatch(key.pattern or ".*", text):
            raise _unexpected(node, key, label)
        return text

    def number(self, node: yaml.Node, key: Key, label: str) -> float:
        match = _NUMBER.fullmatch(node.value) if _is_plain(node) else None
        if not match or (match.group(2) and key.kind is Kind.WHOLE):
            raise _unexpected(node, key, label)
        number = int(node.value) if key.kind is Kind.WHOLE else float(node.value)
        if (key.least is not None and number < key.least) or (key.most is not None and number > key.most):
            raise _unexpected(node, key, label)
        return number

    def boolean(self, node: yaml.Node, key: Key, label: str) -> bool:
        if not _is_plain(node) or not node.tag.endswith(":bool"):
            raise _unexpected(node, key, label)
        return node.value.lower() in ("true", "yes", "on")

    def items(self, node: yaml.Node, key: Key, label: str) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise _unexpected(node, key, label)
        return tuple(self.value(item, key.item or _ANY_TEXT, label) for item in node.value)

    def command(self, node: yaml.Node, key: Key, label: str) -> tuple[str, ...]:
        if isinstance(node, yaml.SequenceNode):
            words = self.items(node, key, label)
        else:
            try:
                words = tuple(shlex.split(self.text(node, key, label)))
            except ValueError as error:
                message = f"{label}: {str(error).lower()}"
                raise _Wrong(node.start_mark, message, "It is split as a shell splits words.") from None
        if not words or words[0] == "":
            raise _Wrong(node.start_mark, f"{label}: no program is named", "Name one, or remove the key.")
        return words

    def mapping(self, node: yaml.Node, key: Key, label: str) -> dict[str, Any]:
        values = {}
        for name, (name_node, value_node) in self.entries(node, key, label).items():
            self.value(name_node, key.name or _ANY_TEXT, f"a name in {label}")
            values[name] = self.value(value_node, key.item or _ANY_TEXT, f"{label}.{shown(name)}")
        return values

    def table(self, node: yaml.Node, key: Key, label: str) -> dict[str, Any]:
        values = {}
        for name, (name_node, value_node) in self.entries(node, key, label).items():
            path = f"{label}.{shown(name)}" if label else shown(name)
            if name not in key.keys:
                self.unknown(name_node, key, label)
            elif key.keys[name].later:
                message = f"{path} has no effect yet: this version does not act on it"
                self.add(_Wrong(name_node.start_mark, message, "Remove it."))
            else:
                values[name] = self.value(value_node, key.keys[name], path)
        return values

    def unknown(self, node: yaml.Node, table: Key, label: str) -> None:
        if (node.start_mark.line, node.start_mark.column) not in self.mistakes:  # the hint takes time
            message = f"`{shown(node.value)}` is not a key of {label or 'this file'}"
            self.add(_Wrong(node.start_mark, message, _where_it_belongs(node.value, table)))

    def entries(self, node: yaml.Node, key: Key, label: str, depth: int = 0) -> Entries:
        """The mapping's own entries, then what it merges; of equal names the first counts."""
        own: Entries = {}
        if _is_null(node):
            return own
        if not isinstance(node, yaml.MappingNode):
            raise _unexpected(node, key, label)
        for name_node, value_node in node.value:
            name = self.value(name_node, _NAME, "a key")
            if name in own:
                first, again = own[name][0].start_mark.line + 1, name_node.start_mark.line + 1
                message = f"`{shown(name)}` is given twice: on line {first} and on line {again}"
                self.add(_Wrong(name_node.start_mark, message, "Keep one of them."))
            elif name is not None:
                own[name] = (name_node, value_node)
        if "<<" in own and own["<<"][0].tag.endswith(":merge"):
            for name, entry in self.merged(own.pop("<<")[1], depth + 1).items():
                own.setdefault(name, entry)
        return own

    def merged(self, node: yaml.Node, depth: int) -> Entries:
        if depth > DEEPEST:
            raise _Stop(node.start_mark, f"merges of merges, more than {DEEPEST} deep", "Write them out.")
        entries: Entries = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                message = f"<<: expected a mapping or a list of mappings, saw {_seen(source)}"
                self.add(_Wrong(source.start_mark, message, "Name an anchor of a mapping: `<<: *name`."))
                continue
            for name, entry in self.entries(source, _NAME, "", depth).items():
                entries.setdefault(name, entry)
        return entries


_READERS: Mapping[Kind, Callable[[_Reading, yaml.Node, Key, str], Any]] = {
    Kind.TEXT: _Reading.text,
    Kind.WHOLE: _Reading.number,
    Kind.SECONDS: _Reading.number,
    Kind.BOOLEAN: _Reading.boolean,
    Kind.LIST: _Reading.items,
    Kind.COMMAND: _Reading.command,
    Kind.MAPPING: _Reading.mapping,
    Kind.TABLE: _Reading.table,
}


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


def _is_null(node: yaml.Node) -> bool:
    return _is_plain(node) and node.tag.endswith(":null")


def _seen(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
    if _is_null(node):
        return "nothing" + (f" ({node.value})" if node.value else "")
    return shown(node.value) if _is_plain(node) else f'the text "{shown(node.value)}"'


def _unexpected(node: yaml.Node, key: Key, label: str) -> _Wrong:
    message = f"{label or 'the file'}: expected {key.expected}, saw {_seen(node)}"
    return _Wrong(node.start_mark, message, _remedy(node, key))


def _remedy(node: yaml.Node, key: Key) -> str:
    if key.kind in (Kind.MAPPING, Kind.TABLE):
        return f"Write `key: value` lines; it can have: {_list_keys(key)}." if key.keys else ""
    if not isinstance(node, yaml.ScalarNode):
        return ""
    if _is_null(node):
        bare = node.value == "~"
        return "A bare ~ is nothing in YAML: put it in quotes." if bare else "Give a value, or remove the key."
    if key.kind is Kind.LIST:
        return f"Write it in brackets: [{shown(node.value)}]."
    if key.kind in (Kind.WHOLE, Kind.SECONDS) and not (_is_plain(node) and _NUMBER.fullmatch(node.value)):
        return "Write digits only, such as 30: no quotes, no unit, no 0 in front."
    return nearest(node.value, key.choices)


def _list_keys(table: Key) -> str:
    return ", ".join(name for name, key in table.keys.items() if not key.later)


def _where_it_belongs(name: str, table: Key) -> str:
    homes = [home for home, key in table.keys.items() if name in key.keys]
    if homes:
        return f"It belongs under `{homes[0]}`."
    return nearest(name, table.keys) or f"It can have: {_list_keys(table)}."
