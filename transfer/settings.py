"""Reads one YAML file against a table of keys and reports every mistake in it at once, each with its place."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from transfer.durations import seconds
from transfer.errors import ConfigError
from transfer.keys import Key, Kind, Misfit
from transfer.unexpected import NUMBER, is_null, is_plain, seen, unexpected
from transfer.wording import shown, visible
from transfer.yaml_nodes import DEEPEST, MOST_VALUES, Mistake, Stop, YamlFile

LONGEST_TEXT = 16 * 1024  # characters

_NOT_TEXT = re.compile("[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
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
        if root is not None and not is_null(root):
            walk = _Walk(file)
            values = walk.value(root, table, "")
            if table.check and not file.mistakes:
                walk.add_misfits(table.check(values))
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
        self.places: dict[str, yaml.Mark] = {}  # dotted path -> where it stands

    def add_misfits(self, misfits: Iterable[Misfit]) -> None:
        for path, message, hint in misfits:
            while path not in self.places:  # what an alias brought in has its place elsewhere
                path = path[: max(path.rfind("."), path.rfind("["))]
            self.file.add(Mistake(self.places[path], message, hint))

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
        if key.empty and is_null(node):
            return ""
        if not isinstance(node, yaml.ScalarNode) or is_null(node):
            raise unexpected(node, key, label)
        text = str(node.value)
        if len(text) > LONGEST_TEXT:
            raise Mistake(node.start_mark, f"{label}: longer than {LONGEST_TEXT} characters", "Make it shorter.")
        bad = (_NOT_LINES if key.lines else _NOT_TEXT).search(text)
        if bad:
            message = f"{label}: {visible(bad.group())} can't stand in this text"
            where = "" if key.lines else "on one line, "
            raise Mistake(node.start_mark, message, f"Write it {where}without control characters.")
        if (key.choices and text not in key.choices) or not re.fullmatch(key.pattern or "(?s:.*)", text):
            raise unexpected(node, key, label)
        return text

    def duration(self, node: yaml.Node, key: Key, label: str) -> float:
        found = seconds(node.value) if isinstance(node, yaml.ScalarNode) else None
        if found is None or not (key.least or 0) <= found <= (key.most or found):
            raise unexpected(node, key, label)
        return found

    def number(self, node: yaml.Node, key: Key, label: str) -> float:
        match = NUMBER.fullmatch(node.value) if is_plain(node) else None
        if not match or (match.group(2) and key.kind is Kind.WHOLE):
            raise unexpected(node, key, label)
        number = int(node.value) if key.kind is Kind.WHOLE else float(node.value)
        if (key.least is not None and number < key.least) or (key.most is not None and number > key.most):
            raise unexpected(node, key, label)
        return number

    def boolean(self, node: yaml.Node, key: Key, label: str) -> bool:
        if not is_plain(node) or not node.tag.endswith(":bool"):
            raise unexpected(node, key, label)
        return node.value.lower() in ("true", "yes", "on")

    def items(self, node: yaml.Node, key: Key, label: str) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise unexpected(node, key, label)
        for number, item in enumerate(node.value):
            self.places[f"{label}[{number}]"] = item.start_mark
        return tuple(self.value(item, key.item or _ANY_TEXT, label) for item in node.value)

    def line_or_list(self, node: yaml.Node, key: Key, label: str) -> str | tuple[str, ...]:
        if not isinstance(node, yaml.SequenceNode):
            line = self.text(node, key, label)
            if not line.strip():
                raise Mistake(node.start_mark, f"{label}: nothing is to be run", "Name a program.")
            return line
        return self.words(node, self.items(node, key, label), label)

    def name_or_table(self, node: yaml.Node, key: Key, label: str) -> str | dict[str, Any]:
        if isinstance(node, yaml.ScalarNode):
            return self.text(node, key.keys["name"], label)
        return self.table(node, key, label)

    def command(self, node: yaml.Node, key: Key, label: str) -> tuple[str, ...]:
        if isinstance(node, yaml.SequenceNode):
            words = self.items(node, key, label)
        else:
            try:
                words = tuple(shlex.split(self.text(node, key, label)))
            except ValueError as error:
                message = f"{label}: {str(error).lower()}"
                raise Mistake(node.start_mark, message, "It is split as a shell splits words.") from None
        return self.words(node, words, label)

    def words(self, node: yaml.Node, words: tuple[str, ...], label: str) -> tuple[str, ...]:
        if not words or words[0] == "":
            raise Mistake(node.start_mark, f"{label}: no program is named", "Name one, or remove the key.")
        return words

    def mapping(self, node: yaml.Node, key: Key, label: str) -> dict[str, Any]:
        values = {}
        for name_node, value_node in self.entries(node, key, label).values():
            path = f"{label}.{shown(name_node.value)}"
            self.places[path] = name_node.start_mark
            self.value(name_node, key.name or _ANY_TEXT, f"a name in {label}")
            values[name_node.value] = self.value(value_node, key.item or _ANY_TEXT, path)
        return values

    def table(self, node: yaml.Node, key: Key, label: str) -> dict[str, Any]:
        values = {}
        entries = self.entries(node, key, label)
        for name, (name_node, value_node) in entries.items():
            path = f"{label}.{shown(name)}" if label else shown(name)
            self.places[path] = name_node.start_mark
            if name not in key.keys:
                self.unknown(name_node, key, label)
            else:
                values[name] = self.value(value_node, key.keys[name], path)
        missing = [name for name, below in key.keys.items() if below.required and name not in values]
        if missing and not entries.keys() - key.keys.keys():  # else it is there, but misspelt
            message = f"{label or 'the file'}: `{missing[0]}` is missing"
            self.file.add(Mistake(node.start_mark, message, f"Add a line `{missing[0]}: ...`."))
        return values

    def unknown(self, node: yaml.Node, table: Key, label: str) -> None:
        if (node.start_mark.line, node.start_mark.column) not in self.file.mistakes:  # the hint takes time
            message = f"`{shown(node.value)}` is not a key of {label or 'this file'}"
            self.file.add(Mistake(node.start_mark, message, table.guess(node.value)))

    def entries(self, node: yaml.Node, key: Key, label: str, depth: int = 0) -> Entries:
        """The mapping's own entries, then what it merges; of equal names the first counts."""
        own: Entries = {}
        if is_null(node):
            return own
        if not isinstance(node, yaml.MappingNode):
            raise unexpected(node, key, label)
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
                message = f"<<: expected a mapping or a list of mappings, saw {seen(source)}"
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
    Kind.DURATION: _Walk.duration,
    Kind.LINE_OR_LIST: _Walk.line_or_list,
    Kind.NAME_OR_TABLE: _Walk.name_or_table,
}
