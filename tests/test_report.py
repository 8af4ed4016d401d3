"""What is told of a job: nothing that a host sends is believed unseen, and the document is that of the contract."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remote_install import report
from remote_install.report import Report
from transfer.errors import (
    ConfigError,
    HostUnreachable,
    HostUnsuitable,
    JobRunnerError,
    LoginRefused,
    RemoteInstallError,
    TimedOutHere,
    TransferError,
    WouldDoHarm,
)
from transfer.platforms import Platform

PLATFORM = Platform("hpc", ("login1",), "hpc")
REPLY: dict[str, Any] = {
    "reply": "job",
    "job": "train",
    "try": 2,
    "state": "failed",
    "exit_code": 3,
    "signal": None,
    "reason": "exit 3",
    "job_runner": "background",
    "job_id": "12",
    "submitted_at": "2026-11-22T12:00:00Z",
    "started_at": "2026-11-22T12:00:01Z",
    "finished_at": "2026-11-22T12:00:02Z",
}


CODES = {"succeeded": 0, "failed": 3, "killed": 137}


def told(**fields: Any) -> Report:
    code = CODES.get(str(fields.get("state", "failed")))
    return report.from_reply({**REPLY, "exit_code": code, **fields}, PLATFORM)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("succeeded", 7),
        ("succeeded", None),
        ("failed", 0),
        ("failed", None),
        ("killed", 0),
        ("running", 0),
        ("lost", 1),
    ],
)
def test_a_state_and_an_exit_code_that_contradict_each_other_are_not_believed(state: str, code: int | None) -> None:
    with pytest.raises(HostUnsuitable):
        told(state=state, exit_code=code)


def test_a_reply_in_order_becomes_the_document_of_the_contract_in_its_order() -> None:
    document = told().as_json()
    assert list(document.items()) == [
        ("job", "train"),
        ("try", 2),
        ("state", "failed"),
        ("exit_code", 3),
        ("signal", None),
        ("reason", "exit 3"),
        ("platform", "hpc"),
        ("host", "login1"),
        ("job_runner", "background"),
        ("job_id", "12"),
        ("submitted_at", "2026-11-22T12:00:00Z"),
        ("started_at", "2026-11-22T12:00:01Z"),
        ("finished_at", "2026-11-22T12:00:02Z"),
        ("messages", []),
        ("error", None),
    ]
    assert json.loads(json.dumps(document)) == document


def test_what_was_kept_as_a_document_comes_back_the_same() -> None:
    assert report.from_json(told().as_json(), "hpc", "login1") == told()
    assert report.from_json({**told().as_json(), "state": "weird"}, "hpc", "login1") is None


def test_the_error_stands_in_the_document_of_its_job() -> None:
    document = report.not_told("train", PLATFORM, HostUnreachable("login1: down", "Wait.", "login1"), 4).as_json()
    assert document["error"] == {"code": 4, "message": "login1: down", "hint": "Wait.", "host": "login1"}
    assert (document["state"], document["try"]) == ("unknown", 4)
    assert document["reason"] == "host unreachable: login1: down"
    assert list(document) == list(told().as_json())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("job", value) for value in (None, "", 7, ["train"], "../x", "a/b", "a b", "a\n", "x" * 65, "\x1b[2J", "é")),
        *(("try", value) for value in (None, "2", 2.0, True, 0, -1, 10**6, 10**30, [2])),
        *(("state", value) for value in (None, "", "done", 7, True, ["failed"], {"a": 1}, "FAILED", "failed\n")),
        *(("exit_code", value) for value in ("3", 3.0, True, -1, 256, 999, [3], float("nan"))),
    ],
)
def test_a_wrong_field_makes_the_reply_worth_nothing(name: str, value: object) -> None:
    with pytest.raises(HostUnsuitable) as caught:
        told(**{name: value})
    assert caught.value.host == "login1"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["job", "try", "state"])
def test_a_missing_field_makes_the_reply_worth_nothing(name: str) -> None:
    with pytest.raises(HostUnsuitable):
        report.from_reply({key: value for key, value in REPLY.items() if key != name}, PLATFORM)


def test_nothing_but_these_three_is_needed() -> None:
    told_so = report.from_reply({"job": "a", "try": 1, "state": "running"}, PLATFORM)
    assert told_so == Report("a", 1, "running", "hpc", "login1")


@pytest.mark.parametrize("name", ["submitted_at", "started_at", "finished_at"])
@pytest.mark.parametrize(
    "value", ["", "now", 7, True, [], "2026-11-22 12:00:00", "2026-11-22T12:00:00Z\n", "2026-11-22T12:00:00Z\x1b[2J"]
)
def test_a_time_that_is_none_is_left_out(name: str, value: object) -> None:
    assert getattr(told(**{name: value}), name) is None


@pytest.mark.parametrize("value", ["", "term", "TERM\n", "T E", 15, True, ["TERM"], "X" * 17, "\x1b"])
def test_a_signal_that_is_none_is_left_out(value: object) -> None:
    assert told(signal=value).signal is None


@pytest.mark.parametrize("value", ["TERM", "KILL", "RTMIN", "RTMAX-3", "USR1"])
def test_a_signal_is_told_by_its_name(value: str) -> None:
    assert told(signal=value).signal == value


@pytest.mark.parametrize("name", ["reason", "job_runner", "job_id"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07x", r"\x1b]0;owned\x07x"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("\x9b31m", r"\x9b31m"),
        ("\udcff", r"\udcff"),
        ("caf\u00e9", "caf\u00e9"),
        ("x" * 5000, "x" * 2000),
        ("\x1b" * 5000, r"\x1b" * 500),
    ],
)
def test_control_characters_are_made_harmless(name: str, text: str, shown: str) -> None:
    assert getattr(told(**{name: text}), name) == shown
    assert shown.isprintable()


@pytest.mark.parametrize("value", [None, "", 7, True, ["x"], {"a": 1}])
def test_a_text_that_is_none_is_left_out(value: object) -> None:
    one = told(reason=value, job_runner=value, job_id=value)
    assert (one.reason, one.job_runner, one.job_id) == (None, "background", None)


def test_what_is_not_asked_for_is_ignored() -> None:
    assert told(platform="evil", host="evil", error={"code": 9}, more={}) == told()


def test_messages_are_texts_and_not_endless() -> None:
    assert told(messages=["done \x1b[31m1/2", 3, None, "", "next"]).messages == (r"done \x1b[31m1/2", "next")
    assert told(messages="text").messages == ()
    assert told(messages=[str(number) for number in range(99)]).messages == tuple(map(str, range(49, 99)))
    assert len(told(messages=["x" * 99_999]).messages[0]) == 2000


@pytest.mark.parametrize(
    ("state", "ended", "failed"),
    [
        ("submitted", False, False),
        ("running", False, False),
        ("unknown", False, False),
        ("succeeded", True, False),
        ("failed", True, True),
        ("killed", True, True),
        ("lost", True, True),
        ("submit-failed", True, True),
    ],
)
def test_the_state_tells_whether_the_job_has_ended_and_failed(state: str, ended: bool, failed: bool) -> None:
    one = told(state=state)
    assert (one.ended, one.failed) == (ended, failed)


def with_error(error: RemoteInstallError) -> Report:
    return report.not_told("a", PLATFORM, error)


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([], 0),
        ([told(state="succeeded")], 0),
        ([told(state="running"), told(state="submitted"), told(state="unknown")], 0),
        ([told(state="succeeded"), told(state="failed")], 1),
        ([told(state="killed")], 1),
        ([told(state="lost")], 1),
        ([told(state="submit-failed")], 1),
        ([with_error(ConfigError("x"))], 3),
        ([with_error(HostUnreachable("x")), told(state="failed")], 4),
        ([told(state="failed"), with_error(LoginRefused("x"))], 4),
        ([with_error(HostUnreachable("x")), with_error(TransferError("x"))], 5),
        ([with_error(JobRunnerError("x")), with_error(ConfigError("x"))], 7),
        ([with_error(TimedOutHere("x")), with_error(JobRunnerError("x"))], 8),
        ([with_error(HostUnreachable("x")), with_error(WouldDoHarm("x")), told(state="failed")], 9),
    ],
)
def test_the_highest_of_3_to_9_wins_over_1(reports: list[Report], code: int) -> None:
    assert report.exit_code(reports) == code
    assert report.exit_code(reports[::-1]) == code


@pytest.mark.parametrize("code", [4, 5, 7, 9])
def test_only_a_host_error_is_told_as_an_unreachable_host(code: int) -> None:
    error = {4: HostUnreachable, 5: TransferError, 7: JobRunnerError, 9: WouldDoHarm}[code]("the fact")
    reason = with_error(error).reason
    assert reason == ("host unreachable: the fact" if code == 4 else "the fact")
