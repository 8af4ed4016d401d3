"""Every fault at every step: the right exit code, no hang; healed, the same command ends well and nothing was lost, run
twice or torn."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from end_to_end.client import Client
from hosts import JobHost

from .kinds import FAULTS, Fault

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
LONGEST = 60.0  # seconds of a command under a fault: the time-outs of PLATFORM, all retries, and a slow machine
MORE = {"polling": {"first": 0.2, "max": 1}, "retry": {"attempts": 3, "max_wait": 0.5}}
ALIVE = {"ServerAliveInterval": "1", "ServerAliveCountMax": "3"}
JOB = "echo x >>~/ledger && echo begun && sleep 1 && cp data made && echo done"
SUBMIT = ("submit", "demo", "-p", "hpc", "--", "sh", "-c", JOB)
WHILE_IT_RUNS = ("submit", "poll", "wait", "logs -f", "kill")
STEPS: dict[str, tuple[str, ...]] = {
    "install": ("install", "demo", "-p", "hpc"),
    "submit": SUBMIT,
    "poll": ("poll", "demo"),
    "wait": ("wait", "demo"),
    "logs -f": ("logs", "demo", "job", "-f"),
    "kill": ("kill", "demo"),
    "fetch": ("fetch", "demo", "made"),
    "clean": ("clean", "demo"),
}


@pytest.fixture
def user(tmp_path: Path, job_host: JobHost, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(tmp_path, job_host)
    client.prepare()
    fault = FAULTS[request.node.callspec.params["fault"]]
    options = {**ALIVE, **fault.options}
    ssh = {"command": f"ssh -F {job_host.ssh_config}", "connect_timeout": 3, "options": options}
    platform = {"hosts": [job_host.name], "ssh": ssh, "rsync": {"options": list(fault.rsync)}, **MORE}
    (client.folder / "hosts.yaml").write_text(json.dumps({"platforms": {"hpc": platform}}))
    client.write("data", os.urandom(200_000))
    yield client
    fault.heal(client)
    job_host.repair()
    job_host.run(["sh", "-c", "kill -9 -1; true"])
    job_host.run(["sh", "-c", "find . -mindepth 1 -maxdepth 1 ! -name '.*' -exec rm -rf {} +"], check=True)


def prepare(user: Client, step: str) -> None:
    """All that comes before the step."""
    if step == "install":
        return
    assert user("install", "demo", "-p", "hpc").code == 0
    if step == "submit":
        return
    job = (*SUBMIT[:-1], "echo x >>~/ledger; exec sleep 600") if step == "kill" else SUBMIT
    assert user(*job).code == 0
    if step in ("fetch", "clean"):
        assert user("wait", "demo").code == 0


def under(user: Client, fault: Fault, words: tuple[str, ...]) -> tuple[int, str, bytes]:
    """The step, and the fault as soon as the host is at work: exit code, what was said, what was printed."""
    before = user.host.calls()
    if fault.before:
        fault.make(user, None)  # type: ignore[arg-type]
    process = user.start(*words)
    if not fault.before:
        wait_until(lambda: user.host.calls() > before or process.poll() is not None)
        fault.make(user, process)
    try:
        out, err = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"{words[0]} hangs")
    return process.returncode, err.decode(errors="replace"), out


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def heal(user: Client, fault: Fault) -> None:
    fault.heal(user)
    user.host.repair()


CASES = [(fault, step) for fault, kind in FAULTS.items() for step in kind.steps or STEPS]


@pytest.mark.parametrize(("fault", "step"), CASES)
def test_a_fault_is_told_and_once_healed_the_same_command_ends_well(
    user: Client, fault: str, step: str, record_property: Callable[[str, object], None]
) -> None:
    kind, words = FAULTS[fault], STEPS[step]
    prepare(user, step)
    code, err, out = under(user, kind, words)
    record_property("fault", [fault, step, code])
    assert "Traceback" not in err
    assert code in kind.codes, err
    assert b"begun\ndone\n".startswith(out) or step != "logs -f"
    heal(user, kind)
    again = user(*words, timeout=200)  # a job without an exit record counts as lost after 120 s
    spoilt = kind.spoils and step in WHILE_IT_RUNS
    # A job that the fault itself ended is told so: by `poll` and `wait` with 1; by `kill` not before it counts as lost.
    assert again.code in ((0, 1, 7) if spoilt else (0,)), again.err
    if spoilt and check_spoilt(user) != "succeeded":
        return
    if step == "logs -f":
        assert again.out == b"begun\ndone\n"
    check_the_end(user, step)


def check_spoilt(user: Client) -> str:
    """The state of a job whose host failed it: what it came to is told, and nothing else."""
    user("wait", "demo", "--timeout", "5")
    told = user("poll", "demo", "--json").job
    state = str(told["state"])
    assert state in ("failed", "succeeded", "killed") or told["reason"].startswith("host rebooted"), told
    assert (state == "succeeded") == (told["exit_code"] == 0)
    return state


def check_the_end(user: Client, step: str) -> None:
    """Nothing is lost, run twice or torn."""
    ledger = user.host.run(["sh", "-c", "cat ledger 2>/dev/null"]).stdout
    if step == "clean":
        assert user.host.run(["ls", "remote-install-run"]).stdout == ""
    elif step == "kill":
        assert user("poll", "demo", "--json").job["state"] == "killed"
    elif step == "install":
        assert (
            user.host.run(
                ["cmp", f"{user.there}/data", "-"], input=(user.run_directory / "data").read_bytes()
            ).returncode
            == 0
        )
        return
    else:
        assert user("wait", "demo").code == 0
        assert user("fetch", "demo", "made").code == 0
        assert (user.run_directory / "made").read_bytes() == (user.run_directory / "data").read_bytes()
        ledger = user.host.run(["cat", "ledger"]).stdout
    assert ledger == "x\n"
