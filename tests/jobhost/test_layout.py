"""Where everything lies: names that are taken and refused, and a run root that no shell expands."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from remote_install.jobhost import layout
from remote_install.jobhost.wire import Refusal

GOOD_IDS = ["a", "9", "demo", "A.b_c+d-e", "a/b", "a/b/c.d", "x" * 300, "2026-11-22/forecast"]
BAD_IDS = [
    *("", ".", "..", "../x", "a/..", "a/../b", "a/./b", "/a", "a/", "a//b", "a/.b", ".a", "-a", "_a", "+a", "a b"),
    *("a\n", "a\nb", "\na", "a\0b", "a;b", "$HOME", "~", "a/~", "`id`", "a*", "a\\b", "é", "а", "a\udcff"),  # noqa: RUF001
]
GOOD_NAMES = ["a", "9", "train", "A.b_c+d-e", "x" * 64]
BAD_NAMES = [*("x" * 65, "a/b", "; rm -rf ~", "..", "a/../b"), *(name for name in BAD_IDS if "/" not in name)]


@pytest.mark.parametrize("run", GOOD_IDS)
def test_a_run_id_that_fits_is_a_folder_below_the_run_root(run: str) -> None:
    assert layout.run_directory("/scratch", run) == b"/scratch/" + run.encode()


@pytest.mark.parametrize("run", BAD_IDS)
def test_a_run_id_that_does_not_fit_is_refused(run: str) -> None:
    with pytest.raises(Refusal) as caught:
        layout.run_directory("/scratch", run)
    assert caught.value.code == 2


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_job_name_that_fits_is_a_folder_in_the_run_directory(name: str) -> None:
    assert layout.job_directory(b"/r", name, 7).path == b"/r/log/job/" + name.encode() + b"/07"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_job_name_that_does_not_fit_is_refused(name: str) -> None:
    for refuse in (lambda: layout.job_directory(b"/r", name, 1), lambda: layout.tries(b"/r", name)):
        with pytest.raises(Refusal) as caught:
            refuse()
        assert caught.value.code == 2


@pytest.mark.parametrize(("number", "folder"), [(1, b"01"), (9, b"09"), (10, b"10"), (99, b"99"), (100, b"100")])
def test_a_try_has_at_least_two_digits(number: int, folder: bytes) -> None:
    directory = layout.job_directory(b"/r", "a", number)
    assert os.path.basename(directory.path) == folder
    assert directory.number == number


def test_the_files_of_a_job_directory_are_those_of_the_contract() -> None:
    job = layout.job_directory(b"/r", "a", 1)
    named = [job.script, job.token, job.submit, job.start, job.status, job.end, job.gone, job.out, job.err]
    assert [os.path.basename(path).decode() for path in named] == [
        *("job", "job.token", "job.submit", "job.start", "job.status", "job.end", "job.gone", "job.out", "job.err"),
    ]
    assert {os.path.dirname(path) for path in named} == {b"/r/log/job/a/01"}


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USER", "me")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("ODD", "a b;$(id)")
    monkeypatch.setenv("DOLLAR", "/data/$x")
    monkeypatch.setitem(os.environb, b"BYTES", b"caf\xe9")
    monkeypatch.delenv("NOT_SET", raising=False)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("remote-install-run", b"/home/me/remote-install-run"),
        ("a/b/", b"/home/me/a/b"),
        ("./a/../b", b"/home/me/b"),
        ("/scratch/runs", b"/scratch/runs"),
        ("/scratch//runs/.", b"/scratch/runs"),
        ("~", b"/home/me"),
        ("~/runs", b"/home/me/runs"),
        ("~root/runs", os.fsencode(pwd.getpwnam("root").pw_dir) + b"/runs"),
        ("/scratch/$USER/runs", b"/scratch/me/runs"),
        ("/scratch/${USER}s", b"/scratch/mes"),
        ("$HOME/runs", b"/home/me/runs"),
        ("/a/$EMPTY/b", b"/a/b"),
        ("/a/$ODD", b"/a/a b;$(id)"),
        ("/a/`id`;$(id)", b"/a/`id`;$(id)"),
        ("/a b/'c'", b"/a b/'c'"),
        ("/a/~", b"/a/~"),
        ("/$BYTES", b"/caf\xe9"),
        ("/caf\udce9", b"/caf\xe9"),
        ("/caf\u00e9", b"/caf\xc3\xa9"),
        ("/$DOLLAR", b"/data/$x"),
    ],
)
def test_the_run_root_is_expanded_here_and_absolute(text: str, path: bytes) -> None:
    assert os.path.normpath(layout.run_root(text)).replace(b"//", b"/") == path


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(
    ("text", "name"),
    [("$NOT_SET", "$NOT_SET"), ("/a/${NOT_SET}/b", "${NOT_SET}"), ("/$USER/$NOT_SET", "$NOT_SET"), ("/${A-B}", "A-B")],
)
def test_a_variable_that_is_not_set_is_refused_by_its_name(text: str, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        layout.run_root(text)
    assert caught.value.code == 3
    assert name in caught.value.message
    assert caught.value.hint


@pytest.mark.usefixtures("_environment")
def test_a_user_who_is_not_known_is_refused() -> None:
    """Else a folder named `~nobody-of-that-name` would be made in the home directory."""
    with pytest.raises(Refusal) as caught:
        layout.run_root("~nobody-of-that-name/runs")
    assert caught.value.code == 3


def test_tries_and_jobs_are_those_whose_names_fit(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    for name in ("01", "02", "10", "100", "3", "x", "01.part", "1234567", "-1", "\u0661\u0661"):
        (tmp_path / "log/job/train" / name).mkdir(parents=True)
    for name in (".gitignore", ".hidden", "a b", "x" * 65, "next"):
        (tmp_path / "log/job" / name).mkdir()
    assert layout.tries(root, "train") == [1, 2, 10, 100]
    assert layout.last_try(root, "train") == layout.job_directory(root, "train", 100)
    assert layout.job_names(root) == ["next", "train"]


def test_where_nothing_is_there_are_no_tries_and_no_jobs(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    assert layout.tries(root, "train") == []
    assert layout.last_try(root, "train") is None
    assert layout.job_names(root) == []
    assert layout.job_names(root + b"/missing") == []


def test_a_file_where_a_job_should_be_has_no_tries(tmp_path: Path) -> None:
    (tmp_path / "log/job").mkdir(parents=True)
    (tmp_path / "log/job/train").write_text("a file")
    assert layout.tries(os.fsencode(tmp_path), "train") == []
