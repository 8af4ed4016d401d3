"""The Python API: the examples of its page, and what it raises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .client import Client

PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"
REFUSED = """
import signal, threading
from remote_install import Job, RunDirectory
from transfer.errors import HostError, TimedOutHere, UsageError, WouldDoHarm

run = RunDirectory("demo")
def raises(kind, act):
    try:
        act()
    except kind:
        return True
    raise AssertionError(kind)

raises(UsageError, lambda: Job("; rm", "true", "hpc"))
raises(UsageError, run.poll)
raises(WouldDoHarm, lambda: run.submit(Job("early", "true", "hpc")))
run.install("hpc")
run.submit(Job("long", "sleep 600", "hpc"))
raises(TimedOutHere, lambda: run.watch("long", timeout=0.1))
found = []
thread = threading.Thread(target=lambda: found.extend(run.kill("long")))
thread.start()
thread.join()
assert found[0].state == "killed"
"""

ERRORS = """
from remote_install import Job, RunDirectory
from transfer.errors import TimedOutHere

run = RunDirectory("demo")
run.install("hpc")
quick, long = Job("quick", "echo x >>~/ledger", "hpc"), Job("long", "sleep 600", "hpc")
run.submit(quick, long)
try:
    run.watch(timeout=3)
except TimedOutHere:
    assert run.submit(quick)[0].state == "succeeded"
run.kill()
"""


def python(client: Client, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program as a user of the API does."""
    line = [sys.executable, "-c", program]
    return subprocess.run(
        line, cwd=client.folder, env=client.environment(), capture_output=True, text=True, timeout=100
    )


def test_the_examples_of_its_page_do_what_they_say(client: Client) -> None:
    program = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    done = python(client, program)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"(submitted|running|succeeded) on \S+", lines[0])
    assert "has no platform hpd Did you mean `hpc`?" in lines[-1]


def test_errors_are_raised_and_nothing_is_printed(client: Client) -> None:
    done = python(client, REFUSED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_end_that_no_call_has_returned_is_found_again(client: Client) -> None:
    done = python(client, ERRORS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert client.host.read(f"{client.host.home}/ledger") == "x\n"


LOOKED = """
from remote_install import Job, RunDirectory

run, bad = RunDirectory("demo"), Job("bad", "exit 3", "hpc")
assert [one.changes_something for one in run.plan("hpc")] == [True]
assert run.known() == []
run.install("hpc")
assert [one.changes_something for one in run.plan("hpc")] == [False]
run.submit(bad)
while not run.poll("bad", shown=False)[0].ended:
    pass
assert [one.ended for one in run.known()] == [False]
(told,) = run.submit(bad)
assert (told.found, told.state, told.number) == ("same", "failed", 1)
assert run.known()[0].reason == "exit 3"
assert run.submit(bad)[0].number == 2
run.watch("bad")
assert run.fetch() > 0
assert run.fetch() == 0
"""


def test_a_plan_changes_nothing_and_who_only_looks_was_not_told(client: Client) -> None:
    client.write("file", "text")
    done = python(client, LOOKED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
