"""A token claims one try, whoever asks and how many at once; one look tells the state."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remote_install.jobhost import layout, status, tries
from remote_install.jobhost.layout import JobDirectory
from remote_install.jobhost.status import Facts
from remote_install.jobhost.tries import Looker, claim, find
from remote_install.jobhost.wire import Refusal

AT_ONCE, ROUNDS = 20, 20


@pytest.fixture
def run(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path)


def test_the_same_token_has_the_same_number_and_a_new_one_the_next(run: bytes) -> None:
    numbers = [claim(run, "a", token).number for token in ("t1", "t1", "t2", "t3", "t1", "t2", "t3", "t4")]
    assert numbers == [1, 1, 2, 3, 1, 2, 3, 4]
    assert claim(run, "b", "t4").number == 1


def test_a_number_of_which_the_client_has_logs_is_not_given_again(run: bytes) -> None:
    assert [claim(run, "a", token, above).number for token, above in (("t1", 3), ("t1", 3), ("t2", 3))] == [4, 4, 5]


def test_a_claim_is_on_disk(run: bytes) -> None:
    directory = claim(run, "a", "t1")
    assert os.readlink(directory.token) == b"t1"
    assert directory == layout.job_directory(run, "a", 1)


def test_a_folder_that_nobody_has_claimed_is_taken(run: bytes) -> None:
    os.makedirs(layout.job_directory(run, "a", 1).path)
    assert claim(run, "a", "t1").number == 1


def test_tries_that_were_removed_do_not_give_a_token_a_second_try(run: bytes) -> None:
    """The hint of the program itself says to remove old tries: what is asked for again is found again."""
    claim(run, "a", "t1")
    claim(run, "a", "t2")
    shutil.rmtree(layout.job_directory(run, "a", 1).path)
    assert claim(run, "a", "t2").number == 2


def test_a_new_try_comes_after_the_last_one_also_when_old_ones_were_removed(run: bytes) -> None:
    for token in ("t1", "t2", "t3"):
        claim(run, "a", token)
    shutil.rmtree(layout.job_directory(run, "a", 1).path)
    assert claim(run, "a", "t4").number == 4
    last = layout.last_try(run, "a")
    assert last is not None
    assert os.readlink(last.token) == b"t4"


def _claim(run: bytes, token: str, barrier: Any, answers: Any) -> None:
    for number in range(ROUNDS):
        barrier.wait(20)
        answers.put((number, token, claim(run, f"job{number}", token).number))


def claimed_at_once(run: bytes, tokens: list[str]) -> dict[int, list[tuple[str, int]]]:
    """Round -> (token, number) of all who claimed at once."""
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(len(tokens)), context.Queue()
    claimers = [context.Process(target=_claim, args=(run, token, barrier, answers)) for token in tokens]
    for claimer in claimers:
        claimer.start()
    rounds: dict[int, list[tuple[str, int]]] = {}
    for _ in range(ROUNDS * len(tokens)):
        number, token, got = answers.get(timeout=20)
        rounds.setdefault(number, []).append((token, got))
    for claimer in claimers:
        claimer.join(20)
    assert {claimer.exitcode for claimer in claimers} == {0}
    return rounds


def test_twenty_at_once_with_the_same_token_get_one_number(run: bytes) -> None:
    for answers in claimed_at_once(run, ["same"] * AT_ONCE).values():
        assert answers == [("same", 1)] * AT_ONCE


def test_twenty_at_once_with_different_tokens_all_get_different_numbers(run: bytes) -> None:
    for answers in claimed_at_once(run, [f"t{n}" for n in range(AT_ONCE)]).values():
        assert sorted(number for _, number in answers) == list(range(1, AT_ONCE + 1))


def test_twenty_at_once_in_pairs_get_ten_numbers(run: bytes) -> None:
    for answers in claimed_at_once(run, [f"t{n // 2}" for n in range(AT_ONCE)]).values():
        assert len(set(answers)) == AT_ONCE // 2
        assert sorted({number for _, number in answers}) == list(range(1, AT_ONCE // 2 + 1))


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "; rm -rf ~", "a b", "x" * 65])
def test_no_job_name_leads_out_of_the_run_directory(run: bytes, name: str) -> None:
    with pytest.raises(Refusal):
        claim(run, name, "t1")
    with pytest.raises(Refusal):
        find(run, name, None, 1)
    assert os.listdir(run) == []


@pytest.mark.parametrize(
    ("token", "number", "found"),
    [
        (None, None, 3),
        ("t1", None, 1),
        ("t2", None, 2),
        ("t9", None, None),
        (None, 2, 2),
        (None, 9, None),
        ("t1", 2, 1),
        ("t9", 2, 2),
        ("t9", 9, None),
    ],
)
def test_a_try_is_found_by_token_else_by_number_else_it_is_the_last(
    run: bytes, token: str | None, number: int | None, found: int | None
) -> None:
    for each in ("t1", "t2", "t3"):
        claim(run, "a", each)
    job = find(run, "a", token, number)
    assert (job.number if job else None) == found


def test_a_job_without_a_try_is_not_found(run: bytes) -> None:
    assert find(run, "a", None, None) is None
    assert find(run, "a", "t1", 1) is None


def gone_job(run: bytes) -> JobDirectory:
    """A job whose process is gone and has left no record."""
    job = claim(run, "a", "t1")
    os.symlink(f"process {os.uname().nodename} 1 1 another-boot 1", job.start)
    return job


def test_a_job_without_a_record_is_lost_only_120_seconds_after_it_was_first_missed(run: bytes) -> None:
    job, looker = gone_job(run), Looker()
    first = looker.look(job)
    assert first.verdict.state == "unknown"
    assert "lost in 120 s" in first.verdict.reason
    for since, state in ((60, "unknown"), (119, "unknown"), (121, "lost"), (10**6, "lost"), (-1000, "unknown")):
        with open(job.gone, "w") as file:
            file.write(f"{time.time() - since:.3f}\n")
        assert looker.look(job).verdict.state == state


@pytest.mark.parametrize("garbage", [b"", b"x", b"inf\n", b"\xff\n", b"\0" * 20])
def test_garbage_about_since_when_a_job_is_missed_makes_it_start_anew(run: bytes, garbage: bytes) -> None:
    job, looker = gone_job(run), Looker()
    with open(job.gone, "wb") as file:
        file.write(garbage)
    assert looker.look(job).verdict.state == "unknown"
    with open(job.gone) as text:
        assert abs(float(text.read()) - time.time()) < 60


def test_a_lost_job_whose_record_still_comes_has_ended_as_the_record_says(run: bytes) -> None:
    job, looker = gone_job(run), Looker()
    with open(job.gone, "w") as file:
        file.write("1000.000\n")
    assert looker.look(job).verdict.state == "lost"
    with open(job.status, "w") as file:
        file.write("EXIT=0         \n")
    assert looker.look(job).verdict.state == "succeeded"


def test_a_job_that_is_not_known_to_be_gone_is_not_missed(run: bytes) -> None:
    job = claim(run, "a", "t1")
    os.symlink("process elsewhere 1 1 boot 1", job.start)
    assert Looker().look(job).verdict.state == "unknown"
    assert not os.path.exists(job.gone)


def test_what_the_client_is_told_of_a_try_has_these_fields(run: bytes) -> None:
    job = claim(run, "a", "t1")
    with open(job.submit, "w") as file:
        file.write("JOB_RUNNER=background\nJOB_ID=12\nSUBMITTED=2026-11-22T12:00:00Z\n")
    with open(job.status, "w") as file:
        file.write(f"{'EXIT=3':15}\n{'FINISHED=2026-11-22T12:00:09Z':31}\nSTARTED=2026-11-22T12:00:01Z\n")
    assert tries.as_json("a", Looker().look(job)) == {
        "job": "a",
        "try": 1,
        "state": "failed",
        "exit_code": 3,
        "signal": None,
        "reason": "exit 3",
        "job_runner": "background",
        "job_id": "12",
        "submitted_at": "2026-11-22T12:00:00Z",
        "started_at": "2026-11-22T12:00:01Z",
        "finished_at": "2026-11-22T12:00:09Z",
        "kill_asked": False,
        "missed_for": None,
        "messages": [],
    }


class Runner:
    """A batch system that gives one answer, after `act`."""

    name, of_processes = "mine", False

    def __init__(self, word: str, act: Callable[[], object] = lambda: None) -> None:
        self._word, self._act = word, act

    def of(self, _facts: Facts) -> Runner:
        return self

    def ask(self, tries: list[Facts]) -> list[status.Answer]:
        self._act()
        return [status.Answer(self._word)] * len(tries)


def test_a_job_that_ends_while_its_job_runner_is_asked_has_ended(run: bytes) -> None:
    job = claim(run, "a", "1" * 32)
    os.symlink("batch mine::7", job.start)
    looker = Looker(Runner(status.GONE, lambda: os.symlink("EXIT=3", job.end)))  # type: ignore[arg-type]
    assert looker.look(job).verdict.state == "failed"
    assert not os.path.exists(job.gone)


@pytest.mark.parametrize(("word", "state"), [(status.QUEUED, "submitted"), (status.RUNNING, "running")])
def test_a_job_that_is_in_the_queue_again_has_not_ended(run: bytes, word: str, state: str) -> None:
    job = claim(run, "a", "1" * 32)
    os.symlink("batch mine::7", job.start)
    os.symlink("EXIT=143", job.end)
    assert Looker(Runner(word)).look(job).verdict.state == state  # type: ignore[arg-type]
    assert Looker(Runner(status.GONE)).look(job).verdict.state == "killed"  # type: ignore[arg-type]
