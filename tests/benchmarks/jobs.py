"""How long many jobs take, against ssh alone, and what the job wrapper costs: python tests/benchmarks/jobs.py [--quick]

Needs root, for a job host of its own. Exits 1 when an aim is missed; times are medians, so that what else this machine
does counts little. --quick: 100 and 1,000 jobs only.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from end_to_end import many  # noqa: E402
from end_to_end.client import Client, Done  # noqa: E402
from hosts import JobHosts, missing_requirements  # noqa: E402
from jobhost.shells import Try  # noqa: E402

ROUNDS = 3
WRAPPERS = 100
AIMS = {"submit 1000": 60.0, "poll 10000 / cat": 3.0, "wrapper": 15.0}
# What poll reads, read by the quickest that there is: the job status files and links of all jobs.
CAT = r"""cd remote-install-run/demo/log/job && find . -type l -printf '%l\n' &&
    find . -type f \( -name job.status -o -name job.submit \) -exec cat {} +"""


def ssh(client: Client, line: str) -> float:
    """Seconds that one ssh call takes."""
    argv = ["ssh", "-F", client.host.ssh_config, client.host.name, line]
    began = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def timed(client: Client, *words: str) -> float:
    """Seconds of one command, which must make one connection."""
    logins = client.host.calls()
    done: Done = client(*words, timeout=600)
    assert done.code in (0, 1), done.err
    assert client.host.calls() == logins + 1
    return done.seconds


def show(what: str, seconds: float, count: int, note: str = "") -> None:
    print(f"{what:28} {seconds:7.2f} s {seconds / count * 1000:8.2f} ms each   {note}".rstrip(), flush=True)


def submits(client: Client, counts: list[int]) -> dict[str, float]:
    """How long submit takes; the jobs are new tries each time, so that no folder is there yet."""
    found = {}
    for count in counts:
        client.write("run.yaml", many.run_yaml(count))
        assert client("install", "demo", "-p", "hpc").code == 0
        found[f"submit {count}"] = timed(client, "submit", "demo", "--no-install", "--again")
        show(f"submit {count}", found[f"submit {count}"], count)
        client("wait", "demo", timeout=600)
    return found


def polls(client: Client, counts: list[int]) -> dict[str, float]:
    """How long poll takes: the first, which writes down here how each ended, and when nothing is new."""
    found = {}
    there = 0
    for count in counts:
        many.multiply(client, count - there, first=there)
        many.hide_pattern(client)
        there = count
        cat = statistics.median(ssh(client, CAT) for _ in range(ROUNDS))
        first = timed(client, "poll", "demo", "--json")
        again = statistics.median(timed(client, "poll", "demo", "--json") for _ in range(ROUNDS))
        found[f"poll {count} / cat"] = again / cat
        show(f"cat, {count} jobs", cat, count)
        show(f"poll {count}, all are new", first, count)
        show(f"poll {count}, nothing is new", again, count, f"{again / cat:.2f} x cat")
        many.show_pattern(client)
    return found


def wrapper(folder: str) -> float:
    """Milliseconds of processor time that the job wrapper costs, without its command."""

    def spent(run: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for number in range(WRAPPERS):
            if run < 0:
                subprocess.run(["true"], check=True)
            else:
                Try(("sh",), os.fsencode(folder), "true", name=f"w{run}-{number}").finish()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / WRAPPERS * 1000

    return statistics.median(spent(run) for run in range(ROUNDS)) - spent(-1)


def main() -> int:
    """Print the figures."""
    missing = missing_requirements()
    if missing:
        print(f"not measured: a job host needs {', '.join(missing)}")
        return int(os.environ.get("REQUIRE_ALL") == "1")
    counts = [100, 1000] if "--quick" in sys.argv else [100, 1000, 10_000]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        found["wrapper"] = wrapper(f"{folder}/wrapped")
        print(f"{'wrapper':28} {found['wrapper']:7.2f} ms of processor time")
        with JobHosts() as hosts:
            for measure, sizes in ((submits, counts[:2]), (polls, counts)):
                client = Client(Path(folder, measure.__name__), hosts.make(home_size="600m"))
                client.prepare()
                assert client("install", "demo", "-p", "hpc").code == 0
                show("ssh true", statistics.median(ssh(client, "true") for _ in range(ROUNDS)), 1)
                found.update(measure(client, sizes))
    missed = [f"{what}: {found[what]:.2f}, aim {aim:g}" for what, aim in AIMS.items() if found.get(what, 0.0) > aim]
    print("\n".join(f"missed: {one}" for one in missed) or "all aims are met")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
