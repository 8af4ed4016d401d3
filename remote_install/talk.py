"""What is said to the user while something is done: given to whoever does it, so that only cli prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from transfer.progress import Seen

Tell = Callable[[str], None]


def silent(_text: str) -> None:
    """Say nothing."""


def nobody(_transfer: str) -> Seen | None:
    """Nobody watches a transfer."""
    return None


@dataclass(frozen=True)
class Gate:
    """What the gate of a host has told of itself: the folder that all has to lie below, and the words of --allow.

    Both are empty where it was only met: it has refused something.
    """

    root: str = ""
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Learnt:
    """What was found out about job hosts while this talk goes on, so that it is found out, and told, once.

    programs: (platform, host) -> path of the job host program, where it is not in the home directory.
    noisy: (platform, host) where start-up files print -> was that told? here: platform -> are its verbs done on this
    machine? shared: platform -> the run directory's path there, where it is the one here. order: platform -> its hosts
    as they are asked. gates: (platform, host) -> the gate that stands there.
    """

    programs: dict[tuple[str, str], str] = field(default_factory=dict)
    noisy: dict[tuple[str, str], bool] = field(default_factory=dict)
    here: dict[str, bool] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    order: dict[str, tuple[str, ...]] = field(default_factory=dict)
    gates: dict[tuple[str, str], Gate] = field(default_factory=dict)

    def hear_gate(self, reply: dict[str, Any], platform: str, host: str) -> None:
        """What a gate tells of itself; what is not in order counts as not told."""
        root, allow = reply.get("root"), reply.get("allow")
        words = tuple(allow) if isinstance(allow, list) and all(isinstance(word, str) for word in allow) else ()
        self.gates[(platform, host)] = Gate(root if isinstance(root, str) and root.startswith("/") else "", words)

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
