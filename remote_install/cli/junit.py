"""A run as JUnit XML, as CI systems show it: one testsuite a run, one testcase a job."""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from remote_install.cli.output import line_of
from remote_install.durable import replace
from remote_install.report import Report

# XML 1.0 has no way to write these, not even escaped; lone surrogates are what Python makes of bytes that are no text.
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
INSTEAD = "\ufffd"


def document(run_id: str, reports: list[Report], tails: dict[tuple[str, str], bytes], not_ended: str) -> bytes:
    """The file. tails: the end of a job's error output, by platform and job. not_ended: why a job has not ended.

    >>> told = Report("train", 1, "failed", "hpc", "login1", exit_code=3, reason="exit 3", job_id="12")
    >>> print(document("demo", [told], {("hpc", "train"): b"a < b\\x1b"}, "").decode().replace(INSTEAD, "?"), end="")
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
     <testsuite name="demo" tests="1" failures="1" errors="0" skipped="0" time="0.000">
      <testcase classname="demo.hpc" name="train" time="0.000">
       <failure type="failed" message="exit 3">train 01 failed (exit 3) on hpc (login1, background 12)
    <BLANKLINE>
    a &lt; b?
    </failure>
      </testcase>
     </testsuite>
    </testsuites>
    """
    failures = sum(_kind(one) == "failure" for one in reports)
    errors = sum(_kind(one) == "error" for one in reports)
    starts = [stamp for one in reports if (stamp := one.submitted_at or one.started_at)]
    suite = {"name": run_id, "tests": len(reports), "failures": failures, "errors": errors, "skipped": 0}
    suite["time"] = f"{sum(map(_seconds, reports)):.3f}"
    if starts:
        suite["timestamp"] = min(starts).rstrip("Z")
    cases = [_case(run_id, one, tails.get((one.platform, one.job), b""), not_ended) for one in reports]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", f" <testsuite{_attributes(suite)}>"]
    return "\n".join([*lines, *cases, " </testsuite>", "</testsuites>", ""]).encode()


def write(path: str, data: bytes) -> None:
    """Write the file, whole or not at all; its folder is made. Raises OSError."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    if os.path.lexists(path) and not os.path.isfile(path):  # as /dev/stdout
        with open(path, "wb") as file:
            file.write(data)
        return
    replace(path, data, durable=False)


def _kind(told: Report) -> str:
    """A job that failed is a failure; what is no end of a job, or was refused, is an error."""
    if told.state == "succeeded" and not told.error:
        return ""
    return "failure" if told.failed and not told.error and told.state != "submit-failed" else "error"


def _case(run_id: str, told: Report, tail: bytes, not_ended: str) -> str:
    head = {"classname": f"{run_id}.{told.platform}", "name": told.job, "time": f"{_seconds(told):.3f}"}
    kind = _kind(told)
    if not kind:
        return f"  <testcase{_attributes(head)}/>"
    why = told.reason or (told.state if told.ended else f"{not_ended}: {told.state}")
    text = [line_of(told)]
    if told.error:
        text += [told.error.message, told.error.hint] if told.error.hint else [told.error.message]
    text += [f"{told.job} says: {message}" for message in told.messages]
    if tail:
        text += ["", tail.decode("utf-8", "replace")]
    body = escape(_xml("\n".join(text)), {"\r": "&#13;"})
    fields = _attributes({"type": told.state, "message": why})
    return f"  <testcase{_attributes(head)}>\n   <{kind}{fields}>{body}\n</{kind}>\n  </testcase>"


def _attributes(fields: Mapping[str, object]) -> str:
    return "".join(f" {name}={quoteattr(_xml(str(value)))}" for name, value in fields.items())


def _xml(text: str) -> str:
    return NO_XML.sub(INSTEAD, text)


def _seconds(told: Report) -> float:
    """How long the job took by its host's clock; 0 where that is not known, or tells a 31st of February."""
    if not (told.started_at and told.finished_at):
        return 0.0
    try:
        began, ended = (
            calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")) for at in (told.started_at, told.finished_at)
        )
    except ValueError:
        return 0.0
    return float(max(0, ended - began))
