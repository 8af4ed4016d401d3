"""Submit, poll and watch jobs: one call for each platform, the answers merged in the order asked for."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable

from remote_install import record, report
from remote_install.call import call
from remote_install.conversation import error_of
from remote_install.record import Token
from remote_install.report import Report
from remote_install.run_directory import RunDirectory
from remote_install.side_by_side import side_by_side
from remote_install.talk import Talk
from transfer.errors import HostUnsuitable, JobRunnerError, RemoteInstallError
from transfer.platforms import Platform

LONG_LOOK = 120.0  # seconds of one watch call: after a lost connection the program there ends by itself

OnOutput = Callable[[str, str, bytes], None]  # job, "out" or "err", data
OnReport = Callable[[Report], None]


@dataclass(frozen=True)
class Wanted:
    """A job to be submitted."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A job to be told about: the submission with `token`, else try `number`, else its last try.

    known: its try was told to us before, so that the host must have it. again: a new try, also beside a live one.
    """

    job: str
    platform: Platform
    token: Token | None = None
    number: int | None = None

    known: bool = False
    again: bool = False

    def as_request(self) -> dict[str, Any]:
        return {"job": self.job, "token": self.token.token if self.token else None, "try": self.number}


def take(run: RunDirectory, platform: Platform, names: list[str], again: bool = False) -> list[Asked]:
    """The tokens to submit these jobs with: the first act of a command, before it installs.

    Of several that are typed at once all then mean the same submission, however long each installs.
    """
    tokens = [record.take(run, name, platform.name, again) for name in names]
    return [Asked(one.job, platform, one, known=record.report(run, one) is not None, again=again) for one in tokens]


def submit(run: RunDirectory, platform: Platform, asked: list[Asked], wanted: list[Wanted], talk: Talk) -> list[Report]:
    """See to it that `wanted` are submitted: a job that is, and whose end was not reported here, is found again.

    asked: what `take` gave for them: on disk here, so the same command typed again asks for the same job.
    """
    uuid = run.uuid()
    for one in asked:
        if one.token is not None:
            record.mark_sent(run, one.token)

    def request() -> dict[str, Any]:
        jobs = [
            {**one.as_request(), "argv": list(job.argv), "known": one.known, "again": one.again}
            for one, job in zip(asked, wanted)
        ]
        return {**_where(run, platform), "uuid": uuid, "jobs": jobs}

    return _ask(run, platform, "submit", asked, request, talk)


def poll(run: RunDirectory, asked: list[Asked], talk: Talk) -> list[Report]:
    """The state of each job now; what is unreachable is told as unknown with its error."""

    def on(platform: Platform) -> list[Report]:
        mine = [one for one in asked if one.platform == platform]
        request = {**_where(run, platform), "jobs": [one.as_request() for one in mine]}
        return _ask(run, platform, "poll", mine, lambda: request, talk)

    return _in_order(asked, side_by_side(on, _platforms(asked)))


def kill(run: RunDirectory, asked: list[Asked], grace: float, talk: Talk) -> list[Report]:
    """End the jobs, TERM first and KILL after `grace` seconds, and tell how each is then."""

    def on(platform: Platform) -> list[Report]:
        mine = [one for one in asked if one.platform == platform]
        request = {**_where(run, platform), "jobs": [one.as_request() for one in mine], "grace": grace}
        return _ask(run, platform, "kill", mine, lambda: request, talk)

    return _in_order(asked, side_by_side(on, _platforms(asked)))


def known(run: RunDirectory) -> list[Report]:
    """What is known here of every job, without asking anybody."""
    return [_known(run, token) for token in record.tokens(run)]


def _known(run: RunDirectory, token: Token) -> Report:
    fields = record.report(run, token) or {}
    host = fields.get("host")
    platform = Platform(token.platform, (host if isinstance(host, str) else "?",), token.platform)
    told = report.from_json(fields, platform)
    return told or Report(token.job, None, "unknown", token.platform, "?", reason="no answer came yet: poll it")


def discover(run: RunDirectory, platform: Platform, talk: Talk) -> list[Asked]:
    """All jobs of this run that the host of `platform` knows. Raises HostError when it can't be asked."""
    replies: list[dict[str, Any]] = []
    request = {**_where(run, platform), "jobs": None}
    call(platform, "poll", lambda: request, replies.append, talk)
    reports = [report.from_reply(reply, platform) for reply in replies if reply["reply"] == "job"]
    return [Asked(one.job, platform, number=one.number) for one in reports]


def watch(
    run: RunDirectory,
    asked: list[Asked],
    talk: Talk,
    seconds: float | None = None,
    on_report: OnReport | None = None,
    on_output: OnOutput | None = None,
) -> list[Report]:
    """Look at the jobs until all have ended, or for `seconds`. on_report: each change of state, as it is seen.

    on_output: what the jobs write, each byte once, also after a lost connection.
    """
    until = None if seconds is None else time.monotonic() + seconds
    lock = threading.Lock()

    def on(platform: Platform) -> list[Report]:
        mine = [one for one in asked if one.platform == platform]
        return _Watch(run, platform, mine, talk, lock, on_report, on_output).until(until)

    return _in_order(asked, side_by_side(on, _platforms(asked)))


class _Watch:
    """The watch of one platform's jobs: what was told of each, and how far its output was read."""

    def __init__(
        self,
        run: RunDirectory,
        platform: Platform,
        asked: list[Asked],
        talk: Talk,
        lock: threading.Lock,
        on_report: OnReport | None,
        on_output: OnOutput | None,
    ) -> None:
        self._run, self._platform, self._asked, self._talk = run, platform, asked, talk
        self._lock, self._on_report, self._on_output = lock, on_report, on_output
        self._reports: dict[str, Report] = {}
        self._offsets = {one.job: {"out": 0, "err": 0} for one in asked}

    def until(self, until: float | None) -> list[Report]:
        """Watch to the end of the last job, or to the moment `until` of the monotonic clock."""
        while self._pending():
            left = LONG_LOOK if until is None else min(LONG_LOOK, until - time.monotonic())
            try:
                call(self._platform, "watch", lambda left=left: self._request(left), self._heard, self._talk)  # type: ignore[misc]
            except RemoteInstallError as error:
                self._give_up(error)
                break
            if until is not None and time.monotonic() >= until:
                break
        for one in self._pending():
            self._reports.setdefault(one.job, _missing(one))
        return [self._reports[one.job] for one in self._asked]

    def _pending(self) -> list[Asked]:
        return [one for one in self._asked if not self._done(one.job)]

    def _done(self, job: str) -> bool:
        last = self._reports.get(job)
        return last is not None and (last.ended or last.error is not None)

    def _request(self, seconds: float) -> dict[str, Any]:
        jobs = [{**one.as_request(), **self._wanted_output(one.job)} for one in self._pending()]
        return {**_where(self._run, self._platform), "jobs": jobs, "seconds": max(0.0, seconds)}

    def _wanted_output(self, job: str) -> dict[str, int]:
        return self._offsets[job] if self._on_output else {}

    def _heard(self, reply: dict[str, Any]) -> None:
        one = next((one for one in self._asked if one.job == reply.get("job")), None)
        if one is None:
            return
        if reply["reply"] == "output":
            self._hear_output(one.job, reply)
        elif reply["reply"] == "job":
            self._tell(_kept(self._run, one, report.from_reply(reply, self._platform)))
        elif reply["reply"] == "error":
            self._tell(report.not_told(one.job, self._platform, error_of(reply, self._platform.hosts[0])))
        elif reply["reply"] == "missing":
            self._tell(self._from_here(one) or _missing(one))

    def _tell(self, told: Report) -> None:
        before = self._reports.get(told.job)
        self._reports[told.job] = told
        if self._on_report and (before is None or before.state != told.state):
            with self._lock:
                self._on_report(told)

    def _hear_output(self, job: str, reply: dict[str, Any]) -> None:
        stream, offset, text = reply.get("stream"), reply.get("offset"), reply.get("data")
        try:
            data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except ValueError:
            data = b""
        if stream not in ("out", "err") or offset != self._offsets[job][stream] or not data or not self._on_output:
            host = self._platform.hosts[0]
            raise HostUnsuitable(f"{host}: it sends output that was not asked for", "", host)
        self._offsets[job][stream] += len(data)
        with self._lock:
            self._on_output(job, stream, data)

    def _give_up(self, error: RemoteInstallError) -> None:
        for one in self._pending():
            self._tell(self._from_here(one) or report.not_told(one.job, self._platform, error, one.number))

    def _from_here(self, one: Asked) -> Report | None:
        """A kept end will do, but not for who wants output as well."""
        return None if self._on_output else _from_here(self._run, one)


def _ask(
    run: RunDirectory,
    platform: Platform,
    verb: str,
    asked: list[Asked],
    request: Callable[[], dict[str, Any]],
    talk: Talk,
) -> list[Report]:
    """One call; a report for each of `asked`, in their order."""
    reports: dict[str, Report] = {}
    by_name = {one.job: one for one in asked}

    def heard(reply: dict[str, Any]) -> None:
        one = by_name.get(str(reply.get("job")))
        if one is None:
            return
        if reply["reply"] == "job":
            reports[one.job] = _kept(run, one, report.from_reply(reply, platform))
        elif reply["reply"] == "error":
            error = error_of(reply, platform.hosts[0])
            told = report.submit_failed if verb == "submit" else report.not_told
            reports[one.job] = told(one.job, platform, error)

    try:
        call(platform, verb, request, heard, talk)
    except RemoteInstallError as error:
        for one in asked:
            if one.job not in reports:
                reports[one.job] = _from_here(run, one) or report.not_told(one.job, platform, error, one.number)
    return [reports.get(one.job) or _from_here(run, one) or _missing(one) for one in asked]


def acknowledge(run: RunDirectory, reports: list[Report], asked: list[Asked]) -> None:
    """Write down the ends that the user has now been shown: from here on the same command means the next try.

    Not before: who was killed while he waited for the answer and types the command again gets that answer.
    """
    for told, one in zip(reports, asked):
        if told.ended and one.token is not None and told.error is None:
            record.write_report(run, one.token, told.as_json())


def _kept(run: RunDirectory, one: Asked, told: Report) -> Report:
    """`told`, written down here for the submission that it is about, unless it is an end: see acknowledge."""
    if one.token is not None and not told.ended and not record.ended(record.report(run, one.token)):
        record.write_report(run, one.token, told.as_json())
    return told


def _from_here(run: RunDirectory, one: Asked) -> Report | None:
    """What was kept here, if it tells an end: an ended state stays."""
    fields = record.report(run, one.token) if one.token is not None else None
    return report.from_json(fields, one.platform) if fields and record.ended(fields) else None


def _missing(one: Asked) -> Report:
    error = JobRunnerError(
        f"{one.platform.hosts[0]} knows no try of job {one.job}",
        "Its record was removed there."
        if one.known or one.number
        else "Its submission may have been interrupted: submit it again, that does not start it twice.",
        one.platform.hosts[0],
    )
    return report.not_told(one.job, one.platform, error, one.number)


def _where(run: RunDirectory, platform: Platform) -> dict[str, Any]:
    return {"run_root": platform.run_root, "run": run.run_id}


def _platforms(asked: list[Asked]) -> list[Platform]:
    return list({one.platform.name: one.platform for one in asked}.values())


def _in_order(asked: list[Asked], found: list[list[Report]]) -> list[Report]:
    by_place = {(one.platform, one.job): one for reports in found for one in reports}
    return [by_place[(one.platform.name, one.job)] for one in asked]
