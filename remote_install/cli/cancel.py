"""What an interrupt of `run` does to the jobs that it has submitted: they are ended, unless they are to be left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from remote_install import jobs, record
from remote_install.asked import Asked
from remote_install.cli.context import Context
from remote_install.cli.results import Results
from remote_install.cli.signals import Interrupted, held

# GitHub interrupts, terminates 7.5 s later, and kills 2.5 s after that: jobs must have ended by then.
GRACE = 5.0  # seconds from TERM to KILL


@dataclass
class Stake:
    """What an interrupt finds. asked: the jobs that may be alive by our doing. results: what was told of them."""

    context: Context
    results: Results
    asked: list[Asked] = field(default_factory=list)

    @property
    def kills(self) -> bool:
        return bool(self.context.arguments.on_cancel == "kill")

    def alive(self) -> list[Asked]:
        """Those at stake of which no end was told."""
        return [one for one in self.asked if not ((told := self.results.of(one)) and told.ended)]

    @contextlib.contextmanager
    def submitting(self) -> Iterator[None]:
        """An interrupt in this block waits for the answer, because only what is known to be submitted can be ended."""
        waits = held("interrupted; waiting for the answer, to end what was submitted")
        with waits if self.kills else contextlib.nullcontext():
            yield


@contextlib.contextmanager
def at_stake(context: Context, results: Results) -> Iterator[Stake]:
    """A block in which an interrupt ends the jobs that are at stake by then, and is raised again."""
    stake = Stake(context, results)
    try:
        yield stake
    except KeyboardInterrupt as interrupt:
        second = isinstance(interrupt, Interrupted) and interrupt.again
        alive = stake.alive()
        if alive and stake.kills and not second:
            _end(stake, alive)
        jobs_json = [one.as_json() for one in results.told.values()]
        context.at_interrupt = {"run": context.run.run_id, "jobs": jobs_json}
        raise


def _end(stake: Stake, alive: list[Asked]) -> None:
    context = stake.context
    names = [one.job for one in alive]
    context.on_interrupt = f"the jobs may be alive. To pick them up: {context.again('wait', *names)}"
    _say(stake, f"interrupted; ending {', '.join(names)}; a second signal leaves at once")
    tokens = {token.job: token for token in record.tokens(context.run)}  # of the new tries too, if one was made
    asked = [replace(one, token=tokens.get(one.job, one.token), number=None) for one in alive]
    talk = replace(context.out.talk, tell=lambda text: _say(stake, text))
    reports = jobs.kill(context.run, asked, GRACE, talk)
    for one in reports:
        stake.results.update(one)
    with contextlib.suppress(OSError):
        for one in reports:
            context.out.tell_end(one) if one.ended else context.out.tell_job(one)
            if one.error:
                context.out.error(one.error)
    left = [one.job for one in reports if not one.ended]
    if left:
        context.on_interrupt = f"these may be alive: {', '.join(left)}. To end them: {context.again('kill', *left)}"
    else:
        context.on_interrupt = f"the jobs have ended. To get what they wrote: {context.again('fetch')}"
    jobs.acknowledge(context.run, reports, asked)


def _say(stake: Stake, text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be what has gone; the jobs are ended all the same
        stake.context.out.tell(text)
