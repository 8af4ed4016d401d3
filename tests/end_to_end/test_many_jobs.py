"""Many jobs: one call each for all of them, each told truly, and memory that does not grow with their output."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from . import many
from .client import Client, Done

PLENTY = [300, pytest.param(10_000, marks=pytest.mark.slow)]
PLENTY_TO_SUBMIT = [300, pytest.param(1000, marks=pytest.mark.slow)]


def once(client: Client, *words: str) -> Done:
    """Run a command that makes one connection."""
    logins = client.host.calls()
    done = client(*words, timeout=170)
    assert client.host.calls() == logins + 1, done.err
    print(f"{words[0]}: {done.seconds:.2f} s")
    return done


def states(done: Done) -> dict[str, tuple[str, Any]]:
    return {job["job"]: (job["state"], job["exit_code"]) for job in done.json["jobs"]}


@pytest.fixture
def large(client: Client, make_host: Any) -> Client:
    """The user of a host whose disk holds ten thousand jobs."""
    folder = client.folder / "large"
    user = Client(folder, make_host(home_size="600m"))
    user.prepare()
    assert user("install", "demo", "-p", "hpc").code == 0
    return user


@pytest.mark.parametrize("count", PLENTY_TO_SUBMIT)
def test_many_jobs_are_submitted_by_one_call_and_each_runs_once(large: Client, count: int) -> None:
    large.write("run.yaml", many.run_yaml(count, json.dumps(["sh", "-c", 'echo "$REMOTE_INSTALL_JOB"; exit 3'])))
    assert large("install", "demo", "-p", "hpc").code == 0
    submitted = once(large, "submit", "demo", "--no-install", "--json")
    assert submitted.code in (0, 1), submitted.err
    assert [job["job"] for job in submitted.json["jobs"]] == [many.name(number) for number in range(count)]
    assert submitted.seconds < 60
    done = large("wait", "demo", "--json", timeout=170)
    assert states(done) == {many.name(number): ("failed", 3) for number in range(count)}
    line = f"cd {large.there}/log/job && cat */01/job.out && ls -d */*/ | wc -l"
    printed = large.host.run(["sh", "-c", line], check=True).stdout.split()
    assert printed == [*(many.name(number) for number in range(count)), str(count)]


@pytest.mark.parametrize("count", PLENTY)
def test_many_jobs_are_polled_by_one_call(large: Client, count: int) -> None:
    many.multiply(large, count)
    many.hide_pattern(large)
    # Not all alike: one has left no record, one other ended otherwise.
    folder = f"{large.there}/log/job"
    large.host.run(["rm", f"{folder}/{many.name(7)}/01/job.status"], check=True)
    line = f"sed -i s/EXIT=3/EXIT=0/ {folder}/{many.name(8)}/01/job.status"
    large.host.run(["sh", "-c", line], check=True)
    expected = {many.name(number): ("failed", 3) for number in range(count)}
    expected.update({many.name(7): ("unknown", None), many.name(8): ("succeeded", 0)})
    for _ in range(2):
        assert states(once(large, "poll", "demo", "--json")) == expected
    told = large("list", "demo", "--json", timeout=170)
    assert states(told) == expected


PEAK = """
import resource, runpy, sys
program, sys.argv = sys.argv[1], sys.argv[1:]
try:
    runpy.run_path(program, run_name="__main__")
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peaks(client: Client, verb: str, job: str) -> tuple[int, int]:
    """KiB of memory that the job host program and a client take for one job's output."""
    wanted: dict[str, Any] = {"job": job, "token": None, "try": None}
    if verb == "watch":
        wanted.update({"out": 0, "err": 0})
    request = {"run_root": "remote-install-run", "run": "demo", "jobs": [wanted], "seconds": 5}
    line = f'exec python3 -I -c "$0" .remote-install/*.pyz {verb} >/dev/null'
    there = client.host.run(["sh", "-c", line, PEAK], input=json.dumps(request), check=True).stderr
    here_line = f"import sys; sys.path[:0] = [{client.environment()['PYTHONPATH']!r}]; sys.argv = sys.argv[1:]; " + (
        "from remote_install.cli import main; import resource; main(); "
        "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    words = ["poll", "demo", job] if verb == "poll" else ["logs", "demo", job]
    here = subprocess.run(
        [sys.executable, "-c", here_line, "remote-install", *words],
        cwd=client.folder,
        env=client.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stderr
    return int(there.split()[-1]), int(here.split()[-1])


def test_memory_does_not_grow_with_what_jobs_print(client: Client) -> None:
    sizes = {"little": 100, "much": 20_000_000}
    lines = {name: ["head", "-c", str(size), "/dev/zero"] for name, size in sizes.items()}
    entries = [f"  {name}: {{platform: hpc, command: {json.dumps(argv)}}}\n" for name, argv in lines.items()]
    client.write("run.yaml", "jobs:\n" + "".join(entries))
    assert client("submit", "demo").code == 0
    assert client("wait", "demo").code == 0
    for verb in ("poll", "watch"):
        little, much = peaks(client, verb, "little"), peaks(client, verb, "much")
        print(verb, little, much)
        assert much[0] < little[0] + 4000, verb
        assert much[1] < little[1] + 4000, verb
