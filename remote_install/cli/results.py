"""What a command that sees jobs to their end has been told of them, and the files that it writes about that."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

from remote_install.asked import Asked
from remote_install.cli import ci
from remote_install.cli.context import Context
from remote_install.cli.heartbeat import heartbeat
from remote_install.cli.output import line_of
from remote_install.report import Report
from remote_install.talk import Talk
from remote_install.watch import Viewer, watch
from transfer.errors import RemoteInstallError

TAIL = 8 * 1024  # bytes of a job's error output that are kept

Place = tuple[str, str]  # platform and job


@dataclass
class Results:
    """told: the last report of each job, in their order. tails: the end of their error output."""

    told: dict[Place, Report] = field(default_factory=dict)
    tails: dict[Place, bytes] = field(default_factory=dict)

    def tell(self, reports: list[Report]) -> None:
        """These are the last reports now, in their order."""
        self.told = {(one.platform, one.job): one for one in reports}

    def update(self, told: Report) -> None:
        self.told[(told.platform, told.job)] = told

    def expect(self, asked: list[Asked], state: str = "not submitted") -> None:
        """These are the jobs; nothing is known of them yet."""
        self.tell(
            [Report(one.job, None, "unknown", one.platform.name, one.platform.hosts[0], reason=state) for one in asked]
        )

    def of(self, one: Asked) -> Report | None:
        return self.told.get((one.platform.name, one.job))

    def hear(self, one: Place, stream: str, data: bytes) -> None:
        """A piece of a job's output."""
        if stream == "err":
            self.tails[one] = (self.tails.get(one, b"") + data)[-TAIL:]

    def beating(self, context: Context) -> contextlib.AbstractContextManager[None]:
        """In CI nothing is silent for long while this block waits for jobs."""

        def what() -> str:
            going = [one.job for one in list(self.told.values()) if not one.ended]
            return f"{', '.join(going[:5])}{' and others' if going[5:] else ''}: not ended"

        out = context.out
        return heartbeat(out.tell, what, lambda: out.said) if out.ci.any else contextlib.nullcontext()

    def shown(self, context: Context) -> contextlib.AbstractContextManager[None]:
        """On a terminal the jobs are shown while this block waits for them."""
        return context.out.showing(lambda: list(self.told.values()))

    def read_tails(self, context: Context, asked: list[Asked]) -> None:
        """Ask for the error output of those that failed, as it was not followed. What can't be told now is left out."""
        failed = [one for one in asked if (told := self.of(one)) and told.failed and not told.error]
        by_platform: dict[str, list[Asked]] = {}
        for one in failed:
            by_platform.setdefault(one.platform.name, []).append(one)
        for name, some in by_platform.items():

            def hear(job: str, stream: str, data: bytes, name: str = name) -> None:
                self.hear((name, job), stream, data)

            watch(context.run, some, Talk(), 0.0, Viewer(output=hear, streams=("err",)))


@contextlib.contextmanager
def written(context: Context) -> Iterator[Results]:
    """A block at whose end its results are written, however it ends."""
    results = Results()
    if context.out.ci.github:
        context.finish = functools.partial(_tell_github, context, results)
    try:
        yield results
    except BaseException as why:
        told = why.message if isinstance(why, RemoteInstallError) else "interrupted"
        with contextlib.suppress(OSError):  # why it ended is worth more
            _write(context, results, told)
        raise
    _write(context, results, "not ended in time")


def _write(context: Context, results: Results, not_ended: str) -> None:
    path = context.arguments.junit
    if path and results.told:
        from remote_install.cli import junit  # its imports take time

        junit.write(path, junit.document(context.run.run_id, list(results.told.values()), results.tails, not_ended))


def _tell_github(context: Context, results: Results, code: int) -> None:
    """What the page of the run shows, and what its later steps read."""
    reports, system = list(results.told.values()), context.out.ci
    for one in reports:
        if one.failed or one.error:
            context.out.annotate(f"job {one.job}", line_of(one))
    for path, text in (
        (system.output, ci.outputs(context.run.run_id, reports, code)),
        (system.summary, ci.summary(context.run.run_id, reports)),
    ):
        try:
            if path:
                with open(path, "a", encoding="utf-8", errors="replace") as file:
                    file.write(text)
        except OSError as error:
            context.out.tell(f"{path} can't be written: {error.strerror}")
