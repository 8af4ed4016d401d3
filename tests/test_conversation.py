"""The pure pieces of a conversation: lines out of chunks, replies out of lines, errors out of replies."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from remote_install import conversation
from remote_install.asked import Asked
from remote_install.jobhost import wire
from remote_install.run_directory import open_run
from remote_install.talk import Talk
from remote_install.watch import Viewer, _Watch
from transfer import execute
from transfer.command import Command
from transfer.errors import (
    ConfigError,
    HostUnsuitable,
    InstallCommandFailed,
    JobRunnerError,
    RefusedBySite,
    RemoteInstallError,
    TransferError,
    UsageError,
    WouldDoHarm,
)
from transfer.platforms import Platform


def lines_of(*argv: str) -> list[bytes]:
    with execute.stream(Command(argv)) as running:
        return list(conversation._lines(running, "h"))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", []),
        ("a\\n", [b"a"]),
        ("a\\nb", [b"a"]),
        ("\\n\\na\\n", [b"", b"", b"a"]),
        ("a\\r\\nb\\r\\n", [b"a\r", b"b\r"]),
        ("\\000\\377\\n", [b"\0\xff"]),
    ],
)
def test_only_whole_lines_are_given(text: str, lines: list[bytes]) -> None:
    assert lines_of("printf", text) == lines


def test_lines_that_come_in_pieces_are_put_together() -> None:
    assert lines_of("sh", "-c", "printf ab; sleep 0.1; printf 'c\\nd'; sleep 0.1; printf '\\n'") == [b"abc", b"d"]


def test_many_lines_come_in_their_order() -> None:
    first, *others = lines_of("sh", "-c", f"echo '{wire.MARKER}'; seq 200000")
    assert first == wire.MARKER.encode()
    assert others == [b"%d" % number for number in range(1, 200_001)]


def test_a_start_up_file_that_prints_without_end_is_told() -> None:
    with pytest.raises(HostUnsuitable, match="no line of ours"):
        lines_of("yes")


def test_a_line_as_long_as_a_reply_may_be_is_read() -> None:
    longest = wire.MAX_LINE - 1
    lines = lines_of("sh", "-c", f"echo '{wire.MARKER}'; head -c {longest} /dev/zero; echo")
    assert [len(line) for line in lines] == [len(wire.MARKER), longest]


def test_a_line_without_end_is_an_error_of_the_host_and_not_our_memory() -> None:
    with pytest.raises(HostUnsuitable) as caught:
        lines_of("cat", "/dev/zero")
    assert caught.value.host == "h"
    assert caught.value.hint


def hear(line: bytes) -> dict[str, Any]:
    return conversation._reply(line, "h")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b'{"reply": "end"}', {"reply": "end"}),
        (b'{"reply": "job", "job": "a"}\r', {"reply": "job", "job": "a"}),
        (b'{"reply": "error", "job": "a", "code": 7}', {"reply": "error", "job": "a", "code": 7}),
        (b'{"reply": "of tomorrow"}', {"reply": "of tomorrow"}),
    ],
)
def test_a_line_is_read_as_a_reply(line: bytes, reply: dict[str, Any]) -> None:
    assert hear(line) == reply


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"hello", b"{", b"[]", b"null", b"7", b'"end"', b"{}", b'{"reply": null}', b'{"reply": ["end"]}'),
        *(b'{"reply": 7}', b"\xff\xfe", b"\0", b'{"reply": "end"} x', b"\x1b[2J\x07", b"[" * 100_000),
        b'{"reply": "job", "try": ' + b"9" * 10_000 + b"x}",
    ],
    ids=lambda line: repr(line[:30]),
)
def test_garbage_is_an_error_that_names_the_host_and_is_harmless_to_print(line: bytes) -> None:
    with pytest.raises(HostUnsuitable) as caught:
        hear(line)
    assert caught.value.host == "h"
    assert str(caught.value).startswith("h: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, InstallCommandFailed),
        (2, UsageError),
        (3, ConfigError),
        (4, HostUnsuitable),
        (5, TransferError),
        (6, RefusedBySite),
        (7, JobRunnerError),
        (9, WouldDoHarm),
        *((code, HostUnsuitable) for code in (0, 8, 10, 130, -1, None, "9", 9.5, True, [9], {"9": 9})),
    ],
)
def test_a_refusal_becomes_the_error_of_its_code(code: object, kind: type[RemoteInstallError]) -> None:
    error = conversation.error_of({"reply": "error", "code": code, "message": "no", "hint": "do"}, "h")
    assert type(error) is kind
    assert (error.message, error.hint, error.host) == ("h: no", "do", "h")
    assert not error.transient


@pytest.mark.parametrize(
    "value",
    [None, 7, ["x"], {"a": 1}, "\x1b[2J\n", "\u202e", *(one * 100_000 for one in ("x", "\x1b", "\U000e0001"))],
)
def test_the_words_of_a_refusal_are_harmless_to_print(value: object) -> None:
    error = conversation.error_of({"code": 9, "message": value, "hint": value}, "h")
    assert error.message.isprintable()
    assert error.hint.isprintable()
    assert len(error.message) < 3000


def test_what_a_terminal_would_obey_in_a_refusal_is_shown_as_what_it_is() -> None:
    error = conversation.error_of({"code": 9, "message": "\x1b[31mred", "hint": "a\nb"}, "h")
    assert (error.message, error.hint) == ("h: \\x1b[31mred", "a\\nb")


def test_a_refusal_of_the_whole_call_is_raised() -> None:
    with pytest.raises(WouldDoHarm, match="h: not installed"):
        hear(b'{"reply": "error", "code": 9, "message": "not installed", "hint": ""}')


OUTPUT: dict[str, Any] = {"reply": "output", "job": "a", "stream": "out", "offset": 0, "data": "aGVsbG8="}


PLATFORM = Platform("hpc", ("h",), "hpc")


@pytest.fixture
def watch(tmp_path: Path) -> tuple[_Watch, list[tuple[str, str, bytes]]]:
    run = open_run(str(tmp_path), "demo")
    heard: list[tuple[str, str, bytes]] = []
    asked = [Asked("a", PLATFORM)]
    return _Watch(
        run,
        PLATFORM,
        asked,
        Talk(),
        threading.Lock(),
        Viewer(output=lambda *a: heard.append(a), streams=("out", "err")),
        {},
    ), heard


def test_output_is_passed_on_from_where_it_was_asked_for(watch: Any) -> None:
    watching, heard = watch
    watching._heard(PLATFORM, OUTPUT)
    watching._heard(PLATFORM, {**OUTPUT, "offset": 5, "data": "IQ=="})
    watching._heard(PLATFORM, {**OUTPUT, "stream": "err", "data": "/w=="})
    watching._heard(PLATFORM, {**OUTPUT, "job": "of somebody else"})
    assert heard == [("a", "out", b"hello"), ("a", "out", b"!"), ("a", "err", b"\xff")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("stream", value) for value in (None, "in", 7, ["out"], {}, "OUT")),
        *(("offset", value) for value in (None, 1, -1, "0", [0], 10**30)),
        *(("data", value) for value in (None, "", "x", "a b=", 7, ["aGVsbG8="], "\u00e9" * 4, "\udcff")),
    ],
)
def test_output_that_was_not_asked_for_is_an_error_of_the_host(watch: Any, name: str, value: object) -> None:
    watching, heard = watch
    with pytest.raises(HostUnsuitable) as caught:
        watching._heard(PLATFORM, {**OUTPUT, name: value})
    assert caught.value.host == "h"
    assert heard == []


def test_the_request_goes_out_as_ascii_whatever_the_names_are() -> None:
    """What is no UTF-8 travels as lone surrogates, and comes out of the request as the same bytes."""
    word = os.fsdecode(b"caf\xe9")
    sent = json.dumps({"argv": [word]}).encode("ascii")
    assert wire.to_bytes(json.loads(sent)["argv"][0]) == b"caf\xe9"
