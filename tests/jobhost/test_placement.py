"""What an install changes on the job host: planned before anything moves, and nothing that was not promised."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from remote_install.jobhost import building, installation, manifest, placement
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
    assert placement.arrived(target, wanted, [b"a"])[0] == b"a"
    Path(os.fsdecode(target.staging), "a").write_text("content")
    assert placement.arrived(target, wanted, [b"a"])[0] is None


def test_what_did_not_arrive_is_named(target: Target) -> None:
    assert placement.arrived(target, {b"a": file_of("x")}, [b"a"])[0] == b"a"


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


def test_what_was_just_put_in_place_is_not_read_again(target: Target) -> None:
    staged = Path(os.fsdecode(target.staging), "a")
    staged.write_text("content")
    os.utime(staged, ns=(1, 1))
    wanted = {b"a": file_of("content")}
    _, moved = placement.arrived(target, wanted, [b"a"])
    placement.place(target, wanted, placement.Plan([b"a"], [], [], []))
    told = {b"a": moved[b"a"]._replace(hash="as it was told")}
    altered, cache = placement.look_again(target, wanted, {}, told, os.stat(path_of(target, "a")).st_ctime_ns)
    assert altered[b"a"] == file_of("")._replace(content="as it was told")
    assert cache[b"a"].ctime == os.stat(path_of(target, "a")).st_ctime_ns


def test_what_changed_after_it_was_put_in_place_is_read_again(target: Target) -> None:
    path_of(target, "a").write_text("a")
    os.utime(path_of(target, "a"), ns=(1, 1))
    seen = os.stat(path_of(target, "a"))
    moved = {b"a": manifest.Seen(seen.st_size, seen.st_mtime_ns, 1, seen.st_ino, file_of("a").content)}
    path_of(target, "a").write_text("b")
    altered, cache = placement.look_again(
        target, {b"a": file_of("a")}, {}, moved, os.stat(path_of(target, "a")).st_ctime_ns
    )
    assert altered == {b"a": file_of("b")}
    assert cache == {}  # it is too new for that


def test_many_files_are_put_in_place_in_a_time_that_grows_with_their_number(target: Target) -> None:
    names = [b"f%05d" % number for number in range(300)]
    for name in names:
        Path(os.fsdecode(target.staging), os.fsdecode(name)).touch()
    looked = 0

    class Counted(bytes):
        def __eq__(self, other: object) -> bool:
            nonlocal looked
            looked += 1
            return bytes(self) == other

        __hash__ = bytes.__hash__

    wanted = {Counted(name): file_of("") for name in names}
    placement.place(target, wanted, placement.Plan(list(map(Counted, names)), [], [], []))
    assert looked < 20 * len(names)
    assert len(os.listdir(target.run_dir)) == len(names) + 1


def test_an_unchanged_install_keeps_the_hashes_that_it_had_to_make(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    path_of(target, "a").write_text("a")
    entries = {b"a": file_of("a")}
    target.finish(Manifest(entries, {}, "", {}))
    later = os.stat(path_of(target, "a")).st_ctime_ns + manifest.SETTLED + 1
    monkeypatch.setattr(installation, "now_ns", lambda: later)
    build = building.Build([], "", False, {})
    for remember, kept in ((False, []), (True, [b"a"])):
        assert installation._is_whole(target, manifest.digest(entries), target.manifest(), build, remember)
        assert list(target.manifest().cache) == kept
    assert target.manifest().entries == entries
    assert target.installed
    assert not target.unfinished
