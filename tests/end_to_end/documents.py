"""JSON documents of commands, compared with their published schemas wherever a test reads one."""

from __future__ import annotations

import functools
from typing import Any

import jsonschema

from remote_install.cli.arguments import WITH_JSON
from remote_install.cli.schemas import output_schema

MANY = 50  # of a longer list that many are looked at


def check(words: tuple[str | bytes, ...], document: dict[str, Any]) -> None:
    """Raises jsonschema.ValidationError where the document of the command line `words` has a key that its schema does
    not name, lacks one, or holds something else."""
    command = next((word for word in words if word in WITH_JSON), None)
    if isinstance(command, str):
        some = {name: value[:MANY] if isinstance(value, list) else value for name, value in document.items()}
        _strict(command).validate(some)


@functools.cache
def _strict(command: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(_closed(output_schema(command)))


def _closed(schema: Any) -> Any:
    """The schema, in which no object may have keys that are not named."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _closed(value) for name, value in schema.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found
