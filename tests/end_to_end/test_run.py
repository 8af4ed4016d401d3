"""The main job: run directory there, job, output, outcome, results back."""

from __future__ import annotations

import json
import os

import pytest

from .client import Client


def test_a_job_that_succeeds_is_told_so_and_its_results_come_back(client: Client) -> None:
    client.write("train.sh", "#!/bin/sh\necho learning; echo careful >&2; mkdir results; cat data >results/r\n", 0o755)
    client.write("data", "42\n")
    done = client("run", "demo", "-p", "hpc", "--fetch", "results/", "--", "./train.sh")
    assert done.code == 0, done.err
    assert done.out == b"learning\n"
    assert "careful\n" in done.err
    assert "job 01 succeeded on hpc" in done.err
    assert (client.run_directory / "results/r").read_text() == "42\n"
    job = client.run_directory / "log/job/job/01"
    assert (job / "job.out").read_text() == "learning\n"
    assert (job / "job.err").read_text() == "careful\n"
    assert client.host.testinfra.file(f"{client.there}/train.sh").mode == 0o755


def test_a_job_that_exits_3_has_failed(client: Client) -> None:
    done = client("run", "demo", "-p", "hpc", "--json", "--", "sh", "-c", "echo before; exit 3")
    assert done.code == 1
    assert (done.job["state"], done.job["exit_code"], done.job["reason"]) == ("failed", 3, "exit 3")
    assert "before\n" in done.err
    assert done.json["run"] == "demo"
    assert done.json["error"] is None


def test_the_document_of_a_job_has_the_contracts_keys_in_order(client: Client) -> None:
    done = client("run", "demo", "-p", "hpc", "--json", "--", "true")
    assert list(done.job) == [
        "job",
        "try",
        "state",
        "exit_code",
        "signal",
        "reason",
        "platform",
        "host",
        "job_runner",
        "job_id",
        "submitted_at",
        "started_at",
        "finished_at",
        "messages",
        "error",
    ]
    assert done.job["started_at"] <= done.job["finished_at"]
    assert done.job["host"] == client.host.name


def test_a_command_that_does_not_exist_has_failed_with_127(client: Client) -> None:
    done = client("run", "demo", "-p", "hpc", "--json", "--", "./no-such-command")
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 127)
    assert "no-such-command" in done.err


def test_a_file_that_can_not_be_run_has_failed_with_126(client: Client) -> None:
    client.write("plain", "no program\n")
    done = client("run", "demo", "-p", "hpc", "--json", "--", "./plain")
    assert (done.code, done.job["state"], done.job["exit_code"]) == (1, "failed", 126)


def test_a_command_that_is_killed_with_9_is_told_so(client: Client) -> None:
    client.write("victim.sh", "#!/bin/sh\necho $$ >pid\nexec sleep 60\n", 0o755)
    process = client.start("run", "demo", "-p", "hpc", "--json", "--", "./victim.sh")
    pid = client.host.run(
        ["sh", "-c", "until test -s $0; do sleep 0.05; done; cat $0", f"{client.there}/pid"], check=True, timeout=30
    ).stdout
    client.host.run(["kill", "-9", pid.strip()], check=True)
    out, _ = process.communicate(timeout=30)
    (job,) = json.loads(out)["jobs"]
    assert process.returncode == 1
    assert (job["state"], job["exit_code"], job["signal"], job["reason"]) == ("killed", 137, "KILL", "signal KILL")


def test_a_job_that_is_killed_whole_is_lost_after_two_minutes_and_not_before(client: Client) -> None:
    submitted = client("submit", "demo", "-p", "hpc", "--json", "--", "sleep", "60").job
    client.host.run(["sh", "-c", f"kill -9 -{submitted['job_id']}"], check=True)
    early = client("poll", "demo", "--json")
    assert (early.code, early.job["state"]) == (0, "unknown")
    assert "counts as lost" in early.job["reason"]
    # The clock passes: what poll wrote down then is two minutes old now.
    gone = f"{client.there}/log/job/job/01/job.gone"
    seen = float(client.host.read(gone))
    client.host.write_file(gone, f"{seen - 121}\n")
    late = client("poll", "demo", "--json")
    assert (late.code, late.job["state"]) == (1, "lost")
    assert late.job["exit_code"] is None


def test_a_child_that_outlives_the_killed_wrapper_keeps_the_job_alive(client: Client) -> None:
    submitted = client("submit", "demo", "-p", "hpc", "--json", "--", "sleep", "60").job
    client.host.run(["kill", "-9", submitted["job_id"]], check=True)
    assert client("poll", "demo", "--json").job["state"] == "running"


def test_output_comes_while_the_job_runs(client: Client) -> None:
    client.write("go.sh", "#!/bin/sh\necho first\nuntil test -e go; do sleep 0.05; done\necho last\n", 0o755)
    process = client.start("run", "demo", "-p", "hpc", "--", "./go.sh")
    assert process.stdout is not None
    assert process.stdout.readline() == b"first\n"
    client.host.run(["touch", f"{client.there}/go"], check=True)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"last\n")


ARGUMENTS = [
    "two words",
    'it\'s "quoted"',
    "$(id)",
    "`id`; rm -rf ~",
    "first\nsecond",
    "-n",
    "--fetch",
    "*",
    "grüße 日本",
    "",
    "back\\slash\\n",
    "${HOME}%s!!",
    "--",
]


def test_awkward_arguments_arrive_unchanged(client: Client) -> None:
    client.write("show.py", "import json, sys; print(json.dumps(sys.argv[1:]))\n")
    done = client("run", "demo", "-p", "hpc", "--", "python3", "show.py", *ARGUMENTS)
    assert done.code == 0, done.err
    assert json.loads(done.out) == ARGUMENTS


def test_an_argument_that_is_no_utf8_arrives_unchanged(client: Client) -> None:
    client.write("show.py", "import os, sys; sys.stdout.buffer.write(os.fsencode(sys.argv[1]))\n")
    done = client("run", "demo", "-p", "hpc", "--", "python3", "show.py", b"\xff\xfe a")
    assert (done.code, done.out) == (0, b"\xff\xfe a")


NAMES = [
    b"two words",
    b'it\'s "quoted"',
    b"$(id)",
    b"`id`; rm -rf ~",
    b"first\nsecond",
    b"-n",
    b"--delete",
    b"*",
    "grüße 日本".encode(),
    b"#comment",
    b";semicolon",
    b"back\\slash",
    b"\xff\xfe",
    b"deep/er/file",
]


def test_awkward_file_names_arrive_unchanged_and_come_back(client: Client) -> None:
    for name in NAMES:
        client.write(b"data/" + name, b"content of " + name)
    done = client("run", "demo", "-p", "hpc", "--fetch", "copy of $data/", "--", "cp", "-r", "data", "copy of $data")
    assert done.code == 0, done.err
    back = os.fsencode(client.run_directory) + b"/copy of $data/"
    for name in NAMES:
        with open(back + name, "rb") as file:
            assert file.read() == b"content of " + name


@pytest.mark.parametrize("name", ["re*lts?", "[x]", "a b"])
def test_results_are_not_sent_back(client: Client, name: str) -> None:
    words = [
        "run",
        "demo",
        "-p",
        "hpc",
        "--fetch",
        f"{name}/",
        "--",
        "sh",
        "-c",
        'mkdir -p "$0"; date +%N >"$0/r"',
        name,
    ]
    assert client(*words).code == 0
    first = (client.run_directory / name / "r").read_text()
    client.write("other", "sent\n")
    again = client("install", "demo", "-p", "hpc", "--json").json["targets"][0]
    assert again["files_sent"] == 1
    assert client.host.read(f"{client.there}/{name}/r") == first


def test_git_and_logs_are_not_sent(client: Client) -> None:
    client.write(".git/config", "secret")
    client.write("sub/.git", "gitdir: elsewhere")
    client.write("sub/log/job/kept", "deeper down it is the user's")
    client.write("log/job/old", "x")
    client.write("log/other", "x")
    assert client("install", "demo", "-p", "hpc").code == 0
    line = f"cd {client.there} && find . -path ./.remote-install -prune -o -type f -printf '%P\n'"
    there = client.host.run(["sh", "-c", line], check=True).stdout.split()
    assert sorted(there) == ["log/other", "sub/log/job/kept"]


def test_the_job_finds_its_variables_and_starts_in_the_run_directory(client: Client) -> None:
    line = (
        'pwd; echo "$REMOTE_INSTALL_RUN $REMOTE_INSTALL_JOB $REMOTE_INSTALL_TRY"; cd "$REMOTE_INSTALL_JOB_DIR" && pwd'
    )
    done = client("run", "demo", "-p", "hpc", "--name", "a.b+c", "--", "sh", "-c", line)
    assert done.out.decode().splitlines() == [client.there, "demo a.b+c 1", f"{client.there}/log/job/a.b+c/01"]


def test_the_next_run_is_the_next_try(client: Client) -> None:
    assert client("run", "demo", "-p", "hpc", "--", "false").code == 1
    again = client("run", "demo", "-p", "hpc", "--json", "--", "true")
    assert (again.code, again.job["try"], again.job["state"]) == (0, 2, "succeeded")
