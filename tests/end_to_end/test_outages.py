"""What ends while nobody can look is still told: the connection dies, the link is cut, the driver is killed."""

from __future__ import annotations

import signal
import time

import pytest

from .client import Client

pytestmark = pytest.mark.faults
SCRIPT = "#!/bin/sh\necho started\nuntil test -e go; do sleep 0.05; done\nexit 7\n"


def wait_for(client: Client, condition: str) -> None:
    """Until a shell condition holds in the run directory on the host."""
    line = f"cd '{client.there}' || exit; until {condition}; do sleep 0.05; done"
    client.host.run(["sh", "-c", line], check=True, timeout=30)


def test_sessions_killed_after_submit(client: Client) -> None:
    client.write("job.sh", SCRIPT, 0o755)
    process = client.start("run", "demo", "-p", "hpc", "--", "./job.sh")
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    client.host.stop_sshd()
    assert client.host.kill_sessions() > 0
    client.host.run(["touch", f"{client.there}/go"], check=True)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 4, err
    # Two tries in a row may wait equally long: how long is chance.
    lines = [line for line in err.splitlines() if b"; trying again in " not in line]
    assert sorted(lines) == sorted(set(lines)), "something was told twice"
    client.host.start_sshd()
    done = client("poll", "demo", "--json")
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 7)


def test_a_run_lives_through_killed_sessions_and_no_byte_comes_twice(client: Client) -> None:
    client.write("job.sh", SCRIPT, 0o755)
    process = client.start("run", "demo", "-p", "hpc", "--", "./job.sh")
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    client.host.kill_sessions()
    client.host.run(["touch", f"{client.there}/go"], check=True)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, b""), err
    assert b"failed (exit 7)" in err


def test_the_link_is_down_while_the_job_ends(client: Client) -> None:
    client.write("job.sh", SCRIPT, 0o755)
    assert client("submit", "demo", "-p", "hpc", "--", "./job.sh").code == 0
    wait_for(client, "test -e log/job/job/01/job.status")
    client.host.cut()
    client.host.run(["touch", f"{client.there}/go"], check=True)
    wait_for(client, "grep -q EXIT log/job/job/01/job.status")
    unreachable = client("poll", "demo", "--json")
    assert (unreachable.code, unreachable.job["state"]) == (4, "unknown")
    assert unreachable.job["reason"].startswith("host unreachable: ")
    assert unreachable.job["error"]["code"] == 4
    assert unreachable.seconds < 5 + 10
    client.host.heal()
    done = client("poll", "demo", "--json")
    assert (done.code, done.job["exit_code"]) == (1, 7)
    client.host.cut()
    kept = client("poll", "demo", "--json")
    assert (kept.code, kept.job["state"], kept.job["exit_code"]) == (1, "failed", 7)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_driver_is_ended_and_started_again(client: Client, number: signal.Signals) -> None:
    client.write("job.sh", SCRIPT.replace("started", "started $(echo x >>starts)"), 0o755)
    process = client.start("run", "demo", "-p", "hpc", "--on-cancel", "leave", "--", "./job.sh")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number], err
    if number != signal.SIGKILL:
        assert b"remote-install wait demo job" in err
        assert client.leftovers() == []
    client.host.run(["touch", f"{client.there}/go"], check=True)
    again = client("run", "demo", "-p", "hpc", "--json", "--", "./job.sh")
    assert (again.code, again.job["try"], again.job["exit_code"]) == (1, 1, 7)
    assert client.host.read(f"{client.there}/starts") == "x\n"
    _wait_until_gone(client)


THREE_JOBS = """
jobs:
  good: {platform: hpc, command: "echo x >>good; until test -e go; do sleep 0.05; done; echo told"}
  bad: {platform: hpc, command: "echo x >>bad; until test -e go; do sleep 0.05; done; exit 3"}
  struck: {platform: hpc, command: "echo x >>struck; until test -e go; do sleep 0.05; done; kill -9 $$"}
"""


def test_jobs_that_end_without_a_driver_while_their_host_is_unreachable(client: Client) -> None:
    client.write("run.yaml", THREE_JOBS)
    assert client("install", "demo", "-p", "hpc").code == 0
    process = client.start("run", "demo")
    wait_for(client, "test -s good -a -s bad -a -s struck")
    process.kill()
    process.communicate(timeout=30)
    client.host.cut()
    client.host.run(["touch", f"{client.there}/go"], check=True)
    wait_for(client, "test $(cat log/job/*/01/job.status | grep -c EXIT) = 3")
    unreachable = client("run", "demo", "--json")
    assert (unreachable.code, {job["state"] for job in unreachable.json["jobs"]}) == (4, {"unknown"})
    client.host.heal()
    done = client("run", "demo", "--json")
    told = [(job["job"], job["try"], job["state"], job["exit_code"]) for job in done.json["jobs"]]
    assert told == [("good", 1, "succeeded", 0), ("bad", 1, "failed", 3), ("struck", 1, "killed", 137)]
    assert done.code == 1
    assert "good| told" in done.err
    assert (client.run_directory / "log/job/good/01/job.out").read_text() == "told\n"
    assert [client.host.read(f"{client.there}/{name}") for name in ("good", "bad", "struck")] == ["x\n"] * 3
    _wait_until_gone(client)


def test_a_job_whose_host_was_rebooted_is_lost_and_not_started_again(client: Client) -> None:
    words = ["-p", "hpc", "--json", "--", "sh", "-c", "echo x >>starts; sleep 60"]
    assert client("submit", "demo", *words).code == 0
    wait_for(client, "test -s starts")
    client.host.reboot()
    early = client("submit", "demo", *words)
    assert (early.code, early.job["state"]) == (0, "unknown")
    assert early.job["reason"].startswith("host rebooted")
    # The clock passes: what was written down then is two minutes old now.
    gone = f"{client.there}/log/job/job/01/job.gone"
    client.host.write_file(gone, f"{float(client.host.read(gone)) - 121}\n")
    late = client("run", "demo", *words)
    assert (late.code, late.job["try"], late.job["state"], late.job["reason"]) == (1, 1, "lost", "host rebooted")
    assert client.host.read(f"{client.there}/starts") == "x\n"


def _wait_until_gone(client: Client) -> None:
    """What a driver killed with -9 left behind ends by itself: its ssh writes to nobody."""
    until = time.monotonic() + 20
    while client.leftovers() and time.monotonic() < until:
        time.sleep(0.1)


def test_everything_forgotten_here_is_found_there(client: Client) -> None:
    assert client("run", "demo", "-p", "hpc", "--", "sh", "-c", "echo told; exit 5").code == 1
    import shutil

    shutil.rmtree(client.run_directory)
    client.run_directory.mkdir()
    nothing = client("poll", "demo")
    assert nothing.code == 2
    assert "-p PLATFORM" in nothing.err
    found = client("poll", "demo", "-p", "hpc", "--json")
    assert (found.code, found.job["exit_code"]) == (1, 5)
    assert client("logs", "demo", "job", "-p", "hpc").out == b"told\n"
    assert client("wait", "demo", "job", "-p", "hpc").code == 1


def test_two_submits_at_once_make_one_run(client: Client) -> None:
    client("install", "demo", "-p", "hpc")
    words = ["submit", "demo", "-p", "hpc", "--no-install", "--", "sh", "-c", "echo x >>starts; sleep 60"]
    both = [client.start(*words) for _ in range(4)]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert client.host.read(f"{client.there}/starts") == "x\n"
    assert client.host.run(["ls", f"{client.there}/log/job/job"]).stdout.split() == ["01"]


def test_wait_gives_up_in_time_and_the_job_goes_on(client: Client) -> None:
    client("submit", "demo", "-p", "hpc", "--", "sleep", "60")
    done = client("wait", "demo", "--timeout", "1", "--json")
    assert (done.code, done.job["state"]) == (8, "running")
    assert client("run", "demo", "-p", "hpc", "--timeout", "1s", "--", "sleep", "60").code == 8
    assert client("poll", "demo").code == 0
