"""kill ends what is ours, all of it, and nothing else; list tells what is known without asking."""

from __future__ import annotations

import pytest

from .client import Client

TREE = "sleep 61 & (trap '' TERM; sleep 62) & setsid true; sleep 63"


def submit(client: Client, line: str) -> dict[str, object]:
    """Submit a shell line; returns when the job has made a file named ready."""
    job = client("submit", "demo", "-p", "hpc", "--json", "--", "sh", "-c", f"{line}").job
    return dict(job)


def wait_for(client: Client, condition: str) -> None:
    line = f"cd '{client.there}' && until {condition}; do sleep 0.05; done"
    client.host.run(["sh", "-c", line], check=True, timeout=30)


def sleepers(client: Client) -> list[str]:
    return [process.args for process in client.host.processes() if process.args.startswith("sleep 6")]


def test_term_ends_a_job_and_the_record_tells_the_signal(client: Client) -> None:
    submit(client, ": >ready; exec sleep 61")
    wait_for(client, "test -e ready")
    done = client("kill", "demo", "--json")
    assert (done.code, done.job["state"], done.job["signal"]) == (0, "killed", "TERM")
    assert sleepers(client) == []
    assert client("poll", "demo", "--json").job["reason"] == "signal TERM"


def test_every_process_of_the_session_ends_also_those_deaf_to_term(client: Client) -> None:
    submit(client, f": >ready; {TREE}")
    wait_for(client, "test -e ready")
    done = client("kill", "demo", "job", "--grace", "1", "--json")
    assert (done.code, done.job["state"]) == (0, "killed")
    assert sleepers(client) == []
    assert done.seconds < 15


def test_a_command_that_ignores_term_is_killed_after_the_grace(client: Client) -> None:
    submit(client, "trap '' TERM; : >ready; while :; do sleep 0.1; done")
    wait_for(client, "test -e ready")
    done = client("kill", "demo", "--grace", "1", "--json")
    assert (done.code, done.job["state"], done.job["exit_code"]) == (0, "killed", 137)


def test_a_stopped_job_is_ended_too(client: Client) -> None:
    submit(client, ": >ready; kill -STOP $$; sleep 61")
    wait_for(client, "test -e ready")
    assert client("kill", "demo", "--grace", "2", "--json").job["state"] == "killed"


def test_another_process_under_the_same_id_is_not_touched(client: Client) -> None:
    job = submit(client, ": >ready; exec sleep 61")
    wait_for(client, "test -e ready")
    start = f"{client.there}/log/job/job/01/job.start"
    words = client.host.run(["readlink", start], check=True).stdout.strip().split(" ")
    words[3] = str(int(words[3]) - 1)  # the start time of the one that had this id before
    client.host.run(["ln", "-sfn", " ".join(words), start], check=True)
    done = client("kill", "demo", "--json")
    assert done.code == 7
    assert done.job["state"] == "unknown"
    assert sleepers(client) == ["sleep 61"]
    assert job["job_id"] == words[2]


def test_a_job_that_has_not_started_does_not_start_any_more(client: Client) -> None:
    assert client("install", "demo", "-p", "hpc").code == 0
    claimed = f"{client.there}/log/job/late/01"
    client.host.run(["mkdir", "-p", claimed], check=True)
    client.host.run(["ln", "-s", "0" * 32, f"{claimed}/job.token"], check=True)
    done = client("kill", "demo", "late", "-p", "hpc", "--json")
    assert (done.code, done.job["state"]) == (0, "killed")
    assert client.host.run(["readlink", f"{claimed}/job.start"]).stdout == "killed before it started\n"


def test_an_ended_job_stays_as_it_was(client: Client) -> None:
    assert client("run", "demo", "-p", "hpc", "--", "sh", "-c", "exit 3").code == 1
    done = client("kill", "demo", "--json")
    assert (done.code, done.job["state"], done.job["exit_code"]) == (0, "failed", 3)


@pytest.mark.parametrize("words", [["--json"], []])
def test_list_needs_no_network(client: Client, words: list[str]) -> None:
    assert client("run", "demo", "-p", "hpc", "--name", "done", "--", "true").code == 0
    assert client("submit", "demo", "-p", "hpc", "--name", "open", "--", "sleep", "61").code == 0
    logins = client.host.calls()
    told = client("list", "demo", *words)
    assert client.host.calls() == logins
    assert told.code == 0
    if words:
        assert next((job["job"], job["state"]) for job in told.json["jobs"]) == ("done", "succeeded")
    else:
        assert told.out.decode().startswith("done 01 succeeded on hpc")


def test_list_tells_a_submission_that_was_never_answered(client: Client) -> None:
    client.host.stop_sshd()
    client("submit", "demo", "-p", "hpc", "--no-install", "--", "true")
    told = client("list", "demo", "--json")
    assert (told.code, told.job["state"]) == (0, "unknown")
