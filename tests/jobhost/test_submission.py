"""The submit verb for one job: a token starts it once, whatever is interrupted and however often it is asked."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pkgutil
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote_install.jobhost import layout, processes, status, submission
from remote_install.jobhost.runners.choice import Runners
from remote_install.jobhost.submission import quoted, script, tag_of, write
from remote_install.jobhost.tries import Look, Looker, claim
from remote_install.jobhost.wire import Refusal

WRAPPER = pkgutil.get_data("remote_install.jobhost", "job.sh") or b""
UUID = "0123456789abcdef0123456789abcdef"
T1, T2 = "1" * 32, "2" * 32


@pytest.fixture
def run(tmp_path: Path) -> Iterator[bytes]:
    """A run directory; the jobs that still run in it when the test is over are ended."""
    folder = os.path.join(os.fsencode(tmp_path), b"demo")
    os.mkdir(folder)
    yield folder
    for name in layout.job_names(folder):
        for number in layout.tries(folder, name):
            facts = status.read(layout.job_directory(folder, name, number))
            for text in (facts.start, facts.submit.get("PROCESS")):
                identity = processes.parse_identity(text or "")
                if identity and processes.Table().alive(identity):
                    with contextlib.suppress(OSError):
                        os.killpg(identity.pid, signal.SIGKILL)


def submit(run: bytes, token: str, *argv: str, name: str = "a", **fields: object) -> Look:
    request = {"run": "demo", "uuid": UUID}
    wanted: dict[str, Any] = {"job": name, "token": token, "argv": list(argv), **fields}
    return submission.submit(request, run, wanted, WRAPPER, Looker()).seen


def ended(run: bytes, number: int = 1, name: str = "a") -> Look:
    """The look at a try once it has ended."""
    job = layout.job_directory(run, name, number)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        look = Looker().look(job)
        if look.verdict.state in status.ENDED:
            return look
        time.sleep(0.01)
    raise AssertionError(f"waited in vain: {look}")


APPEND = ("sh", "-c", "echo once >>lines")


def lines(run: bytes) -> list[bytes]:
    with contextlib.suppress(FileNotFoundError), open(os.path.join(run, b"lines"), "rb") as file:
        return file.read().splitlines()
    return []


def test_a_job_is_started_and_its_end_is_found(run: bytes) -> None:
    look = submit(run, T1, "sh", "-c", "exit 3")
    assert (look.job.number, look.verdict.state in ("submitted", "running", "failed")) == (1, True)
    look = ended(run)
    assert look.verdict == status.Verdict("failed", 3, None, "exit 3")
    assert look.facts.started_at
    assert look.facts.finished_at


def test_what_was_submitted_is_written_down(run: bytes) -> None:
    submit(run, T1, "true")
    facts = ended(run).facts
    assert sorted(facts.submit) == ["JOB_ID", "JOB_RUNNER", "PROCESS", "SUBMITTED", "TAG"]
    assert facts.submit["JOB_RUNNER"] == "background"
    assert facts.submit["TAG"] == "remote-install.0123456789ab.a.01"
    assert status.TIME.fullmatch(facts.submit["SUBMITTED"])
    assert facts.submit["PROCESS"] == facts.start
    assert facts.submit["JOB_ID"] == str(processes.parse_identity(str(facts.start)).pid)  # type: ignore[union-attr]


def test_the_same_token_never_starts_a_second_time(run: bytes) -> None:
    submit(run, T1, *APPEND)
    submit(run, T1, *APPEND)
    ended(run)
    for _ in range(3):
        assert submit(run, T1, *APPEND).verdict.state == "succeeded"
    assert lines(run) == [b"once"]
    assert layout.tries(run, "a") == [1]


def test_a_new_token_gets_the_next_try_once_the_last_has_ended(run: bytes) -> None:
    submit(run, T1, *APPEND)
    ended(run)
    assert submit(run, T2, *APPEND).job.number == 2
    ended(run, 2)
    assert lines(run) == [b"once", b"once"]
    assert submit(run, T1, *APPEND).job.number == 1
    time.sleep(0.1)
    assert lines(run) == [b"once", b"once"]


def test_a_new_token_is_told_of_the_try_that_is_alive(run: bytes) -> None:
    submit(run, T1, "sleep", "60")
    look = submit(run, T2, *APPEND)
    assert (look.job.number, look.verdict.state in ("submitted", "running")) == (1, True)
    assert layout.tries(run, "a") == [1]


def test_a_try_that_was_claimed_and_not_started_is_started_by_its_token(run: bytes) -> None:
    """The program was killed between the claim and the start, and is asked again."""
    claim(run, "a", T1)
    assert submit(run, T1, *APPEND).job.number == 1
    ended(run)
    assert lines(run) == [b"once"]


def test_a_try_that_was_claimed_and_not_started_does_not_hold_up_another_token(run: bytes) -> None:
    claim(run, "a", T1)
    assert submit(run, T2, *APPEND).job.number == 2
    ended(run, 2)
    assert lines(run) == [b"once"]


def test_a_start_that_was_not_written_down_is_not_made_again(run: bytes) -> None:
    """The program was killed between the start and the note of it."""
    submit(run, T1, *APPEND)
    ended(run)
    os.unlink(layout.job_directory(run, "a", 1).submit)
    assert submit(run, T1, *APPEND).verdict.state == "succeeded"
    time.sleep(0.1)
    assert lines(run) == [b"once"]


def _submit(run: bytes, token: str, barrier: Any, answers: Any) -> None:
    for number in range(3):
        barrier.wait(20)
        answers.put(submit(run, token, "sh", "-c", f"echo once >>lines{number}", name=f"job{number}").job.number)


def submitted_at_once(run: bytes, tokens: list[str]) -> list[int]:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(len(tokens)), context.Queue()
    workers = [context.Process(target=_submit, args=(run, token, barrier, answers)) for token in tokens]
    for worker in workers:
        worker.start()
    numbers = [answers.get(timeout=20) for _ in range(3 * len(tokens))]
    for worker in workers:
        worker.join(20)
    assert {worker.exitcode for worker in workers} == {0}
    return numbers


def test_ten_at_once_with_one_token_start_the_job_once(run: bytes) -> None:
    assert submitted_at_once(run, [T1] * 10) == [1] * 30
    for number in range(3):
        ended(run, 1, f"job{number}")
    time.sleep(0.2)
    assert [Path(os.fsdecode(run), f"lines{n}").read_text() for n in range(3)] == ["once\n"] * 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("argv", value) for value in (None, [], "ls", [7], [None], [["ls"]], ["a\0b"], {"0": "ls"}, True)),
        *(("token", value) for value in (None, "", "a/b", "../x", "a b", "a\n", "a\0b", 7, [T1], {}, True)),
        *(("job", value) for value in ("", "..", "../x", "a/b", "; rm -rf ~", "a b", "a\n", None, 7, ["a"], True)),
    ],
)
def test_a_wrong_field_is_refused_and_nothing_is_made(run: bytes, name: str, value: object) -> None:
    with pytest.raises(Refusal) as caught:
        submission.submit(
            {"run": "demo", "uuid": UUID},
            run,
            {"job": "a", "token": T1, "argv": ["true"], name: value},
            WRAPPER,
            Looker(),
        )
    assert caught.value.code == 2
    assert os.listdir(run) == []


@pytest.mark.parametrize(
    ("uuid", "name", "number", "tag"),
    [
        ("0123456789abcdef", "train", 1, "remote-install.0123456789ab.train.01"),
        ("ab", "a.b", 123, "remote-install.ab.a.b.123"),
    ],
)
def test_the_tag_names_run_job_and_try(uuid: str, name: str, number: int, tag: str) -> None:
    assert tag_of(uuid, name, number) == tag


def test_the_tag_is_seen_by_ps(run: bytes) -> None:
    look = submit(run, T1, "sleep", "60")
    cmdline = Path(f"/proc/{look.facts.submit['JOB_ID']}/cmdline")
    while not cmdline.read_bytes():  # a program that was started just now: the kernel sets its arguments last
        assert cmdline.exists()
    assert cmdline.read_bytes().split(b"\0")[2] == b"remote-install.0123456789ab.a.01"


def test_the_script_is_exactly_this() -> None:
    job = layout.job_directory(b"/r/it's \xff", "a", 1)
    about = submission.Script("it", b"/r/it's \xff", "a", job, ["./x", "a b", "\udcff", ""], 90, "slurm::$SLURM_JOB_ID")
    assert script(about, b"# wrapper\n") == (
        b"#!/bin/sh\n"
        b"export REMOTE_INSTALL_RUN='it'\n"
        b"export REMOTE_INSTALL_JOB='a'\n"
        b"export REMOTE_INSTALL_TRY='1'\n"
        b"export REMOTE_INSTALL_RUN_DIR='/r/it'\\''s \xff'\n"
        b"export REMOTE_INSTALL_JOB_DIR='/r/it'\\''s \xff/log/job/a/01'\n"
        b"_ri_limit=90\n"
        b'_ri_batch="slurm::$SLURM_JOB_ID"\n'
        b"set -- './x' 'a b' '\xff' ''\n"
        b"\n"
        b"# wrapper\n"
    )


@settings(max_examples=30, deadline=None)
@given(words=st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"")), min_size=1, max_size=20))
def test_any_words_come_out_of_a_shell_as_they_went_in(words: list[bytes]) -> None:
    text = b"printf '%s\\0' " + b" ".join(quoted(word) for word in words)
    assert subprocess.run(["sh"], input=text, capture_output=True, check=True).stdout.split(b"\0")[:-1] == words


def test_a_write_is_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "file")
    write(path, b"one")
    write(path, b"two")
    assert Path(os.fsdecode(path)).read_bytes() == b"two"
    with pytest.raises(TypeError):
        write(path, "text, not bytes")  # type: ignore[arg-type]
    assert Path(os.fsdecode(path)).read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["file"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_nothing_is_started(small_disk: Path) -> None:
    run = os.fsencode(small_disk / "demo")
    os.mkdir(run)
    with contextlib.suppress(OSError), open(small_disk / "fill", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(Refusal) as caught:
        submit(run, T1, *APPEND)
    assert caught.value.code == 7
    assert "No space left" in caught.value.message
    assert caught.value.hint
    os.unlink(small_disk / "fill")
    assert submit(run, T1, *APPEND).job.number == 1
    ended(run)
    assert lines(run) == [b"once"]


def test_the_job_gets_nothing_of_the_login_that_submitted_it(run: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SSH_CLIENT",
        "SSH_CONNECTION",
        "SSH_ORIGINAL_COMMAND",
        "SSH_TTY",
        "SSH_AUTH_SOCK",
        "SSH_ASKPASS_REQUIRE",
    ):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("OF_THE_SITE", "kept")
    submit(run, T1, "env")
    out = Path(os.fsdecode(ended(run).job.out)).read_text()
    assert not re.findall("^SSH_.*", out, re.MULTILINE)
    assert "OF_THE_SITE=kept\n" in out


# A batch system whose submit command says what `said` holds, and whose queue is empty.
OWN = """
import os
NAME, ID = "mine", "$MINE"
def submit(job, settings): return ["sh", "-c", %r]
def parse_submit(said): return said.out.strip()
def listing(ids, settings): return ["true"]
def parse_listing(said, settings): return {}
def kill(ids, settings): return ["true"]
"""


@pytest.mark.parametrize(
    ("line", "sure"), [("echo Socket timed out >&2; exit 1", False), ("echo invalid account >&2; exit 1", True)]
)
def test_a_submission_of_which_nobody_knows_is_not_told_as_failed(run: bytes, line: str, sure: bool) -> None:
    looker = Looker(Runners({"runner": {"name": "mine", "source": OWN % line}}))
    request = {"run": "demo", "uuid": UUID}
    wanted: dict[str, Any] = {"job": "a", "token": T1, "argv": list(APPEND)}
    with pytest.raises(Refusal) as caught:
        submission.submit(request, run, wanted, WRAPPER, looker)
    assert caught.value.code == 7
    job = layout.job_directory(run, "a", 1)
    assert ("SUBMIT_FAILED" in status.read(job).submit) == sure
    assert looker.look(job).verdict.state == ("submit-failed" if sure else "unknown")
