"""Reads one YAML file against a table of keys and reports every mistake in it at once, each with its place."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from transfer.errors import ConfigError
from transfer.keys import Key, Kind
from transfer.wording import nearest, shown, visible
from transfer.yaml_nodes import DEEPEST, MOST_VALUES, Mistake, Stop, YamlFile

LONGEST_TEXT = 16 * 1024  # characters

_NOT_TEXT = re.compile("[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")
_ANY_TEXT = Key("text")
_NAME = Key("the name of a key", wanted="a name")

# Name -> its node and its value's.
Entries = dict[str, tuple[yaml.Node, yaml.Node]]


def read_settings(path: str, table: Key) -> dict[str, Any]:
    """What the file sets, and only that: nested dicts for mappings, tuples for lists and commands.

    Raises ConfigError: the file can't be read, or has mistakes; then its message shows all of them.
    """
    file = YamlFile(path)
    values: Any = None
    try:
        root = file.root()
        if root is not None and not _is_null(root):
            values = _Walk(file).value(root, table, "")
        elif not file.mistakes:
            raise ConfigError(f"{file.path} is empty", f"It can have: {table.listed}.")
    except Stop as stop:
        file.add(stop)
    if file.mistakes:
        raise file.report()
    assert isinstance(values, dict)
    return values


class _Walk:
    """One walk over the nodes of a file: values are returned, mistakes collected."""

    def __init__(self, file: YamlFile) -> None:
        self.file = file
        self.count = 0
        self.known: dict[tuple[object, ...], Any] = {}

    def spend(self, node: yaml.Node) -> None:
        self.count += 1
        if self.count > 2 * MOST_VALUES:  # names are looked at twice
            message = "the aliases bring in too many values, all in all"
            raise Stop(node.start_mark, message, "Write out what is meant.")

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
                raise Mistake(node.start_mark, *refusal)
        except Stop:
            raise
        except Mistake as wrong:
            self.file.add(wrong)
            return None
        self.known[seen] = value
        return value

    def text(self, node: yaml.Node, key: Key, label: str) -> str:
        # The resolved type does not matter: 2:00:00, no and 010 are text where text is meant.
        if not isinstance(node, yaml.ScalarNode) or _is_null(node):
            raise _unexpected(node, key, label)
        text = str(node.value)
        if len(text) > LONGEST_TEXT:
            raise Mistake(node.start_mark, f"{label}: longer than {LONGEST_TEXT} characters", "Make it shorter.")
        bad = _NOT_TEXT.search(text)
        if bad:
            message = f"{label}: {visible(bad.group())} can't stand in this text"
            raise Mistake(node.start_mark, message, "Write it on one line, without control characters.")
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
                raise Mistake(node.start_mark, message, "It is split as a shell splits words.") from None
        if not words or words[0] == "":
            raise Mistake(node.start_mark, f"{label}: no program is named", "Name one, or remove the key.")
        return words

    def mapping(self, node: yaml.Node, key: Key, label: str) -> dict[str, Any]:
        values = {}
        for name_node, value_node in self.entries(node, key, label).values():
            self.value(name_node, key.name or _ANY_TEXT, f"a name in {label}")
            values[name_node.value] = self.value(value_node, key.item or _ANY_TEXT, f"{label}.{shown(name_node.value)}")
        return values

    def table(self, node: yaml.Node, key: Key, label: str) -> dict[str, Any]:
        values = {}
        for name, (name_node, value_node) in self.entries(node, key, label).items():
            path = f"{label}.{shown(name)}" if label else shown(name)
            if name not in key.keys:
                self.unknown(name_node, key, label)
            elif key.keys[name].later:
                message = f"{path} has no effect yet: this version does not act on it"
                self.file.add(Mistake(name_node.start_mark, message, "Remove it."))
            else:
                values[name] = self.value(value_node, key.keys[name], path)
        return values

    def unknown(self, node: yaml.Node, table: Key, label: str) -> None:
        if (node.start_mark.line, node.start_mark.column) not in self.file.mistakes:  # the hint takes time
            message = f"`{shown(node.value)}` is not a key of {label or 'this file'}"
            self.file.add(Mistake(node.start_mark, message, table.guess(node.value)))

    def entries(self, node: yaml.Node, key: Key, label: str, depth: int = 0) -> Entries:
        """The mapping's own entries, then what it merges; of equal names the first counts."""
        own: Entries = {}
        if _is_null(node):
            return own
        if not isinstance(node, yaml.MappingNode):
            raise _unexpected(node, key, label)
        for name_node, value_node in node.value:
            name = self.value(name_node, _NAME, "a key")
            if name is None:
                continue
            first = own.setdefault(name.lower() if key.any_case else name, (name_node, value_node))[0]
            if first is not name_node:
                lines = f"on line {first.start_mark.line + 1} and on line {name_node.start_mark.line + 1}"
                hint = "Keep one of them" + (": case makes no difference here." if key.any_case else ".")
                self.file.add(Mistake(name_node.start_mark, f"`{shown(name)}` is given twice: {lines}", hint))
        if "<<" in own and own["<<"][0].tag.endswith(":merge"):
            self.merge(own, own.pop("<<")[1], key, depth + 1)
        return own

    def merge(self, entries: Entries, node: yaml.Node, key: Key, depth: int) -> None:
        if depth > DEEPEST:
            raise Stop(node.start_mark, f"merges of merges, more than {DEEPEST} deep", "Write them out.")
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                message = f"<<: expected a mapping or a list of mappings, saw {_seen(source)}"
                self.file.add(Mistake(source.start_mark, message, "Name an anchor of a mapping: `<<: *name`."))
                continue
            for name, entry in self.entries(source, key, "", depth).items():
                entries.setdefault(name, entry)


_READERS: Mapping[Kind, Callable[[_Walk, yaml.Node, Key, str], Any]] = {
    Kind.TEXT: _Walk.text,
    Kind.WHOLE: _Walk.number,
    Kind.SECONDS: _Walk.number,
    Kind.BOOLEAN: _Walk.boolean,
    Kind.LIST: _Walk.items,
    Kind.COMMAND: _Walk.command,
    Kind.MAPPING: _Walk.mapping,
    Kind.TABLE: _Walk.table,
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


def _unexpected(node: yaml.Node, key: Key, label: str) -> Mistake:
    message = f"{label or 'the file'}: expected {key.expected}, saw {_seen(node)}"
    return Mistake(node.start_mark, message, _remedy(node, key))


def _remedy(node: yaml.Node, key: Key) -> str:
    if key.kind in (Kind.MAPPING, Kind.TABLE):
        return f"Write `key: value` lines; it can have: {key.listed}." if key.keys else ""
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
