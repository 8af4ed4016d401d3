"""A run is interrupted at each of its phases: its jobs are ended or left, and the user is told how to go on."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from typing import Callable

import pytest

from remote_install.cli import signals

from .client import Client

LIVES = ("sh", "-c", "echo begun; exec sleep 61")
DEAF = ("sh", "-c", "trap '' TERM; echo begun; while :; do sleep 0.1; done")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TYPED = (signal.SIGINT, signal.SIGTERM)
TWO = """
jobs:
  one: {platform: hpc, command: "echo begun; exec sleep 61"}
  two: {platform: gpu, command: "echo begun; exec sleep 61"}
"""


def begun(client: Client, *words: str, lines: int = 1) -> subprocess.Popen[bytes]:
    """A run of which every job has printed a line."""
    process = client.start("run", "demo", *words)
    assert process.stdout is not None
    for _ in range(lines):
        assert b"begun" in process.stdout.readline()
    return process


def read_until(process: subprocess.Popen[bytes], text: bytes, times: int = 1) -> None:
    """Read its talk up to the line in which `text` stands for the last of so many times."""
    assert process.stderr is not None
    seen = b""
    while seen.count(text) < times:
        line = process.stderr.readline()
        assert line, seen
        seen += line


def ended(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[bytes, str]:
    """What an interrupted run has printed when it has ended."""
    process.send_signal(number)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 128 + number, err.decode()
    return out, err.decode()


def wait_for(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.02)


def state(client: Client) -> str:
    """The job's state as it is told to who asks."""
    return str(client("poll", "demo", "--json").job["state"])


def type_what_it_says(client: Client, err: str) -> int:
    """The exit code of the command that the last line of the talk ends with."""
    words = shlex.split(err.splitlines()[-1].rpartition(": ")[2])
    assert words.pop(0) == "remote-install"
    return client(*words).code


@pytest.mark.parametrize("number", ENDING)
def test_an_interrupted_run_ends_its_job(client: Client, number: signal.Signals) -> None:
    _, err = ended(begun(client, "-p", "hpc", "--", *LIVES), number)
    assert client.leftovers() == []
    assert "interrupted; ending job" in err
    assert "job 01 killed (signal TERM) on hpc" in err
    assert not [one for one in client.host.processes() if one.args == "sleep 61"]
    assert type_what_it_says(client, err) == 0
    assert (client.run_directory / "log/job/job/01/job.out").read_text() == "begun\n"
    assert client("list", "demo", "--json").job["state"] == "killed"


def test_a_job_is_left_where_that_is_asked_for(client: Client) -> None:
    _, err = ended(begun(client, "-p", "hpc", "--on-cancel", "leave", "--", *LIVES), signal.SIGTERM)
    assert client.leftovers() == []
    assert "the jobs go on. To pick them up: remote-install wait demo job" in err
    assert state(client) == "running"
    assert client("kill", "demo").code == 0
    assert type_what_it_says(client, err) == 1


def test_jobs_on_several_platforms_end_as_soon_as_one_does(client: Client) -> None:
    path = client.folder / "hosts.yaml"
    text = path.read_text()
    path.write_text(text + text.partition("\n")[2].replace("  hpc:", "  gpu:") + "    run_root: other\n")
    client.write("run.yaml", TWO)
    process = begun(client, "--json", lines=0)
    read_until(process, b"| begun", 2)
    began = time.monotonic()
    out, err = ended(process, signal.SIGINT)
    assert time.monotonic() - began < 7
    assert "trying again" not in err
    assert [word in err for word in ("one 01 killed", "two 01 killed", "unknown")] == [True, True, False]
    assert out.count(b'"state": "killed"') == 2


def test_who_is_deaf_to_term_is_killed_after_the_grace(client: Client) -> None:
    began = time.monotonic()
    _, err = ended(begun(client, "-p", "hpc", "--", *DEAF), signal.SIGINT)
    assert time.monotonic() - began < 12
    assert "job 01 killed (signal KILL) on hpc" in err


def test_a_second_signal_leaves_at_once(client: Client) -> None:
    process = begun(client, "-p", "hpc", "--", *DEAF)
    process.send_signal(signal.SIGINT)
    read_until(process, b"ending job")
    time.sleep(1.5 * signals.SAME)  # sooner it would count as the same one
    began = time.monotonic()
    _, err = ended(process, signal.SIGTERM)
    assert time.monotonic() - began < 3
    assert client.leftovers() == []
    assert "the jobs may be alive. To pick them up: remote-install wait demo job" in err
    assert client("kill", "demo", "--grace", "0").code == 0


@pytest.mark.parametrize("number", TYPED)
def test_who_can_not_connect_yet_ends_at_once(client: Client, number: signal.Signals) -> None:
    client.host.drop()
    process = client.start("run", "demo", "-p", "hpc", "--", *LIVES)
    wait_for(lambda: any("ssh -F" in line for line in client.leftovers()))
    began = time.monotonic()
    _, err = ended(process, number)
    assert time.monotonic() - began < 3  # and not when the connect time-out is over
    assert client.leftovers() == []
    assert err.splitlines()[-1] == "remote-install: interrupted; nothing was submitted"


# A python3 there that takes as long to submit as a test wants it to.
SLOW = """#!/bin/sh
case "$*" in
*" submit") touch submitting; until test -e go; do sleep 0.02; done ;;
esac
exec python3 "$@"
"""


@pytest.fixture
def slow(client: Client) -> Client:
    """A user whose submissions get no answer until there is a file."""
    client.host.run(["sh", "-c", "cat >slow && chmod +x slow"], input=SLOW, check=True)
    path = client.folder / "hosts.yaml"
    path.write_text(path.read_text() + f"    python: {client.host.home}/slow\n")
    return client


def submitting(client: Client, *words: str) -> subprocess.Popen[bytes]:
    """A run that waits for the answer to its submission."""
    process = client.start("run", "demo", "-p", "hpc", *words, "--", *LIVES)
    wait_for(lambda: client.host.run(["test", "-e", "submitting"]).returncode == 0)
    return process


@pytest.mark.parametrize("number", TYPED)
def test_an_interrupted_submission_is_waited_for_and_its_job_is_ended(slow: Client, number: signal.Signals) -> None:
    process = submitting(slow)
    process.send_signal(number)
    read_until(process, b"interrupted; waiting for the answer")
    slow.host.run(["touch", "go"], check=True)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 128 + number, err.decode()
    assert slow.leftovers() == []
    assert "job 01 killed" in err.decode()
    assert not [one for one in slow.host.processes() if one.args == "sleep 61"]
    assert type_what_it_says(slow, err.decode()) == 0
    assert slow("list", "demo", "--json").job["state"] == "killed"


@pytest.mark.parametrize("number", TYPED)
def test_a_submission_that_is_left_is_made_once_by_the_next(slow: Client, number: signal.Signals) -> None:
    _, err = ended(submitting(slow, "--on-cancel", "leave"), number)
    assert slow.leftovers() == []
    assert "the jobs may have been submitted. To see: remote-install poll demo job" in err
    slow.host.run(["touch", "go"], check=True)
    wait_for(lambda: not any(one.args.endswith(" submit") for one in slow.host.processes()))
    assert type_what_it_says(slow, err) in (0, 7)  # it depends on how far the submission came
    assert slow("submit", "demo", "-p", "hpc", "--", *LIVES).code == 0
    wait_for(lambda: any(one.args == "sleep 61" for one in slow.host.processes()))
    assert [one.args for one in slow.host.processes()].count("sleep 61") == 1
    assert slow("kill", "demo").code == 0


@pytest.mark.parametrize("more", [[], ["--on-cancel", "leave"]])
def test_nothing_is_ended_where_nothing_was_submitted(client: Client, more: list[str]) -> None:
    client.write("run.yaml", "install: {command: 'echo building; sleep 62'}\n")
    process = client.start("run", "demo", "-p", "hpc", *more, "--", *LIVES)
    read_until(process, b"building")
    _, err = ended(process, signal.SIGINT)
    assert client.leftovers() == []
    assert err.splitlines()[-1] == "remote-install: interrupted; nothing was submitted"
    assert client.host.run(["test", "-e", f"{client.there}/log/job/job/01"]).returncode == 1


@pytest.mark.parametrize("number", TYPED)
def test_what_is_interrupted_in_its_fetch_is_fetched_by_the_next(client: Client, number: signal.Signals) -> None:
    client.write("run.yaml", "fetch: [results/]\n")
    path = client.folder / "hosts.yaml"
    quick = path.read_text()
    path.write_text(quick + "    rsync: {options: [--bwlimit=100]}\n")  # kilobytes a second
    line = "mkdir results && head -c 1000000 /dev/urandom >results/much"
    process = client.start("run", "demo", "-p", "hpc", "--", "sh", "-c", line)
    wait_for(lambda: any("bwlimit" in line and "/incoming/" in line for line in client.leftovers()))
    _, err = ended(process, number)
    assert client.leftovers() == []
    assert "the jobs have ended. To fetch again: remote-install fetch demo results" in err
    path.write_text(quick)
    assert type_what_it_says(client, err) == 0
    assert (client.run_directory / "results/much").stat().st_size == 1_000_000
