"""What the job status files say, and what state follows from them and from the job runner's answer."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remote_install.jobhost import layout, status
from remote_install.jobhost.layout import JobDirectory
from remote_install.jobhost.status import GONE, NOT_ASKED, QUEUED, RUNNING, Answer, Facts, Verdict

START = "process h 12 34 b n"
SUBMIT = {"JOB_RUNNER": "background", "JOB_ID": "12"}
FAILED_SUBMIT = {"SUBMIT_FAILED": "no such queue"}
ANSWERS = [Answer(word) for word in (QUEUED, RUNNING, GONE, NOT_ASKED)]


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    directory = layout.job_directory(os.fsencode(tmp_path), "job", 1)
    os.makedirs(directory.path)
    return directory


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, Verdict("succeeded", 0)),
        (1, Verdict("failed", 1, None, "exit 1")),
        (127, Verdict("failed", 127, None, "exit 127")),
        (128, Verdict("failed", 128, None, "exit 128")),
        (129, Verdict("killed", 129, "HUP", "signal HUP")),
        (130, Verdict("killed", 130, "INT", "signal INT")),
        (137, Verdict("killed", 137, "KILL", "signal KILL")),
        (139, Verdict("killed", 139, "SEGV", "signal SEGV")),
        (143, Verdict("killed", 143, "TERM", "signal TERM")),
        (200, Verdict("failed", 200, None, "exit 200")),
        (255, Verdict("failed", 255, None, "exit 255")),
    ],
)
def test_an_exit_record_says_all_whatever_else_is_known(code: int, expected: Verdict) -> None:
    known = itertools.product((None, START), ({}, SUBMIT, FAILED_SUBMIT), (0.0, 119.9, 120.0, 1e9), ANSWERS)
    for start, submit, gone_for, answer in known:
        facts = Facts(submit, start, code, None, None)
        assert status.judge(facts, answer, gone_for) == expected, (facts, answer, gone_for)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.word)
@pytest.mark.parametrize("gone_for", [0.0, 500.0])
def test_a_submission_that_failed_stays_so_unless_the_job_starts_all_the_same(gone_for: float, answer: Answer) -> None:
    verdict = status.judge(Facts(FAILED_SUBMIT, None, None, None, None), answer, gone_for)
    assert verdict == Verdict("submit-failed", reason="no such queue")
    assert status.judge(Facts(FAILED_SUBMIT, START, None, None, None), answer, gone_for).state != "submit-failed"


@pytest.mark.parametrize("gone_for", [0.0, 500.0])
@pytest.mark.parametrize(
    ("word", "start", "submit", "state"),
    [
        *((RUNNING, START, submit, "running") for submit in ({}, SUBMIT)),
        *((RUNNING, None, submit, "submitted") for submit in ({}, SUBMIT)),
        *((QUEUED, start, submit, "submitted") for start in (None, START) for submit in ({}, SUBMIT)),
        *((NOT_ASKED, start, submit, "unknown") for start in (None, START) for submit in ({}, SUBMIT)),
    ],
)
def test_without_an_exit_record_the_job_runner_says_the_state(
    word: str, start: str | None, submit: dict[str, str], state: str, gone_for: float
) -> None:
    verdict = status.judge(Facts(submit, start, None, None, None), Answer(word, "why"), gone_for)
    assert verdict == Verdict(state, reason="why")


@pytest.mark.parametrize(("start", "submit"), [(START, {}), (None, SUBMIT), (START, SUBMIT)])
@pytest.mark.parametrize(
    ("gone_for", "state"), [(0.0, "unknown"), (1.0, "unknown"), (119.9, "unknown"), (120.0, "lost"), (1e9, "lost")]
)
def test_a_job_that_is_gone_without_a_record_counts_as_lost_after_120_seconds(
    gone_for: float, state: str, start: str | None, submit: dict[str, str]
) -> None:
    verdict = status.judge(Facts(submit, start, None, None, None), Answer(GONE), gone_for)
    assert (verdict.state, verdict.exit_code, verdict.signal) == (state, None, None)
    assert verdict.reason.startswith("ended and left no exit record")
    assert ("counts as lost in" in verdict.reason) is (state == "unknown")
    rebooted = status.judge(Facts(submit, start, None, None, None), Answer(GONE, "host rebooted"), gone_for)
    assert rebooted.reason.startswith("host rebooted")


@pytest.mark.parametrize("gone_for", [0.0, 500.0])
def test_a_submission_that_was_interrupted_is_never_lost(gone_for: float) -> None:
    verdict = status.judge(Facts({}, None, None, None, None), Answer(GONE), gone_for)
    assert verdict.state == "unknown"
    assert "submit it again" in verdict.reason


@pytest.mark.parametrize("number", range(1, 32))
def test_every_signal_has_its_name(number: int) -> None:
    assert status.signal_name(number) == signal.Signals(number).name[3:]


@pytest.mark.parametrize("number", [-128, -1, 0, 32, 65, 72, 127, 871])
def test_what_is_no_signal_has_no_name(number: int) -> None:
    assert status.signal_name(number) is None


RESERVED = b" " * 15 + b"\n" + b" " * 31 + b"\n"
STARTED = b"STARTED=2026-11-22T12:00:00Z\n"


def record(first: bytes, second: bytes = b"FINISHED=2026-11-22T12:00:09Z") -> bytes:
    return first.ljust(15) + b"\n" + second.ljust(31) + b"\n" + STARTED


@pytest.mark.parametrize(
    ("data", "code", "started", "finished"),
    [
        (b"", None, None, None),
        (RESERVED, None, None, None),
        (RESERVED + STARTED, None, "2026-11-22T12:00:00Z", None),
        (RESERVED + STARTED[:-1], None, None, None),
        (RESERVED + STARTED[:-5], None, None, None),
        (RESERVED + b"STARTED=now\n", None, None, None),
        (record(b"EXIT=0"), 0, "2026-11-22T12:00:00Z", "2026-11-22T12:00:09Z"),
        (record(b"EXIT=143"), 143, "2026-11-22T12:00:00Z", "2026-11-22T12:00:09Z"),
        (record(b"EXIT=255"), 255, "2026-11-22T12:00:00Z", "2026-11-22T12:00:09Z"),
        (record(b"EXIT=3", b"FINISHED="), 3, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT=3", b"FINISHED=2026-11-22T12:00"), 3, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT=3", b"\0" * 31), 3, "2026-11-22T12:00:00Z", None),
        (b"EXIT=3         \nFINISHED=2026-11-22T12:0", 3, None, None),
        # Not in order, so no exit record.
        (record(b"EXIT=abc"), None, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT="), None, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT=-1"), None, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT=256"), None, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT=999"), None, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT=1000"), None, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT=3 4"), None, "2026-11-22T12:00:00Z", None),
        (record(b" EXIT=3"), None, "2026-11-22T12:00:00Z", None),
        (record(b"exit=3"), None, "2026-11-22T12:00:00Z", None),
        (record(b"EXIT=3\0\0\0"), None, "2026-11-22T12:00:00Z", None),
        (record("EXIT=\u0663".encode()), None, "2026-11-22T12:00:00Z", None),
        (b"EXIT=14", None, None, None),
        (b"EXIT=143       ", None, None, None),
        (b"\0" * 100, None, None, None),
        (b"\xff" * 100, None, None, None),
        (bytes(range(256)) * 40, None, None, None),
        (b"\n" * 50_000 + b"EXIT=0\n", None, None, None),
        (b"A" * 1_000_000, None, None, None),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None,
)
def test_the_status_file_tells_what_is_in_order_in_it(
    job: JobDirectory, data: bytes, code: int | None, started: str | None, finished: str | None
) -> None:
    with open(job.status, "wb") as file:
        file.write(data)
    assert status.read(job) == Facts({}, None, code, started, finished)


@pytest.mark.parametrize(
    ("link", "code"),
    [("EXIT=0", 0), ("EXIT=143", 143), ("EXIT=", None), ("EXIT=999", None), ("EXIT=x", None), ("x", None), ("3", None)],
)
@pytest.mark.parametrize(
    "data", [None, b"", RESERVED + STARTED, b"\0" * 50], ids=["no file", "empty", "reserved", "holes"]
)
def test_the_link_tells_the_end_where_the_status_file_could_not(
    job: JobDirectory, link: str, code: int | None, data: bytes | None
) -> None:
    os.symlink(link, job.end)
    if data is not None:
        with open(job.status, "wb") as file:
            file.write(data)
    assert status.read(job).exit_code == code


def test_a_record_that_was_cut_short_does_not_beat_the_link(job: JobDirectory) -> None:
    """A disk that took the first bytes only: the wrapper then made the link."""
    with open(job.status, "wb") as file:
        file.write(b"EXIT=1")
    os.symlink("EXIT=143", job.end)
    assert status.read(job).exit_code == 143


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", {}),
        (b"A=1\nB=2 = 3\nC=\n", {"A": "1", "B": "2 = 3", "C": ""}),
        (b"A=1\nB=2", {"A": "1"}),
        (b"A=1", {}),
        (b"no pair\nA=1\n", {"A": "1"}),
        (b"A=1\nA=2\n", {"A": "2"}),
        (b"A=\xff\n", {"A": "\udcff"}),
    ],
)
def test_the_submit_file_tells_its_whole_lines(job: JobDirectory, data: bytes, expected: dict[str, str]) -> None:
    with open(job.submit, "wb") as file:
        file.write(data)
    assert status.read(job).submit == expected


def test_a_huge_submit_file_is_read_no_further_than_its_beginning(job: JobDirectory) -> None:
    with open(job.submit, "wb") as file:
        file.write(b"A=1\n" + b"x" * 10_000_000 + b"\nB=2\n")
    assert status.read(job).submit == {"A": "1"}


def test_an_empty_or_missing_job_directory_says_nothing(job: JobDirectory) -> None:
    nothing = Facts({}, None, None, None, None)
    assert status.read(job) == nothing
    os.rmdir(job.path)
    assert status.read(job) == nothing


def test_the_start_gate_is_a_link_and_a_file_in_its_place_says_nothing(job: JobDirectory) -> None:
    os.symlink(START, job.start)
    assert status.read(job).start == START
    os.unlink(job.start)
    with open(job.start, "w") as file:
        file.write(START)
    assert status.read(job).start is None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=100) | st.text("EXIT=0123456789 \n\0FSHD:TZ-", max_size=60).map(str.encode))
def test_no_bytes_in_the_status_file_break_the_reader(job: JobDirectory, data: bytes) -> None:
    with open(job.status, "wb") as file:
        file.write(data)
    facts = status.read(job)
    assert facts.exit_code is None or 0 <= facts.exit_code <= 255
    status.judge(facts, Answer(GONE), 0.0)
