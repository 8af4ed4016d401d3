"""What is said to the user while something is done: given to whoever does it, so that only cli prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

Tell = Callable[[str], None]


def silent(_text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Talk:
    """tell: one line on what happens. command: the text of each command before it runs."""

    tell: Tell = silent
    command: Tell = silent
