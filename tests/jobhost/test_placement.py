"""What an install changes on the job host: planned before anything moves, and nothing that was not promised."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from remote_install.jobhost import manifest, placement
from remote_install.jobhost.manifest import FILE, FOLDER, LINK, Entries, Entry, Listing
from remote_install.jobhost.target import Manifest, Target
from remote_install.jobhost.wire import Refusal


@pytest.fixture
def target(tmp_path: Path) -> Target:
    found = Target(os.fsencode(tmp_path / "run"))
    found.prepare()
    os.makedirs(found.staging)
    return found


def path_of(target: Target, name: str) -> Path:
    return Path(os.fsdecode(target.run_dir)) / name


def file_of(text: str, executable: bool = False) -> Entry:
    return Entry(FILE, executable, hashlib.blake2b(text.encode(), digest_size=20).hexdigest())


def plan(target: Target, wanted: Entries) -> placement.Plan:
    return placement.make_plan(target, wanted, target.brought(), Listing({}, 0), ())


@pytest.mark.parametrize("staged", ["other", "", "conten", "content "])
def test_what_arrived_is_not_placed_when_it_is_not_what_was_promised(target: Target, staged: str) -> None:
    wanted = {b"a": file_of("content")}
    Path(os.fsdecode(target.staging), "a").write_text(staged)
    assert placement.arrived(target, wanted, [b"a"]) == b"a"
    Path(os.fsdecode(target.staging), "a").write_text("content")
    assert placement.arrived(target, wanted, [b"a"]) is None


def test_what_did_not_arrive_is_named(target: Target) -> None:
    assert placement.arrived(target, {b"a": file_of("x")}, [b"a"]) == b"a"


def test_only_what_differs_is_sent_or_changed(target: Target) -> None:
    path_of(target, "same").write_text("same")
    path_of(target, "mode").write_text("mode")
    path_of(target, "other").write_text("other")
    wanted = {
        b"same": file_of("same"),
        b"mode": file_of("mode", executable=True),
        b"other": file_of("new"),
        b"missing": file_of("m"),
        b"folder": Entry(FOLDER, False, ""),
        b"link": Entry(LINK, False, "same"),
    }
    found = plan(target, wanted)
    assert found.send == [b"missing", b"other"]
    assert found.change == [b"folder", b"link", b"mode"]


def test_a_link_on_the_way_is_not_followed(target: Target, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("a")
    path_of(target, "folder").symlink_to(outside)
    with pytest.raises(Refusal) as caught:
        plan(target, {b"folder": Entry(FOLDER, False, ""), b"folder/a": file_of("new")})
    assert caught.value.code == 9
    assert (outside / "a").read_text() == "a"


def test_staging_keeps_just_what_is_to_come(target: Target) -> None:
    for name in ("keep/part", "drop/part", "drop2"):
        path = Path(os.fsdecode(target.staging), name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    placement.clear_staging(target, [b"keep/part"])
    left = [str(path.relative_to(os.fsdecode(target.staging))) for path in Path(os.fsdecode(target.staging)).rglob("*")]
    assert sorted(left) == ["keep", "keep/part"]


def test_the_mark_remembers_both_what_was_and_what_was_to_be(target: Target) -> None:
    target.finish(Manifest({b"a": file_of("old")}, {}, "", {}))
    target.mark({b"a": file_of("new"), b"b": file_of("b")})
    target.mark({b"c": file_of("c")})
    assert target.unfinished
    assert target.brought() == {
        b"a": {file_of("old"), file_of("new")},
        b"b": {file_of("b")},
        b"c": {file_of("c")},
    }
    target.finish(Manifest({b"c": file_of("c")}, {}, "", {}))
    assert not target.unfinished
    assert target.brought() == {b"c": {file_of("c")}}


@pytest.mark.parametrize(
    "row", [["../x", "f", False, ""], ["/x", "f", False, ""], ["a//b", "f", False, ""], ["a", "x"]]
)
def test_a_name_that_leaves_the_run_directory_is_no_entry(row: list[object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, the words differ
        manifest.unpack([row])


def test_a_damaged_manifest_lets_nothing_be_deleted(target: Target) -> None:
    target.finish(Manifest({b"a": file_of("a")}, {}, "", {}))
    Path(os.fsdecode(target.run_dir), ".remote-install/manifest").write_text('{"entries": [["../../x", "f", 0, ""]]')
    path_of(target, "a").write_text("a")
    assert plan(target, {}).delete == []


def test_the_hash_of_a_settled_file_is_remembered_and_of_a_new_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    changed = os.stat(tmp_path / "a").st_ctime_ns
    for now, remembered in ((changed, []), (changed + manifest.SETTLED + 1, [b"a"])):
        listing = Listing({}, now)
        listing.walk(os.fsencode(tmp_path), lambda _path, _folder: False)
        assert list(listing.cache) == remembered
