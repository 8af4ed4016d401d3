"""The files that are transferred."""

from __future__ import annotations

import os
import random
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
    """One file as a program's output is: numbers and words, compressed to about a third."""
    source = random.Random(2)
    words = [source.choice("abcdefgh") * source.randint(1, 3) + str(number) for number in range(2000)]
    parts = []
    for _ in range(16):
        rows = []
        size = 0
        while size < MEGABYTE:
            row = f"{source.random():.6f} {source.choice(words)} {source.choice(words)} {source.randint(0, 99999)}\n"
            rows.append(row)
            size += len(row)
        parts.append("".join(rows)[:MEGABYTE].encode())
    with open(path, "wb") as file:
        for number in range(megabytes):
            # Not the same megabyte again and again: a long window would find it.
            part = parts[source.randrange(16)]
            cut = source.randrange(MEGABYTE)
            file.write(part[cut:] + part[:cut] if number else part)
