"""Another release of Debian is made once, whole or not at all, and says what it lacks."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hosts import systems

BUILDER = """#!/bin/sh
for part; do :; mirror=$part; done
eval "part=\\${$(($# - 1))}"
echo "$mirror" >>"$0.calls"
case $mirror in *//deb.*) echo "E: no such suite"; exit 1 ;; esac
[ ! -e "$part" ] || exit 2
mkdir -p "$part/usr/share/doc" "$part/proc" && echo begun >"$part/file" && sleep 0.3
[ ! -e "$0.fails" ] || exit 1
echo whole >"$part/file"
"""


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in place of debootstrap, and a cache of its own."""
    program = tmp_path / "builder"
    program.write_text(BUILDER)
    program.chmod(0o755)
    monkeypatch.setattr(systems, "DEBOOTSTRAP", str(program))
    monkeypatch.setattr(systems, "CACHE", str(tmp_path / "cache"))
    return program


def calls(builder: Path) -> int:
    return len(Path(f"{builder}.calls").read_text().splitlines())


@pytest.mark.usefixtures("job_hosts")  # skipped where those are
def test_a_release_is_made_once_however_many_ask(builder: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        roots = list(pool.map(systems.root_of, ["bullseye"] * 6))
    assert len(set(roots)) == 1
    assert Path(roots[0], "file").read_text() == "whole\n"
    assert not Path(roots[0], "usr/share/doc").exists()
    assert calls(builder) == 2  # the first mirror had it no more
    assert sorted(os.listdir(systems.CACHE)) == ["bullseye", "bullseye.lock"]


@pytest.mark.usefixtures("job_hosts")
def test_a_release_that_was_not_made_to_its_end_is_made_again(builder: Path) -> None:
    fails = Path(f"{builder}.fails")
    fails.touch()
    with pytest.raises(systems.SystemUnavailable, match=r"bullseye can't be had:\n.*no such suite"):
        systems.root_of("bullseye")
    assert "bullseye" not in os.listdir(systems.CACHE)
    fails.unlink()
    assert Path(systems.root_of("bullseye"), "file").read_text() == "whole\n"


@pytest.mark.usefixtures("job_hosts")
def test_a_release_is_made_anew_when_other_packages_are_wanted(builder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systems.root_of("bullseye")
    before = calls(builder)
    systems.root_of("bullseye")
    assert calls(builder) == before
    monkeypatch.setitem(systems.PACKAGES, "bullseye", ("other",))
    systems.root_of("bullseye")
    assert calls(builder) > before


@pytest.mark.usefixtures("job_hosts", "builder")
def test_packages_that_can_not_be_had_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(systems.PACKAGES, "bullseye-odd", ("odd",))
    with pytest.raises(systems.SystemUnavailable, match=r"bullseye-odd can't be had: chroot: .*sh"):
        systems.root_of("bullseye-odd")
    assert sorted(os.listdir(systems.CACHE)) == ["bullseye", "bullseye-odd.lock", "bullseye.lock"]


def test_a_system_that_stands_on_a_release_is_made_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(systems.PACKAGES, "bullseye", ("one", "two"))
    monkeypatch.setitem(systems.PACKAGES, "bullseye-odd", ("odd",))
    assert systems.wanted("bullseye") == "one two"
    assert systems.wanted("bullseye-odd") == "one two odd"


def test_a_missing_debootstrap_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "DEBOOTSTRAP", "no-such-program")
    monkeypatch.setattr(systems, "CACHE", str(tmp_path))
    with pytest.raises(systems.SystemUnavailable, match="no-such-program is not on this machine"):
        systems.root_of("bullseye")
