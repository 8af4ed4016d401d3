"""Watch jobs until they have ended: one long look at each platform, new tries of what failed."""

from __future__ import annotations

import base64
import functools
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from remote_install import jobs, report
from remote_install.asked import Asked, by_host, host_of, take_again
from remote_install.call import call
from remote_install.conversation import error_of, job_of
from remote_install.pool import on_a_host
from remote_install.report import Report
from remote_install.run_directory import RunDirectory
from remote_install.side_by_side import side_by_side
from remote_install.talk import Talk
from remote_install.wanted import Wanted
from transfer.errors import HostUnsuitable, RemoteInstallError, WouldDoHarm
from transfer.platforms import Platform

LONG_LOOK = 120.0  # seconds of one watch call: after a lost connection the program there ends by itself


def _nothing(*_told: object) -> None:
    pass


@dataclass(frozen=True)
class Viewer:
    """Who is told what is seen. report: each change of a job's state. retry: a failed try that is followed by another,
    which of its retries that is, and how many it has. output: job, "out" or "err", data; each byte once, also after a
    lost connection. streams: those that are wanted."""

    report: Callable[[Report], None] = _nothing
    retry: Callable[[Report, int, int], None] = _nothing
    output: Callable[[str, str, bytes], None] = _nothing
    streams: tuple[str, ...] = ()


class _TryAgain(Exception):
    """A job has failed, and is to be tried again."""


def watch(
    run: RunDirectory,
    asked: list[Asked],
    talk: Talk,
    seconds: float | None = None,
    viewer: Viewer = Viewer(),
    wanted: Mapping[str, Wanted] | None = None,
) -> list[Report]:
    """Look at the jobs until all have ended, or for `seconds`. wanted: the jobs that may be tried again, by name.

    asked: the tokens of new tries take the places of those that failed.
    """
    until = None if seconds is None else time.monotonic() + seconds
    lock = threading.Lock()
    last: dict[tuple[str, str], Asked] = {}

    def on(mine: list[Asked]) -> list[Report]:
        platform = mine[0].platform
        reports = _Watch(run, platform, mine, talk, lock, viewer, wanted or {}).until(until)
        last.update({(platform.name, one.job): one for one in mine})
        return reports

    reports = jobs.in_order(asked, side_by_side(on, by_host(run, asked)))
    asked[:] = [last[(one.platform.name, one.job)] for one in asked]
    return reports


class _Watch:
    """The watch of one platform's jobs: what was told of each, and how far its output was read."""

    def __init__(
        self,
        run: RunDirectory,
        platform: Platform,
        asked: list[Asked],
        talk: Talk,
        lock: threading.Lock,
        viewer: Viewer,
        wanted: Mapping[str, Wanted],
    ) -> None:
        self._run, self._platform, self._asked, self._talk = run, platform, asked, talk
        self._lock, self._viewer, self._wanted = lock, viewer, wanted
        self._reports: dict[str, Report] = {}
        self._missed: dict[str, float] = {}  # since when, on the monotonic clock
        self._by_name = {one.job: one for one in asked}
        self._offsets = {one.job: {"out": 0, "err": 0} for one in asked}

    def until(self, until: float | None) -> list[Report]:
        """Watch to the end of the last job, or to the moment `until` of the monotonic clock."""
        while self._pending():
            left = LONG_LOOK if until is None else min(LONG_LOOK, until - time.monotonic())
            try:
                first = host_of(self._run, self._pending()[0])
                on_a_host(self._platform, functools.partial(self._look, left), self._talk, first)
            except _TryAgain:
                self._try_again()
            except RemoteInstallError as error:
                self._give_up(error)
                break
            if until is not None and time.monotonic() >= until:
                break
        for one in self._pending():
            self._reports.setdefault(one.job, jobs.missing(one))
        return [self._reports[one.job] for one in self._asked]

    def _look(self, seconds: float, on: Platform) -> None:
        call(on, "watch", lambda: self._request(seconds), functools.partial(self._heard, on), self._talk)

    def _pending(self) -> list[Asked]:
        return [one for one in self._asked if not self._done(one.job)]

    def _done(self, job: str) -> bool:
        last = self._reports.get(job)
        return last is not None and (last.ended or last.error is not None)

    def _request(self, seconds: float) -> dict[str, Any]:
        wanted = [{**self._asking(one), **self._offsets_of(one.job)} for one in self._pending()]
        return {**jobs.where(self._run, self._platform), "jobs": wanted, "seconds": max(0.0, seconds)}

    def _asking(self, one: Asked) -> dict[str, Any]:
        """What we have seen ourselves counts also where nothing could be written down."""
        request = one.as_request(self._run)
        since = self._missed.get(one.job)
        if since is not None:
            request["missed_for"] = max(request["missed_for"], time.monotonic() - since)
        return request

    def _offsets_of(self, job: str) -> dict[str, int]:
        return {stream: self._offsets[job][stream] for stream in self._viewer.streams}

    def _heard(self, on: Platform, reply: dict[str, Any]) -> None:
        one = self._by_name.get(job_of(reply))
        if one is None:
            return
        if reply["reply"] == "output":
            self._hear_output(on, one.job, reply)
        elif reply["reply"] == "job":
            told = jobs.keep(self._run, one, report.from_reply(reply, on))
            self._missed.pop(one.job, None)
            if told.missed_for is not None:
                self._missed[one.job] = time.monotonic() - told.missed_for
            if self._is_to_be_retried(one, told):
                self._reports[one.job] = told
                raise _TryAgain
            self._tell(told)
        elif reply["reply"] == "error":
            self._tell(report.not_told(one.job, on, error_of(reply, on.hosts[0])))
        elif reply["reply"] == "missing":
            self._tell(self._kept_end(one) or jobs.missing(one))

    def _tell(self, told: Report) -> None:
        before = self._reports.get(told.job)
        self._reports[told.job] = told
        if before is None or before.state != told.state:
            with self._lock:
                self._viewer.report(told)

    def _hear_output(self, on: Platform, job: str, reply: dict[str, Any]) -> None:
        stream, offset, text = reply.get("stream"), reply.get("offset"), reply.get("data")
        try:
            data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except ValueError:
            data = b""
        if stream not in self._viewer.streams or offset != self._offsets[job][stream] or not data:
            host = on.hosts[0]
            raise HostUnsuitable(f"{host}: it sends output that was not asked for", "", host)
        self._offsets[job][stream] += len(data)
        with self._lock:
            self._viewer.output(job, stream, data)

    def _is_to_be_retried(self, one: Asked, told: Report) -> bool:
        """Did it fail, by itself, and has it retries left?"""
        job = self._wanted.get(one.job)
        if job is None or one.token is None or told.kill_asked:
            return False
        return told.failed and one.token.retry < job.retries

    def _try_again(self) -> None:
        for one in list(self._asked):
            if one.job in self._reports and self._is_to_be_retried(one, self._reports[one.job]):
                self._submit_again(one)

    def _submit_again(self, one: Asked) -> None:
        try:
            new = take_again(self._run, one)
        except WouldDoHarm as error:
            self._tell(report.with_error(self._reports.pop(one.job), error))
            return
        assert new.token is not None
        with self._lock:
            self._viewer.retry(self._reports.pop(one.job), new.token.retry, self._wanted[one.job].retries)
        self._asked[self._asked.index(one)] = self._by_name[one.job] = new
        self._offsets[one.job] = {"out": 0, "err": 0}
        self._missed.pop(one.job, None)
        (told,) = jobs.submit(self._run, [new], [self._wanted[one.job]], self._talk)
        if told.error or not told.ended:  # who else watches may be further: the next look sees how this try ended
            self._tell(told)

    def _give_up(self, error: RemoteInstallError) -> None:
        for one in self._pending():
            number = jobs.number_of(self._run, one)
            self._tell(self._kept_end(one) or report.not_told(one.job, self._platform, error, number))

    def _kept_end(self, one: Asked) -> Report | None:
        """A kept end will do, but not for who wants output as well."""
        return None if self._viewer.streams else jobs.from_here(self._run, one)
