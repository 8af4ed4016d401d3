"""What is said to the user while something is done: given to whoever does it, so that only cli prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

from transfer.progress import Seen

Tell = Callable[[str], None]


def silent(_text: str) -> None:
    """Say nothing."""


def nobody(_transfer: str) -> Seen | None:
    """Nobody watches a transfer."""
    return None


@dataclass(frozen=True, eq=False)
class Learnt:
    """What was found out about job hosts while this talk goes on, so that it is found out, and told, once.

    programs: (platform, host) -> path of the job host program, where it is not in the home directory.
    noisy: (platform, host) where start-up files print -> was that told? here: platform -> are its verbs done on this
    machine? shared: platform -> the run directory's path there, where it is the one here. order: platform -> its hosts
    as they are asked.
    """

    programs: dict[tuple[str, str], str] = field(default_factory=dict)
    noisy: dict[tuple[str, str], bool] = field(default_factory=dict)
    here: dict[str, bool] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    order: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def hear_noise(self, platform: str, host: str) -> None:
        """Something was printed there before our program did."""
        self.noisy.setdefault((platform, host), False)


@dataclass(frozen=True)
class Talk:
    """tell: one line on what happens. command: the text of each command before it runs. watching: who is told how far
    a transfer is, given what to call it; None where nobody looks."""

    tell: Tell = silent
    command: Tell = silent
    watching: Callable[[str], Seen | None] = nobody
    learnt: Learnt = field(default_factory=Learnt)
