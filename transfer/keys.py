"""What a settings file may hold, as a table: a Key for each key, and in it the keys below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Optional

from transfer.wording import nearest

Refusal = Optional[tuple[str, str]]  # what is wrong, and the remedy
Misfit = tuple[str, str, str]  # the dotted path of what does not fit to the rest of the file, what is wrong, the remedy


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
    DURATION = "a time such as 90, 90s, 30m, 2h, 1d or 2:00:00"  # read as seconds
    LINE_OR_LIST = "a shell line, or a list of arguments"  # a line stays text
    NAME_OR_TABLE = "a name, or a mapping"  # a name is a TABLE whose `name` it is


@dataclass(frozen=True)
class Key:
    """What may stand under one key of a file.

    about: one line for people. pattern: what a text must match, whole; wanted: the same in words. lines: may a text
    have several? empty: nothing may stand there, and is "". least, most: bounds of a number. name, item: what each
    name of a MAPPING and each value of a MAPPING or LIST must be (None: any text). any_case: names that differ only in
    case are the same. keys: of a TABLE; required: one that it must have. refuse: looks at the value read.
    check: looks at the whole file's values, and tells what does not fit together.
    """

    about: str
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()
    pattern: str = ""
    wanted: str = ""
    lines: bool = False
    empty: bool = False
    least: int | None = None
    most: int | None = None
    name: Key | None = None
    item: Key | None = None
    any_case: bool = False
    keys: Mapping[str, Key] = field(default_factory=dict)
    required: bool = False
    refuse: Callable[[Any], Refusal] | None = None
    check: Callable[[Any], Iterable[Misfit]] | None = None

    @property
    def expected(self) -> str:
        """What should stand there, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        unit = " s" if self.kind is Kind.DURATION else ""
        span = f" from {self.least} to {self.most}{unit}" if self.most is not None else ""
        return self.wanted or self.kind.value + span

    @property
    def listed(self) -> str:
        """The keys of a TABLE."""
        return ", ".join(self.keys)

    def guess(self, name: str) -> str:
        """A sentence on what was meant by a name that is no key of this TABLE."""
        homes = [home for home, key in self.keys.items() if name in key.keys]
        if homes:
            return f"It belongs under `{homes[0]}`."
        return nearest(name, self.keys) or f"It can have: {self.listed}."
