"""How fast it is, beside others: python tests/benchmarks [NAME...] [--rounds N] [--json FILE] [--docs]

Needs root, for job hosts of its own. Exits 1 when an aim is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import kept  # noqa: E402
from chart import svg  # noqa: E402
from hosts import JobHosts, missing_requirements  # noqa: E402
from table import Row, from_json, lines, markdown  # noqa: E402

BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"
WORKS = ("start_up", "installs", "big_files", "jobs", "many_hosts", "memory")
ALONE = {"start_up"}  # needs no job hosts


def measure(name: str, rounds: int, folder: Path) -> Iterator[Row]:
    """The rows of this work, each printed as soon as it is there. What breaks off is told: the others are measured."""
    began = time.monotonic()
    work = importlib.import_module(name)
    try:
        with JobHosts() if name not in ALONE else contextlib.nullcontext() as hosts:
            for row in work.rows(hosts, folder / name, rounds):
                print("\n".join(lines(row)), flush=True)
                yield row
            kept.end(os.environ["XDG_RUNTIME_DIR"])
    except Exception as error:
        traceback.print_exc()
        yield Row(f"{name}: broken off: {type(error).__name__}", aim=0.0)
    print(f"({name}: {time.monotonic() - began:.0f} s)\n", flush=True)


def write_docs(rows: list[Row]) -> None:
    """Put the table into docs/benchmarks.md and the picture beside it."""
    page = ROOT / "docs/benchmarks.md"
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{markdown(rows)}{END}{after}")
    page.with_suffix(".svg").write_text(svg(rows))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(WORKS)}; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="build/benchmarks.json", help="where the figures are written to")
    parser.add_argument("--docs", action="store_true", help="put what is in that file into docs/")
    told = parser.parse_args()
    if told.docs:
        write_docs([from_json(row) for row in json.loads(Path(told.json).read_text())])
        return 0
    unknown = set(told.names) - set(WORKS)
    if unknown:
        parser.error(f"no such work: {', '.join(sorted(unknown))}")
    names = told.names or list(WORKS)
    missing = missing_requirements()
    if missing and set(names) - ALONE:
        print(f"not measured: a job host needs {', '.join(missing)}")
        return int(os.environ.get("REQUIRE_ALL") == "1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all is cleaned up then, too
    with tempfile.TemporaryDirectory(prefix="ri-", dir="/tmp") as folder:
        runtime = Path(folder, "r")
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        found = [row for name in names for row in measure(name, told.rounds, Path(folder))]
    target = Path(told.json)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps([row.as_json() for row in found], indent=1) + "\n")
    missed = [row.work for row in found if row.missed or not row.measured]
    print("\n".join(f"missed: {work}" for work in missed) or "all aims are met")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
