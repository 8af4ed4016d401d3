"""Thousands of jobs: submitted as a user does, or made on the host and here exactly as a real one was left."""

from __future__ import annotations

import json
import shutil

from .client import Client

PATTERN = "pattern"  # the real job that all others are copies of

# On the host: copies of the pattern's folder that differ where real jobs do. Arguments: its folder, then the tokens'
# names and contents on stdin, a line each.
COPY = r"""
import os, sys
pattern = sys.argv[1]
jobs, name = os.path.split(os.path.dirname(pattern))
plain = {}
for entry in os.listdir(pattern):
    path = os.path.join(pattern, entry)
    plain[entry] = None if os.path.islink(path) else open(path).read()
start = os.readlink(pattern + "/job.start").split(" ")
for number, line in enumerate(sys.stdin):
    job, token = line.split()
    folder = os.path.join(jobs, job, "01")
    os.makedirs(folder)
    pid = start[2] if sys.argv[2:] else str(100000 + number)
    for entry, text in plain.items():
        if text is not None:
            text = text.replace("=" + start[2] + "\n", "=" + pid + "\n").replace(" " + start[2] + " ", " " + pid + " ")
            with open(os.path.join(folder, entry), "w") as file:
                file.write(text.replace(name, job))
    os.symlink(token, folder + "/job.token")
    os.symlink(" ".join([*start[:2], pid, *start[3:]]), folder + "/job.start")
"""


def run_yaml(count: int, command: str = "'true'") -> str:
    """`count` jobs on the platform of the tests. command: as run.yaml has it."""
    lines = [f"  {name(number)}: {{platform: hpc, command: {command}}}\n" for number in range(count)]
    return "jobs:\n" + "".join(lines)


def name(number: int) -> str:
    return f"j{number:05d}"


def pattern_pid(client: Client) -> int:
    """The process of the pattern, on the host."""
    line = client.host.run(["readlink", f"{client.there}/log/job/{PATTERN}/01/job.start"], check=True).stdout
    return int(line.split()[2])


def multiply(client: Client, count: int, first: int = 0, running: bool = False) -> None:
    """Jobs that have ended and whose end was not told here yet: `count` copies of one that was really submitted.

    running: they have not ended, and are all the same process.
    """
    here = client.run_directory / "log/job"
    pattern = here / PATTERN
    if not pattern.exists():
        command, told = ("sleep 3600", "STARTED=") if running else ("exit 3", "EXIT=")
        done = client("submit", "demo", "-p", "hpc", "--name", PATTERN, "--", "sh", "-c", command)
        assert done.code in (0, 1), done.err
        status = f"{client.there}/log/job/{PATTERN}/01/job.status"
        client.host.run(["sh", "-c", f"until grep -q {told} {status}; do sleep 0.02; done"], check=True, timeout=20)
    report = json.loads((pattern / "report.1").read_text())
    token = json.loads((pattern / "token.1").read_text())
    lines = []
    for number in range(first, first + count):
        job = name(number)
        mine = {**token, "token": f"{number:032x}"}
        reported = {**report, "job": job, "state": "submitted", "exit_code": None, "signal": None, "reason": None}
        folder = here / job
        folder.mkdir()
        (folder / "token.1").write_text(json.dumps(mine) + "\n")
        (folder / "sent.1").write_text("")
        (folder / "report.1").write_text(json.dumps(reported) + "\n")
        lines.append(f"{job} {mine['token']}\n")
    there = f"{client.there}/log/job/{PATTERN}/01"
    words = ["running"] if running else []
    client.host.run(["python3", "-c", COPY, there, *words], input="".join(lines), check=True, timeout=300)


def hide_pattern(client: Client) -> None:
    """Put the pattern aside, here and there: it is no job of the test."""
    shutil.move(client.run_directory / "log/job" / PATTERN, client.folder / PATTERN)
    client.host.run(["mv", f"{client.there}/log/job/{PATTERN}", "."], check=True)


def show_pattern(client: Client) -> None:
    """Put the pattern back."""
    shutil.move(client.folder / PATTERN, client.run_directory / "log/job" / PATTERN)
    client.host.run(["mv", PATTERN, f"{client.there}/log/job/{PATTERN}"], check=True)
