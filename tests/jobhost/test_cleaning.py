"""A removal broken off at every single moment: typed again it goes on, and nobody else's things ever go."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from remote_install.jobhost import links, verbs
from remote_install.jobhost.target import Target, why_unfinished
from remote_install.jobhost.wire import Refusal

from .test_interrupted import die, interrupted, no_space

UUID, OTHER = "0" * 32, "1" * 32


class Listener:
    """A client that lets the removal go on."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def say(self, reply: str, **fields: Any) -> None:
        self.said.append((reply, fields))

    say_soon = say

    def hear(self, _seconds: float) -> dict[str, Any]:
        return {"do": "clean"}

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        yield


def clean(root: Path, run: str = "demo", **more: Any) -> list[tuple[str, dict[str, Any]]]:
    listener = Listener()
    request = {"run_root": str(root / "runs"), "run": run, "uuid": UUID, "jobs": [], "runner": {}, **more}
    verbs.clean(request, listener, b"")  # type: ignore[arg-type]
    return listener.said


def make(root: Path, run: str = "demo", uuid: str = UUID) -> Path:
    """A run directory as an install leaves it, with jobs that have ended, and folders elsewhere."""
    run_dir = root / "runs" / run
    target = Target(os.fsencode(run_dir))
    target.prepare()
    target.claim(uuid, "here:/demo", adopt=False)
    with target.locked():
        pass
    found = links.wanted({"symlink_dirs": {"work": str(root / "scratch"), "out/big": str(root / "scratch")}}, run)
    links.make(os.fsencode(run_dir), found, uuid, "here:/demo")
    job = run_dir / "log/job/a/01"
    job.mkdir(parents=True)
    (job / "job.status").write_text("EXIT=3\nSTARTED=2026-11-22T12:00:00Z\n")
    for name in ("data", "deep/er/file", "work/output", "out/big/output"):
        (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / name).write_text(run)
    return run_dir


def everything(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_text()
        for path in sorted(folder.rglob("*"))
    }


def test_all_of_it_goes_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path, "other", OTHER)
    before = everything(tmp_path)
    make(tmp_path)
    said = clean(tmp_path)
    assert [reply for reply, _ in said] == ["plan", "cleaned"]
    assert said[-1][1]["files"] > 8
    assert said[-1][1]["left"] == []
    assert everything(tmp_path) == before
    assert [reply for reply, _ in clean(tmp_path)] == ["absent"]


@pytest.mark.parametrize("fault", [die, no_space], ids=["killed", "disk full"])
def test_at_every_moment(tmp_path: Path, fault: Callable[[str], None]) -> None:
    number, again = 0, True
    while again:
        number += 1
        root = tmp_path / str(number)
        make(root, "other", OTHER)
        before = everything(root)
        run_dir = make(root)
        again = interrupted(lambda root=root: clean(root), number, fault)
        emptied = set(everything(run_dir)) <= {".remote-install"} if run_dir.exists() else True
        if not emptied and not (run_dir / "log/job/a/01/job.status").exists():
            assert not (run_dir / "log/job/a").exists(), number  # no job is ever seen in parts
            assert why_unfinished(os.fsencode(run_dir)), number
        assert clean(root)[-1][0] in ("cleaned", "absent"), number
        assert everything(root) == before, number
    assert number > 30


def test_empty_folders_above_a_nested_run_go_up_to_the_run_root(tmp_path: Path) -> None:
    make(tmp_path, "a/b/c")
    clean(tmp_path, "a/b/c")
    assert list((tmp_path / "runs").iterdir()) == []
    assert list((tmp_path / "scratch/remote-install-run").iterdir()) == []


def test_a_run_in_another_stays_also_elsewhere(tmp_path: Path) -> None:
    make(tmp_path, "demo/src", OTHER)
    before = everything(tmp_path)
    make(tmp_path)
    said = clean(tmp_path)
    assert everything(tmp_path) == before
    (left,) = said[-1][1]["left"]
    assert left[:2] == [str(tmp_path / "runs/demo/src"), "another run is installed there"]
    make(tmp_path)
    clean(tmp_path, "demo/src", uuid=OTHER)
    assert (tmp_path / "runs/demo/data").read_text() == "demo"
    assert not (tmp_path / "runs/demo/src").exists()


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another run's": (lambda run: make(run.parents[1], uuid=UUID) and other(run), "installed from there:/demo"),
    "nobody's": (lambda run: (run / "precious").mkdir(parents=True), "no run directory that an install"),
    "damaged": (
        lambda run: make(run.parents[1]) and (run / ".remote-install/uuid").write_text("{"),
        "no run directory",
    ),
    "a client's": (
        lambda run: make(run.parents[1]) and (run / ".remote-install/uuid").write_text(UUID + "\n"),
        "no run directory that an install",
    ),
    "a link": (
        lambda run: make(run.parents[1]) and (run.rename(run.parent / "moved"), run.symlink_to("moved")),
        "is a link or no folder",
    ),
    "a link to our folder": (
        lambda run: (
            make(run.parents[1])
            and ((run / ".remote-install").rename(run / "x"), (run / ".remote-install").symlink_to("x"))
        ),
        ".remote-install is a link",
    ),
}


def other(run: Path) -> None:
    (run / ".remote-install/uuid").write_text(json.dumps({"uuid": OTHER, "origin": "there:/demo"}))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("force", [False, True])
def test_what_is_not_ours_is_refused_and_left_also_with_force(tmp_path: Path, name: str, force: bool) -> None:
    prepare, phrase = REFUSED[name]
    (tmp_path / "runs").mkdir()
    prepare(tmp_path / "runs/demo")
    before = everything(tmp_path)
    with pytest.raises(Refusal) as caught:
        clean(tmp_path, force=force)
    assert caught.value.code == 9
    assert phrase in caught.value.message
    assert everything(tmp_path) == before


def test_who_knows_no_run_of_his_own_names_it_by_its_id(tmp_path: Path) -> None:
    make(tmp_path, uuid=OTHER)
    assert clean(tmp_path, uuid=None)[-1][0] == "cleaned"
    assert list((tmp_path / "runs").iterdir()) == []


def test_an_install_at_work_is_not_disturbed(tmp_path: Path) -> None:
    run_dir = make(tmp_path)
    before = everything(run_dir)
    with Target(os.fsencode(run_dir)).locked(), pytest.raises(Refusal) as caught:
        clean(tmp_path)
    assert caught.value.code == 9
    assert everything(run_dir) == before


def test_a_lock_that_was_removed_with_its_run_directory_locks_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited for it would hold a lock that nobody else sees."""
    target, real = Target(os.fsencode(make(tmp_path))), fcntl.flock

    def flock(file: Any, how: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tmp_path / "runs/demo/.remote-install/lock")
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with target.locked() as held:
        assert not held
    monkeypatch.undo()
    with target.locked() as held:
        assert held


PRECIOUS = "../../../precious"
ELSEWHERE: dict[str, Callable[[Path], Any]] = {
    "swapped for a link": lambda far: (far.rename(far.parent / "moved"), far.symlink_to("../../precious")),
    "its folder swapped": lambda far: (
        (far / "work").rename(far / "x"),
        (far / "work").symlink_to("../../../precious"),
    ),
    "above it swapped": lambda far: ((far / "out").rename(far / "x"), (far / "out").symlink_to("../../../precious")),
    "its record another's": lambda far: (far / ".remote-install").write_text(json.dumps({"uuid": UUID, "place": "x"})),
    "its record gone": lambda far: (far / ".remote-install").unlink(),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_folder_elsewhere_goes_that_is_not_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / "precious/big").mkdir(parents=True)
    (tmp_path / "precious/big/file").write_text("p")
    make(tmp_path)
    ELSEWHERE[name](tmp_path / "scratch/remote-install-run/demo")
    with contextlib.suppress(Refusal):
        clean(tmp_path)
    assert (tmp_path / "precious/big/file").read_text() == "p"
    if "record" in name:
        assert (tmp_path / "scratch/remote-install-run/demo/work/output").read_text() == "demo"


def test_what_a_job_wrote_into_the_record_of_links_leads_to_nothing_of_others(tmp_path: Path) -> None:
    (tmp_path / "precious/remote-install-run/demo/work").mkdir(parents=True)
    run_dir = make(tmp_path)
    record = run_dir / ".remote-install/links"
    fields = json.loads(record.read_text())
    fields["links"] += [["x", str(tmp_path / "precious"), "demo"], ["work", str(tmp_path / "precious"), "demo"]]
    record.write_text(json.dumps(fields))
    clean(tmp_path)
    assert (tmp_path / "precious/remote-install-run/demo/work").is_dir()


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    before = everything(tmp_path)
    said = clean(tmp_path, dry_run=True)
    assert [reply for reply, _ in said] == ["plan", "would"]
    assert said[-1][1]["folders"] == [
        str(tmp_path / f"scratch/remote-install-run/demo/{p}") for p in ("work", "out/big")
    ]
    assert everything(tmp_path) == before
