"""However a job behaves: its state is right, its output whole, its exit code its own; nothing here hangs or grows."""

from __future__ import annotations

import hashlib
import select
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from hosts import MakeHost

from .client import Client

NOT_LONG = 30  # seconds: far more than a run takes, far less than the sleepers of these jobs sleep
SLEEPER = "sleep 67"


def wait_for(client: Client, name: str) -> None:
    """Until a file of that name is in the run directory on the host."""
    line = f"until test -e '{client.there}/{name}'; do sleep 0.05; done"
    client.host.run(["sh", "-c", line], check=True, timeout=NOT_LONG)


def sleepers(client: Client) -> list[str]:
    return [process.args for process in client.host.processes() if process.args == SLEEPER]


# What it writes, and how it ends.

EVERY_BYTE = bytes(range(256))
LIKE_OURS = (
    b'{"reply": "end"}\n\nremote-install job host program, protocol 1\n{"reply": "error", "code": 4, "message": "no"}\n'
)
WRITE = "import os, sys\nout, err = sys.stdout.buffer, sys.stderr.buffer\n"
WRITERS = {
    "binary": (
        "out.write(bytes(range(256)) * 999); err.write(bytes(range(255, -1, -1)) * 999)",
        EVERY_BYTE * 999,
        EVERY_BYTE[::-1] * 999,
        0,
    ),
    "no newline at the end": (
        "out.write(b'first\\nlast'); err.write(b'no end'); sys.exit(9)",
        b"first\nlast",
        b"no end",
        9,
    ),
    "closed output": (
        "out.write(b'before'); out.flush(); os.close(1); os.write(2, b'still here\\n'); os._exit(5)",
        b"before",
        b"still here\n",
        5,
    ),
    "both outputs closed": ("os.close(1); os.close(2); os._exit(6)", b"", b"", 6),
    "errors only": ("err.write(b'bad\\nworse\\n'); sys.exit(1)", b"", b"bad\nworse\n", 1),
    "nothing": ("sys.exit(4)", b"", b"", 4),
    "words like our own": (f"out.write({LIKE_OURS!r}); err.write({LIKE_OURS!r})", LIKE_OURS, LIKE_OURS, 0),
    "half a character at a time": (
        "[os.write(1, bytes([byte])) for byte in 'grüße 日本'.encode() * 50]",
        "grüße 日本".encode() * 50,
        b"",
        0,
    ),
}


@pytest.mark.parametrize(("program", "out", "err", "code"), WRITERS.values(), ids=WRITERS.keys())
def test_what_a_job_writes_comes_whole_and_its_exit_code_is_its_own(
    client: Client, program: str, out: bytes, err: bytes, code: int
) -> None:
    client.write("job.py", WRITE + program + "\n")
    process = client.start("run", "demo", "-p", "hpc", "--exit-with-job-code", "--", "python3", "job.py")
    out_here, err_here = process.communicate(timeout=NOT_LONG)
    assert (process.returncode, out_here) == (code, out), err_here
    assert err in err_here
    assert (b"succeeded" if code == 0 else b"failed (exit %d)" % code) in err_here
    log = client.run_directory / "log/job/job/01"
    assert ((log / "job.out").read_bytes(), (log / "job.err").read_bytes()) == (out, err)
    assert client("logs", "demo", "job").out == out
    assert client("logs", "demo", "job", "--err").out == err


class Streamed(NamedTuple):
    """What came of a command that prints much. peak: the most memory that the process ever had, in KiB."""

    code: int
    digest: str
    peak: int


def streamed(client: Client, *words: str) -> Streamed:
    """Run a command to its end; nothing of what it prints is kept here either."""
    process = client.start(*words)
    assert process.stdout is not None
    digest, peak, data = hashlib.sha256(), 0, b"-"
    while data:
        ready, _, _ = select.select([process.stdout], [], [], 0.02)
        peak = max(peak, peak_memory(process.pid))
        data = process.stdout.read1(1 << 20) if ready else b"-"  # type: ignore[attr-defined]
        digest.update(data if ready else b"")
    _, err = process.communicate(timeout=NOT_LONG)
    assert process.returncode == 0, err
    return Streamed(process.returncode, digest.hexdigest(), peak)


def peak_memory(pid: int) -> int:
    """KiB. getrusage would not do: it counts what the process was before it became python."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


@pytest.fixture
def roomy(tmp_path: Path, make_host: MakeHost) -> Client:
    """A user of a host with a larger disk."""
    user = Client(tmp_path, make_host(home_size="256m"))
    user.prepare()
    return user


@pytest.mark.parametrize("line", ["seq {}", "seq {} | tr -d '\\n'"], ids=["in lines", "without a line's end"])
def test_100_megabytes_come_whole_and_take_no_more_memory_than_one(roomy: Client, line: str) -> None:
    peaks = []
    for name, count in (("one", 150_000), ("hundred", 12_500_000)):
        job = line.format(count)
        summed = subprocess.run(["sh", "-c", f"{job} | sha256sum"], capture_output=True, text=True, check=True)
        digest = summed.stdout.split()[0]
        run = streamed(roomy, "run", "demo", "-p", "hpc", "--name", name, "--", "sh", "-c", job)
        logs = streamed(roomy, "logs", "demo", name)
        assert (run.digest, logs.digest) == (digest, digest)
        peaks.append((run.peak, logs.peak))
    for one, hundred in zip(*peaks):
        assert 0 < hundred < one + 4096, peaks


# How it ends, or does not.

DEAF = """\
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("heard", flush=True))
open("ready", "w").close()
until = time.monotonic() + 67
while time.monotonic() < until:
    time.sleep(0.1)
"""


def test_who_ignores_term_is_killed_after_the_grace_and_all_are_told_so(client: Client) -> None:
    client.write("deaf.py", DEAF)
    driver = client.start("run", "demo", "-p", "hpc", "--", "python3", "deaf.py")
    wait_for(client, "ready")
    killed = client("kill", "demo", "--grace", "1s", "--json")
    assert killed.code == 0
    told = (killed.job["state"], killed.job["exit_code"], killed.job["signal"], killed.job["reason"])
    assert told == ("killed", 137, "KILL", "signal KILL")
    assert 1 < killed.seconds < NOT_LONG
    out, err = driver.communicate(timeout=NOT_LONG)
    assert (driver.returncode, out) == (1, b"heard\n")
    assert b"job 01 killed (signal KILL) on hpc" in err


def test_who_ends_well_on_term_has_ended_well(client: Client) -> None:
    client.write("tidy.py", DEAF.replace('print("heard", flush=True)', 'sys.exit("tidied up")').replace("67", "66"))
    driver = client.start("run", "demo", "-p", "hpc", "--exit-with-job-code", "--", "python3", "tidy.py")
    wait_for(client, "ready")
    killed = client("kill", "demo", "--grace", "60s", "--json")
    assert (killed.code, killed.job["state"], killed.job["exit_code"]) == (0, "failed", 1)
    assert killed.seconds < NOT_LONG
    _, err = driver.communicate(timeout=NOT_LONG)
    assert driver.returncode == 1
    assert b"tidied up\n" in err


DAEMON = f"""\
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("the daemon is up", flush=True)
        open("ready", "w").close()
        os.execvp("sleep", {SLEEPER.split()!r})
    os._exit(0)
while not os.path.exists("ready"):
    time.sleep(0.05)
"""


def test_a_job_that_left_a_daemon_has_ended_and_the_daemon_is_not_ours(client: Client) -> None:
    """It is in a session of its own, as it wanted to be; nothing tells it from another process of this user."""
    client.write("daemon.py", DAEMON)
    run = client("run", "demo", "-p", "hpc", "--", "python3", "daemon.py")
    assert (run.code, run.out) == (0, b"the daemon is up\n"), run.err
    assert run.seconds < NOT_LONG
    check_ended_and_left_alone(client)


def test_a_job_that_left_a_child_which_holds_its_output_has_ended(client: Client) -> None:
    run = client("run", "demo", "-p", "hpc", "--", "sh", "-c", f"{SLEEPER} & echo the shell has ended")
    assert (run.code, run.out) == (0, b"the shell has ended\n"), run.err
    assert run.seconds < NOT_LONG
    check_ended_and_left_alone(client)


def check_ended_and_left_alone(client: Client) -> None:
    """An ended state stays, so there is nothing to kill: what the job left behind lives on."""
    assert sleepers(client) == [SLEEPER]
    killed = client("kill", "demo", "--grace", "1s", "--json")
    assert (killed.code, killed.job["state"], killed.job["exit_code"]) == (0, "succeeded", 0)
    assert sleepers(client) == [SLEEPER]
    polled = client("poll", "demo", "--json")
    assert (polled.code, polled.job["state"]) == (0, "succeeded")


def test_what_a_left_child_writes_later_is_in_the_log(client: Client) -> None:
    line = "(until test -e go; do sleep 0.05; done; echo late; touch done) & echo early"
    assert client("run", "demo", "-p", "hpc", "--", "sh", "-c", line).out == b"early\n"
    client.host.run(["touch", f"{client.there}/go"], check=True)
    wait_for(client, "done")
    assert client("logs", "demo", "job").out == b"early\nlate\n"
    assert client("fetch", "demo").code == 0
    assert (client.run_directory / "log/job/job/01/job.out").read_bytes() == b"early\nlate\n"


def test_kill_ends_all_that_it_may_though_a_process_of_another_user_is_among_them(client: Client) -> None:
    """As with sudo in a job: a process of root's in the job's session can't be signalled by its user."""
    program, pid = "/tmp/becomes-root", "/tmp/root-is-up"
    client.host.run(["install", "-m", "4755", "/usr/bin/python3", program], user="root", check=True)
    root = f"import os, time; os.setresuid(0, 0, 0); print(os.getpid(), file=open({pid!r}, 'w')); time.sleep(68)"
    line = f'"{program}" -c "$0" & until test -s {pid}; do sleep 0.05; done; touch ready; {SLEEPER}'
    assert client("submit", "demo", "-p", "hpc", "--", "sh", "-c", line, root).code == 0
    wait_for(client, "ready")
    killed = client("kill", "demo", "--grace", "1s", "--json")
    left = client.host.run(["sh", "-c", f"kill -9 $(cat {pid}) && rm {pid} {program}"], user="root")
    assert (killed.code, killed.job["state"]) == (0, "killed"), killed.err
    assert sleepers(client) == []
    assert left.returncode == 0
