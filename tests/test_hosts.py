"""The job hosts that other tests stand on are what they are said to be."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hosts import HostOptions, JobHost, JobHosts, MakeHost, MakeHosts, requirements, sweep
from hosts.leftovers import STATE, start_time
from hosts.network import links_of

TESTS = os.path.dirname(os.path.abspath(__file__))
STRICT = ("-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oConnectTimeout=10")


def ssh_argv(host: JobHost, command: str, *options: str) -> list[str]:
    """Return the argv that runs a shell line on the host."""
    return ["ssh", "-F", host.ssh_config, *options, *STRICT, "--", host.name, command]


def ssh(host: JobHost, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a shell line on the host by ssh."""
    argv = ssh_argv(host, command, *options)
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)


def greeting(host: JobHost, timeout: float = 0.9) -> bytes:
    """Return what the host's sshd says first; connecting may take `timeout` seconds, saying it more."""
    with socket.create_connection((host.address, 22), timeout=timeout) as connection:
        connection.settimeout(10)
        return connection.recv(100)


def wait_for(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


# --- apart from each other and from this machine


def test_two_hosts_share_nothing(make_hosts: MakeHosts) -> None:
    one, two = make_hosts(2)
    for ask in ("hostname", "cat /proc/sys/kernel/random/boot_id", "cat /etc/machine-id", "ip -o -4 address show eth0"):
        answers = [host.run(["sh", "-c", ask], check=True).stdout for host in (one, two)]
        assert answers[0] != answers[1], ask
    assert one.run(["hostname"]).stdout == f"{one.name}\n"
    assert one.address != two.address
    for path in ("file", "/tmp/file", "/var/tmp/file", "/dev/shm/file"):
        one.write_file(path, "x")
        assert one.run(["test", "-e", path]).returncode == 0
        assert two.run(["test", "-e", path]).returncode == 1
    assert not os.path.exists(one.home)
    one.run(["sh", "-c", "sleep 1234 >/dev/null 2>&1 &"])
    assert [(process.user, process.args) for process in one.processes()] == [("alice", "sleep 1234")]
    assert two.processes() == []


def test_host_does_not_see_this_machine(job_host: JobHost) -> None:
    inside = job_host.run(["sh", "-c", "ls -a / /root /run /tmp /usr/local/bin"], user="root", check=True).stdout
    assert "work" not in inside.split()
    assert ".pyenv" not in inside.split()
    assert os.path.basename(STATE) not in inside.split()
    with open("/etc/passwd") as file:
        assert job_host.home not in file.read()
    with open("/proc/self/mounts") as file:
        assert os.path.basename(job_host.directory) not in file.read()


def test_ended_orphans_do_not_stay(make_host: MakeHost) -> None:
    job_host = make_host()  # others leave jobs on the one that all share
    job_host.run(["sh", "-c", "(sleep 0.1 >/dev/null 2>&1 &)"])
    stat = ["sh", "-c", "cat /proc/[0-9]*/stat"]
    wait_for(lambda: " Z " not in job_host.run(stat).stdout and not job_host.processes())


# --- ssh


def test_ssh(job_host: JobHost) -> None:
    done = ssh(job_host, "hostname; id -un; command -v python3 rsync; python3 -c 'print(6 * 7)'; rsync --version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:5] == [job_host.name, "alice", "/usr/bin/python3", "/usr/bin/rsync", "42"]
    assert done.stderr == ""


def test_ssh_refuses_an_unknown_host_key(job_host: JobHost) -> None:
    done = ssh(job_host, "true", "-oUserKnownHostsFile=/dev/null")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_connections_are_counted(job_host: JobHost) -> None:
    before = job_host.connections()
    for _ in range(2):
        ssh(job_host, "true")
    job_host.run(["true"])
    assert job_host.testinfra.run("true").succeeded
    assert job_host.connections() == before + 2


def test_rsync(job_host: JobHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    shell = " ".join(["ssh", "-F", job_host.ssh_config, *STRICT])
    argv = ["rsync", "-a", "-e", shell, f"{tmp_path}/", f"{job_host.name}:sent/"]
    subprocess.run(argv, check=True, timeout=30)
    assert job_host.testinfra.file("/home/alice/sent/file").content_string == "content"


# --- run, write_file, testinfra


def test_run_is_exact(job_host: JobHost) -> None:
    script = 'cat; printf "%s\n" "$@" >&2; exit 3'
    done = job_host.run(["sh", "-c", script, "sh", "a b", "$HOME", "c\udcff"], input="1\r\n2")
    assert (done.returncode, done.stdout, done.stderr) == (3, "1\r\n2", "a b\n$HOME\nc\udcff\n")
    assert job_host.run(["pwd"]).stdout == "/home/alice\n"
    assert job_host.run(["sh", "-c", "id -un; pwd"], user="root").stdout == "root\n/root\n"
    assert job_host.run(["id", "-un"], user="nobody").stdout == "nobody\n"
    with pytest.raises(RuntimeError, match="exited 1"):
        job_host.run(["false"], check=True)


def test_run_leaves_nothing_after_a_time_out(job_host: JobHost) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        job_host.run(["sleep", "4321"], timeout=0.3)
    wait_for(lambda: not job_host.processes())


def test_testinfra_looks_from_outside(job_host: JobHost) -> None:
    job_host.write_file("some/where/file", "hé\n", mode=0o640)
    before = job_host.connections()
    file = job_host.testinfra.file("/home/alice/some/where/file")
    assert (file.user, file.group, file.mode, file.content_string) == ("alice", "alice", 0o640, "hé\n")
    assert job_host.testinfra.file("/home/alice/some/where").user == "alice"
    assert job_host.testinfra.user().name == "root"
    assert job_host.connections() == before
    assert job_host.testinfra_ssh.run("hostname; id -un").stdout == f"{job_host.name}\nalice\n"
    assert job_host.connections() == before + 1


# --- faults


def test_cut_and_heal(job_host: JobHost) -> None:
    assert ssh(job_host, "true").returncode == 0  # so that both sides know each other's hardware address
    job_host.cut()
    done = ssh(job_host, "true", "-oConnectTimeout=1")
    assert done.returncode == 255
    assert "timed out" in done.stderr
    job_host.heal()
    assert greeting(job_host).startswith(b"SSH-2.0-")  # at once: no second in which ARP asks again
    assert ssh(job_host, "true").returncode == 0


def test_dropped_packets_are_not_answered(job_host: JobHost) -> None:
    job_host.drop()
    with pytest.raises(socket.timeout):
        greeting(job_host, timeout=0.3)
    job_host.heal()
    assert greeting(job_host).startswith(b"SSH-2.0-")


def test_open_connection_outlives_a_cut(job_host: JobHost) -> None:
    command = subprocess.Popen(ssh_argv(job_host, "echo up; read x; echo $x"), stdin=-1, stdout=-1, text=True)
    assert command.stdin is not None
    assert command.stdout is not None
    assert command.stdout.readline() == "up\n"
    job_host.cut()
    command.stdin.write("hello\n")
    command.stdin.flush()
    time.sleep(0.2)
    job_host.heal()
    assert command.communicate(timeout=20)[0] == "hello\n"


def test_sshd_stops_and_starts(job_host: JobHost) -> None:
    job_host.stop_sshd()
    done = ssh(job_host, "true")
    assert done.returncode == 255
    assert "Connection refused" in done.stderr
    job_host.start_sshd()
    assert greeting(job_host).startswith(b"SSH-2.0-")


def test_frozen_host_accepts_and_says_nothing(job_host: JobHost) -> None:
    job_host.freeze()
    with socket.create_connection((job_host.address, 22), timeout=0.3) as connection:
        with pytest.raises(socket.timeout):
            connection.recv(1)
        job_host.thaw()
        connection.settimeout(10)
        assert connection.recv(1) == b"S"


def test_kill_sessions_drops_a_running_ssh(make_host: MakeHost) -> None:
    job_host = make_host()  # others leave jobs on the one that all share
    command = subprocess.Popen(ssh_argv(job_host, "sleep 60"), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(job_host.processes)
    assert job_host.kill_sessions() == 1
    _, err = command.communicate(timeout=10)
    assert command.returncode == 255
    assert b"closed by remote host" in err
    assert [process.args for process in job_host.processes()] == ["sleep 60"]  # commands survive, as on real hosts
    assert job_host.kill_sessions() == 0
    job_host.run(["pkill", "sleep"])


def test_full_disk(job_host: JobHost) -> None:
    job_host.write_file("before", "x")
    job_host.fill()
    done = job_host.run(["cp", "before", "after"])
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert job_host.run(["sh", "-c", "echo x >/tmp/after"]).returncode == 0
    job_host.unfill()
    job_host.run(["sh", "-c", "echo x >after"], check=True)


def test_boot_id_changes(job_host: JobHost) -> None:
    before = job_host.boot_id()
    job_host.change_boot_id()
    after = ssh(job_host, "cat /proc/sys/kernel/random/boot_id").stdout.strip()
    assert after == job_host.boot_id() != before
    with open("/proc/sys/kernel/random/boot_id") as file:
        assert file.read().strip() not in (before, after)


def test_crash_and_boot(make_host: MakeHost) -> None:
    host = make_host()
    host.run(["sh", "-c", "echo x | tee kept >/tmp/lost; sleep 60 >/dev/null 2>&1 &"], check=True)
    (process,) = host.processes()
    boot_id = host.boot_id()
    with socket.create_connection((host.address, 22), timeout=0.3) as connection:
        connection.settimeout(10)
        assert connection.recv(100).startswith(b"SSH-2.0-")
        host.crash()
        assert host.processes() == []
        connection.settimeout(0.3)
        with pytest.raises(socket.timeout):  # nobody says goodbye
            connection.recv(1)
    host.boot()
    assert host.faults == set()
    assert host.boot_id() != boot_id
    assert ssh(host, "cat kept; ls /tmp").stdout == "x\n"
    host.run(["sh", "-c", f"until [ $(sh -c 'echo $$') -ge {process.pid} ]; do :; done"], check=True)  # pids begin anew


def test_repair_undoes_all(make_host: MakeHost) -> None:
    host = make_host()
    host.fill()
    host.freeze()
    host.drop()
    host.cut()
    host.repair()
    host.stop_sshd()
    host.repair()
    assert ssh(host, "echo x >file").returncode == 0
    host.crash()
    host.repair()
    assert ssh(host, "cat file").stdout == "x\n"


# --- options


def test_options(make_host: MakeHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("shared")
    tmp_path.chmod(0o755)
    host = make_host(
        name="login.example",
        login_shell="/bin/sh",
        home_size="1m",
        umask=0o077,
        sshd_config=["MaxSessions 1", "Match User alice", "SetEnv FROM_SSHD=yes"],
        key_options='environment="IGNORED=x",no-pty',
        shared={str(tmp_path): "/scratch/project"},
    )
    script = "hostname; umask; echo $FROM_SSHD $0; cat /scratch/project/file; df --output=size /home | tail -n 1"
    done = ssh(host, script)
    assert done.stdout.split() == ["login.example", "0077", "yes", "sh", "shared", "1024"]
    assert host.testinfra.user("alice").shell == "/bin/sh"
    assert host.run(["sshd", "-T"], user="root").stdout.count("maxsessions 1\n") == 1
    assert "PTY allocation request failed" in ssh(host, "true", "-tt").stderr
    with pytest.raises(FileExistsError):
        make_host(name="login.example")


def test_loose_umask_and_forced_command(make_host: MakeHost) -> None:
    host = make_host(umask=0o002, key_options='command="umask; echo $SSH_ORIGINAL_COMMAND"')
    assert ssh(host, "anything").stdout == "0002\nanything\n"


def test_a_home_with_a_blank(make_host: MakeHost) -> None:
    host = make_host(home="/home/alice smith")
    assert ssh(host, "pwd; echo $HOME").stdout == "/home/alice smith\n" * 2
    assert host.run(["pwd"]).stdout == "/home/alice smith\n"
    assert host.testinfra.user("alice").home == "/home/alice smith"


@pytest.mark.timeout(900)  # the first to ask makes it, with what a mirror sends
@pytest.mark.parametrize(("system", "sshd", "release"), [("bullseye", "8.4", "11"), ("trixie", "10.0", "13")])
def test_another_release_has_its_own_programs(make_host: MakeHost, system: str, sshd: str, release: str) -> None:
    host = make_host(system=system)
    assert greeting(host).startswith(f"SSH-2.0-OpenSSH_{sshd}".encode())
    done = ssh(host, "cat /etc/debian_version; hostname; id -un; ls -A /; rsync --version")
    assert done.stderr == ""
    version, name, user, *names = done.stdout.split()
    assert (version.split(".")[0], name, user) == (release, host.name, "alice")
    assert ".made-from" not in names
    assert host.connections() == 1
    process = subprocess.Popen(ssh_argv(host, "sleep 60"), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(host.processes)
    assert host.kill_sessions() == 1
    process.communicate(timeout=10)
    assert host.sessions() == []


def test_shared_home_is_never_filled(job_hosts: JobHosts, tmp_path: Path) -> None:
    assert HostOptions().own_home
    assert not HostOptions(shared={str(tmp_path): "/home"}).own_home
    tmp_path.chmod(0o755)
    host = job_hosts.make(shared={str(tmp_path): "/home"})
    with pytest.raises(RuntimeError, match="this machine's disk"):
        host.fill()
    assert ssh(host, "echo x >file").returncode == 0
    assert (tmp_path / "alice" / "file").read_text() == "x\n"
    job_hosts.close_host(host)
    assert not host.alive()


def test_host_that_cannot_start_says_why(job_hosts: JobHosts) -> None:
    before = len(links_of(os.getpid()))
    with pytest.raises(RuntimeError, match="did not start: mount: "):
        job_hosts.make(home_size="nonsense")
    with pytest.raises(RuntimeError, match="Bad configuration option"):
        job_hosts.make(sshd_config=["NoSuchOption yes"])
    wait_for(lambda: len(links_of(os.getpid())) == before)


# --- what is left when a run has ended, however it ended


def run_python(directory: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python in `directory`, where this one's conftest and hosts can be imported."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "REQUIRE_"))}
    return subprocess.run(
        [sys.executable, *argv],
        cwd=directory,
        env={**outer, "PYTHONPATH": TESTS, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run_pytest(directory: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in `directory` with the conftest.py of this one."""
    return run_python(directory, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-rA", *options, **env)


NOTE = """
import json, os, signal, time, pytest
from hosts import JobHosts
from hosts.leftovers import start_time

def note(name, hosts):
    pids = [os.getpid(), *(host.pid for host in hosts)]
    processes = [[pid, start_time(pid)] for pid in pids]
    with open(name, "w") as file:
        json.dump({"processes": processes, "address": hosts[0].address}, file)
"""

TEST = """
def test(job_host, make_host):
    fresh = make_host()
    job_host.freeze()
    fresh.cut()
    note(f"{os.getpid()}.json", [job_host, fresh])
    END
"""

SCRIPT = """
with JobHosts() as hosts:
    note("script.json", [hosts.make()])
    END
"""


def notes(directory: Path) -> list[dict[str, Any]]:
    """Return what runs in `directory` have noted about their hosts."""
    found = [json.loads(path.read_text()) for path in directory.glob("*.json")]
    assert found
    return found


def leftovers(directory: Path) -> list[str]:
    """Return what is left of the hosts noted in `directory`: directories, links, processes."""
    left = []
    for note in notes(directory):
        processes = note["processes"]
        left += [f"process {pid}" for pid, started in processes if start_time(pid) == started]
        pid, started = processes[0]
        left += [f"link {name}" for name in links_of(pid)]
        left += [f"directory {name}" for name in os.listdir(STATE) if name == f"{pid}-{started}"]
    return left


@pytest.mark.usefixtures("job_hosts")  # skipped where those are
def test_nothing_is_left_after_an_interrupt(tmp_path: Path) -> None:
    (tmp_path / "test_inner.py").write_text(NOTE + TEST.replace("END", "os.kill(os.getpid(), signal.SIGINT)"))
    done = run_pytest(tmp_path)
    assert done.returncode in (pytest.ExitCode.INTERRUPTED, -signal.SIGINT), done.stdout + done.stderr
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("job_hosts")
def test_xdist_workers_have_hosts_of_their_own_and_nothing_is_left_after_failures(tmp_path: Path) -> None:
    (tmp_path / "test_inner.py").write_text(NOTE + TEST.replace("END", "assert False"))
    done = run_pytest(tmp_path, "-p", "xdist", "-n", "2", "--dist=each")
    assert "2 failed in" in done.stdout, done.stdout
    assert len({note["address"] for note in notes(tmp_path)}) == 2
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("job_hosts")
def test_hosts_die_with_a_killed_run_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    done = run_python(tmp_path, "-c", NOTE + SCRIPT.replace("END", "os.kill(os.getpid(), signal.SIGKILL)"))
    assert done.returncode == -signal.SIGKILL, done.stderr
    wait_for(lambda: not any(left.startswith("process") for left in leftovers(tmp_path)))
    sweep()
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("job_hosts")
def test_sweep_ends_hosts_that_outlived_their_run(tmp_path: Path) -> None:
    # A child that inherited the pipes keeps the host alive; it ends with the host.
    die = "os.fork() and os.kill(os.getpid(), signal.SIGKILL); os.closerange(0, 3)"
    end = f"{die}; [time.sleep(0.1) for _ in range(200) if start_time(hosts.hosts[0].pid)]; os._exit(0)"
    done = run_python(tmp_path, "-c", NOTE + SCRIPT.replace("END", end))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert any(left.startswith("process") for left in leftovers(tmp_path))
    sweep()
    wait_for(lambda: not leftovers(tmp_path))


# --- requirements and REQUIRE_ALL

SKIPS = {
    "mark": "@pytest.mark.skip(reason='why')\ndef test(): pass",
    "call": "def test(): pytest.skip('why')",
    "setup": "@pytest.fixture\ndef thing(): pytest.skip('why')\ndef test(thing): pass",
    "module": "pytest.skip('why', allow_module_level=True)",
    "import": "pytest.importorskip('no_such_module', reason='why')",
    "expected": "@pytest.mark.xfail\ndef test(): assert False",
}


def test_skip_fails_where_all_is_required(tmp_path: Path) -> None:
    # Without --continue-on-collection-errors pytest would end at the two that fail to be collected.
    for kind, source in SKIPS.items():
        (tmp_path / f"test_{kind}.py").write_text(f"import pytest\n{source}\n")
    done = run_pytest(tmp_path, REQUIRE_ALL="1")
    done = run_pytest(tmp_path, "--continue-on-collection-errors", REQUIRE_ALL="1")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert done.stdout.splitlines()[-1].split(" in ")[0].strip("= ") == "1 failed, 1 xfailed, 4 errors"
    assert done.stdout.count("REQUIRE_ALL=1, but: ") >= 5
    done = run_pytest(tmp_path)
    assert done.returncode == pytest.ExitCode.OK
    assert done.stdout.splitlines()[-1].split(" in ")[0].strip("= ") == "5 skipped, 1 xfailed"


def test_missing_requirement_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "PROGRAMS", ("sh", "no-such-program"))
    monkeypatch.setattr(requirements, "PROBE", "echo refused >&2; exit 1")
    if os.geteuid() == 0:
        assert requirements.missing_requirements.__wrapped__() == ("no-such-program",)
        assert requirements.refused_by_kernel() == ("namespaces: refused",)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert requirements.missing_requirements.__wrapped__() == ("root",)


def test_session_makes_hosts_side_by_side(job_hosts: JobHosts, make_hosts: MakeHosts) -> None:
    hosts = make_hosts(5)
    assert len({host.address for host in hosts}) == 5
    with open(job_hosts.ssh_config) as file:
        config = file.read()
    assert all(f"Host {host.name}\n" in config for host in hosts)
