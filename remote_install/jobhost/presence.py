"""Tells whether one process of this host lives: run from memory by who asks about a run's driver, see bundle.py."""

from .processes import here, lives, parse_identity
from .wire import Client, Refusal


def main(words: str) -> int:
    """Say whether the process lives that `words` identify, as the job wrapper writes it; null: that can't be told."""
    try:
        client = Client()
        identity = parse_identity(words)
        if identity is None:
            client.refuse(Refusal(2, "that is no process"))
        else:
            alive, why = lives(identity, here())
            client.say("process", alive=alive, why=why)
        client.end()
    except BrokenPipeError:
        return 1  # nobody listens any more
    return 0
