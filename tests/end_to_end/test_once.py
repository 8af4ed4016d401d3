"""One job for one submission, and its own: whoever types, however often, whatever a job does to its records."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .client import Client


def count(client: Client) -> int:
    return client.host.read(f"{client.host.home}/starts").count("x")


@pytest.fixture(autouse=True)
def _no_starts(client: Client) -> None:
    client.host.run(["rm", "-f", "starts"], check=True)


def test_the_same_run_typed_six_times_at_once_runs_once_and_five_are_told_who_drives_it(client: Client) -> None:
    for number in range(50):
        client.write(f"data/{number}", str(number))
    job = "echo x >>~/starts; until test -e go; do sleep 0.05; done; echo done"
    all_six = [client.start("run", "demo", "-p", "hpc", "--", "sh", "-c", job) for _ in range(6)]
    until = time.monotonic() + 60
    while len(refused := [process for process in all_six if process.poll() is not None]) < 5:
        assert time.monotonic() < until
        time.sleep(0.05)
    client.host.run(["sh", "-c", f"until test -e starts; do sleep 0.05; done; touch {client.there}/go"], check=True)
    for process in all_six:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == ((9, b"") if process in refused else (0, b"done\n")), err
    assert count(client) == 1


def test_a_live_job_is_not_started_on_another_platform(client: Client, make_host) -> None:  # type: ignore[no-untyped-def]
    other = make_host()
    hosts = client.folder / "hosts.yaml"
    hosts.write_text(
        hosts.read_text() + f"  two:\n    hosts: [{other.name}]\n    ssh: {{command: ssh -F {other.ssh_config}}}\n"
    )
    assert client("submit", "demo", "-p", "hpc", "--", "sleep", "60").code == 0
    refused = client("submit", "demo", "-p", "two", "--", "sleep", "60")
    assert refused.code == 9
    assert "submitted on hpc" in refused.err
    assert [process for process in other.processes() if "sleep" in process.args] == []


def test_a_job_that_removed_its_record_is_not_started_again(client: Client) -> None:
    words = ["submit", "demo", "-p", "hpc", "--", "sh", "-c", "echo x >>~/starts; sleep 0.5; rm -rf log"]
    assert client(*words).code == 0
    client.host.run(["sh", "-c", f"while test -e {client.there}/log; do sleep 0.05; done"], check=True, timeout=20)
    again = client(*words)
    assert again.code == 7
    assert "was removed" in again.err
    assert count(client) == 1


def test_a_run_whose_record_is_removed_is_told_at_once(client: Client) -> None:
    done = client("run", "demo", "-p", "hpc", "--json", "--", "sh", "-c", "sleep 1; rm -rf log", timeout=30)
    assert done.code == 7
    assert done.seconds < 15
    assert "removed" in done.err


def test_another_command_under_the_name_of_a_live_job_is_not_passed_off_as_done(client: Client) -> None:
    assert client("submit", "demo", "-p", "hpc", "--", "sh", "-c", "sleep 60; echo A").code == 0
    done = client("run", "demo", "-p", "hpc", "--", "sh", "-c", "echo B")
    assert done.code == 9
    assert "yours was not started" in done.err
    assert done.out == b""
    told = client("submit", "demo", "-p", "hpc", "--", "sh", "-c", "echo B")
    assert "yours was not started" in told.err


def test_the_live_job_of_another_checkout_is_not_taken_for_ours(client: Client, tmp_path: Path) -> None:
    assert client("submit", "demo", "-p", "hpc", "--", "sleep", "60").code == 0
    other = Client(tmp_path / "other", client.host)
    other.prepare()
    done = other("run", "demo", "-p", "hpc", "--adopt", "--", "sleep", "60")
    assert done.code == 9
    assert "another run directory" in done.err


def test_a_pipe_in_place_of_a_status_file_holds_nobody(client: Client) -> None:
    line = 'cd "$REMOTE_INSTALL_JOB_DIR"; rm job.status job.out; mkfifo job.status job.out; sleep 60'
    assert client("submit", "demo", "-p", "hpc", "--", "sh", "-c", line).code == 0
    client.host.run(
        ["sh", "-c", f"until test -p {client.there}/log/job/job/01/job.out; do sleep 0.05; done"], timeout=20
    )
    done = client("poll", "demo", "--json", timeout=20)
    assert (done.code, done.job["state"]) == (0, "running")
    assert client("logs", "demo", "job", timeout=20).out == b""


def test_a_pipe_in_place_of_the_exit_record_does_not_swallow_it(client: Client) -> None:
    line = 'cd "$REMOTE_INSTALL_JOB_DIR"; rm job.status; mkfifo job.status; exit 3'
    done = client("run", "demo", "-p", "hpc", "--json", "--", "sh", "-c", line, timeout=30)
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 3)


def test_logs_of_an_ended_job_whose_host_is_down_are_an_error(client: Client) -> None:
    assert client("run", "demo", "-p", "hpc", "--", "echo", "x").code == 0
    client.shut_out()
    done = client("logs", "demo", "job")
    assert (done.code, done.out) == (4, b"")
    assert "refused" in done.err


def test_a_status_file_that_can_not_be_read_says_nothing_about_the_job(client: Client) -> None:
    assert client("submit", "demo", "-p", "hpc", "--", "sleep", "60").code == 0
    client.host.run(["chmod", "0", f"{client.there}/log/job/job/01/job.submit"], check=True)
    done = client("poll", "demo", "--json")
    assert (done.code, done.job["state"]) == (7, "unknown")


PLANTED = ["job/token.7", "job/token.1", "job/report.1", ".gitignore", "z/token.999999", "job/link"]


def test_what_a_host_plants_among_the_logs_does_not_come_here(client: Client) -> None:
    assert client("run", "demo", "-p", "hpc", "--", "echo", "x").code == 0
    before = {path: path.read_bytes() for path in (client.run_directory / "log/job").rglob("*") if path.is_file()}
    for name in PLANTED:
        client.host.write_file(f"{client.there}/log/job/{name}", "planted")
    client.host.run(["ln", "-s", "../../../src", f"{client.there}/log/job/s"], check=True)
    client.host.run(["ln", "-s", "../../../../src", f"{client.there}/log/job/job/02"], check=True)
    assert client("fetch", "demo").code == 0
    after = {path: path.read_bytes() for path in (client.run_directory / "log/job").rglob("*") if path.is_file()}
    assert after == before
    assert [path for path in (client.run_directory / "log/job").rglob("*") if path.is_symlink()] == []


@pytest.mark.parametrize("place", ["log", "log/job", "log/job/job", ".remote-install"])
def test_nothing_is_written_through_a_link_in_the_run_directory(client: Client, place: str) -> None:
    outside = client.folder / "outside"
    outside.mkdir()
    link = client.run_directory / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    done = client("submit", "demo", "-p", "hpc", "--", "true")
    assert done.code == 9
    assert "is a link" in done.err
    assert list(outside.iterdir()) == []


def test_a_uuid_that_leads_elsewhere_is_not_read(client: Client) -> None:
    (client.run_directory / ".remote-install").mkdir()
    (client.run_directory / ".remote-install/uuid").symlink_to("/dev/zero")
    done = client("submit", "demo", "-p", "hpc", "--", "true", timeout=20)
    assert done.code == 3
    assert "no uuid in it" in done.err


@pytest.mark.parametrize("written", ["./results", "results//", "x/../results", "./results/./"])
def test_results_are_known_however_their_path_is_written(client: Client, written: str) -> None:
    words = ["run", "demo", "-p", "hpc", "--fetch", written, "--", "sh", "-c", "mkdir -p results x; echo 1 >results/a"]
    if ".." in written:
        assert client(*words).code == 2
        return
    assert client(*words).code == 0
    client.host.write_file(f"{client.there}/results/a", "newer")
    assert client("install", "demo", "-p", "hpc").code == 0
    assert client.host.read(f"{client.there}/results/a") == "newer"


def test_a_link_here_is_not_replaced_by_what_is_fetched(client: Client) -> None:
    outside = client.folder / "outside"
    outside.mkdir()
    assert client("run", "demo", "-p", "hpc", "--", "sh", "-c", "mkdir results; echo x >results/a").code == 0
    (client.run_directory / "results").symlink_to(outside)
    done = client("fetch", "demo", "results/")
    assert done.code == 9
    assert (client.run_directory / "results").is_symlink()
    assert list(outside.iterdir()) == []


def test_a_fetch_of_what_was_never_installed_says_so(client: Client) -> None:
    done = client("fetch", "demo", "-p", "hpc")
    assert done.code == 5
    assert "not installed there" in done.err


def test_again_starts_a_new_try_beside_a_live_one(client: Client) -> None:
    words = ["submit", "demo", "-p", "hpc", "--json"]
    assert client(*words, "--", "sleep", "60").job["try"] == 1
    assert client(*words, "--", "sleep", "60").job["try"] == 1
    assert client(*words, "--again", "--", "sleep", "60").job["try"] == 2
    assert client(*words, "--", "sleep", "60").job["try"] == 2


@pytest.mark.parametrize(("line", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("exit 255", 255)])
def test_exit_with_job_code(client: Client, line: str, code: int) -> None:
    assert client("run", "demo", "-p", "hpc", "--exit-with-job-code", "--", "sh", "-c", line).code == code


def test_an_error_of_ours_is_125_with_exit_with_job_code(client: Client) -> None:
    client.host.stop_sshd()
    assert client("run", "demo", "-p", "hpc", "--exit-with-job-code", "--", "true").code == 125
    assert client("run", "nowhere", "-p", "hpc", "--exit-with-job-code", "--", "true").code == 125


def test_a_host_that_was_never_reached_does_not_keep_the_job(client: Client, make_host) -> None:  # type: ignore[no-untyped-def]
    other = make_host()
    hosts = client.folder / "hosts.yaml"
    hosts.write_text(
        hosts.read_text() + f"  two:\n    hosts: [{other.name}]\n    ssh: {{command: ssh -F {other.ssh_config}}}\n"
    )
    client.host.stop_sshd()
    assert client("run", "demo", "-p", "hpc", "--", "true").code == 4
    assert client("run", "demo", "-p", "two", "--", "true").code == 0
