"""Folders that lie elsewhere: made at every moment of a broken install, and nothing else is taken for one of ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable

import pytest

from remote_install.jobhost import links
from remote_install.jobhost.links import Link, Links
from remote_install.jobhost.target import Target
from remote_install.jobhost.wire import Refusal

from .test_interrupted import die, interrupted, no_space

UUID, OTHER = "0" * 32, "1" * 32


@pytest.fixture
def run_dir(tmp_path: Path) -> bytes:
    made = os.fsencode(tmp_path / "runs/demo")
    Target(made).prepare()
    return made


def wanted(tmp_path: Path, *paths: str, run: str = "demo") -> list[Link]:
    given = {path: str(tmp_path / "scratch") for path in paths or ("work", "log/job")}
    return links.wanted({"symlink_dirs": given}, run)


def make(run_dir: bytes, found: list[Link], uuid: str = UUID, adopt: bool = False) -> list[Link]:
    """As an install does it; returns what was missing."""
    missing = links.missing(run_dir, found, uuid, adopt)
    links.make(run_dir, found, uuid, "here:/demo")
    return missing


def path_of(run_dir: bytes, name: str) -> Path:
    return Path(os.fsdecode(run_dir), name)


def everything(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        found[str(path.relative_to(folder))] = os.readlink(path) if path.is_symlink() else path.is_dir()
    return found


def test_a_path_leads_to_the_runs_own_folder_elsewhere_and_stays_so(run_dir: bytes, tmp_path: Path) -> None:
    found = wanted(tmp_path)
    assert make(run_dir, found) == found
    far = tmp_path / "scratch/remote-install-run/demo"
    assert os.readlink(path_of(run_dir, "work")) == str(far / "work")
    assert os.readlink(path_of(run_dir, "log/job")) == str(far / "log/job")
    path_of(run_dir, "work/output").write_text("a job's")
    before = everything(tmp_path)
    assert make(run_dir, found) == []
    assert everything(tmp_path) == before
    assert set(Links(run_dir).in_place()) == {b"work", b"log/job"}


def test_what_the_site_has_purged_there_is_made_again(run_dir: bytes, tmp_path: Path) -> None:
    found = wanted(tmp_path)
    make(run_dir, found)
    for name in ("work", "log/job"):
        (tmp_path / "scratch/remote-install-run/demo" / name).rmdir()
    assert make(run_dir, found) == found
    path_of(run_dir, "work/output").write_text("a job's")


@pytest.mark.parametrize("fault", [die, no_space], ids=["killed", "disk full"])
def test_it_is_finished_whenever_it_was_broken_off(tmp_path: Path, fault: Callable[[str], None]) -> None:
    number, again = 0, True
    while again:
        number += 1
        folder = tmp_path / str(number)
        run_dir = os.fsencode(folder / "runs/demo")
        Target(run_dir).prepare()
        found = wanted(folder)
        again = interrupted(lambda run_dir=run_dir, found=found: make(run_dir, found), number, fault)
        make(run_dir, found)
        assert set(Links(run_dir).in_place()) == {b"work", b"log/job"}, number
        assert make(run_dir, found) == [], number
    assert number > 8


IN_THE_WAY: dict[str, Callable[[Path], Any]] = {
    "a folder": lambda run: (run / "work").mkdir(),
    "a folder with files": lambda run: (run / "work/deep").mkdir(parents=True),
    "a file": lambda run: (run / "work").write_text("x"),
    "a link elsewhere": lambda run: (run / "work").symlink_to("/etc"),
    "a link that leads nowhere": lambda run: (run / "work").symlink_to("nowhere"),
    "a link above": lambda run: (run / "log").symlink_to("/tmp"),
    "a file above": lambda run: (run / "log").write_text("x"),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_is_in_its_place_is_refused_and_left(run_dir: bytes, tmp_path: Path, name: str) -> None:
    IN_THE_WAY[name](path_of(run_dir, "."))
    before = everything(tmp_path)
    with pytest.raises(Refusal) as caught:
        make(run_dir, wanted(tmp_path))
    assert caught.value.code == 9
    assert "Move what it holds to" in caught.value.hint
    assert everything(tmp_path) == before


def test_another_folder_for_the_same_path_is_refused_while_the_first_link_is_there(
    run_dir: bytes, tmp_path: Path
) -> None:
    make(run_dir, wanted(tmp_path))
    with pytest.raises(Refusal) as caught:
        make(run_dir, links.wanted({"symlink_dirs": {"work": str(tmp_path / "new")}}, "demo"))
    assert caught.value.code == 9
    assert not (tmp_path / "new").exists()


TAKEN: dict[str, Callable[[Path], Any]] = {
    "made by nobody that we know": lambda far: (far / "work").mkdir(parents=True),
    "a link": lambda far: (far.mkdir(parents=True), (far / "work").symlink_to("/etc")),
    "a link above": lambda far: (far.parent.mkdir(parents=True), far.symlink_to("/etc")),
    "a link further above": lambda far: (far.parent.parent.mkdir(parents=True), far.parent.symlink_to("/etc")),
    "a file": lambda far: (far.mkdir(parents=True), (far / "work").write_text("x")),
    "another user's": lambda far: (far.mkdir(parents=True), os.chown(far, 12345, 12345)),
    "a run of its own": lambda far: ((far / "work").mkdir(parents=True), (far / "work/.remote-install").write_text("")),
    "of a damaged record": lambda far: (far.mkdir(parents=True), (far / ".remote-install").write_text("{")),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_not_ours_there_is_refused_and_left(run_dir: bytes, tmp_path: Path, name: str) -> None:
    if name == "another user's" and os.geteuid() != 0:
        pytest.skip("only root makes another user's folder")
    TAKEN[name](tmp_path / "scratch/remote-install-run/demo")
    before = everything(tmp_path)
    with pytest.raises(Refusal) as caught:
        make(run_dir, wanted(tmp_path))
    assert caught.value.code == 9
    assert everything(tmp_path) == before


@pytest.mark.parametrize("uuid", [UUID, OTHER], ids=["same run", "other run"])
def test_two_run_roots_with_one_folder_elsewhere_do_not_mix(run_dir: bytes, tmp_path: Path, uuid: str) -> None:
    make(run_dir, wanted(tmp_path))
    other = os.fsencode(tmp_path / "other/demo")
    Target(other).prepare()
    with pytest.raises(Refusal) as caught:
        make(other, wanted(tmp_path), uuid)
    assert caught.value.code == 9
    assert "installed from here:/demo" in caught.value.message
    make(other, wanted(tmp_path), uuid, adopt=True)
    with pytest.raises(Refusal):
        make(run_dir, wanted(tmp_path))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"links": [["../x", "/", "demo"], ["a", "b", "c"], 3]}'])
def test_a_damaged_record_makes_no_link_ours(run_dir: bytes, tmp_path: Path, data: bytes) -> None:
    make(run_dir, wanted(tmp_path))
    path_of(run_dir, ".remote-install/links").write_bytes(data)
    assert Links(run_dir).in_place() == {}
    with pytest.raises(Refusal):
        links.refuse_planted(run_dir)


def test_a_link_to_the_jobs_folder_that_no_install_has_made_is_refused(run_dir: bytes, tmp_path: Path) -> None:
    links.refuse_planted(run_dir)
    make(run_dir, wanted(tmp_path))
    links.refuse_planted(run_dir)
    path_of(run_dir, "log/job").unlink()
    path_of(run_dir, "log/job").symlink_to(tmp_path)
    with pytest.raises(Refusal) as caught:
        links.refuse_planted(run_dir)
    assert caught.value.code == 9
    path_of(run_dir, "log/job").unlink()
    path_of(run_dir, "log").rename(tmp_path / "log")
    path_of(run_dir, "log").symlink_to(tmp_path / "log")
    with pytest.raises(Refusal):
        links.refuse_planted(run_dir)


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a/..", ".", "a/./b", "a\0b"])
def test_no_path_leaves_the_run_directory(path: str) -> None:
    with pytest.raises(Refusal):
        links.wanted({"symlink_dirs": {path: "/tmp"}}, "demo")


def test_variables_and_the_home_directory_are_expanded_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHO", "me;$(id)")
    monkeypatch.setenv("HOME", "/home/me")
    given = {"a": "/scratch/$WHO", "b": "~/x", "c": "y", "d": "/`id`/*"}
    found = {os.fsdecode(link.path): os.fsdecode(link.base) for link in links.wanted({"symlink_dirs": given}, "r")}
    assert found == {"a": "/scratch/me;$(id)", "b": "/home/me/x", "c": "/home/me/y", "d": "/`id`/*"}
    with pytest.raises(Refusal) as caught:
        links.wanted({"symlink_dirs": {"a": "/scratch/$NOT_SET_HERE"}}, "r")
    assert caught.value.code == 3
    assert "symlink_dirs" in caught.value.message


def test_what_was_written_down_is_text(run_dir: bytes, tmp_path: Path) -> None:
    make(run_dir, wanted(tmp_path))
    assert json.loads((tmp_path / "scratch/remote-install-run/demo/.remote-install").read_text())["uuid"] == UUID
