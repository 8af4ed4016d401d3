"""Every way in which a command can end, under every shell, and what a job has made of its own folder by then."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from remote_install.jobhost import layout, processes, status
from remote_install.jobhost.status import GONE, Answer, Verdict

from .shells import LIMIT, MESSAGE, Try

Shells = dict[str, tuple[str, ...]]

CODES = [0, 1, 2, 3, 77, 124, 125, 126, 127, 128, 193, 254, 255]
# Stopped is not ended; what is ignored by default ends nobody.
SPARED = {"STOP", "TSTP", "TTIN", "TTOU", "CONT", "CHLD", "URG", "WINCH"}
NAMED = {number: signal.Signals(number).name[3:] for number in range(1, 32)}
NUMBERS = [number for number, name in NAMED.items() if name not in SPARED]
REAL_TIME = {34: "RTMIN", 35: "RTMIN+1", 50: "RTMIN+16", 63: "RTMIN+29", 64: "RTMAX"}
AT_ONCE = 8


def expected_of_code(code: int) -> Verdict:
    """What contract.md says of an exit code that is no signal's."""
    return Verdict("succeeded", 0) if code == 0 else Verdict("failed", code, None, f"exit {code}")


def expected_of_signal(number: int) -> Verdict:
    name = NAMED.get(number) or REAL_TIME[number]
    return Verdict("killed", 128 + number, name, f"signal {name}")


def ends() -> dict[str, Verdict]:
    """A shell line that ends in some way -> what must be told of it."""
    lines = {f"exit {code}": expected_of_code(code) for code in CODES}
    lines.update({f"kill -{number} $$": expected_of_signal(number) for number in (*NUMBERS, *REAL_TIME)})
    # Alike, as docs/states.md says: a shell tells by such a code that its own child was killed.
    lines.update({f"exit {128 + number}": expected_of_signal(number) for number in (1, 2, 9, 15)})
    return lines


def test_however_a_command_ends_under_whatever_shell_its_state_code_and_signal_are_told(
    every_shell: Shells, tmp_path: Path
) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    cases = [(shell, line, expected) for shell in every_shell for line, expected in ends().items()]
    assert len(cases) >= 200
    wrong = []
    for start in range(0, len(cases), AT_ONCE):
        some = [
            (case, Try(every_shell[case[0]], os.fsencode(tmp_path), "sh", "-c", case[1], name=f"case-{start + n}"))
            for n, case in enumerate(cases[start : start + AT_ONCE])
        ]
        started = [one.start() for _, one in some]
        for process in started:
            process.communicate(timeout=20)
        for (shell, line, expected), one in some:
            told = status.judge(status.read(one.job), Answer(GONE), 0.0)
            if told != expected:
                wrong.append((shell, line, told))
    assert wrong == []


HERE = 'cd "$REMOTE_INSTALL_JOB_DIR" || exit 99; '
# What a job may do in its own folder, each without asking.
MEDDLING = {
    "job.status truncated": ": >job.status",
    "job.status longer": "head -c 100000 /dev/zero | tr '\\0' x >>job.status",
    "job.status removed": "rm job.status",
    "job.status a pipe": "rm job.status; mkfifo job.status",
    "job.status a folder": "rm job.status; mkdir job.status",
    "job.status a link to another job's": "ln -sf ../../other/01/job.status job.status",
    "job.status a link to nothing": "ln -sf nowhere job.status",
    "job.status unreadable": "chmod 0 job.status",
    "job.status another file": "cp job.status x; mv x job.status",
    "job truncated": ": >job",
    "job overwritten": "printf '%0100000d\\nexit 0\\n' 7 | tr 0 '\\n' >job",
    "job removed": "rm job",
    "job grown by lines before": "{ echo 'exit 0'; cat job; } >x; cat x >job",
    "job.start removed": "rm job.start",
    "job.submit garbage": "head -c 100000 /dev/urandom >job.submit",
    "job.out a pipe": "rm -f job.out; mkfifo job.out",
    "job.out a link": "ln -sf /etc/passwd job.out",
    "job.out a folder": "rm -f job.out; mkdir job.out",
    "record of its own printed": "echo EXIT=0; echo EXIT=0 >&2",
}


@pytest.mark.parametrize("line", MEDDLING.values(), ids=MEDDLING.keys())
def test_a_job_that_meddles_with_its_own_folder_ends_as_it_ends_and_alone(
    every_shell: Shells, tmp_path: Path, line: str
) -> None:
    run = os.fsencode(tmp_path)
    other = Try(("sh",), run, "sh", "-c", "exit 7", name="other")
    other.finish()
    before = other.read(other.job.status)
    for number, shell in enumerate(every_shell.values()):
        # An argument as long as this one makes a script that no shell reads at once.
        one = Try(shell, run, "sh", "-c", HERE + line + "; exit 3", "x" * 70_000, name=f"case-{number}")
        one.finish()
        facts = status.read(one.job)
        assert facts.exit_code == 3, (shell, facts)
        assert other.read(other.job.status) == before, shell


def test_nobody_is_left_when_a_time_limit_is_no_longer_needed(every_shell: Shells, tmp_path: Path) -> None:
    """A signal that came while a sleep had not quite begun was lost, and it slept on for a minute."""
    run = os.fsencode(tmp_path)
    for number in range(12):
        for name, shell in every_shell.items():
            one = Try(shell, run, "true", limit=300, name=f"{name.replace(' ', '-')}-{number}")
            with one.start() as process:
                process.communicate(timeout=20)
    until = time.monotonic() + 5
    while (left := standing_below(tmp_path)) and time.monotonic() < until:
        time.sleep(0.02)
    assert left == []


def standing_below(folder: Path) -> list[str]:
    """The processes whose working directory lies below `folder`."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{entry}/cwd").startswith(f"{folder}/"):
                found.append(Path(f"/proc/{entry}/cmdline").read_bytes().decode())
    return found


def test_every_shell_keeps_a_time_limit(every_shell: Shells, tmp_path: Path) -> None:
    """TERM to all processes of the session, KILL to who is deaf to it; how it ended is written down."""
    deaf = "trap '' TERM; sleep 600 & while :; do sleep 0.05; done"
    jobs = [subprocess.Popen(["sh", "-c", deaf], start_new_session=True) for _ in every_shell]
    keepers = []
    for shell, job in zip(every_shell.values(), jobs):
        folder = tmp_path / shell[0] / str(job.pid)
        folder.mkdir(parents=True)
        (folder / "job.limit").write_bytes(LIMIT.replace(b"grace=10 ", b"grace=1 "))
        fields = processes.stat_fields(job.pid)
        assert fields is not None
        argv = [*shell, "job.limit", str(job.pid), fields[19], "1"]
        keepers.append((folder, subprocess.Popen(argv, cwd=folder, start_new_session=True)))
    for name, (folder, keeper), job in zip(every_shell, keepers, jobs):
        assert keeper.wait(20) == 0, name
        assert job.wait(5) == -signal.SIGKILL, name
        assert (os.readlink(folder / "job.kill"), os.readlink(folder / "job.end")) == ("time limit", "EXIT=137"), name
        assert processes.Table().members(job.pid) == [], name


def test_every_shell_writes_messages(every_shell: Shells, tmp_path: Path) -> None:
    texts = ["one", "two  words", "$(x) 'q' \"d\" -n \\n", "-dash", "", "é", *map(str, range(8))]
    program = tmp_path / "message.sh"
    program.write_bytes(MESSAGE)
    for name, shell in every_shell.items():
        job = layout.job_directory(os.fsencode(tmp_path), name.replace(" ", "-"), 1)
        os.makedirs(job.path)
        for text in texts:
            environ = {**os.environ, "REMOTE_INSTALL_JOB_DIR": os.fsdecode(job.path)}
            subprocess.run([*shell, str(program), text], env=environ, check=True)
        assert status.messages(job) == [" ".join(text.split()) for text in texts], name
