"""Jobs that left no word: their id has another process now, their host was rebooted, their disk took no record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .client import Client

READY = ": >ready; exec sleep 61"


def submit(client: Client, line: str) -> dict[str, Any]:
    done = client("submit", "demo", "-p", "hpc", "--json", "--", "sh", "-c", line)
    assert done.code == 0, done.err
    return done.job


def wait_for(client: Client, condition: str) -> None:
    line = f"cd '{client.there}' && until {condition}; do sleep 0.05; done"
    client.host.run(["sh", "-c", line], check=True, timeout=30)


def two_minutes_pass(client: Client) -> None:
    """What was written down here, and there if it could be, when the job was first missed is two minutes old now."""
    missed = client.run_directory / "log/job/job/missed.1"
    missed.write_text(f"{float(missed.read_text()) - 121}\n")
    gone = f"{client.there}/log/job/job/01/job.gone"
    client.host.run(["sh", "-c", f"test ! -f {gone} || echo $(($(cut -d. -f1 {gone}) - 121)) >{gone}"], user="root")


# As root in the host's pid namespace: take process id $1 for a sleep of the user's.
REUSE = """
for try in 1 2 3 4 5 6 7 8 9 10; do
    echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
    setpriv --reuid="$2" --regid="$2" --clear-groups setsid sleep 67 </dev/null >/dev/null 2>&1 &
    [ $! != "$1" ] || break
    kill $!
done
until grep -qs sleep "/proc/$1/comm"; do sleep 0.01; done
"""


def reuse(client: Client, pid: str) -> None:
    """Let another process of the same user have `pid`; nobody has it."""
    user_id = str(client.host.account("alice").user_id)
    client.host.run(["sh", "-c", REUSE, "reuse", pid, user_id], user="root", check=True)
    assert others(client) == [int(pid)]


def others(client: Client) -> list[int]:
    return [process.pid for process in client.host.processes() if process.args == "sleep 67"]


def test_another_process_that_has_the_id_of_a_dead_job_is_neither_taken_for_it_nor_killed(client: Client) -> None:
    job = submit(client, READY)
    wait_for(client, "test -e ready")
    client.host.run(["sh", "-c", f"kill -9 -{job['job_id']}"], check=True)
    wait_for(client, f"! test -e /proc/{job['job_id']}")
    reuse(client, job["job_id"])
    polled = client("poll", "demo", "--json").job
    assert (polled["state"], polled["job_id"]) == ("unknown", job["job_id"])
    assert "ended and left no exit record" in polled["reason"]
    killed = client("kill", "demo", "--json", "--grace", "1")
    assert (killed.code, killed.job["state"]) == (7, "unknown")
    two_minutes_pass(client)
    assert client("kill", "demo", "--json", "--grace", "1").job["state"] == "lost"
    assert client("poll", "demo", "--json").job["state"] == "lost"
    assert others(client) == [int(job["job_id"])]


def test_a_record_counts_though_another_process_has_the_id(client: Client) -> None:
    job = submit(client, "exit 3")
    assert client("wait", "demo").code == 1
    wait_for(client, f"! test -e /proc/{job['job_id']}")
    reuse(client, job["job_id"])
    (client.run_directory / "log/job/job/report.1").unlink()
    polled = client("poll", "demo", "--json").job
    assert (polled["state"], polled["exit_code"]) == ("failed", 3)
    killed = client("kill", "demo", "--json", "--grace", "1")
    assert (killed.code, killed.job["state"]) == (0, "failed")
    assert others(client) == [int(job["job_id"])]


def test_a_job_of_another_boot_is_lost_because_the_host_was_rebooted(client: Client) -> None:
    """The process lives on here, under the same id with the same start time: only the boot differs."""
    submit(client, READY)
    wait_for(client, "test -e ready")
    assert client("poll", "demo", "--json").job["state"] == "running"
    client.host.change_boot_id()
    early = client("poll", "demo", "--json").job
    assert (early["state"], early["reason"][:13]) == ("unknown", "host rebooted")
    killed = client("kill", "demo", "--json", "--grace", "1")
    assert killed.code == 7
    two_minutes_pass(client)
    late = client("poll", "demo", "--json")
    assert (late.code, late.job["state"], late.job["reason"]) == (1, "lost", "host rebooted")
    assert [process.args for process in client.host.processes() if process.args == "sleep 61"] == ["sleep 61"]


def test_a_host_that_crashed_and_came_back_tells_which_jobs_had_ended_and_which_are_lost(client: Client) -> None:
    assert client("run", "demo", "-p", "hpc", "--name", "ended", "--", "sh", "-c", "exit 3").code == 1
    (client.run_directory / "log/job/ended/report.1").unlink()
    submit(client, READY)
    wait_for(client, "test -e ready")
    client.host.reboot()
    told = {job["job"]: job for job in client("poll", "demo", "--json").json["jobs"]}
    assert (told["ended"]["state"], told["ended"]["exit_code"]) == ("failed", 3)
    assert (told["job"]["state"], told["job"]["reason"][:13]) == ("unknown", "host rebooted")
    two_minutes_pass(client)
    assert client("wait", "demo", "job", "--json").job["reason"] == "host rebooted"


def test_from_another_pid_namespace_a_job_is_neither_judged_nor_touched(client: Client) -> None:
    job = submit(client, READY)
    wait_for(client, "test -e ready")
    user_id = str(client.host.account("alice").user_id)
    # A fresh /proc would show the boot id of this machine, not of the test host.
    enter = 'mount --bind /run/boot_id /proc/sys/kernel/random/boot_id && exec setpriv "--reuid=$0" "--regid=$0" '
    enter += '--clear-groups env "HOME=$1" sh -c "cd; exec python3 -I .remote-install/*.pyz $2"'
    container = ["unshare", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child", "sh", "-c", enter, user_id]
    for verb in ("poll", "kill"):
        request = {"run_root": "remote-install-run", "run": "demo", "jobs": [{"job": "job"}], "grace": 0.5}
        done = client.host.run([*container, client.host.home, verb], user="root", input=json.dumps(request))
        reply = json.loads(done.stdout.splitlines()[2])
        told = reply["reason"] if verb == "poll" else reply["message"]
        assert "another pid namespace" in told, done.stdout
    polled = client("poll", "demo", "--json").job
    assert (polled["state"], polled["job_id"]) == ("running", job["job_id"])


# The command lets go of its output, or the disk could not be made read-only while it runs.
QUIETLY = "exec >/dev/null 2>&1; : >ready; until test -e /tmp/go; do sleep 0.05; done; exit 3"


@pytest.fixture
def go(client: Client) -> str:
    """The file on another disk of the host that lets a job go on."""
    client.host.run(["rm", "-f", "/tmp/go"], check=True)
    return "/tmp/go"


def wait_for_its_end(client: Client, job: dict[str, Any]) -> None:
    client.host.run(["sh", "-c", f"until ! test -e /proc/{job['job_id']}; do sleep 0.02; done"], check=True, timeout=20)


def test_the_exit_code_is_told_though_the_disk_was_full_when_the_job_ended(client: Client, go: str) -> None:
    job = submit(client, QUIETLY)
    wait_for(client, "test -e ready")
    client.host.fill()
    client.host.run(["touch", go], check=True)
    wait_for_its_end(client, job)
    done = client("poll", "demo", "--json")
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 3)
    assert done.job["finished_at"]


def test_a_job_that_was_killed_whole_on_a_full_disk_is_lost_in_time(client: Client) -> None:
    """Nobody can write down there since when it is missed."""
    job = submit(client, READY)
    wait_for(client, "test -e ready")
    client.host.fill()
    client.host.run(["sh", "-c", f"kill -9 -{job['job_id']}"], check=True)
    polled = client("poll", "demo", "--json").job
    assert polled["state"] == "unknown"
    assert "No space left on device" in polled["reason"]
    two_minutes_pass(client)
    assert client("poll", "demo", "--json").job["state"] == "lost"


def remount(client: Client, mode: str) -> None:
    client.host.run(["mount", "-o", f"remount,{mode}", "/home"], user="root", check=True)


def test_a_job_that_ends_on_a_read_only_disk_is_lost_and_nobody_waits_for_ever(client: Client, go: str) -> None:
    job = submit(client, QUIETLY)
    wait_for(client, "test -e ready")
    remount(client, "ro")
    try:
        assert client("poll", "demo", "--json").job["state"] == "running"
        client.host.run(["touch", go], check=True)
        wait_for_its_end(client, job)
        early = client("poll", "demo", "--json")
        assert (early.code, early.job["state"], early.job["exit_code"]) == (0, "unknown", None)
        assert "ended and left no exit record (Read-only file system there)" in early.job["reason"]
        assert "counts as lost in" in early.job["reason"]
        two_minutes_pass(client)
        late = client("wait", "demo", "--json")
        assert (late.code, late.job["state"], late.job["exit_code"]) == (1, "lost", None)
        assert late.job["reason"] == "ended and left no exit record (Read-only file system there)"
        assert client("kill", "demo", "--json").job["state"] == "lost"
    finally:
        remount(client, "rw")
    assert client("poll", "demo", "--json").job["state"] == "lost"


@pytest.mark.slow
def test_a_wait_alone_sees_that_a_job_on_a_read_only_disk_is_lost(client: Client, go: str) -> None:
    """Two minutes in truth; also where nothing is known here that the time could be kept with."""
    job = submit(client, QUIETLY)
    wait_for(client, "test -e ready")
    remount(client, "ro")
    try:
        client.host.run(["touch", go], check=True)
        wait_for_its_end(client, job)
        (client.folder / "empty").mkdir()
        done = client("wait", "empty", "job", "--run-id", "demo", "-p", "hpc", "--json", timeout=170)
        assert done.code == 1, done.err
        assert done.job["state"] == "lost"
        assert 119 < done.seconds < 140
    finally:
        remount(client, "rw")


def test_a_job_that_is_back_after_it_was_missed_gets_its_two_minutes_anew(client: Client) -> None:
    job = submit(client, READY)
    wait_for(client, "test -e ready")
    start = f"{client.there}/log/job/job/01/job.start"
    right = client.host.run(["readlink", start], check=True).stdout.strip()
    words = right.split(" ")
    client.host.run(["ln", "-sfn", " ".join([*words[:3], "1", *words[4:]]), start], check=True)
    assert client("poll", "demo", "--json").job["state"] == "unknown"
    two_minutes_pass(client)
    client.host.run(["ln", "-sfn", right, start], check=True)
    assert client("poll", "demo", "--json").job["state"] == "running"
    client.host.run(["sh", "-c", f"kill -9 -{job['job_id']}"], check=True)
    assert client("poll", "demo", "--json").job["state"] == "unknown"


def test_a_job_that_removed_its_start_gate_is_ended_by_kill(client: Client) -> None:
    submit(client, 'rm "$REMOTE_INSTALL_JOB_DIR/job.start"; : >ready; exec sleep 61')
    wait_for(client, "test -e ready")
    done = client("kill", "demo", "--json", "--grace", "1")
    assert (done.code, done.job["state"], done.job["signal"]) == (0, "killed", "TERM")
    assert [process.args for process in client.host.processes() if process.args == "sleep 61"] == []
