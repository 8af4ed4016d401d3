"""Where a job host sees the run directory here: nothing is sent, jobs run in it, in place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hosts import JobHost, MakeHost

from .client import Client


class SharedClient(Client):
    """What it makes may be written to by the user there, who has another id than here."""

    def start(self, *words: str | bytes, **options: Any) -> subprocess.Popen[bytes]:
        return super().start(*words, umask=0, **options)

    def prepare(self, platform: str = "") -> None:
        super().prepare(platform)
        self.run_directory.chmod(0o777)


def shared(tmp_path: Path, make_host: MakeHost, there: str, platform: str = "") -> SharedClient:
    """A client whose folder its job host has at `there`."""
    tmp_path.chmod(0o755)
    client = SharedClient(tmp_path, make_host(shared={str(tmp_path): there}))
    client.prepare(platform)
    client.write("a", "x\n")
    return client


def is_shared(client: SharedClient, run: str = "demo") -> bool:
    """Is it told, and true?"""
    done = client("install", run, "-p", "hpc", "--json")
    assert done.code == 0, done.err
    (target,) = done.json["targets"]
    done = client("run", run, "-p", "hpc", "--json", "--", "sh", "-c", "echo here >made; pwd")
    assert (done.code, done.job["state"]) == (0, "succeeded"), done.err
    told = target["mode"] == "shared filesystem"
    assert told == (client.run_directory / "made").exists()
    assert target["files_sent"] == 0 or not told
    return bool(told)


def test_a_job_runs_in_the_run_directory_itself(tmp_path: Path, make_host: MakeHost) -> None:
    client = shared(tmp_path, make_host, str(tmp_path))
    assert is_shared(client)
    assert client("logs", "demo", "job").out.decode() == f"{client.run_directory}\n"
    assert not client.host.run(["ls", "remote-install-run"]).stdout
    done = client("run", "demo", "-p", "hpc", "--name", "fails", "--", "sh", "-c", "echo out; exit 3")
    assert (done.code, done.out) == (1, b"out\n")
    assert "nothing to fetch from hpc" in done.err


@pytest.mark.parametrize(
    ("there", "platform", "prepare"),
    [
        pytest.param("/scratch", "    run_root: /scratch\n", "true", id="other mount point"),
        pytest.param("/scratch", "    run_root: runs\n", "ln -s /scratch runs", id="symlinked run root"),
        pytest.param("/scratch", "    run_root: $HOME/runs\n", "ln -s /scratch runs", id="with a variable"),
    ],
)
def test_it_is_found_by_the_run_root(
    tmp_path: Path, make_host: MakeHost, there: str, platform: str, prepare: str
) -> None:
    client = shared(tmp_path, make_host, there, platform)
    client.host.run(["sh", "-c", prepare], check=True)
    assert is_shared(client)


def test_it_is_found_by_its_real_path(tmp_path: Path, make_host: MakeHost) -> None:
    real = tmp_path / "real"
    real.mkdir()
    client = shared(real, make_host, str(real))
    (tmp_path / "link").symlink_to(real)
    assert is_shared(client, str(tmp_path / "link" / "demo"))


def test_the_same_names_on_another_filesystem_are_not_it(tmp_path: Path, make_host: MakeHost) -> None:
    client = shared(tmp_path, make_host, "/scratch")
    assert client("install", "demo", "-p", "hpc").code == 0
    there = str(client.run_directory)
    client.host.as_root(f"mkdir -p {there} && cp -a /scratch/demo/. {there} && chown -R alice {there}")
    assert not is_shared(client)
    assert client.host.read(f"{client.there}/made") == "here\n"


def test_what_is_said_to_be_shared_and_is_not_is_an_error(tmp_path: Path, make_host: MakeHost) -> None:
    client = shared(tmp_path, make_host, "/scratch", "    filesystem: shared\n")
    for command in (["install"], ["run", "--", "true"]):
        done = client(command[0], "demo", "-p", "hpc", *command[1:])
        assert done.code == 3
        assert "filesystem: shared is configured, but the run directory is not seen there" in done.err
        assert str(client.run_directory) in done.err
    assert client.host.run(["ls", "remote-install-run"]).stdout == ""


def test_separate_means_a_copy_though_the_run_directory_is_seen(tmp_path: Path, make_host: MakeHost) -> None:
    client = shared(tmp_path, make_host, str(tmp_path), "    filesystem: separate\n")
    assert not is_shared(client)
    assert client.host.read(f"{client.there}/made") == "here\n"


def test_separate_and_yet_the_run_directory_itself_is_an_error(tmp_path: Path, make_host: MakeHost) -> None:
    client = shared(tmp_path, make_host, "/scratch", "    run_root: /scratch\n    filesystem: separate\n")
    done = client("install", "demo", "-p", "hpc")
    assert done.code == 3
    assert "/scratch/demo there is the run directory itself" in done.err
    assert (client.run_directory / "a").read_text() == "x\n"


def test_one_call_tells_all_and_no_rsync_is_started(tmp_path: Path, make_host: MakeHost) -> None:
    client = shared(tmp_path, make_host, str(tmp_path), "    rsync: {command: no-such-rsync}\n")
    assert is_shared(client)
    before = client.host.calls()
    assert client("poll", "demo").code == 0
    assert client.host.calls() == before + 1
    assert client("run", "demo", "-p", "hpc", "--", "true").code == 0
    assert client.host.calls() == before + 4  # install, submit, watch: the job's processes are there


def test_the_install_command_runs_in_place_and_again_when_something_changed(
    tmp_path: Path, make_host: MakeHost
) -> None:
    client = shared(tmp_path, make_host, str(tmp_path))
    client.write("run.yaml", "install: {command: 'cat a >>built; hostname'}\n")
    for _ in range(2):
        done = client("install", "demo", "-p", "hpc", "--json")
        assert done.code == 0, done.err
        assert (client.run_directory / "built").read_text() == "x\n"
    client.write("a", "y\n")
    done = client("install", "demo", "-p", "hpc")
    assert f"hpc| {client.host.name}\n" in done.err
    assert (client.run_directory / "built").read_text() == "x\ny\n"


def test_an_install_command_that_fails_in_place_keeps_jobs_from_being_submitted(
    tmp_path: Path, make_host: MakeHost
) -> None:
    client = shared(tmp_path, make_host, str(tmp_path))
    client.write("run.yaml", "install: {command: 'exit 3'}\n")
    assert client("install", "demo", "-p", "hpc").code == 1
    assert client("submit", "demo", "-p", "hpc", "--no-install", "--", "true").code == 9
    (client.run_directory / "run.yaml").unlink()
    assert client("run", "demo", "-p", "hpc", "--", "true").code == 0


def test_jobs_are_found_and_killed_in_place(tmp_path: Path, make_host: MakeHost) -> None:
    client = shared(tmp_path, make_host, str(tmp_path))
    assert client("submit", "demo", "-p", "hpc", "--", "sleep", "600").code == 0
    assert client("poll", "demo", "--json").job["state"] == "running"
    assert client("kill", "demo", "--json").job["state"] == "killed"
    assert client("poll", "demo", "-p", "hpc", "--json").job["signal"] == "TERM"


def test_the_names_of_who_looks_are_removed(tmp_path: Path, make_host: MakeHost) -> None:
    client = shared(tmp_path, make_host, str(tmp_path))
    assert is_shared(client)
    assert os.listdir(client.run_directory / ".remote-install" / "seen") == [".gitignore"]


# --- this machine


@pytest.fixture
def local(tmp_path: Path, job_host: JobHost) -> Client:
    """A client for whom no ssh and no rsync can be started."""
    client = Client(tmp_path, job_host)
    client.run_directory.mkdir()
    client.write("a", "x\n")
    (tmp_path / "hosts.yaml").write_text("platforms:\n  here: {hosts: [localhost]}\n")
    return client


@pytest.mark.parametrize("platform", ["here", "localhost"])
def test_this_machine_needs_no_ssh_and_no_rsync(local: Client, platform: str) -> None:
    trace = local.folder / "trace"
    argv = ["-m", "remote_install", "run", "demo", "-p", platform, "--json", "--", "sh", "-c", "pwd; exit 3"]
    strace = ["strace", "-f", "-qq", "-s", "300", "-e", "trace=execve", "-o", str(trace), sys.executable, *argv]
    done = subprocess.run(strace, cwd=local.folder, env=local.environment(), capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    started = trace.read_text()
    assert "here.py" in started
    assert not re.search(r'execve\("[^"]*(ssh|rsync)"', started)
    assert local("install", "demo", "-p", platform, "--json").json["targets"][0]["mode"] == "local"
    assert local("logs", "demo", "job").out.decode() == f"{local.run_directory}\n"
    done = local("poll", "demo", "--json")
    assert (done.job["state"], done.job["exit_code"], done.job["host"]) == ("failed", 3, "localhost")


def test_a_job_here_is_killed_and_leaves_nothing(local: Client) -> None:
    assert local("submit", "demo", "-p", "here", "--", "sh", "-c", "sleep 600 & sleep 601").code == 0
    assert local("kill", "demo", "--json").job["state"] == "killed"
    assert local.leftovers() == []


def test_files_are_copied_here_without_a_host(local: Client) -> None:
    assert local("push", "demo/", f"here:{local.folder}/copy").code == 0
    assert local("pull", f"here:{local.folder}/copy/a", "b").code == 0
    assert (local.folder / "b").read_text() == "x\n"


def test_this_machine_has_no_other_filesystem(local: Client) -> None:
    (local.folder / "hosts.yaml").write_text("platforms:\n  here: {hosts: [localhost], filesystem: separate}\n")
    done = local("run", "demo", "-p", "here", "--", "true")
    assert done.code == 3
    assert "localhost is this machine" in done.err


def test_where_all_is_known_to_be_here_nothing_but_the_job_is_started(client: Client) -> None:
    """Every program that is started, as the kernel sees it."""
    hosts = client.folder / "hosts.yaml"
    hosts.write_text(hosts.read_text() + "    filesystem: shared\n    submit_from: here\n")
    client.write("run.yaml", 'install: {exclude: ["*.tmp"]}\nfetch: [made]\n')
    log = client.folder / "started"
    traced = ["strace", "-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o", str(log), sys.executable]
    words = ["run", "demo", "-p", "hpc", "--", "sh", "-c", "pwd >made"]
    done = subprocess.run(
        [*traced, "-m", "remote_install", *words], cwd=client.folder, env=client.environment(), timeout=90, check=False
    )
    assert done.returncode == 0
    assert (client.run_directory / "made").read_text() == f"{client.run_directory}\n"
    programs = set(re.findall(r'execve\("(?:[^"]*/)?([^"/]+)"', log.read_text()))
    assert "sh" in programs
    assert not programs & {"ssh", "rsync", "scp", "sftp"}
