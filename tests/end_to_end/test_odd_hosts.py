"""The main job on hosts that are old, or set up in ways of their own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hosts import JobHost, MakeHost

from remote_install import bundle
from remote_install.jobhost import wire
from transfer import ciphers

from .client import Client
from .test_run import ARGUMENTS, NAMES

SCRIPT = """#!/bin/sh
mkdir -p results && cp -R data results/ && printf '%s\\0' "$@" >results/arguments
ls -l run.sh | cut -c 1-10
exit 3
"""
FRESH = 7  # logins of a first run: no program, program, install, its rsync, submit, watch, fetch


@pytest.fixture
def user(tmp_path: Path, make_host: MakeHost):  # type: ignore[no-untyped-def]
    """Give a user on a host that is made with some options; none of our processes may be left."""
    users = []

    def make(platform: str = "", **options: object) -> Client:
        one = Client(tmp_path, make_host(**options))
        one.prepare(platform)
        users.append(one)
        return one

    yield make
    for one in users:
        one.host.repair()
        assert one.leftovers() == []
        one.wait_for_logouts()


def do_the_main_job(client: Client, mode: str = "-rwxr-xr-x") -> None:
    """Install, submit, follow, fetch, poll, install again, kill. mode: of the script on the host, as ls shows it."""
    client.write("run.sh", SCRIPT, 0o755)
    for name in NAMES:
        client.write(b"data/" + name, b"content of " + name)
    words = ["run", "demo", "-p", "hpc", "--fetch", "results/", "--", "./run.sh", *ARGUMENTS]
    done = client(*words)
    assert (done.code, done.out) == (1, f"{mode}\n".encode()), done.err
    assert "failed (exit 3)" in done.err
    results = os.fsencode(client.run_directory) + b"/results/"
    with open(results + b"arguments", "rb") as file:
        assert file.read().decode() == "".join(f"{word}\0" for word in ARGUMENTS)
    for name in NAMES:
        with open(results + b"data/" + name, "rb") as file:
            assert file.read() == b"content of " + name
    polled = client("poll", "demo", "--json")
    assert (polled.code, polled.job["state"], polled.job["exit_code"]) == (1, "failed", 3)
    (again,) = client("install", "demo", "-p", "hpc", "--json").json["targets"]
    assert (again["files_sent"], again["files_deleted"], again["error"]) == (0, 0, None)
    assert client("submit", "demo", "-p", "hpc", "--name", "sleeper", "--", "sleep", "61").code == 0
    killed = client("kill", "demo", "sleeper", "--json")
    assert (killed.code, killed.job["state"], killed.job["signal"]) == (0, "killed", "TERM"), killed.err
    assert [process for process in client.host.processes() if "sleep" in process.args] == []


def logins(client: Client, *words: str) -> int:
    """How many logins a command needs."""
    before = client.host.calls()
    done = client(*words)
    assert done.code == 0, done.err
    return client.host.calls() - before


RUN = ("run", "demo", "-p", "hpc", "--fetch", "results/", "--", "sh", "-c", "mkdir -p results; date >results/a")


def test_an_ordinary_host_takes_no_more_logins_than_it_must(user) -> None:  # type: ignore[no-untyped-def]
    client = user()
    client.write("a", "a")
    assert logins(client, *RUN) == FRESH
    assert logins(client, *RUN) == FRESH - 3  # the program is there, and the files
    assert logins(client, "poll", "demo") == 1


def test_a_host_without_instructions_for_aes_gets_the_cipher_that_is_quick_there(user) -> None:  # type: ignore[no-untyped-def]
    client = user(sshd_config=["LogLevel DEBUG1"])
    client.host.as_root("printf 'flags: fpu sse2\\n' >/run/cpuinfo && mount --bind /run/cpuinfo /proc/cpuinfo")
    used = []
    for _ in range(2):
        assert client("install", "demo", "-p", "hpc").code == 0
        client.hang_up()
        used.append(re.findall(r"kex: client->server cipher: (\S+)", client.host.sshd_log())[-1])
    first = ciphers.QUICK if ciphers.is_quick_here() else "chacha20-poly1305@openssh.com"
    assert used == [first, "chacha20-poly1305@openssh.com"]


def program_of(client: Client, *words: str) -> str:
    """What a program on the host says, for instance of its version."""
    return client.host.run(words, check=True).stdout


@pytest.mark.timeout(900)  # the first to ask makes it, with what a mirror sends
def test_debian_bullseye(user) -> None:  # type: ignore[no-untyped-def]
    client = user(system="bullseye")
    assert "rsync  version 3.2.3 " in program_of(client, "rsync", "--version")
    assert program_of(client, "python3", "-V").startswith("Python 3.9.")
    do_the_main_job(client)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("shell", ["bash", "fish", "tcsh"])
def test_debian_trixie_with_a_login_shell_of_each_family(user, shell: str) -> None:  # type: ignore[no-untyped-def]
    client = user(system="trixie", login_shell=f"/usr/bin/{shell}")
    assert program_of(client, "python3", "-V").startswith("Python 3.13.")
    do_the_main_job(client)


def test_a_strict_umask(user) -> None:  # type: ignore[no-untyped-def]
    client = user(umask=0o077)
    do_the_main_job(client, mode="-rwx------")
    look = client.host.testinfra
    modes = {name: look.file(f"{client.there}/{name}").mode for name in (".", "data", "data/-n", "log/job/job/01")}
    assert modes == {".": 0o700, "data": 0o700, "data/-n": 0o600, "log/job/job/01": 0o700}
    assert look.file(f"{client.host.home}/.remote-install").mode == 0o700
    (client.run_directory / "run.sh").chmod(0o644)
    assert client("install", "demo", "-p", "hpc").code == 0
    assert look.file(f"{client.there}/run.sh").mode == 0o600


@pytest.mark.parametrize("run_root", ["remote-install-run", "runs of mine", "it's $HOME/runs; id"])
def test_a_home_and_a_run_root_with_blanks(user, run_root: str) -> None:  # type: ignore[no-untyped-def]
    client = user(f"    run_root: {json.dumps(run_root)}\n", home="/home/alice of wonderland")
    do_the_main_job(client)
    where = f"{client.host.home}/{run_root.replace('$HOME', client.host.home)}/demo"
    assert client.host.testinfra.file(f"{where}/run.sh").exists


def test_no_space_for_temporary_files(user) -> None:  # type: ignore[no-untyped-def]
    client = user()
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        client.host.run(["sh", "-c", f"cat /dev/zero >{folder}/filler 2>/dev/null; true"], user="root", check=True)
        assert client.host.run(["sh", "-c", f"echo x >{folder}/x"]).returncode != 0
    do_the_main_job(client)


def read_only_home(host: JobHost) -> None:
    """A home that nobody may write to, as some compute nodes have it; /scratch is the place for runs."""
    line = "mkdir -p /scratch/alice && chown alice: /scratch/alice && mount -o remount,ro /home"
    host.run(["sh", "-c", line], user="root", check=True)


SCRATCH = "    run_root: /scratch/$USER/runs\n"


def test_a_read_only_home(user) -> None:  # type: ignore[no-untyped-def]
    client = user(SCRATCH)
    read_only_home(client.host)
    do_the_main_job(client)
    names = client.host.run(["ls", "-A", "/scratch/alice/runs"], check=True).stdout.split()
    assert names == [".remote-install", "demo"]


def test_a_read_only_home_costs_logins_once_a_command(user) -> None:  # type: ignore[no-untyped-def]
    client = user(SCRATCH)
    read_only_home(client.host)
    client.write("a", "a")
    assert logins(client, *RUN) == FRESH
    assert logins(client, *RUN) == FRESH - 1
    assert logins(client, "poll", "demo") == 3


def test_a_host_without_any_place_to_write_to_names_both(user) -> None:  # type: ignore[no-untyped-def]
    client = user("    run_root: /nowhere/runs\n")
    read_only_home(client.host)
    done = client("run", "demo", "-p", "hpc", "--json", "--", "true")
    assert done.code == 4
    assert "/home/alice/.remote-install: Read-only file system" in done.err
    assert "/nowhere/runs/.remote-install: Permission denied" in done.err
    assert "run_root" in done.json["error"]["hint"]


def test_start_up_files_that_print(user) -> None:  # type: ignore[no-untyped-def]
    client = user()
    client.host.write_file(".bashrc", "echo Welcome; printf 'no newline: \\001\\377'\n")
    do_the_main_job(client)


def test_start_up_files_that_print_cost_no_login_and_are_told_once(user) -> None:  # type: ignore[no-untyped-def]
    client = user()
    client.host.write_file(".bashrc", "echo Welcome\n")
    client.write("a", "a")
    before = client.host.calls()
    done = client(*RUN)
    assert (done.code, client.host.calls() - before) == (0, FRESH)
    assert done.err.count("a start-up file there prints") == 1
    assert "case $- in *i*)" in done.err
    assert logins(client, *RUN) == FRESH - 3


def test_a_start_up_file_that_changes_the_directory(user) -> None:  # type: ignore[no-untyped-def]
    client = user()
    client.host.write_file(".bashrc", "cd /tmp\n")
    do_the_main_job(client)
    assert client.host.run(["ls", "-A", "/tmp"], check=True).stdout == ""


def test_a_start_up_file_that_reads_what_is_ours_is_named(user) -> None:  # type: ignore[no-untyped-def]
    client = user()
    client.host.write_file(".bashrc", "cat >/dev/null\n")
    done = client("poll", "demo", "-p", "hpc")
    assert done.code == 4
    assert ".bashrc" in done.err


def test_a_python_without_its_standard_library_is_named(user) -> None:  # type: ignore[no-untyped-def]
    client = user()
    client.host.run(["sh", "-c", "rm -r /usr/lib/python3*/json"], user="root", check=True)
    done = client("run", "demo", "-p", "hpc", "--", "true")
    assert done.code == 4
    assert "No module named 'json'" in done.err
    assert "python3-minimal" in done.err


LIAR = """case $SSH_ORIGINAL_COMMAND in *' -')
echo '%s'; echo '%s'; echo '{"reply": "end"}'
esac
"""


def test_what_a_host_says_about_the_programs_place_is_not_believed(user) -> None:  # type: ignore[no-untyped-def]
    client = user(key_options='command="sh liar"')
    name = bundle.build().path
    for path in ["/tmp/other", f"x/{name}", f"-x/{name}", f"/a b/{name}", f"/$(id)/{name}", f"/{'x' * 1025}/{name}", 7]:
        client.host.write_file("liar", LIAR % (wire.MARKER, json.dumps({"reply": "arrived", "path": path})))
        done = client("poll", "demo", "-p", "hpc")
        assert done.code == 4, path
        assert "does not say where" in done.err, path
