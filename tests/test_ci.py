"""What is written for CI systems can hold anything; and nothing is silent there for long."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from remote_install.cli import ci
from remote_install.cli.heartbeat import heartbeat
from remote_install.report import Report

PIECES = st.lists(st.sampled_from([b":", b"::", b"#", b"##", b"[", b" ", b"\r", b"\n", b"\x85", b"\xc2\xa0", b"x"]))


@given(PIECES)
def test_no_line_is_a_command_for_github(pieces: list[bytes]) -> None:
    told = ci.harmless(b"".join(pieces))
    assert b"##[" not in told
    for line in re.split("[\r\n]", told.decode("latin-1")):
        assert not line.strip().startswith("::")
        assert not line.encode("latin-1").decode(errors="replace").strip().startswith("::")


@given(st.text())
def test_a_reason_can_not_leave_its_cell_or_its_line(reason: str) -> None:
    told = Report("job", 1, "failed", "hpc", "host", exit_code=1, reason=reason)
    assert ci.summary("run", [told]).count("\n") == 6
    assert ci.summary("run", [told]).count("|") == 21
    assert re.search("[\r\n]", ci.annotation("job", reason)) is None


def test_something_is_said_while_nothing_is() -> None:
    lines: list[str] = []
    with heartbeat(lines.append, lambda: "going on", lambda: 0.0, every=0.05):
        time.sleep(0.5)
    assert lines
    assert lines[0] == "going on after 0 s"


def test_nothing_is_said_beside_what_is() -> None:
    lines: list[str] = []
    with heartbeat(lines.append, lambda: "going on", time.monotonic, every=0.05):
        time.sleep(0.2)
    assert lines == []
