"""Runs on a job host, beside pbspro.py and lsf.py: jobs in the background, with what there is to know of each in a
folder, and the words of recorded cases. No batch system: what a job does is real, what the commands say is replayed."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STATE = os.path.expanduser("~/.replay")
ENDED, HELD, RUNNING = "ended", "held", "running"


def options(words: list[str], flags: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Return the options at the start of `words`, and what follows them; flags: those that have no value."""
    rest, found = list(words), {}
    while rest and rest[0].startswith("-"):
        name = rest.pop(0)
        found[name] = "" if name in flags else rest.pop(0)
    return found, rest


def make(name: str, held: bool) -> str:
    """Queue a job; return its number. Its folder comes into being whole."""
    os.makedirs(STATE, exist_ok=True)
    part = f"{STATE}/part-{os.getpid()}"
    os.mkdir(part)
    write(f"{part}/name", name)
    if held:
        write(f"{part}/{HELD}", "")
    for number in itertools.count(len(os.listdir(STATE))):
        try:
            os.rename(part, f"{STATE}/{number}")
            return str(number)
        except OSError:  # another has that number
            continue
    raise AssertionError


def start(number: str, argv: list[str], environment: dict[str, str], folder: str, output: str) -> None:
    """Run a job in a session of its own, below a shell that waits for it, as batch systems do."""
    if os.fork():
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.chdir(folder)
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.execve("/bin/sh", ["sh", "-c", '"$@"; exit $?', "job", *argv], environment)
    write(f"{STATE}/{number}/session", str(pid))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    write(f"{STATE}/{number}/{ENDED}", str(code))
    os._exit(0)


def state(number: str) -> str:
    """Return what a job does, "" if there is none of that number."""
    for word in (ENDED, HELD):
        if os.path.exists(f"{STATE}/{number}/{word}"):
            return word
    return RUNNING if number and os.path.isdir(f"{STATE}/{number}") else ""


def name_of(number: str) -> str:
    """Return a job's name."""
    return read(f"{STATE}/{number}/name")


def numbers() -> list[str]:
    """Return the numbers of all jobs, rising."""
    return sorted((name for name in os.listdir(STATE) if name.isdigit()), key=int) if os.path.isdir(STATE) else []


def end(number: str, signals: tuple[str, ...]) -> None:
    """Take a job out of the queue; if it runs, send it one signal after the other, in the background."""
    if state(number) == HELD:
        write(f"{STATE}/{number}/{ENDED}", "")
        return
    if os.fork():
        return
    os.setsid()
    path = f"{STATE}/{number}/session"
    while not os.path.exists(path):  # it has only just been submitted
        time.sleep(0.01)
    session = int(read(path))
    for name in signals:
        for pid in members(session):
            try:
                os.kill(pid, signal.Signals[f"SIG{name}"])
            except ProcessLookupError:
                pass
        until = time.monotonic() + 1
        while members(session) and time.monotonic() < until:
            time.sleep(0.05)
    os._exit(0)


def members(session: int) -> list[int]:
    """Return the pids of all processes of a session."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = read(f"/proc/{entry}/stat").rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry))
    return found


def say(case: str, changes: dict[str, str]) -> int:
    """Print what a recorded command printed, with our values in place of those that were recorded; return its exit
    code."""
    code, out, err = recorded(case)
    for theirs, ours in changes.items():
        out, err = out.replace(theirs, ours), err.replace(theirs, ours)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


def recorded(case: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a case (tests/batch/cases.py)."""
    head, _, rest = read(f"{HERE}/cases/{case}.txt").partition("--- stdout\n")
    out, _, err = rest.partition("--- stderr\n")
    return int(head.splitlines()[1][len("exit ") :]), out, err


def read(path: str) -> str:
    """Return a file's text."""
    with open(path, newline="") as file:
        return file.read()


def write(path: str, text: str) -> None:
    """Write a file in one step."""
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.rename(f"{path}.new", path)
