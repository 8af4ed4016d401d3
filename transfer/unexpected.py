"""What should stand at a place of a settings file, what does, and the remedy."""

from __future__ import annotations

import re

import yaml

from transfer.keys import Key, Kind
from transfer.wording import nearest, shown
from transfer.yaml_nodes import Mistake

NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")


def is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


def is_null(node: yaml.Node) -> bool:
    return is_plain(node) and node.tag.endswith(":null")


def seen(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
    if is_null(node):
        return "nothing" + (f" ({node.value})" if node.value else "")
    return shown(node.value) if is_plain(node) else f'the text "{shown(node.value)}"'


def unexpected(node: yaml.Node, key: Key, label: str) -> Mistake:
    message = f"{label or 'the file'}: expected {key.expected}, saw {seen(node)}"
    return Mistake(node.start_mark, message, _remedy(node, key))


def _remedy(node: yaml.Node, key: Key) -> str:
    if key.kind in (Kind.MAPPING, Kind.TABLE):
        return f"Write `key: value` lines; it can have: {key.listed}." if key.keys else ""
    if not isinstance(node, yaml.ScalarNode):
        return ""
    if is_null(node):
        bare = node.value == "~"
        return "A bare ~ is nothing in YAML: put it in quotes." if bare else "Give a value, or remove the key."
    if key.kind is Kind.LIST:
        return f"Write it in brackets: [{shown(node.value)}]."
    if key.kind in (Kind.WHOLE, Kind.SECONDS) and not (is_plain(node) and NUMBER.fullmatch(node.value)):
        return "Write digits only, such as 30: no quotes, no unit, no 0 in front."
    return nearest(node.value, key.choices)
