"""The files that are transferred."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

MEGABYTE = 1024 * 1024


def many(folder: Path, count: int, size: int = 4096) -> None:
    """`count` files of `size` bytes of noise, a hundred to a folder."""
    noise = random.Random(1)
    for number in range(count):
        if number % 100 == 0:
            below = folder / f"d{number // 100:04d}"
            below.mkdir(parents=True)
        (below / f"f{number % 100:02d}").write_bytes(noise.randbytes(size))


def noise(path: Path, megabytes: int) -> None:
    """One file that can't be compressed."""
    with open(path, "wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))


def text(path: Path, megabytes: int) -> None:
    """One file as programs write them: half a log, half a table of measured values. It is compressed to a quarter by
    zlib's level 1, to a sixth by that of zstd, which is less than many logs are."""
    source = random.Random(2)
    parts = [_part(lines, 4 * MEGABYTE) for lines in (_log(source), _table(source))]
    with open(path, "wb") as file:
        for number in range(megabytes):
            # Not the same megabyte again and again: a long window would find it.
            part = parts[number % 2]
            cut = source.randrange(3 * MEGABYTE)
            file.write(part[cut : cut + MEGABYTE])


def _part(lines: Iterator[str], size: int) -> bytes:
    found, length = [], 0
    while length < size:
        found.append(next(lines))
        length += len(found[-1])
    return "".join(found)[:size].encode()


def _log(source: random.Random) -> Iterator[str]:
    clock = 1.79e9
    for step in itertools.count(1):
        clock += source.random()
        residual, iterations = 10 ** -source.uniform(2, 9), source.randint(8, 40)
        yield f"{clock:.3f} INFO solver: step {step} dt 1.250e-02 residual {residual:.3e} iterations {iterations}\n"
        if step % 10 == 0:
            yield f"{clock:.3f} INFO output: wrote field u to results/u_{step:06d}.nc in {source.random():.2f} s\n"
        if source.random() < 0.02:
            yield f"{clock:.3f} WARNING solver: residual grows on subdomain {source.randrange(512)} of 512\n"


def _table(source: random.Random) -> Iterator[str]:
    values = [source.uniform(0, 30) for _ in range(6)]
    for row in itertools.count():
        values = [value + source.gauss(0, 0.05) for value in values]
        time = f"2026-11-22T{row // 3600 % 24:02d}:{row // 60 % 60:02d}:{row % 60:02d}Z"
        yield f"{time},station-{row % 40:03d},{','.join(f'{value:.2f}' for value in values)},ok\n"
