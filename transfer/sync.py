"""Files to and from a host: one rsync, tried again where that can help."""

from __future__ import annotations

from transfer import execute, rsync
from transfer.command import Command
from transfer.platforms import Platform
from transfer.retry import Tell, retried
from transfer.rsync import Changes


def transfer_once(host: str, command: Command, say_command: Tell) -> Changes:
    """Run a command of rsync.push or rsync.pull. Raises HostError or TransferError when it can't be done."""
    say_command(str(command))
    outcome = execute.run(command)
    error = rsync.error_of(outcome, host)
    if error is not None:
        raise error
    return rsync.changes(outcome.out)


def transfer(platform: Platform, host: str, command: Command, tell: Tell, say_command: Tell) -> Changes:
    """The same, made again where that can help."""
    return retried(lambda: transfer_once(host, command, say_command), platform, tell)
