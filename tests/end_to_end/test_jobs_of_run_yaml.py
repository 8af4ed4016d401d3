"""run from run.yaml: several jobs at once, new tries, environment, secrets, shell and init script."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from .client import Client, Done


def configure(client: Client, platform: str = "", more: str = "") -> None:
    """More lines of the platform hpc, and more of hosts.yaml."""
    path = client.folder / "hosts.yaml"
    path.write_text(path.read_text() + platform + more)


def states(done: Done) -> list[tuple[str, int, str]]:
    return [(job["job"], job["try"], job["state"]) for job in done.json["jobs"]]


def test_all_jobs_run_side_by_side_and_their_output_tells_whose_it_is(client: Client) -> None:
    client.write(
        "run.yaml",
        "jobs:\n"
        "  first: {platform: hpc, command: 'until [ -e second.was.here ]; do sleep 0.05; done; echo one; err || :'}\n"
        "  second: {platform: hpc, command: [sh, -c, 'touch second.was.here; printf unended']}\n"
        "fetch: [second.was.here]\n",
    )
    done = client("run", "demo")
    assert done.code == 0, done.err
    assert sorted(done.out.splitlines()) == [b"first| one", b"second| unended"]
    assert "err: not found\n" in done.err
    assert "\nfirst| " in done.err
    assert "first 01 succeeded" in done.err
    assert (client.run_directory / "second.was.here").exists()
    assert states(client("poll", "demo", "--json")) == [("first", 1, "succeeded"), ("second", 1, "succeeded")]


def test_the_worst_outcome_gives_the_code_and_no_job_is_left_out(client: Client) -> None:
    client.write(
        "run.yaml",
        "jobs:\n  good: {platform: hpc, command: 'true'}\n  bad: {platform: hpc, command: exit 7}\n"
        "  ugly: {platform: hpc, command: kill -9 $$}\n",
    )
    done = client("run", "demo", "--json")
    assert done.code == 1
    assert states(done) == [("good", 1, "succeeded"), ("bad", 1, "failed"), ("ugly", 1, "killed")]
    assert client("run", "demo", "--name", "bad", "--exit-with-job-code").code == 7


def test_a_job_that_failed_is_tried_again_as_often_as_run_yaml_says(client: Client) -> None:
    client.write(
        "run.yaml",
        "jobs:\n"
        "  third: {platform: hpc, command: 'echo try $REMOTE_INSTALL_TRY; [ $REMOTE_INSTALL_TRY -eq 3 ]', retries: 5}\n"
        "  never: {platform: hpc, command: exit 4, retries: 1}\n",
    )
    done = client("run", "demo", "--json")
    assert done.code == 1
    assert states(done) == [("third", 3, "succeeded"), ("never", 2, "failed")]
    assert "third 01 failed (exit 1)" in done.err
    assert "trying again, 2 of 5" in done.err
    assert [line for line in done.err.splitlines() if line.startswith("third| try")] == [
        f"third| try {number}" for number in (1, 2, 3)
    ]
    # Its end was told: the same command means a new try, with all its retries.
    assert states(client("run", "demo", "--name", "never", "--json")) == [("never", 4, "failed")]


def test_wait_makes_the_retries_too(client: Client) -> None:
    client.write("run.yaml", "jobs:\n  job: {platform: hpc, command: '[ $REMOTE_INSTALL_TRY -eq 2 ]', retries: 1}\n")
    assert client("submit", "demo").code in (0, 1)
    done = client("wait", "demo", "--json")
    assert (done.code, states(done)) == (0, [("job", 2, "succeeded")])


def test_two_that_wait_at_once_make_each_retry_once(client: Client) -> None:
    command = "touch ready; until [ -e go ]; do sleep 0.05; done; echo >>starts; exit 3"
    client.write("run.yaml", f"jobs:\n  job: {{platform: hpc, command: '{command}', retries: 3}}\n")
    assert client("submit", "demo").code == 0
    waiting = [client.start("wait", "demo", "--json") for _ in range(2)]
    time.sleep(2)  # both are to see the first try alive
    client.host.run(["touch", f"{client.there}/go"], check=True)
    for process in waiting:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1, err.decode()
        assert states(Done(1, out, err.decode(), 0)) == [("job", 4, "failed")]
    assert client.host.read(f"{client.there}/starts") == "\n" * 4


def test_a_job_that_somebody_killed_is_not_tried_again(client: Client) -> None:
    client.write("run.yaml", "jobs:\n  job: {platform: hpc, command: 'touch here; sleep 100', retries: 3}\n")
    running = client.start("run", "demo", "--json")
    while not client.host.testinfra.file(f"{client.there}/here").exists:
        pass
    assert client("kill", "demo", "job").code == 0
    out, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert b'"try": 1' in out
    assert b'"state": "killed"' in out


def test_the_environment_is_the_platforms_then_the_jobs(client: Client) -> None:
    configure(client, "    environment: {A: platform, B: 'x  y', 'PATH': '/opt/mine:/usr/bin:/bin'}\n")
    client.write(
        "run.yaml",
        "jobs:\n  job: {platform: hpc, command: [env], environment: {A: job, C: \"new\\nline 'q' $HOME\"}}\n",
    )
    done = client("run", "demo")
    assert done.code == 0, done.err
    assert b"A=job\n" in done.out
    assert b"B=x  y\n" in done.out
    assert b"C=new\nline 'q' $HOME\n" in done.out
    assert b"PATH=/opt/mine:/usr/bin:/bin\n" in done.out


@pytest.mark.parametrize("shell", ["sh", "bash -l", "bash -o pipefail"])
def test_shell_and_init_script_prepare_the_command(client: Client, shell: str) -> None:
    configure(client, f"    shell: {shell}\n    init_script: |\n      LOADED='a b'\n      export LOADED\n")
    client.write(
        "run.yaml",
        "jobs:\n"
        "  line: {platform: hpc, command: 'echo \"$LOADED\" $0'}\n"
        "  list: {platform: hpc, command: [printenv, LOADED]}\n",
    )
    done = client("run", "demo")
    assert done.code == 0, done.err
    assert sorted(done.out.splitlines()) == [f"line| a b {shell.split()[0]}".encode(), b"list| a b"]
    argv = client("run", "demo", "-p", "hpc", "--", "sh", "-c", 'echo "$1|$LOADED"', "x", "$(no)")
    assert argv.out == b"$(no)|a b\n"


def found_on_host(client: Client, text: str) -> list[str]:
    """The files in the home there that hold `text`, and the processes that show it in their arguments."""
    files = client.host.run(["grep", "-rl", text, "."]).stdout.splitlines()
    return files + [process.args for process in client.host.processes() if text in process.args]


def test_secrets_reach_the_job_and_nothing_else(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(client, "    secrets: [API_KEY, OTHER]\n")
    client.write("run.yaml", "jobs:\n  job: {platform: hpc, command: 'printf %s \"$API_KEY\" | sha256sum; sleep 1'}\n")
    secret = "hush-hush\n$(x) 'q'"
    monkeypatch.setenv("API_KEY", secret)
    done = client("run", "demo")
    assert done.code == 3
    assert "the secret OTHER of platform hpc is not set" in done.err
    assert not client.host.testinfra.file(client.there).exists

    monkeypatch.setenv("OTHER", "")
    running = client.start("run", "demo", "-v")
    while not any("sleep 1" in process.args for process in client.host.processes()):
        assert running.poll() is None
    assert found_on_host(client, "hush-hush") == []
    out, err = running.communicate(timeout=30)
    assert out.split()[0].decode() == hashlib.sha256(secret.encode()).hexdigest()
    assert b"hush" not in err
    assert found_on_host(client, "hush-hush") == []
    held = [path for path in Path(client.run_directory).rglob("*") if path.is_file() and b"hush" in path.read_bytes()]
    assert held == []


def test_a_job_goes_to_a_platform_of_its_group_and_stays_there(client: Client) -> None:
    configure(client, "", "  spare: {hosts: [nowhere.invalid]}\ngroups:\n  any: {platforms: [hpc, spare]}\n")
    client.write("run.yaml", "jobs:\n  job: {platform: any, command: 'true'}\n")
    done = client("run", "demo", "--json")
    assert (done.code, done.job["platform"]) == (0, "hpc")
    assert client("run", "demo", "-p", "any", "--name", "other", "--json", "--", "true").job["platform"] == "hpc"


def test_a_platform_by_expression_is_the_host_that_was_asked_for(client: Client) -> None:
    text = (client.folder / "hosts.yaml").read_text()
    options = text[text.index("    ssh:") :]
    (client.folder / "hosts.yaml").write_text(f"platforms:\n  /host\\d+-.*/:\n{options}")
    done = client("run", "demo", "-p", client.host.name, "--json", "--", "true")
    assert done.code == 0, done.err
    assert (done.job["platform"], done.job["host"]) == (client.host.name, client.host.name)
    assert client("run", "demo", "-p", "host", "--", "true").code == 3


def test_the_id_of_run_yaml_is_the_name_there_and_run_id_wins(client: Client) -> None:
    client.write("run.yaml", "id: forecast/north\n")
    assert client("install", "demo", "-p", "hpc").code == 0
    assert client.host.testinfra.file(f"{client.host.home}/remote-install-run/forecast/north/run.yaml").exists
    assert client("install", "demo", "-p", "hpc", "--run-id", "x").code == 0
    assert client.host.testinfra.file(f"{client.host.home}/remote-install-run/x/run.yaml").exists


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "demo"], "on which platform is job lost to run?"),
        (["submit", "demo", "los"], "run.yaml has no job 'los'"),
        (["run", "demo", "--name", "x"], "run.yaml has no job 'x'"),
        (["submit", "demo", "lost", "-p", "hpc", "--", "true"], "the jobs of run.yaml have their commands there"),
        (["run", "demo", "-p", "hpc", "-p", "gpu", "--", "true"], "a job runs on one platform"),
    ],
)
def test_what_is_to_run_where_must_be_said(client: Client, words: list[str], message: str) -> None:
    client.write("run.yaml", "jobs:\n  lost: {command: 'true'}\n")
    done = client(*words)
    assert (done.code, message in done.err) == (2, True), done.err


def test_what_fetch_of_run_yaml_names_comes_back_and_is_never_sent(client: Client) -> None:
    client.write("run.yaml", "jobs:\n  job: {platform: hpc, command: mkdir -p out; echo new > out/f}\nfetch: [out]\n")
    client.write("out/f", "old")
    client.write("out/here", "old")
    done = client("run", "demo")
    assert done.code == 0, done.err
    assert (client.run_directory / "out/f").read_text() == "new\n"
    listed = client.host.run(["ls", f"{client.there}/out"]).stdout.split()
    assert listed == ["f"]
    client.host.write_file(f"{client.there}/out/f", "newer")
    assert client("fetch", "demo").code == 0
    assert (client.run_directory / "out/f").read_text() == "newer"


def test_logs_follow_a_job_to_its_end_and_over_a_cut_connection(client: Client) -> None:
    count = 40
    line = f"i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); sleep 0.05; done; printf end"
    assert client("submit", "demo", "-p", "hpc", "--", "sh", "-c", line).code == 0
    following = client.start("logs", "demo", "job", "-f", bufsize=0)
    assert following.stdout is not None
    seen = [following.stdout.readline() for _ in range(5)]
    client.host.kill_sessions()
    rest, err = following.communicate(timeout=60)
    expected = b"".join(b"line %d\n" % number for number in range(count)) + b"end"
    assert b"".join(seen) + rest == expected, err
    assert following.returncode == 0


def test_a_command_whose_name_holds_an_equals_sign_is_a_command(client: Client) -> None:
    configure(client, "    environment: {A: '1'}\n")
    client.write("a=b", '#!/bin/sh\necho "$A $1"\n', 0o755)
    done = client("run", "demo", "-p", "hpc", "--", "./a=b", "x y")
    assert (done.code, done.out) == (0, b"1 x y\n"), done.err


def test_a_backslash_at_the_end_of_the_init_script_does_not_swallow_the_command(client: Client) -> None:
    configure(client, "    init_script: 'echo loaded \\'\n")
    client.write(
        "run.yaml",
        "jobs:\n  line: {platform: hpc, command: exit 3}\n  list: {platform: hpc, command: [sh, -c, exit 4]}\n",
    )
    done = client("run", "demo", "--json")
    assert [job["exit_code"] for job in done.json["jobs"]] == [3, 4]


@pytest.mark.parametrize("more", [0, 100_000])
def test_the_init_script_neither_sees_nor_changes_the_words_of_the_command(client: Client, more: int) -> None:
    """But for those that no shell could hold in its script."""
    configure(client, "    init_script: 'echo $#; [ $# -gt 4 ] || set -- changed'\n")
    done = client(
        "run", "demo", "-p", "hpc", "--", "printf", "<%s>", "a 'b'", "$HOME", "=ls", *["x" * more] * bool(more)
    )
    assert done.code == 0, done.err
    assert done.out.startswith(b"6\n<a 'b'><$HOME><=ls><xxx" if more else b"0\n<a 'b'><$HOME><=ls>")


def test_a_quiet_run_still_says_what_fails(client: Client) -> None:
    client.write(
        "run.yaml", "jobs:\n  good: {platform: hpc, command: 'true'}\n  bad: {platform: hpc, command: exit 7}\n"
    )
    done = client("run", "demo", "-q")
    assert (done.code, done.err.split(" on ")[0], done.err.count("\n")) == (1, "bad 01 failed (exit 7)", 1)
    done = client("run", "demo", "-q", "-p", "hpc", "--", "false")
    assert (done.code, done.err.split(" on ")[0], done.err.count("\n")) == (1, "job 01 failed (exit 1)", 1)
    assert client("run", "demo", "-q", "-p", "hpc", "--again", "--", "true").err == ""
