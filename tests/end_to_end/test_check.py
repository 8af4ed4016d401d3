"""`check` on hosts that are in order, and on hosts with one fault each: the right row fails, with its remedy."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hosts import JobHost, MakeHost

from remote_install import bundle
from remote_install.jobhost import wire

from .client import Client, Done

Row = dict[str, Any]
NAMES = ["settings", "reach", "host key", "auth", "rsync", "python", "program", "job runner", "filesystem", "clock"]
NAMES += ["run root", "disk"]
LOGIN = NAMES[1:4]


def rows_of(done: Done, platform: str = "hpc") -> dict[str, Row]:
    """The rows of a platform of one host, by name; what is told of them must fit together."""
    (found,) = [one for one in done.json["platforms"] if one["platform"] == platform]
    assert [row["check"] for row in found["checks"]] == NAMES
    for row in found["checks"]:
        assert set(row) == {"check", "ok", "detail", "remedy", "seconds"}
        assert row["remedy"] or row["ok"] is not False, row
        assert row["detail"] or row["ok"], row
    assert (found["error"] is None) == all(row["ok"] is not False for row in found["checks"])
    return {row["check"]: row for row in found["checks"]}


def failed(rows: dict[str, Row]) -> list[str]:
    return [name for name, row in rows.items() if row["ok"] is False]


def passed(rows: dict[str, Row]) -> list[str]:
    return [name for name, row in rows.items() if row["ok"]]


def checked(client: Client, *words: str, code: int = 0) -> dict[str, Row]:
    """The rows of platform hpc."""
    done = client("check", "hpc", "--json", *words)
    assert done.code == code, done.out.decode() + done.err
    assert (done.json["error"] or {"code": 0})["code"] == code
    return rows_of(done)


def files(host: JobHost) -> list[str]:
    """All that is in the home there."""
    return sorted(host.run(["find", ".", "-path", "./.ssh", "-prune", "-o", "-print"], check=True).stdout.split())


@pytest.fixture
def client(client: Client) -> Client:
    """A host that has our program."""
    client.host.write_file(bundle.build().path, bundle.build().data)
    return client


def test_all_is_right(client: Client) -> None:
    client.host.run(["rm", "-rf", ".remote-install"], check=True)
    before, logins = files(client.host), client.host.connections()
    rows = checked(client)
    assert passed(rows) == NAMES
    assert {row["remedy"] for row in rows.values()} == {None}
    assert rows["program"]["detail"].endswith(", sent now")
    assert rows["reach"]["detail"] == f"it calls itself {client.host.name}"
    assert rows["auth"]["detail"] == "as alice"
    assert rows["run root"]["detail"] == "/home/alice/remote-install-run, which the first install makes"
    assert client.host.connections() - logins == 4  # no program; sent; the facts; rsync
    brought = [name for name in files(client.host) if name not in before]
    assert [re.sub("[0-9a-f]{16}", "HASH", name) for name in brought] == [
        "./.remote-install",
        "./.remote-install/jobhost-HASH.pyz",
    ]
    logins, home = client.host.connections(), client.host.run(["stat", "-c", "%a %y", "."], check=True).stdout
    done = client("check")
    assert (done.code, done.err) == (0, "")
    assert done.out.decode().startswith(f"hpc ({client.host.name})\n  settings    ok      access: ssh")
    assert client.host.connections() - logins == 2
    assert client.host.run(["stat", "-c", "%a %y", "."], check=True).stdout == home
    assert client("check", "-q").out == b""


def faulty(client: Client, faults: dict[str, str]) -> str:
    """A hosts.yaml with a platform for each fault: lines of its own, after what all of them have."""
    host = f"hosts: [{client.host.name}]"
    ssh = f"command: ssh -F {client.host.ssh_config}, connect_timeout: 5"
    return "platforms:\n" + "".join(
        f"  {name}:\n"
        + "".join(f"    {line}\n" for line in text.replace("HOST", host).replace("SSH", ssh).splitlines())
        for name, text in faults.items()
    )


@contextlib.contextmanager
def listener(says_nothing: bool) -> Iterator[int]:
    """A port of this machine that takes a connection, and then says nothing, or closes it at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if not says_nothing:

            def close_all() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        server.accept()[0].close()

            threading.Thread(target=close_all, daemon=True).start()
        yield server.getsockname()[1]
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


# Platform -> what it has besides, the rows that fail, the code, words of the detail or the remedy.
FAULTS = {
    "good": ("HOST\nssh: {SSH}", [], 0, ""),
    "closed-port": ("HOST\nssh: {SSH, port: 23}", ["reach"], 4, "Connection refused.*ssh.port"),
    "no-name": ("hosts: [no-such-host.invalid]", ["reach"], 4, "resolve hostname"),
    "closes": ("hosts: [127.0.0.1]\nssh: {connect_timeout: 5, port: CLOSES}", ["reach"], 4, "closed|reset"),
    "silent": ("hosts: [127.0.0.1]\nssh: {connect_timeout: 5, port: SILENT}", ["reach"], 4, "timed out"),
    "unknown-key": (
        "HOST\nssh: {SSH, options: {UserKnownHostsFile: /dev/null}}",
        ["host key"],
        4,
        "verification failed.*never learnt in passing",
    ),
    "wrong-key": ("HOST\nssh: {SSH, options: {UserKnownHostsFile: KNOWN}}", ["host key"], 4, "HAS CHANGED|was changed"),
    "no-cipher": ("HOST\nssh: {SSH, options: {HostKeyAlgorithms: ssh-rsa}}", ["host key"], 4, "in common|never learnt"),
    "no-login": ("HOST\nssh: {SSH, user: nobody}", ["auth"], 4, "Permission denied.*ssh-add"),
    "bad-option": ("HOST\nssh: {SSH, options: {NoSuchOption: x}}", ["settings"], 3, "Bad configuration option"),
    "no-ssh": ("HOST\nssh: {command: nosuchssh}", ["settings"], 3, "nosuchssh"),
    "no-secret": ("HOST\nssh: {SSH}\nsecrets: [NO_SUCH_SECRET]", ["settings"], 3, "Export NO_SUCH_SECRET"),
    "no-rsync-here": ("HOST\nssh: {SSH}\nrsync: {command: nosuchrsync}", ["rsync"], 3, "nosuchrsync"),
    "no-python": ("HOST\nssh: {SSH}\npython: python9.9", ["python"], 4, "python9.9: .*not found.*`python:`"),
    "old-python": ("HOST\nssh: {SSH}\npython: old", ["python"], 4, "is Python 3.5.2, and 3.6 or newer is needed"),
    "garbage": ("HOST\nssh: {SSH}\npython: liar", ["program"], 4, "garbage"),
    "gate": ("HOST\nssh: {SSH}\npython: gate", ["program"], 6, "not admitted. Ask the site"),
    "no-room": ("HOST\nssh: {SSH}\nrun_root: /nowhere/runs", ["run root"], 5, "can't be made in /: Permission denied"),
    "no-folder": ("HOST\nssh: {SSH}\nrun_root: file/runs", ["run root"], 5, "can't be made in /home/alice/file: Not a"),
    "no-variable": ("HOST\nssh: {SSH}\nrun_root: $NO_SUCH/runs", ["run root"], 3, "NO_SUCH is not set"),
    "no-slurm": (
        "HOST\nssh: {SSH}\njob_runner: slurm",
        ["job runner"],
        7,
        "no sbatch and no squeue and no scancel",
    ),
    "no-runner": ("HOST\nssh: {SSH}\njob_runner: {name: mine, file: nowhere.py}", ["job runner"], 3, "nowhere.py"),
    "bad-runner": ("HOST\nssh: {SSH}\njob_runner: {name: mine, file: mine.py}", ["job runner"], 3, "ZeroDivisionError"),
    "shared": ("HOST\nssh: {SSH}\nfilesystem: shared", [], 0, ""),
    "localhost": ("hosts: [localhost]", [], 0, ""),
}
OLD = "#!/bin/sh\n[ $1 = -V ] && exec echo Python 3.5.2\necho SyntaxError: invalid syntax >&2\nexit 1\n"
LIAR = f"#!/bin/sh\n[ $1 = -V ] && exec python3 -V\necho\necho {wire.MARKER}\necho garbage\n"
GATE = f"""#!/bin/sh
echo; echo {wire.MARKER}
echo '{{"reply": "error", "code": 6, "message": "not admitted.", "hint": "Ask the site."}}'
echo '{{"reply": "end"}}'
"""
OWN_RUNNER = """
NAME = "mine"
ID = ""
def submit(job, settings): return [str(1 // 0)]
parse_submit = listing = parse_listing = kill = submit
"""


def test_each_fault_is_told_in_its_row_and_with_its_remedy(client: Client) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", client.folder / "other"], check=True)
    key = (client.folder / "other.pub").read_text().split()
    known = client.folder / "known"
    known.write_text(f"{client.host.name},{client.host.address} {key[0]} {key[1]}\n")
    (client.folder / "mine.py").write_text(OWN_RUNNER)
    client.host.write_file("file", "")
    for name, script in (("old", OLD), ("liar", LIAR), ("gate", GATE)):
        client.host.write_file(f"/usr/local/bin/{name}", script, 0o755, owner="root")
    with listener(says_nothing=False) as closes, listener(says_nothing=True) as silent:
        text = faulty(client, {name: text for name, (text, _, _, _) in FAULTS.items()})
        text = text.replace("CLOSES", str(closes)).replace("SILENT", str(silent)).replace("KNOWN", str(known))
        (client.folder / "hosts.yaml").write_text(text)
        before = files(client.host)
        done = client("check", "--json")
    assert done.code == 7, done.err
    for name, (_, wanted, code, words) in FAULTS.items():
        rows = rows_of(done, name)
        assert failed(rows) == wanted, name
        error = next(one["error"] for one in done.json["platforms"] if one["platform"] == name)
        assert (error or {"code": 0})["code"] == code, (name, error)
        for row in map(rows.get, wanted):
            assert row
            assert re.search(words, f"{row['detail']} {row['remedy']}"), (name, row)
            before_it = [] if row["check"] == "settings" else NAMES[: NAMES.index(row["check"])][:4]
            assert all(rows[one]["ok"] for one in before_it), (name, rows)
    assert files(client.host) == before


def test_a_dead_host_delays_nobody(client: Client, make_host: MakeHost) -> None:
    """Two login nodes are two blocks; that of the second comes while the first is still waited for."""
    dead = make_host()
    text = faulty(client, {"hpc": "HOST\nssh: {SSH}", "/x.*/": "ssh: {SSH}"})
    text = text.replace("[host", f"[{dead.name}, host").replace("timeout: 5", "timeout: 60")
    (client.folder / "hosts.yaml").write_text(text)
    dead.drop()
    with client.start("check") as process:
        assert process.stdout
        block = [process.stdout.readline().decode() for _ in (1, *NAMES)]
        assert block[0] == f"hpc ({client.host.name})\n"
        assert [line[2:12].rstrip() for line in block[1:]] == NAMES
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == b""
        assert process.wait() == 130


def test_a_full_disk(client: Client) -> None:
    client.host.fill()
    rows = checked(client, code=5)
    assert failed(rows) == ["disk"]
    assert re.search("full: 0 bytes of .* free", rows["disk"]["detail"])


def test_a_disk_without_room_for_a_file(client: Client) -> None:
    used = client.host.run(["sh", "-c", "df --output=iused /home | tail -n 1"], check=True).stdout.strip()
    client.host.as_root(f"mount -o remount,nr_inodes={used} /home")
    rows = checked(client, code=5)
    client.host.as_root("mount -o remount,nr_inodes=0 /home")
    assert failed(rows) == ["disk"]
    assert "no more files can be made" in rows["disk"]["detail"]


def test_a_disk_that_is_nearly_full_is_no_failure(client: Client) -> None:
    client.host.run(["sh", "-c", "head -c 32000000 /dev/zero >most"], check=True)
    rows = checked(client)
    assert "That is little" in rows["disk"]["remedy"]


def test_a_home_that_can_not_be_written_to(client: Client) -> None:
    client.host.run(["rm", "-rf", ".remote-install"], check=True)
    client.host.as_root("mkdir -p /scratch && chown alice: /scratch && mount -o remount,ro /home")
    try:
        rows = checked(client, code=4)  # what is sent finds no place
        assert failed(rows) == ["program"]
        assert passed(rows) == NAMES[:6]
        assert "Read-only file system" in rows["program"]["detail"]
        with open(client.folder / "hosts.yaml", "a") as file:
            file.write("    run_root: /scratch/runs\n")
        rows = checked(client)
        assert rows["program"]["detail"].startswith("/scratch/runs/.remote-install/jobhost-")
    finally:
        client.host.as_root("mount -o remount,rw /home")
    client.host.as_root("rm -r /scratch")


def test_a_run_root_that_can_not_be_written_to_though_it_is_there(client: Client) -> None:
    client.host.run(["mkdir", "-m", "500", "remote-install-run"], check=True)
    rows = checked(client, code=5)
    client.host.run(["rmdir", "remote-install-run"], check=True)
    assert failed(rows) == ["run root"]
    assert rows["run root"]["detail"] == "/home/alice/remote-install-run can't be written to: Permission denied"


@pytest.mark.parametrize("version", ["", "3.1.2"])
def test_an_rsync_that_is_missing_or_old(client: Client, version: str) -> None:
    client.host.as_root("mv /usr/bin/rsync /usr/bin/rsync.away")
    if version:
        fake = f"#!/bin/sh\necho 'rsync  version {version}  protocol version 31'\n"
        client.host.write_file("/usr/local/bin/rsync", fake, 0o755, owner="root")
    rows = checked(client, code=4)
    assert failed(rows) == ["rsync"]
    told = "rsync there is 3.1.2, and 3.1.3 or newer" if version else "there is no rsync on it"
    assert told in rows["rsync"]["detail"]
    with open(client.folder / "hosts.yaml", "a") as file:
        file.write("    rsync: {command: rsync --rsync-path=/usr/bin/rsync.away}\n")
    if version:
        assert passed(checked(client)) == NAMES
    client.host.as_root("mv /usr/bin/rsync.away /usr/bin/rsync; rm -f /usr/local/bin/rsync")


def test_start_up_files_that_print_are_warned_of(client: Client) -> None:
    client.host.write_file(".bashrc", "echo Welcome\n")
    rows = checked(client)
    client.host.run(["rm", ".bashrc"], check=True)
    assert "a start-up file there prints" in rows["rsync"]["detail"]
    assert "case $- in" in rows["rsync"]["remedy"]


def test_processes_that_end_with_the_login_are_warned_of(client: Client) -> None:
    client.host.as_root(
        "mkdir -p /run/systemd/system /etc/systemd; echo KillUserProcesses=yes >>/etc/systemd/logind.conf"
    )
    rows = checked(client)
    client.host.as_root("mkdir -p /var/lib/systemd/linger; touch /var/lib/systemd/linger/alice")
    asked = json.dumps({"facts": ["runner"]})
    told = client.host.run(["python3", "-I", bundle.build().path, "check"], input=asked, check=True).stdout
    client.host.as_root("rm -r /run/systemd/system /var/lib/systemd/linger/alice")
    assert "systemd-logind" in rows["job runner"]["remedy"]
    assert '{"reply": "runner", "warning": ""}' in told


def test_a_host_that_admits_only_rsync(client: Client) -> None:
    """No jobs can be started from here, and that is said; all else is in order."""
    keys = client.host.read("/home/alice/.ssh/authorized_keys")
    forced = 'restrict,command="echo $SSH_ORIGINAL_COMMAND >>asked; exec rrsync /home/alice/box" '
    client.host.run(["mkdir", "box"], check=True)
    client.host.write_file(".ssh/authorized_keys", forced + keys, 0o600)
    rows = checked(client, code=6)  # the platform does not know it yet
    assert failed(rows) == ["rsync", "python"]
    assert "access: rsync-only" in rows["python"]["remedy"]
    client.host.run(["rm", "asked"], check=True)
    with open(client.folder / "hosts.yaml", "a") as file:
        file.write("    access: rsync-only\n    rsync: {root: /home/alice/box}\n    run_root: /home/alice/box/runs\n")
    rows = checked(client, code=6)
    client.host.write_file(".ssh/authorized_keys", keys, 0o600)
    assert failed(rows) == ["job runner"]
    assert passed(rows) == ["settings", *LOGIN, "rsync", "filesystem"]
    assert "Name its Slurm cluster" in rows["job runner"]["remedy"]
    assert client.host.read("/home/alice/asked").startswith("rsync --server")
    assert len(client.host.read("/home/alice/asked").splitlines()) == 1
    client.host.stop_sshd()
    rows = checked(client, code=6)
    assert failed(rows) == ["reach", "job runner"]
    assert rows["rsync"]["ok"] is None


def test_a_folder_that_both_see_is_told(tmp_path: Path, make_host: MakeHost) -> None:
    """Our program is there what it is here: the file of the same path. A copy of it is not."""
    folder = tmp_path / "runs"
    folder.mkdir()
    tmp_path.chmod(0o755)
    folder.chmod(0o777)
    client = Client(tmp_path, make_host(shared={str(folder): str(folder)}))
    client.prepare(f"    run_root: {folder}\n")
    client.host.as_root("mount -o remount,ro /home")
    rows = checked(client)
    assert f"; {folder}/.remote-install there is the one here" in rows["filesystem"]["detail"]
    folder.rename(tmp_path / "away")
    shutil.copytree(tmp_path / "away", folder)
    assert rows["filesystem"]["detail"] != "auto: found out with each run directory"
    assert checked(client)["filesystem"]["detail"] == "auto: found out with each run directory"


def test_what_is_there_to_be_checked(client: Client) -> None:
    hosts = client.folder / "hosts.yaml"
    hosts.write_text("platforms: {/desktop.*/: {}}\n")
    assert client("check").code == 2
    localhost = "{hosts: [localhost]}"
    hosts.write_text(f"platforms: {{a: {localhost}, b: {localhost}}}\ngroups: {{all: {{platforms: [b, a]}}}}\n")
    found = client("check", "all", "a", "localhost", "--json").json["platforms"]
    assert [one["platform"] for one in found] == ["b", "a", "localhost"]
    assert client("check", "nowhere", "--json").json["error"]["code"] == 3
