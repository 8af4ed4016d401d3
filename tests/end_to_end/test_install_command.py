"""install.command runs on the install target until it has succeeded for this content and this command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .client import Client, Done
from .test_install import install, listing, sent
from .test_outages import wait_for

COUNT = "echo run >>.runs; "


def command(client: Client, line: str, more: str = "") -> None:
    """A run.yaml that is not installed itself: a command that differs then changes no content."""
    client.write("run.yaml", f"install:\n  exclude: [/run.yaml]\n  command: {json.dumps(line)}\n{more}")


def runs(client: Client) -> int:
    """How often the command ran; `.runs` is made by it, not brought."""
    return client.host.run(["cat", f"{client.there}/.runs"]).stdout.count("run\n")


def exists(client: Client, name: str) -> bool:
    return bool(client.host.testinfra.file(f"{client.there}/{name}").exists)


def submit(client: Client) -> Done:
    return client("submit", "demo", "-p", "hpc", "--no-install", "--", "true")


def test_it_runs_once_for_a_content_and_times_are_no_content(client: Client) -> None:
    client.write("data", "one")
    client.write("build.sh", "#!/bin/sh\necho run >>.runs\n", 0o755)
    command(client, "./build.sh")
    assert sent(install(client)) == (2, 0)
    for name in ("data", "build.sh", "run.yaml"):
        os.utime(client.run_directory / name)
    logins = client.host.calls()
    assert sent(install(client)) == (0, 0)
    assert client.host.calls() - logins == 1
    assert runs(client) == 1


@pytest.mark.parametrize("change", ["content", "mode", "name", "command", "shell"])
def test_it_runs_again_for_another_content_or_command(client: Client, change: str) -> None:
    client.write("data", "one")
    command(client, COUNT)
    first = install(client)
    assert first.code == 0, first.err
    files = 0
    if change == "content":
        client.write("data", "two")
        files = 1
    elif change == "mode":
        client.write("data", "one", 0o755)
    elif change == "name":
        (client.run_directory / "data").rename(client.run_directory / "date")
        files = 1
    elif change == "command":
        command(client, COUNT + "true")
    else:
        with (client.folder / "hosts.yaml").open("a") as file:
            file.write("    shell: bash\n")
    done = install(client)
    assert (done.code, *sent(done)) == (0, files, int(change == "name")), done.err
    assert runs(client) == 2
    install(client)
    assert runs(client) == 2


def test_going_back_to_an_earlier_content_runs_it_again(client: Client) -> None:
    command(client, COUNT + "cp data built")
    for number, text in enumerate(("one", "two", "one"), 1):
        client.write("data", text)
        assert install(client).code == 0
        assert runs(client) == number
        assert client.host.read(f"{client.there}/built") == text


def test_its_failure_exits_1_and_no_job_is_submitted_until_it_succeeds(client: Client) -> None:
    client.write("data", "one")
    command(client, COUNT + "echo the compiler is missing; test -e /tmp/repaired || exit 7")
    client.host.run(["rm", "-f", "/tmp/repaired"])
    done = install(client)
    assert done.code == 1
    (target,) = done.json["targets"]
    assert target["error"]["code"] == done.json["error"]["code"] == 1
    assert target["error"]["host"] == client.host.name
    for part in (client.host.name, "exit 7", "the compiler is missing"):
        assert part in target["error"]["message"]
        assert part in done.err
    refused = submit(client)
    assert (refused.code, "not installed whole" in refused.err) == (9, True)
    assert client("run", "demo", "-p", "hpc", "--", "touch", "ran").code == 1
    assert not exists(client, "ran")
    assert runs(client) == 2
    client.host.run(["touch", "/tmp/repaired"], check=True)
    assert sent(install(client)) == (0, 0)
    assert runs(client) == 3
    assert submit(client).code == 0
    install(client)
    assert runs(client) == 3
    client.host.run(["rm", "/tmp/repaired"], check=True)


def test_without_the_command_that_failed_the_install_is_whole(client: Client) -> None:
    client.write("data", "one")
    command(client, "exit 3")
    assert install(client).code == 1
    client.write("run.yaml", "install: {exclude: [/run.yaml]}\n")
    assert install(client).code == 0
    assert submit(client).code == 0


def test_a_failure_for_a_new_content_makes_the_old_one_run_again_too(client: Client) -> None:
    client.write("data", "good")
    command(client, COUNT + "cp data built; grep -q good data")
    assert install(client).code == 0
    client.write("data", "bad")
    assert install(client).code == 1
    client.write("data", "good")
    assert install(client).code == 0
    assert runs(client) == 3
    assert client.host.read(f"{client.there}/built") == "good"


@pytest.mark.parametrize(
    ("line", "shell", "words"),
    [
        ("kill -KILL $$", "sh", "ended by signal KILL"),
        ("exit 143", "sh", "exit 143"),
        ("true", "no-such-shell", "can't be started: no-such-shell"),
        ("printf 'a\\n\\033[31mb\\n\\377\\n'; exit 1", "sh", "exit 1: a / \\x1b[31mb / \N{REPLACEMENT CHARACTER}"),
        ("exit 1", "sh", "exit 1\n"),
    ],
)
def test_how_it_failed_is_told(client: Client, line: str, shell: str, words: str) -> None:
    command(client, line)
    with (client.folder / "hosts.yaml").open("a") as file:
        file.write(f"    shell: {shell}\n")
    done = install(client, "-q")
    assert done.code == 1
    assert f"remote-install: {client.host.name}: the install command " in done.err
    assert words in done.err


def test_where_and_with_what_it_runs(client: Client) -> None:
    command(client, "pwd; cat; env; ps -o pid=,sid= $$; umask")
    done = install(client)
    said = [line.removeprefix("hpc| ") for line in done.err.splitlines() if line.startswith("hpc| ")]
    assert said[0] == client.there
    assert "REMOTE_INSTALL_RUN=demo" in said
    assert f"REMOTE_INSTALL_RUN_DIR={client.there}" in said
    assert not [line for line in said if line.startswith("SSH_")]
    assert f"HOME={client.host.home}" in said
    pid, session = said[-2].split()
    assert pid == session


def test_what_it_prints_is_shown_as_it_comes_and_harmless(client: Client) -> None:
    text = r"printf 'first\n'; until test -e go; do sleep 0.05; done; printf 'a\033[2Jb\tc\r\n\377\000x\n' >&2; "
    command(client, text + "head -c 5000 /dev/zero | tr '\\0' y; printf '\\nno end'")
    process = client.start("install", "demo", "-p", "hpc", "--json")
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line.decode().rstrip("\n"))
        if seen[-1] == "hpc| first":
            client.host.run(["touch", f"{client.there}/go"], check=True)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["error"] is None
    said = [line for line in seen if line.startswith("hpc| ")]
    assert said[1:3] == [r"hpc| a\x1b[2Jb    c", "hpc| \N{REPLACEMENT CHARACTER}\\x00x"]
    assert said[3:8] == ["hpc| " + "y" * 1000] * 5
    assert said[-1] == "hpc| no end"


def test_100_mb_of_output_fill_no_memory(client: Client) -> None:
    """Half of it is one endless line. VmHWM is the most that a process ever held (proc(5))."""
    half = 50 * 1024 * 1024
    printed = f"head -c {half} /dev/zero; yes 'a line, as a build prints it' | head -c {half}; echo"
    command(client, f"{printed}; grep VmHWM /proc/$PPID/status >peak; until test -e go; do sleep 0.1; done; echo over")
    shown = client.folder / "shown"
    with shown.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "remote_install", "install", "demo", "-p", "hpc"],
            stdin=subprocess.DEVNULL,
            stderr=file,
            cwd=client.folder,
            env=client.environment(),
        )
    seen = f"timeout 90 sh -c 'until test -s {client.there}/peak; do sleep 0.1; done'"
    client.host.run(["sh", "-c", seen], check=True, timeout=100)
    (here,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    client.host.run(["touch", f"{client.there}/go"], check=True)
    assert process.wait(timeout=30) == 0
    assert shown.stat().st_size > 2 * half
    with shown.open("rb") as file:
        file.seek(-1000, os.SEEK_END)
        assert b"\nhpc| over\n" in file.read()
    assert int(client.host.read(f"{client.there}/peak").split()[1]) < 40_000  # kB
    assert int(here) < 80_000


def start_and_wait(client: Client, line: str) -> subprocess.Popen[bytes]:
    """Start an install whose command goes on until it is killed; wait until it does."""
    client.write("data", "one")
    command(client, f"{COUNT} echo $$ >.session; {line}")
    process = client.start("install", "demo", "-p", "hpc")
    client.host.run(
        ["sh", "-c", f"timeout 20 sh -c 'until test -s {client.there}/.session; do sleep 0.02; done'"], check=True
    )
    return process


def of_session(client: Client) -> list[str]:
    """The processes of the command's session that live."""
    session = client.host.read(f"{client.there}/.session").strip()
    return client.host.run(["ps", "-o", "pid=,args=", "-s", session]).stdout.splitlines()


def wait_until_gone(client: Client, seconds: float) -> None:
    until = time.monotonic() + seconds
    while of_session(client) and time.monotonic() < until:
        time.sleep(0.1)
    assert of_session(client) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("line", ["sleep 600 & sleep 601", "trap '' TERM HUP; while :; do sleep 0.1; done", "yes"])
def test_it_ends_with_whoever_waits_for_it(client: Client, number: signal.Signals, line: str) -> None:
    process = start_and_wait(client, line)
    assert of_session(client)
    process.send_signal(number)
    process.communicate(timeout=30)
    wait_until_gone(client, 15)
    assert submit(client).code == 9
    command(client, COUNT)
    done = install(client)
    assert (done.code, runs(client)) == (0, 2), done.err
    assert "another install is at work" not in done.err


def test_a_lost_connection_ends_it_and_the_same_call_runs_it_again(client: Client) -> None:
    process = start_and_wait(client, "test $(wc -l <.runs) -gt 1 || sleep 600")
    client.host.kill_sessions()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert runs(client) == 2
    assert submit(client).code == 0


def test_a_failure_is_not_tried_again_by_itself(client: Client) -> None:
    command(client, COUNT + "exit 1")
    assert install(client).code == 1
    assert runs(client) == 1


def test_when_our_program_there_is_killed_the_lock_is_held_as_long_as_the_command_lives(client: Client) -> None:
    process = start_and_wait(client, "until test -e end; do sleep 0.05; done; echo over >>.runs")
    ours = [one for one in client.host.processes() if "jobhost" in one.args and " install" in one.args]
    client.host.run(["kill", "-9", *(str(one.pid) for one in ours)], check=True)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert of_session(client)
    command(client, "cat .runs")
    second = client.start("install", "demo", "-p", "hpc")
    assert second.stderr is not None
    while b"another install is at work" not in second.stderr.readline():
        pass
    assert submit(client).code == 9
    client.host.run(["touch", f"{client.there}/end"], check=True)
    _, err = second.communicate(timeout=30)
    assert second.returncode == 0
    assert b"hpc| over" in err


def test_what_it_leaves_in_the_background_lives_and_holds_nothing(client: Client) -> None:
    command(client, "(echo $$ >.session; exec sleep 600) & until test -s .session; do sleep 0.02; done; echo started")
    done = install(client)
    assert done.code == 0
    assert done.seconds < 10
    assert "hpc| started" in done.err
    assert any("sleep 600" in line for line in of_session(client))
    command(client, "echo again")
    again = install(client)
    assert (again.code, "another install" in again.err) == (0, False)
    assert any("sleep 600" in line for line in client.host.run(["ps", "-eo", "args"]).stdout.splitlines())


def test_what_it_leaves_in_the_background_ends_with_its_failure(client: Client) -> None:
    command(client, "echo $$ >.session; sleep 600 & exit 4")
    assert install(client).code == 1
    assert of_session(client) == []


def test_what_it_makes_is_never_deleted(client: Client) -> None:
    for name in ("src/a.c", "b"):
        client.write(name, "x")
    command(client, "mkdir -p src out; touch src/a.o out/program made")
    install(client)
    for name in ("src/a.c", "b"):
        (client.run_directory / name).unlink()
    (client.run_directory / "src").rmdir()
    install(client)
    assert set(listing(client)) == {"./src/a.o", "./out/program", "./made"}


ALTERS = COUNT + "echo patched >>config; rm gone; chmod +x script; ln -sf config link; mv folder old; ln -s old folder"


def altering(client: Client) -> None:
    for name in ("config", "gone", "script", "link", "folder/x", "other"):
        client.write(name, "source\n")
    command(client, ALTERS)
    client.host.run(["rm", "-rf", f"{client.there}/old"])
    assert install(client).code == 0


def test_installed_files_that_it_alters_are_in_order_as_it_left_them(client: Client) -> None:
    altering(client)
    logins = client.host.calls()
    assert sent(install(client)) == (0, 0)
    assert client.host.calls() - logins == 1
    assert runs(client) == 1
    assert client.host.read(f"{client.there}/config") == "source\npatched\n"
    assert not exists(client, "gone")


def test_a_file_that_a_job_changed_comes_back_without_the_command(client: Client) -> None:
    altering(client)
    client.host.write_file(f"{client.there}/other", "a job's")
    assert sent(install(client)) == (1, 0)
    assert client.host.read(f"{client.there}/other") == "source\n"
    assert client.host.read(f"{client.there}/config") == "source\npatched\n"
    assert runs(client) == 1


@pytest.mark.parametrize("change", ["another content", "a job changed what the command made of a file"])
def test_it_starts_from_the_source_and_not_from_what_it_left(client: Client, change: str) -> None:
    altering(client)
    client.host.run(["rm", "-rf", f"{client.there}/old"])
    if change == "another content":
        client.write("other", "new\n")
    else:
        client.host.write_file(f"{client.there}/config", "source\npatched\na job's\n")
    assert install(client).code == 0
    assert runs(client) == 2
    assert client.host.read(f"{client.there}/config") == "source\npatched\n"
    install(client)
    assert runs(client) == 2


def test_a_file_that_it_altered_is_deleted_when_it_is_gone_here(client: Client) -> None:
    altering(client)
    (client.run_directory / "config").unlink()
    command(client, "true")
    done = install(client)
    assert done.code == 0
    assert "left alone" not in done.err
    assert not exists(client, "config")


def test_without_the_command_what_it_altered_is_as_here_again(client: Client) -> None:
    altering(client)
    client.write("run.yaml", "install: {exclude: [/run.yaml]}\n")
    assert install(client).code == 0
    assert client.host.read(f"{client.there}/config") == "source\n"
    assert client.host.read(f"{client.there}/gone") == "source\n"
    assert client.host.testinfra.file(f"{client.there}/folder").is_directory


def test_a_full_disk_under_the_command_is_a_failure_and_finished_by_the_next(client: Client) -> None:
    client.write("data", "one")
    command(client, COUNT + "head -c 200000 /dev/zero >big")
    client.host.fill()
    assert install(client).code in (1, 5)
    client.host.unfill()
    assert install(client).code == 0
    assert submit(client).code == 0


def test_a_job_sees_what_the_command_made(client: Client) -> None:
    command(client, "until test -e data; do sleep 0.1; done; cp data built")
    client.write("data", "x")
    assert client("run", "demo", "-p", "hpc", "--", "cat", "built").out == b"x"
    wait_for(client, "test -e built")


def test_the_first_job_is_no_new_content(client: Client) -> None:
    command(client, COUNT)
    assert install(client).code == 0
    assert client("run", "demo", "-p", "hpc", "--", "true").code == 0
    assert runs(client) == 1
    client.write("log/mine", "one")  # the user's own
    assert sent(install(client)) == (1, 0)
    assert (runs(client), exists(client, "log/mine")) == (2, True)


@pytest.mark.parametrize("end", ["true", "exit 3"])
def test_what_it_removes_of_ours_does_not_make_an_install_whole(client: Client, end: str) -> None:
    """As `git clean -fdx` in a build script does."""
    client.write("data", "one")
    command(client, f"{COUNT} rm -rf .remote-install; {end}")
    done = install(client)
    assert done.code == int(end != "true"), done.err
    assert submit(client).code == (9 if done.code else 0)
    install(client)
    assert runs(client) == (2 if done.code else 1)
    client.write("../other/demo/data", "two")
    other = client("install", "other/demo", "-p", "hpc")
    assert (other.code, "another run directory" in other.err) == (9, True), other.err


def test_it_may_not_remove_the_run_directory(client: Client) -> None:
    command(client, "rm -rf $REMOTE_INSTALL_RUN_DIR")
    done = install(client)
    assert (done.code, "removed the run directory" in done.err) == (1, True), done.err
    assert submit(client).code == 9
    assert install(client).code == 1


def test_a_file_that_it_makes_unreadable_is_named(client: Client) -> None:
    client.write("data", "one")
    command(client, "echo two >data; chmod 0 data")
    done = install(client)
    assert done.code == 5
    assert f"{client.there}/data can't be written: Permission denied" in done.err


def test_an_install_command_that_failed_here_and_is_gone_keeps_no_job_from_running(client: Client) -> None:
    client.write("run.yaml", "install: {command: exit 1}\n")
    assert client("install", "demo", "-p", "localhost").code == 1
    (client.run_directory / "run.yaml").unlink()
    done = client("run", "demo", "-p", "localhost", "--", "true")
    assert done.code == 0, done.err
