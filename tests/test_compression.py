"""When it pays to have rsync compress: tables, and a look at real files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from transfer import compression
from transfer.compression import MUCH, Sample, level
from transfer.platforms import Platform, Rsync, Ssh

PLATFORM = Platform("hpc", ("h",), "hpc")
MEGABIT = 125e3
LINE = b"2026-11-22T12:00:00Z station-012 %07d 14.25 13.90\n"


@pytest.mark.parametrize(
    ("rsync", "ssh", "chosen"),
    [
        ((), {}, False),
        (("--bwlimit=1000", "-W", "--checksum", "--cc=md5", "--chmod=Dz"), {"Compression": "no"}, False),
        (("-z",), {}, True),
        (("-Wz",), {}, True),
        (("--compress",), {}, True),
        (("--no-compress",), {}, True),
        (("--compress-choice=lz4",), {}, True),
        (("--compress-level=3",), {}, True),
        (("--zc=zlib",), {}, True),
        (("--zl=9",), {}, True),
        (("--skip-compress=gz",), {}, True),
        ((), {"compression": "Yes"}, True),
    ],
)
def test_a_word_about_compression_in_hosts_yaml_counts(
    rsync: tuple[str, ...], ssh: dict[str, str], chosen: bool
) -> None:
    assert compression.is_chosen(replace(PLATFORM, rsync=Rsync(options=rsync), ssh=Ssh(options=ssh))) is chosen


@pytest.mark.parametrize(
    "platform",
    [
        replace(PLATFORM, rsync=Rsync(command=("rsync", "--no-compress"))),
        replace(PLATFORM, rsync=Rsync(options=("--no-z",))),
        replace(PLATFORM, ssh=Ssh(command=("ssh", "-C"))),
    ],
)
def test_a_word_about_it_in_a_command_counts_too(platform: Platform) -> None:
    assert compression.is_chosen(platform)


@pytest.mark.parametrize(
    ("rate", "ratio", "speed", "expected"),
    [
        (0.1 * MEGABIT, 3.0, 150e6, 9),
        (10 * MEGABIT, 3.0, 150e6, 9),
        (30 * MEGABIT, 3.0, 150e6, 9),
        (50 * MEGABIT, 3.0, 150e6, 6),
        (100 * MEGABIT, 3.0, 150e6, 1),
        (300 * MEGABIT, 3.0, 150e6, 1),
        (1000 * MEGABIT, 3.0, 150e6, None),
        (100 * MEGABIT, 3.0, 30e6, None),  # an old processor
        (10 * MEGABIT, 1.2, 150e6, None),  # what is compressed already
    ],
)
def test_the_slower_the_line_the_harder_it_is_compressed_and_never_where_the_processor_is_the_limit(
    rate: float, ratio: float, speed: float, expected: int | None
) -> None:
    assert level(rate, Sample(ratio, speed, MUCH)) == expected


def files(folder: Path, *contents: bytes) -> list[bytes]:
    paths = [os.path.join(os.fsencode(folder), b"caf\xe9-%d" % number) for number in range(len(contents))]
    for path, content in zip(paths, contents):
        with open(path, "wb") as file:
            file.write(content)
    return paths


def text(size: int) -> bytes:
    return b"".join(LINE % number for number in range(size // len(LINE % 0) + 1))[:size]


def test_what_is_looked_at_is_spread_over_all_bytes(tmp_path: Path) -> None:
    half = MUCH // 2
    only_text = compression.sample(files(tmp_path, text(half), text(half)))
    mixed = compression.sample(files(tmp_path, text(half), os.urandom(half), b"", b"x"))
    noise = compression.sample(files(tmp_path, os.urandom(half), os.urandom(half)))
    assert only_text is not None
    assert mixed is not None
    assert noise is not None
    assert only_text.ratio > 4
    assert 1.5 < mixed.ratio < 2.1
    assert noise.ratio < 1.05
    assert [one.size for one in (only_text, mixed, noise)] == [MUCH, MUCH + 1, MUCH]


def test_little_is_not_looked_at_and_what_can_not_be_read_is_told_by_others(tmp_path: Path) -> None:
    little = files(tmp_path, text(MUCH - 1))
    assert compression.sample(little) is None
    assert compression.sample([]) is None
    assert compression.sample([*little, b"/no/such/file"]) is None


def test_not_more_files_than_a_scan_takes_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MOST", 2)
    monkeypatch.setattr(compression, "MUCH", 1000)
    found = compression.sample(files(tmp_path, text(500), text(500), os.urandom(100_000)))
    assert found is not None
    assert found.size == 1000


def test_an_rsync_without_zstd_or_none_at_all_is_known_as_such(tmp_path: Path) -> None:
    for words, known in (("rsync  version 3.1.3", False), ("Compress list:\n    zstd lz4 zlibx none", True)):
        program = tmp_path / "rsync"
        program.write_text(f"#!/bin/sh\necho '{words}'\n")
        program.chmod(0o755)
        assert compression.is_known_here(replace(PLATFORM, rsync=Rsync(command=(str(program),)))) is known
    assert compression.is_known_here(replace(PLATFORM, rsync=Rsync(command=("/no/rsync",)))) is False
