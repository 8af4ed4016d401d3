"""The JSON Schema (draft 07) of a settings file, made from its table of keys: what editors check while one types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transfer.durations import UNITS
from transfer.keys import Key, Kind

# What YAML reads as a number or a truth is text all the same where text is meant.
_SCALAR = ["string", "number", "boolean"]
_DURATION = rf"^([0-9]{{1,9}}[{''.join(UNITS)}]?|[0-9]{{1,6}}:[0-5][0-9]:[0-5][0-9])$"

Schema = dict[str, Any]


def json_schema(table: Key) -> Schema:
    """The schema of a whole file.

    >>> json_schema(Key("f", Kind.TABLE, keys={"port": Key("a port", Kind.WHOLE, least=1)}))["properties"]
    {'port': {'type': 'integer', 'minimum': 1, 'description': 'a port'}}
    """
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": table.about, **_of(table)}


def _of(key: Key) -> Schema:
    schema = _KINDS[key.kind](key)
    if key.empty or key.kind in (Kind.TABLE, Kind.MAPPING):
        schema = {"anyOf": [schema, {"type": "null"}]} if "type" not in schema else _or_null(schema)
    return {**schema, "description": key.about}


def _or_null(schema: Schema) -> Schema:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, "null"]}


def _text(key: Key) -> Schema:
    if key.choices:
        return {"enum": list(key.choices)}
    return {"type": _SCALAR, **({"pattern": f"^(?:{key.pattern})$"} if key.pattern else {})}


def _number(key: Key) -> Schema:
    bounds = {"minimum": key.least, "maximum": key.most}
    kind = "integer" if key.kind is Kind.WHOLE else "number"
    return {"type": kind, **{name: bound for name, bound in bounds.items() if bound is not None}}


def _list(key: Key) -> Schema:
    return {"type": "array", "items": _of(key.item) if key.item else {"type": _SCALAR}}


def _words(key: Key) -> Schema:
    return {"anyOf": [{"type": "string"}, {**_list(key), "minItems": 1}]}


def _mapping(key: Key) -> Schema:
    names = _text(key.name) if key.name else {}
    return {
        "type": "object",
        **({"propertyNames": {"pattern": names["pattern"]}} if "pattern" in names else {}),
        "additionalProperties": _of(key.item) if key.item else {"type": _SCALAR},
    }


def _table(key: Key) -> Schema:
    required = [name for name, below in key.keys.items() if below.required]
    return {
        "type": "object",
        "properties": {name: _of(below) for name, below in key.keys.items()},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


_KINDS: dict[Kind, Callable[[Key], Schema]] = {
    Kind.TEXT: _text,
    Kind.WHOLE: _number,
    Kind.SECONDS: _number,
    Kind.BOOLEAN: lambda _key: {"type": "boolean"},
    Kind.LIST: _list,
    Kind.COMMAND: _words,
    Kind.MAPPING: _mapping,
    Kind.TABLE: _table,
    Kind.DURATION: lambda _key: {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": _DURATION}]},
    Kind.LINE_OR_LIST: _words,
    Kind.NAME_OR_TABLE: lambda key: {"anyOf": [_of(key.keys["name"]), _table(key)]},
}
