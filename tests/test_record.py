"""What is known here about jobs: one token for one submission, and reports that are whole."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from remote_install import jobs, record
from remote_install.durable import create, replace
from remote_install.record import Token
from remote_install.report import Report
from remote_install.run_directory import RunDirectory, open_run
from transfer.errors import ConfigError, UsageError, WouldDoHarm
from transfer.platforms import Platform

ROUNDS = 20


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    folder = tmp_path / "demo"
    folder.mkdir()
    return open_run(str(folder))


def put(run: RunDirectory, name: str, data: bytes) -> None:
    with open(os.path.join(run.job_folder("job"), name), "wb") as file:
        file.write(data)


def test_the_first_token_is_written_down_when_it_is_given(run: RunDirectory) -> None:
    token = record.take(run, "job", ("hpc",))
    assert (token.job, token.number, token.platform) == ("job", 1, "hpc")
    assert token.token.isalnum()
    assert len(token.token) == 32
    with open(os.path.join(run.path, "log/job/job/token.1"), encoding="ascii") as file:
        assert json.load(file) == {"token": token.token, "platform": "hpc", "retry": 0, "above": 0}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_token_and_its_name_are_on_disk_before_a_request_leaves(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    """Also for the second of two who send it: the first may not have come so far yet."""
    synced: list[tuple[str, bool]] = []

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        synced.append((os.path.relpath(path, run.path), os.path.exists(f"{run.path}/log/job/job/token.1")))

    monkeypatch.setattr(os, "fsync", fsync)
    token = record.take(run, "job", ("hpc",))
    assert ["token.1.part" in path for path, _ in synced if "token" in path] == [True]
    if not is_first:
        record.create_empty(os.path.join(run.job_folder("job"), "sent.1"))
    record.mark_sent(run, token)
    assert synced[-1] == ("log/job/job", True)


@pytest.mark.parametrize("state", [None, "submitted", "running", "unknown"])
def test_the_same_token_is_given_until_an_end_was_reported(run: RunDirectory, state: str | None) -> None:
    first = record.take(run, "job", ("hpc",))
    if state:
        record.write_report(run, first, {"state": state})
    assert record.take(run, "job", ("hpc",)) == first
    record.mark_sent(run, first)
    record.mark_sent(run, first)
    with pytest.raises(WouldDoHarm, match="was submitted on hpc"):
        record.take(run, "job", ("another",))


def test_what_was_never_sent_may_go_to_another_platform(run: RunDirectory) -> None:
    first = record.take(run, "job", ("hpc",))
    second = record.take(run, "job", ("gpu",))
    assert (second.number, second.platform) == (2, "gpu")
    with pytest.raises(WouldDoHarm, match="begun anew meanwhile, on gpu"):
        record.mark_sent(run, first)
    record.mark_sent(run, second)


@pytest.mark.parametrize("state", ["succeeded", "failed", "killed", "lost", "submit-failed"])
def test_the_next_token_is_given_once_an_end_was_reported(run: RunDirectory, state: str) -> None:
    first = record.take(run, "job", ("hpc",))
    record.write_report(run, first, {"state": state})
    second = record.take(run, "job", ("gpu",))
    assert (second.number, second.platform) == (2, "gpu")
    assert second.token != first.token
    assert record.take(run, "job", ("gpu",)) == second == record.latest(run, "job")


def test_a_new_try_after_a_failure_is_not_what_was_begun_on_another_platform(run: RunDirectory) -> None:
    """Sent to both platforms the same token would start the job on each."""
    first = record.take(run, "job", ("hpc",))
    again = record.take(run, "job", ("gpu",), again=True)
    with pytest.raises(WouldDoHarm, match="begun anew meanwhile, on gpu"):
        record.take_after(run, first)
    assert record.latest(run, "job") == again


def test_each_job_has_tokens_of_its_own(run: RunDirectory) -> None:
    names = ["a", "b.c", "b"]
    taken = [record.take(run, name, ("hpc",)) for name in names]
    assert len({token.token for token in taken}) == 3
    assert {token.job: token for token in record.tokens(run)} == {token.job: token for token in taken}


def test_the_tenth_token_comes_after_the_ninth(run: RunDirectory) -> None:
    for number in range(1, 12):
        token = record.take(run, "job", ("hpc",))
        assert token.number == number
        record.write_report(run, token, {"state": "failed"})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 80,
        b"{",
        b"[]",
        b'"token"',
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"token": "0123"}',
        b'{"platform": "hpc"}',
        b'{"token": null, "platform": "hpc"}',
        b'{"token": "", "platform": "hpc"}',
        b'{"token": "../x", "platform": "hpc"}',
        b'{"token": ["a"], "platform": "hpc"}',
        b'{"token": "0123", "platform": null}',
        b'{"token": "0123456789abcdef0123456789abcdef", "platform": "hpc", "retry": Infinity}',
        b"[" * 100_000,
    ],
)
def test_a_garbage_token_is_an_error_that_names_the_file(run: RunDirectory, data: bytes) -> None:
    put(run, "token.1", data)
    for read in (record.latest, lambda run, job: record.take(run, job, ("hpc",))):
        with pytest.raises(ConfigError, match=r"token\.1: not a token of ours") as caught:
            read(run, "job")
        assert caught.value.hint


@pytest.mark.parametrize(
    "name", ["token.0", "token.01", "token", "token.1.part-7-ab", "token.x", "xtoken.1", "token.1\n"]
)
def test_what_only_looks_like_a_token_is_none(run: RunDirectory, name: str) -> None:
    put(run, name, b"garbage")
    assert record.latest(run, "job") is None
    assert record.take(run, "job", ("hpc",)).number == 1


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"7", b"\xff", b'{"state": "runn', b'{"state": ["failed"]}', b"[" * 100_000]
)
def test_a_garbage_report_tells_no_end(run: RunDirectory, data: bytes) -> None:
    first = record.take(run, "job", ("hpc",))
    put(run, "report.1", data)
    assert not record.ended(record.report(run, first))
    assert record.take(run, "job", ("hpc",)) == first


def test_a_stray_file_among_the_jobs_is_no_job(run: RunDirectory) -> None:
    token = record.take(run, "job", ("hpc",))
    with open(os.path.join(run.path, "log/job/notes.txt"), "w") as file:
        file.write("mine")
    assert record.tokens(run) == [token]


def _take(path: str, barrier: Any, answers: Any) -> None:
    for number in range(ROUNDS):
        run = RunDirectory(path, "demo")
        barrier.wait(20)
        answers.put((number, record.take(run, f"job{number}", ("hpc",)).token, run.uuid()))


def test_two_that_take_at_once_get_the_same_token_and_the_same_uuid(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_take, args=(str(tmp_path), barrier, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    taken = [answers.get(timeout=20) for _ in range(2 * ROUNDS)]
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    tokens = {(number, token) for number, token, _ in taken}
    assert len(tokens) == ROUNDS
    assert len({token for _, token in tokens}) == ROUNDS
    assert len({uuid for _, _, uuid in taken}) == 1
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if ".part-" in name]


def _report(path: str, letter: str) -> None:
    token = Token("job", 1, "t", "hpc")
    for _ in range(100):
        record.write_report(RunDirectory(path, "demo"), token, {"state": "running", "reason": letter * 20_000})


def test_a_report_is_read_whole_while_others_write_it(run: RunDirectory) -> None:
    token = record.take(run, "job", ("hpc",))
    record.write_report(run, token, {"state": "running", "reason": ""})
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_report, args=(run.path, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        fields = record.report(run, token)
        assert fields is not None
        assert fields["reason"] in ("", "a" * 20_000, "b" * 20_000)
    for writer in writers:
        writer.join(20)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert sorted(os.listdir(run.job_folder("job"))) == ["report.1", "token.1"]


@pytest.mark.parametrize("write", [create, replace])
def test_a_write_that_fails_leaves_nothing_new(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "file"
    with pytest.raises(TypeError):
        write(str(path), "text, not bytes")
    assert os.listdir(tmp_path) == []


def test_create_never_changes_what_is_there_and_replace_does(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    assert create(path, b"first")
    assert not create(path, b"second")
    assert Path(path).read_bytes() == b"first"
    replace(path, b"third")
    assert Path(path).read_bytes() == b"third"
    assert os.listdir(tmp_path) == ["file"]


def test_create_does_not_follow_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    assert not create(str(tmp_path / "link"), b"data")
    assert os.listdir(tmp_path) == ["link"]


def test_git_sees_neither_of_our_folders(run: RunDirectory) -> None:
    record.take(run, "job", ("hpc",))
    run.uuid()
    for folder in ("log/job", ".remote-install"):
        assert Path(run.path, folder, ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("data", [b"", b"\n", b"a b\n", b"../x\n", b"\xff\xff\n"])
def test_a_garbage_uuid_is_an_error_that_names_the_file(run: RunDirectory, data: bytes) -> None:
    run.uuid()
    Path(run.path, ".remote-install/uuid").write_bytes(data)
    with pytest.raises(ConfigError, match=r"\.remote-install/uuid"):
        run.uuid()


@pytest.mark.parametrize("name", ["demo", "a", "A.b_c+d-e", "2026-11-22", "x" * 200])
def test_a_folder_whose_name_fits_is_its_run_id(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert open_run(str(tmp_path / name)).run_id == name
    assert open_run(str(tmp_path / name) + "/").run_id == name


@pytest.mark.parametrize("name", [".hidden", "a b", "-x", "a\n", "é", "_x", "a$b"])
def test_a_folder_whose_name_does_not_fit_needs_another_and_the_error_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError) as caught:
        open_run(str(tmp_path / name))
    assert "--run-id" in caught.value.hint
    assert open_run(str(tmp_path / name), "a/b").run_id == "a/b"


@pytest.mark.parametrize("run_id", ["", ".", "..", "../x", "a/../b", "/a", "a/", "a//b", "a/.b", "a b", "a\n", "-a"])
def test_a_run_id_that_does_not_fit_is_refused(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(UsageError):
        open_run(str(tmp_path), run_id)


def test_an_end_is_written_down_only_when_the_user_was_shown_it(run: RunDirectory) -> None:
    token = record.take(run, "job", ("hpc",))
    one = jobs.Asked("job", Platform("hpc", ("login1",), "hpc"), token)
    end = Report("job", 1, "succeeded", "hpc", "login1", exit_code=0)
    jobs.keep(run, one, end)
    assert record.take(run, "job", ("hpc",)) == token
    jobs.acknowledge(run, [end], [one])
    assert record.take(run, "job", ("hpc",)).number == 2
    jobs.keep(run, one, Report("job", 1, "running", "hpc", "login1"))
    assert record.ended(record.report(run, token))


def test_whoever_sees_a_try_fail_means_the_same_new_try(run: RunDirectory) -> None:
    first = record.take(run, "job", ("hpc",))
    second = record.take_after(run, first)
    third = record.take_after(run, second)
    assert (second.number, second.retry, third.number, third.retry) == (2, 1, 3, 2)
    assert record.take_after(run, first) == second
    assert record.latest(run, "job") == third
