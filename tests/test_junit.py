"""JUnit XML is well-formed whatever a job is called, writes or is told to have died of."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_install.cli import junit
from remote_install.report import Report
from transfer.errors import HostUnreachable

LOST = HostUnreachable("hpc: no answer <here>", "Look & see.", "hpc")


def case(told: Report, tail: bytes = b"", not_ended: str = "") -> ElementTree.Element:
    """The only testcase of the file."""
    tails = {(told.platform, told.job): tail}
    (found,) = ElementTree.fromstring(junit.document("a/run", [told], tails, not_ended)).iter("testcase")
    return found


@given(st.binary(), st.text(), st.text(alphabet=st.characters()))
def test_it_can_be_read_whatever_stands_in_it(tail: bytes, reason: str, name: str) -> None:
    found = case(Report(name, 1, "failed", "hpc", "host", exit_code=3, reason=reason), tail)
    assert found.get("name") == junit.NO_XML.sub(junit.INSTEAD, name)
    assert (found[0].tag, found[0].get("message")) == ("failure", junit.NO_XML.sub(junit.INSTEAD, reason) or "failed")


def test_what_a_job_wrote_is_shown_as_it_is() -> None:
    every = "".join(map(chr, range(32))) + "]]>&amp;<b>é"
    found = case(
        Report("job", 1, "killed", "hpc", "host", exit_code=143, reason="signal TERM"), every.encode() + b"\xff"
    )
    assert (found[0].text or "").endswith(junit.NO_XML.sub(junit.INSTEAD, every) + junit.INSTEAD + "\n")


@pytest.mark.parametrize(
    ("told", "tag", "message"),
    [
        (Report("job", 1, "succeeded", "hpc", "h", exit_code=0), None, None),
        (Report("job", 1, "failed", "hpc", "h", exit_code=3, reason="exit 3"), "failure", "exit 3"),
        (Report("job", 1, "lost", "hpc", "h", reason="host rebooted"), "failure", "host rebooted"),
        (Report("job", 1, "running", "hpc", "h"), "error", "interrupted: running"),
        (Report("job", 1, "unknown", "hpc", "h", reason="host unreachable", error=LOST), "error", "host unreachable"),
        (Report("job", None, "submit-failed", "hpc", "h", reason="no queue", error=LOST), "error", "no queue"),
    ],
    ids=lambda value: getattr(value, "state", None),
)
def test_every_state_is_told(told: Report, tag: str | None, message: str | None) -> None:
    found = case(told, not_ended="interrupted")
    assert [one.tag for one in found] == ([tag] if tag else [])
    assert [one.get("message") for one in found] == ([message] if message else [])
    if told.error:
        assert "Look & see." in (found[0].text or "")


def test_jobs_are_counted_and_timed() -> None:
    first = Report("a", 1, "succeeded", "hpc", "h", exit_code=0, submitted_at="2026-11-22T12:00:00Z")
    times = {"submitted_at": "2026-11-22T11:59:00Z", "started_at": "2026-11-22T12:00:00Z"}
    second = Report("b", 1, "failed", "hpc", "h", exit_code=1, finished_at="2026-11-23T12:00:05Z", **times)
    third = Report("c", 1, "running", "hpc", "h", started_at="2026-11-22T12:00:00Z")
    (suite,) = ElementTree.fromstring(junit.document("run", [first, second, third], {}, "not ended in time"))
    assert [suite.get(name) for name in ("name", "tests", "failures", "errors")] == ["run", "3", "1", "1"]
    assert (suite.get("time"), suite.get("timestamp")) == ("86405.000", "2026-11-22T11:59:00")
    assert [one.get("time") for one in suite] == ["0.000", "86405.000", "0.000"]


def test_the_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.xml"
    junit.write(str(path), b"one")
    junit.write(str(path), b"two")
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"two", ["report.xml"])
    junit.write("/dev/null", b"three")
    assert not os.path.isfile("/dev/null")
