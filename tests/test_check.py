"""What `check` makes of the facts that a host tells: pure functions, as tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from remote_install import findings, inquiry
from remote_install.check import each_host
from remote_install.cli.check import block
from remote_install.findings import NAMES, Check, Checked, Rows
from remote_install.inquiry import Answers
from transfer.command import Outcome
from transfer.errors import (
    ConfigError,
    ConnectionLost,
    HostUnsuitable,
    JobRunnerError,
    RefusedBySite,
    RemoteInstallError,
    TransferError,
)
from transfer.platforms import JobRunner, Platform
from transfer.ssh import error_of

HPC = Platform("hpc", ("login1",), "hpc")
GB = 10**9
ROOT = {
    "path": "/home/me/runs",
    "above": "/home/me",
    "why": "",
    "full": False,
    "free": 50 * GB,
    "size": 100 * GB,
    "free_files": 10**6,
    "files": 2 * 10**6,
}


@pytest.mark.parametrize(
    ("there", "full", "words"),
    [
        ({}, None, "50.0 GB of 100.0 GB free, room for 1000000 more files"),
        ({"files": 0, "free_files": 0}, None, "50.0 GB of 100.0 GB free"),
        ({"free": 4 * GB}, False, "4.0 GB of 100.0 GB free"),
        ({"free": 9 * GB, "size": 900 * GB}, False, "9.0 GB"),
        ({"free": 11 * GB, "size": 900 * GB}, None, "11.0 GB"),  # a small share of much is much
        ({"free": GB, "size": 2 * GB}, None, "1.0 GB"),
        ({"free_files": 900}, False, "room for 900"),
        ({"free": 1000, "size": 2000}, True, "is full: 1.0 kB of 2.0 kB free"),
        ({"free_files": 0}, True, "no more files can be made"),
        ({"full": True, "why": "Disk quota exceeded"}, True, "Disk quota exceeded: 50.0 GB of 100.0 GB free"),
        ({"why": "Read-only file system"}, None, "50.0 GB"),  # of that another row tells
    ],
)
def test_when_a_disk_is_full(there: dict[str, Any], full: bool | None, words: str) -> None:
    """full: None for no, False for a warning."""
    if full:
        with pytest.raises(TransferError, match=words) as raised:
            findings.disk({**ROOT, **there}, "login1")
        assert "`df /home/me`" in raised.value.hint
        assert ("quota" in raised.value.hint) == ("full" in there)
    else:
        detail, remedy = findings.disk({**ROOT, **there}, "login1")
        assert words in detail
        assert bool(remedy) == (full is False)


def test_where_the_run_root_is() -> None:
    assert findings.run_root({**ROOT, "path": "/home/me"}, "login1") == ("/home/me", "")
    assert findings.run_root(ROOT, "login1")[0] == "/home/me/runs, which the first install makes"
    assert findings.run_root({**ROOT, "why": "No space left on device", "full": True}, "login1")[1] == ""
    with pytest.raises(TransferError, match="login1: /home/me/runs can't be made in /home/me: Permission denied"):
        findings.run_root({**ROOT, "why": "Permission denied"}, "login1")
    with pytest.raises(ConfigError, match=r"\$X is not set"):
        findings.run_root({"code": 3, "message": "$X is not set", "hint": "Write it out."}, "login1")


@pytest.mark.parametrize(
    ("here", "there", "error"),
    [
        ("3.2.7", "3.1.3", None),
        ("3.2.7", "3.4.0pre1", None),
        ("", "", None),
        ("3.2.7", "unheard of", None),
        ("3.2.7", "3.1.2", HostUnsuitable),
        ("3.2.7", "2.6.9", HostUnsuitable),
        ("2.6.9", "3.2.7", ConfigError),
        ("3.2.7", None, HostUnsuitable),
        ("3.2.7", 3, HostUnsuitable),
    ],
)
def test_which_versions_of_rsync_will_do(here: str, there: object, error: type[RemoteInstallError] | None) -> None:
    if error is None:
        findings.rsync_versions(here, there, "login1")
    else:
        with pytest.raises(error):
            findings.rsync_versions(here, there, "login1")


@pytest.mark.parametrize(("here", "warns"), [("3.1.3", True), ("3.2.4", True), ("3.2.5", False), ("", False)])
def test_an_rsync_here_that_believes_what_is_sent_is_told(here: str, warns: bool) -> None:
    assert ("CVE-2022-29154" in findings.rsync_versions(here, "3.1.3", "login1")[1]) == warns


@pytest.mark.parametrize(("off", "warns"), [(0.0, False), (4.9, False), (-4.9, False), (7.0, True), (-3600.0, True)])
def test_when_a_clock_is_off(off: float, warns: bool) -> None:
    detail, remedy = findings.clock(1000.5 + off, 1000.0, 1001.0)
    assert bool(remedy) == warns
    assert not warns or f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'}" in detail


def test_a_slow_answer_says_little_about_a_clock() -> None:
    assert findings.clock(1012.0, 1000.0, 1020.0) == ("off by less than 12.0 s", "")


@pytest.mark.parametrize(
    "fact",
    [
        {},
        {**ROOT, "path": 7},
        {**ROOT, "above": None},
        {**ROOT, "why": []},
        {**ROOT, "free": "much"},
        {**ROOT, "free": -1},
        {**ROOT, "size": 2**90},
        {**ROOT, "size": float("nan")},
        {**ROOT, "files": True},
    ],
    ids=repr,
)
def test_what_is_no_answer_is_told_as_such(fact: dict[str, Any]) -> None:
    rows = Rows(HPC)
    rows.judge("run root", lambda: findings.run_root(fact, "login1"))
    rows.judge("disk", lambda: findings.disk(fact, "login1"))
    assert "its answer is garbage" in (str(rows.done().error) or "")


def test_what_a_host_says_can_not_move_the_cursor() -> None:
    told = {**ROOT, "path": "/a\x1b[2J\nb", "above": "/a\x1b[2J\nb"}
    assert findings.run_root(told, "login1")[0] == r"/a\x1b[2J\nb"
    assert len(findings.word({"x": "y" * 10**6}, "x")) < 1000


def test_what_a_job_runner_says() -> None:
    slurm = Platform("hpc", ("login1",), "hpc", job_runner=JobRunner("slurm", cluster="c2"))
    assert findings.job_runner({"warning": ""}, slurm, "login1") == ("slurm, cluster c2, answers", "")
    assert findings.job_runner({"warning": "w"}, HPC, "login1")[1] == "w"
    with pytest.raises(JobRunnerError, match="login1: it could not be asked"):
        findings.job_runner({"code": 7, "message": "it could not be asked", "hint": "x"}, slurm, "login1")


@pytest.mark.parametrize(
    ("words", "row"),
    [
        ("ssh: connect to host h port 22: Connection refused", "reach"),
        ("kex_exchange_identification: Connection closed by remote host", "reach"),
        ("ssh: Could not resolve hostname h: Name or service not known", "reach"),
        ("ssh: Could not resolve hostname h: Temporary failure in name resolution", "reach"),
        ("Unable to negotiate with h port 22: no matching cipher found. Their offer: x", "host key"),
        ("Host key verification failed.", "host key"),
        ("me@h: Permission denied (publickey).", "auth"),
        ("command-line: line 0: Bad configuration option: x", "settings"),
    ],
)
def test_the_row_that_a_failure_of_ssh_belongs_to(words: str, row: str) -> None:
    error = error_of(Outcome(255, b"", words.encode()), "h")
    assert error is not None
    assert inquiry.row_of(error, Answers(("root", "rsync"))) == row


def test_a_later_failure_belongs_to_the_fact_that_did_not_come() -> None:
    answers = Answers(("root", "rsync", "runner", "clock"))
    assert inquiry.row_of(RefusedBySite("no"), answers) == "program"
    for fact, row in (("python", "run root"), ("root", "rsync"), ("rsync", "job runner"), ("runner", "clock")):
        answers.facts[fact] = {}
        assert inquiry.row_of(ConnectionLost("lost"), answers) == row


def test_the_worst_error_of_a_host_counts() -> None:
    rows = Rows(HPC)
    rows.fail("disk", TransferError("login1: full"))
    rows.fail("job runner", JobRunnerError("login1: refused"))
    rows.stop("run root", TransferError("login1: hangs"))
    found = rows.done()
    assert str(found.error) == "login1: refused"
    assert [row.check for row in found.checks] == list(NAMES)
    by_name = {row.check: row for row in found.checks}
    assert by_name["disk"].detail == "full"
    assert (by_name["clock"].ok, by_name["clock"].detail) == (None, "not made, because run root failed")
    assert Checked("hpc", "login1", ()).error is None


def test_a_quiet_table_has_only_what_failed() -> None:
    warning, failure = Check("clock", True, "late", "Set it."), Check("disk", False, "full", "Clean it.")
    assert block(Checked("hpc", "login1", (warning,)), failures_only=True) == []
    lines = block(Checked("hpc", "login1", (warning, failure)), failures_only=True)
    assert [line.split() for line in lines] == [["hpc", "(login1)"], ["disk", "FAILED", "full"], ["Clean", "it."]]
    assert len(block(Checked("hpc", "login1", (warning, failure)))) == 5


def test_each_host_of_a_pool_is_looked_at() -> None:
    pool = Platform("hpc", ("b", "a"), "hpc")
    assert [(one.name, one.hosts) for one in each_host([pool, HPC])] == [
        ("hpc", ("b",)),
        ("hpc", ("a",)),
        ("hpc", ("login1",)),
    ]


def test_the_page_tells_of_each_row() -> None:
    page = (Path(__file__).parents[1] / "docs/check.md").read_text()
    assert re.findall(r"^\| `(.*?)` \|", page, re.MULTILINE) == list(NAMES)
