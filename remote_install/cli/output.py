"""What is printed: results to stdout, the talk to stderr, JSON as one document."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Callable

from remote_install.cli import ci, colours
from remote_install.cli.prefixed import Prefixed
from remote_install.cli.screen import encoded, put, screen_of
from remote_install.report import Report
from remote_install.talk import Talk, nobody, silent
from transfer.errors import RemoteInstallError
from transfer.wording import visible

NAME = "remote-install"
KEPT = "\n\t"  # what lines of ours are made with


class Output:
    """Prints as the global options say."""

    def __init__(self, as_json: bool, verbose: bool, quiet: bool) -> None:
        self.as_json = as_json
        self._quiet = quiet
        self.ci = ci.system(os.environ)
        self.said = time.monotonic()  # when something was, for the last time
        self._lines = Prefixed(self._show, named=False)
        results = None if as_json else sys.stdout
        self.screen = None if quiet else screen_of(sys.stderr, results, os.environ, self.ci)
        # With -v all commands are shown, exactly as they are run: without what makes rsync tell how far it is.
        watching = nobody if verbose or self.screen is None else self.screen.transfer
        self.talk = Talk(self.tell, self._command if verbose else silent, watching)

    def tell(self, text: str) -> None:
        """A line of talk."""
        if not self._quiet:
            self._line(sys.stderr, text)

    def tell_job(self, report: Report, also: str = "") -> None:
        """A job's state, as talk. also: what stands behind it."""
        if not self._quiet:
            self._job_line(sys.stderr, report, also)

    def tell_change(self, report: Report) -> None:
        """A job has come to another state: talk, where the screen does not show it."""
        if self.screen is None:
            self.tell_job(report)

    def showing(self, jobs: Callable[[], list[Report]]) -> contextlib.AbstractContextManager[None]:
        """A block in which the jobs are shown on a terminal."""
        return self.screen.jobs(jobs) if self.screen else contextlib.nullcontext()

    @contextlib.contextmanager
    def folded(self, name: str) -> Iterator[None]:
        """The talk in this block is folded as `name`, where a CI system does that."""
        marked = not self._quiet and bool(self.ci.opens(name))
        if marked:
            self._raw(sys.stderr, self.ci.opens(name))
        try:
            yield
        finally:
            if marked:
                self._raw(sys.stderr, self.ci.closes(name))

    def annotate(self, title: str, message: str) -> None:
        """Show an error on the page of a run, where a CI system has one."""
        if self.ci.github:
            self._raw(sys.stderr, ci.annotation(visible(title, KEPT), visible(message, KEPT)))

    def tell_end(self, report: Report) -> None:
        """How a job ended: talk, but a failure is said to the quiet too."""
        if report.failed or not self._quiet:
            self._job_line(sys.stderr, report)

    def result(self, text: str, coloured: tuple[int, int, int] | None = None) -> None:
        """A line of the result for a reader; JSON takes its place. coloured: from where to where, and how."""
        if not self.as_json:
            self._line(sys.stdout, text, coloured)

    def document(self, fields: dict[str, Any]) -> None:
        """The one JSON document."""
        if self.as_json:
            text = document(fields)
            self._raw(sys.stdout, text.replace("##[", r"##\u005b") if self.ci.github else text)

    def job_output(self, job: str, stream: str, data: bytes) -> None:
        """What a job wrote, unchanged, but for what GitHub would take for a command; with --json all goes to stderr."""
        show = self._lines if self.ci.github else self._show
        show(job, stream, data)

    def end_output(self) -> None:
        """No job writes any more: what was held back because its line had no end is shown."""
        self._lines.end_all()

    def close(self) -> None:
        """Nothing goes on any more that a screen would show."""
        if self.screen:
            self.screen.close()

    def _show(self, _job: str, stream: str, data: bytes) -> None:
        self.said = time.monotonic()
        self._write(sys.stderr if stream == "err" or self.as_json else sys.stdout, self.ci.guarded(data))

    def reports(self, run_id: str, reports: list[Report], also: RemoteInstallError | None = None) -> None:
        """The states of jobs: a line each, or the document of the contract. also: an error that is no job's own."""
        for report in reports:
            if not self.as_json:
                self._job_line(sys.stdout, report)
            for message in report.messages:
                self.result(f"  {report.job} says: {message}")
        self.tell_reports(run_id, reports, also)

    def tell_reports(self, run_id: str, reports: list[Report], also: RemoteInstallError | None = None) -> None:
        """The document of the contract, and the errors for a reader: all of `reports` but the lines."""
        fields: dict[str, Any] = {"run": run_id, "jobs": [report.as_json() for report in reports]}
        self.document({**fields, "error": worst([also, *(report.error for report in reports)])})
        for error in (*(report.error for report in reports), also):
            if error:
                self.error(error)

    def error(self, error: RemoteInstallError) -> None:
        """An error for a reader: the fact, then the remedy."""
        self._line(sys.stderr, f"{NAME}: {error.message}", (0, len(NAME), colours.RED))
        if error.hint:
            self._line(sys.stderr, f"  {error.hint}")

    def interrupted(self, code: int, state: str, fields: dict[str, Any]) -> None:
        """An interrupt, and what is true of the job now. fields: what else the document says."""
        with contextlib.suppress(OSError):  # the terminal may be what has gone
            self._line(sys.stderr, "remote-install: interrupted" + (f"; {state}" if state else ""))
        self.document({**fields, "error": {"code": code, "message": "interrupted", "hint": state, "host": None}})

    def _job_line(self, stream: Any, report: Report, also: str = "") -> None:
        text, state = line_of(report), report.state
        start = text.index(f" {state}", len(report.job) + 1) + 1
        colour = colours.OF_STATE.get(state)
        self._line(stream, text + also, (start, start + len(state), colour) if colour else None)

    def _line(self, stream: Any, text: str, coloured: tuple[int, int, int] | None = None) -> None:
        self.said = time.monotonic()
        text = visible(text, KEPT)
        if coloured and colours.is_wanted(stream, os.environ):
            text = colours.painted(text, *coloured)
        self._write(stream, self.ci.guarded(encoded(stream, text + "\n")))

    def _raw(self, stream: Any, text: str) -> None:
        self._write(stream, encoded(stream, text + "\n"))

    def _write(self, stream: Any, data: bytes) -> None:
        with self.screen.hidden() if self.screen else contextlib.nullcontext():
            put(stream, data)

    def _command(self, text: str) -> None:
        self._line(sys.stderr, f"$ {text}")


def document(fields: dict[str, Any]) -> str:
    """A JSON document, with a line for each field, and for each job or target of a list.

    >>> print(document({"run": "demo", "jobs": [{"job": "a"}, {"job": "b"}]}))
    {
     "run": "demo",
     "jobs": [
      {"job": "a"},
      {"job": "b"}
     ]
    }
    """
    lines = []
    for name, value in fields.items():
        # indent= would be five times slower, which 10,000 jobs feel
        items = [f"  {json.dumps(one)}" for one in value] if isinstance(value, list) else []
        text = "[\n" + ",\n".join(items) + "\n ]" if items else json.dumps(value)
        lines.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}"


def worst(errors: list[RemoteInstallError | None]) -> dict[str, Any] | None:
    """The error of the highest code, as JSON."""
    told = sorted((error for error in errors if error), key=lambda error: error.exit_code)
    return told[-1].as_json() if told else None


def line_of(report: Report) -> str:
    """One job's state in a line.

    >>> line_of(Report("train", 1, "failed", "hpc", "login1", exit_code=3, reason="exit 3", job_id="12"))
    'train 01 failed (exit 3) on hpc (login1, background 12)'
    """
    number = f"{report.number:02d}" if report.number else "--"
    reason = f" ({report.reason})" if report.reason else ""
    runner = f"{report.job_runner} {report.job_id}" if report.job_id else report.job_runner
    return f"{report.job} {number} {report.state}{reason} on {report.platform} ({report.host}, {runner})"


def count(number: int, noun: str) -> str:
    """
    >>> count(1, "file"), count(0, "file")
    ('1 file', '0 files')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def no_more_output(descriptor: int = 1) -> None:
    """Nobody reads our stdout, or stderr, any more: what Python flushes at its end must not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def open_standard_streams() -> None:
    """Give a process that was started with closed standard streams others that lead nowhere."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115, open as long as we live
