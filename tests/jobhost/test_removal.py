"""What is removed, and what never is: whatever lies there, and whatever is swapped while it is walked."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remote_install.jobhost import removal, way
from remote_install.jobhost.removal import Removal

UUID, OTHER = "0" * 32, "1" * 32
STRANGER = 12345
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes another user's files")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A folder to be removed, beside one that must stay."""
    for name in ("tree/a/b", "precious/deep"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
    yield tmp_path / "tree"
    assert (tmp_path / "precious/deep/file").read_text() == "precious/deep"


@pytest.fixture
def large(tree: Path) -> Iterator[Path]:
    """The same in memory, where that can be: many folders take a disk seconds."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        shutil.copytree(tree, Path(folder, "tree"))
        yield Path(folder, "tree")


def remove(tree: Path, dry: bool = False) -> Removal:
    done = Removal(os.geteuid(), UUID, dry)
    parent = way.open_folder(os.fsencode(tree.parent))
    try:
        gone = done.remove(parent, tree.name, "tree")
    finally:
        os.close(parent)
    assert gone == (not done.left)
    assert dry or gone == (not os.path.lexists(tree))
    return done


def test_a_tree_goes_with_all_kinds_of_things_in_it_and_no_link_is_followed(tree: Path) -> None:
    for number, target in enumerate(["/", "..", ".", "../precious", "../../precious/deep", str(tree), "nowhere", "a"]):
        (tree / f"link{number}").symlink_to(target)
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(tree / "socket"))
    for name in (b"\xff\xfe", b"-rf", b"a\nb", b" ", "ä".encode()):
        (tree / os.fsdecode(name)).mkdir()
        (tree / os.fsdecode(name) / os.fsdecode(name)).write_text("x")
    assert remove(tree).files == 8 + 2 + 5 + 1


def test_a_link_instead_of_a_tree_goes_alone(tree: Path) -> None:
    link = tree.with_name("link")
    link.symlink_to("precious")
    assert remove(link).files == 1


def test_what_is_not_there_is_gone(tree: Path) -> None:
    assert remove(tree / "a/nothing").files == 0


def test_a_tree_of_five_thousand_levels_goes_with_few_open_files(large: Path) -> None:
    here = os.open(large, os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d" * 100, dir_fd=here)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    try:
        assert remove(large).files == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_ten_thousand_files_take_no_long_time(large: Path) -> None:
    for number in range(10_000):
        folder = large / str(number % 100)
        folder.mkdir(exist_ok=True)
        os.close(os.open(folder / str(number), os.O_CREAT | os.O_WRONLY))
    began = time.monotonic()
    assert remove(large).files == 10_001
    assert time.monotonic() - began < 10


def test_a_dry_run_counts_and_changes_nothing(tree: Path) -> None:
    (tree / "link").symlink_to("/")
    assert remove(tree, dry=True).files == 2
    assert (tree / "a/b/file").exists()


@AS_ROOT
def test_what_belongs_to_another_user_stays_and_is_told(tree: Path) -> None:
    (tree / "theirs").mkdir()
    (tree / "theirs/file").write_text("x")
    (tree / "a/theirs").write_text("x")
    for name in ("theirs", "theirs/file", "a/theirs"):
        os.chown(tree / name, STRANGER, STRANGER)
    done = remove(tree)
    assert sorted(one.path for one in done.left) == ["tree/a/theirs", "tree/theirs"]
    assert {one.why for one in done.left} == {"it belongs to another user"}
    assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*")) == ["a", "a/theirs", "theirs", "theirs/file"]


OWNERS = {
    "another run": (json.dumps({"uuid": OTHER, "origin": "x"}), False),
    "nobody knows whose": ("{", False),
    "a copy of ours": (json.dumps({"uuid": UUID, "origin": "x"}), True),
    "as a client has it": (f"{OTHER}\n", True),
}


@pytest.mark.parametrize("name", OWNERS)
@pytest.mark.parametrize("record", ["nested/.remote-install/uuid", "nested/.remote-install"])
def test_a_run_in_it_stays_and_is_told(tree: Path, name: str, record: str) -> None:
    text, goes = OWNERS[name]
    path = tree / "a" / record
    path.parent.mkdir(parents=True)
    path.write_text(text)
    done = remove(tree)
    assert [(one.path, one.another_run) for one in done.left] == ([] if goes else [("tree/a/nested", True)])
    assert done.failed is False
    assert path.exists() != goes


def test_a_folder_that_is_moved_away_while_it_is_emptied_leads_nowhere_else(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way up from it stands another folder: nothing of that goes."""
    real = os.listdir
    moved = tree.parent / "precious/deep/b"

    def listdir(folder: Any) -> Any:
        names = real(folder)
        if "file" in names and not moved.exists():
            os.rename(tree / "a/b", moved)
        return names

    monkeypatch.setattr(removal.os, "listdir", listdir)
    remove(tree)
    assert real(moved) == []


def swap(tree: Path, target: str) -> None:
    """Put links in the places of folders, and folders in the places of links, over and over."""
    while True:
        for name in ("a", "a/b", "c", "c/d"):
            with contextlib.suppress(OSError):
                os.rename(tree / name, tree.parent / "away")
                os.symlink(target, tree / name)
            with contextlib.suppress(OSError):
                os.unlink(tree / name)
            with contextlib.suppress(OSError):
                os.rename(tree.parent / "away", tree / name)


@pytest.mark.parametrize("target", ["../../precious", "../precious", "..", "precious"])
def test_links_that_are_swapped_in_while_it_walks_lead_nowhere(tree: Path, target: str) -> None:
    """`target`, seen from where the link is; for `precious` the absolute path."""
    absolute = str(tree.parent / "precious") if target == "precious" else target
    hostile = multiprocessing.get_context("fork").Process(target=swap, args=(tree, absolute), daemon=True)
    hostile.start()
    try:
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            for name in ("a/b", "c/d"):
                with contextlib.suppress(OSError):
                    os.makedirs(tree / name, exist_ok=True)
                    for number in range(5):
                        (tree / name / str(number)).write_text("x")
            done = Removal(os.geteuid(), UUID)
            parent = way.open_folder(os.fsencode(tree.parent))
            done.remove(parent, "tree", "tree")
            os.close(parent)
            assert (tree.parent / "precious/deep/file").exists()
    finally:
        hostile.kill()
        hostile.join()


def write(tree: Path) -> None:
    while True:
        with contextlib.suppress(OSError):
            for number in range(200):
                (tree / "a" / str(number)).write_text("x")


def test_who_writes_on_does_not_hold_it_for_ever(tree: Path) -> None:
    writers = [multiprocessing.get_context("fork").Process(target=write, args=(tree,), daemon=True) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        done = Removal(os.geteuid(), UUID)
        parent = way.open_folder(os.fsencode(tree.parent))
        done.remove(parent, "tree", "tree")
        os.close(parent)
        assert {one.why for one in done.left} <= {"something still writes there"}
    finally:
        for writer in writers:
            writer.kill()
            writer.join()


@pytest.mark.parametrize("middle", ["link", "file"])
def test_no_way_goes_through_a_link(tree: Path, middle: str) -> None:
    (tree / "link").symlink_to("../precious")
    (tree / "file").write_text("x")
    start = way.open_folder(os.fsencode(tree))
    try:
        with pytest.raises(NotADirectoryError):
            way.Way(start, [os.fsencode(middle), b"deep"])
        with way.Way(start, [b"a", b"b"]) as found:
            (tree / "a/b/file").unlink()
            found.prune(keep=1)
        assert not (tree / "a/b").exists()
        assert (tree / "a").exists()
    finally:
        os.close(start)
