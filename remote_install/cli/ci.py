"""What CI systems read in the output of a command, and what must not be read there because a job host wrote it.

GitHub takes a line of either stream that begins with `::`, after blanks, for a command, and one with `##[` anywhere.
Both streams are read side by side, so that `::stop-commands::` on one would not hold for the other: such lines are
changed instead. GitLab folds what stands between two marks.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from remote_install.report import Report

# .NET ends a line at a lone \r too, and trims blanks of Unicode: all that is no printable ASCII counts as blank here.
COMMAND = re.compile(rb"(^|(?<=[\r\n]))([^\x21-\x7e]*)::")
OLD_COMMAND = re.compile(rb"##\[")
ERASE = "\x1b[0K"


@dataclass(frozen=True)
class System:
    """The CI system that runs us: any, and which one. output, summary: the files that GitHub reads, or ""."""

    any: bool = False
    github: bool = False
    gitlab: bool = False
    output: str = ""
    summary: str = ""

    def guarded(self, data: bytes) -> bytes:
        """Whole lines, in which nothing is a command."""
        return harmless(data) if self.github else data

    def opens(self, name: str) -> str:
        """The line before what is folded as `name`; "" where there is none."""
        if self.github:
            return f"::group::{_data(name)}"
        return f"{ERASE}section_start:{time.time():.0f}:{_mark(name)}\r{ERASE}{name}" if self.gitlab else ""

    def closes(self, name: str) -> str:
        if self.github:
            return "::endgroup::"
        return f"{ERASE}section_end:{time.time():.0f}:{_mark(name)}\r{ERASE}" if self.gitlab else ""


def system(environ: Mapping[str, str]) -> System:
    """Who runs us, told by the variables of this process."""
    github, gitlab = environ.get("GITHUB_ACTIONS") == "true", environ.get("GITLAB_CI") == "true"
    files = [environ.get(name, "") if github else "" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")]
    return System(environ.get("CI") == "true" or github or gitlab, github, gitlab, *files)


def harmless(data: bytes) -> bytes:
    """Whole lines, in which GitHub finds no command.

    >>> harmless(b"std::cout\\n  ::error::no\\r::x\\nsay ##[error]no\\n")
    b'std::cout\\n  | ::error::no\\r| ::x\\nsay ## [error]no\\n'
    """
    return OLD_COMMAND.sub(b"## [", COMMAND.sub(rb"\2| ::", data))


def annotation(title: str, message: str) -> str:
    """The command by which GitHub shows an error on the page of a run.

    >>> annotation("job a:b", "exit 3\\n100%")
    '::error title=job a%3Ab::exit 3%0A100%25'
    """
    name = _data(title).replace(":", "%3A").replace(",", "%2C")
    return f"::error title={name}::{_data(message)}"


def outputs(run_id: str, reports: list[Report], code: int) -> str:
    """The outputs of the step: state (that of the first job that did not succeed), exit-code, run-id, and job, which
    names them all."""
    state = next((one.state for one in reports if one.state != "succeeded"), "succeeded")
    names = ",".join(one.job for one in reports)
    return f"state={state}\nexit-code={code}\nrun-id={run_id}\njob={names}\n"


def summary(run_id: str, reports: list[Report]) -> str:
    """A table of the jobs, in Markdown."""
    head = f"### {_cell(run_id)}\n\n| job | try | state | why | platform | host |\n|---|---|---|---|---|---|\n"
    rows = [
        (one.job, f"{one.number:02d}" if one.number else "--", one.state, one.reason or "", one.platform, one.host)
        for one in reports
    ]
    return head + "".join("| " + " | ".join(map(_cell, row)) + " |\n" for row in rows) + "\n"


def _cell(text: str) -> str:
    """Text in which nothing is Markdown or HTML.

    >>> _cell("a|b <i>"), _cell("exit 3")
    ('a&#124;b &#60;i&#62;', 'exit 3')
    """
    return "".join(c if c.isalnum() or c in " .,-()" else f"&#{ord(c)};" for c in text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _mark(name: str) -> str:
    return re.sub("[^a-z]", "_", name.lower())
