"""Files to and from a host: one rsync, tried again where that can help."""

from __future__ import annotations

from transfer import execute, rsync
from transfer.command import Command
from transfer.platforms import Platform
from transfer.retry import Tell, retried
from transfer.rsync import Changes


def transfer(platform: Platform, host: str, command: Command, tell: Tell, say_command: Tell) -> Changes:
    """Run a command that rsync.push or rsync.pull made. say_command: is given its text first.

    Raises HostError or TransferError when it can't be done.
    """

    def once() -> Changes:
        say_command(str(command))
        outcome = execute.run(command)
        error = rsync.error_of(outcome, host)
        if error is not None:
            raise error
        return rsync.changes(outcome.out)

    return retried(once, platform, tell)
