"""What a settings file may hold, as a table: a Key for each key, and in it the keys below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Optional

from transfer.wording import nearest

Refusal = Optional[tuple[str, str]]  # what is wrong, and the remedy


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

    about: one line for people. pattern: what a text must match, whole; wanted: the same in words.
    least, most: bounds of a number. name, item: what each name of a MAPPING and each value of a MAPPING or LIST
    must be (None: any text). any_case: names that differ only in case are the same. keys: of a TABLE.
    refuse: looks at the value read. later: known, but this version does not act on it.
    """

    about: str
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()
    pattern: str = ""
    wanted: str = ""
    least: int | None = None
    most: int | None = None
    name: Key | None = None
    item: Key | None = None
    any_case: bool = False
    keys: Mapping[str, Key] = field(default_factory=dict)
    refuse: Callable[[Any], Refusal] | None = None
    later: bool = False

    @property
    def expected(self) -> str:
        """What should stand there, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        span = f" from {self.least} to {self.most}" if self.most is not None else ""
        return self.wanted or self.kind.value + span

    @property
    def listed(self) -> str:
        """The keys of a TABLE that have an effect."""
        return ", ".join(name for name, key in self.keys.items() if not key.later)

    def guess(self, name: str) -> str:
        """A sentence on what was meant by a name that is no key of this TABLE."""
        homes = [home for home, key in self.keys.items() if name in key.keys]
        if homes:
            return f"It belongs under `{homes[0]}`."
        return nearest(name, self.keys) or f"It can have: {self.listed}."
