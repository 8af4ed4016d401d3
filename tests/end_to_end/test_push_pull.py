"""push and pull: what goes there and comes back is the same, also when the way is cut half way and gone again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import JobHost, MakeHost

from .awkward import NAMES
from .client import Client

COUNT = 1000
SLOW = "    rsync: {options: [--bwlimit=5m]}\n"  # so that there is a half way to be cut on
IMPATIENT = ", options: {ServerAliveInterval: 1, ServerAliveCountMax: 2}}"

# Everything about a tree that rsync brings over: kinds, modes, contents, link targets, times to the nanosecond.
LISTING = """\
import hashlib, json, os, stat, sys
found = {}
for folder, folders, files in os.walk(os.fsencode(sys.argv[1])):
    for name in folders + files:
        path = os.path.join(folder, name)
        status = os.lstat(path)
        seen = [oct(status.st_mode), status.st_mtime_ns]
        if stat.S_ISLNK(status.st_mode):
            seen.append(os.readlink(path).hex())
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                seen.append(hashlib.sha256(file.read()).hexdigest())
        found[os.path.relpath(path, os.fsencode(sys.argv[1])).hex()] = seen
print(json.dumps(found))
"""
Tree = dict[bytes, list[object]]


def here(folder: Path) -> Tree:
    """The tree below a folder here."""
    line = [sys.executable, "-c", LISTING, str(folder)]
    return listed(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def there(host: JobHost, folder: str) -> Tree:
    """The tree below a folder on the host, relative to the run root."""
    return listed(host.run(["python3", "-c", LISTING, f"remote-install-run/{folder}"], check=True).stdout)


def listed(told: str) -> Tree:
    return {bytes.fromhex(path): seen for path, seen in json.loads(told).items()}


def differences(one: Tree, other: Tree) -> list[tuple[bytes, object, object]]:
    paths = sorted(one.keys() | other.keys())
    return [(path, one.get(path), other.get(path)) for path in paths if one.get(path) != other.get(path)]


def grow(root: Path) -> None:
    """A tree with 1000 files under awkward names, links, empty folders; all its times lie in the past."""
    source = random.Random(1)
    top = os.fsencode(root)
    folders = [os.path.join(top, name[:250] + b".d") for name in NAMES[:14]]
    folders += [os.path.join(folder, b"deeper", NAMES[-1]) for folder in folders[:6]]
    for number, folder in enumerate(folders):
        os.makedirs(folder + b"/empty")
        os.mkdir(folder + b"/closed", 0o700)
        for name in NAMES[: COUNT // len(folders)]:
            path = os.path.join(folder, name)
            size = source.choice([0, 1, source.randrange(65537), source.randrange(65537)])
            Path(os.fsdecode(path)).write_bytes(source.randbytes(size))
            os.chmod(path, source.choice([0o644, 0o755, 0o600]))
        os.symlink(NAMES[number], folder + b"/link to a file")
        os.symlink(b"../" + os.path.basename(folders[0]), folder + b"/link to a folder")
        os.symlink(b"nowhere \xff\n", folder + b"/link to nothing")
    for folder, names, files in os.walk(top, topdown=False):
        for name in [*names, *files]:
            changed = source.randrange(10**18, 15 * 10**17)  # between 2001 and 2017
            os.utime(os.path.join(folder, name), ns=(changed, changed), follow_symlinks=False)


@pytest.fixture
def user(tmp_path: Path, make_host: MakeHost) -> Iterator[Client]:
    """A user of a host with a larger disk, who has a tree to send."""
    one = Client(tmp_path, make_host(home_size="256m"))
    one.prepare()
    grow(tmp_path / "tree")
    umask = os.umask(0o022)  # as the host's
    yield one
    os.umask(umask)
    assert one.leftovers() == []


def wait_for_rsync(host: JobHost) -> None:
    """What was cut off from its client ends by itself, within about 10 s."""
    until = time.monotonic() + 30
    while "rsync" in (alive := {one.args.split(" ")[0] for one in host.processes()}) and time.monotonic() < until:
        time.sleep(0.1)
    assert "rsync" not in alive


def test_a_thousand_awkward_files_go_there_and_come_back_the_same(user: Client) -> None:
    sent = here(user.folder / "tree")
    assert len(sent) > COUNT
    pushed = user("push", "tree/", "hpc:up")
    assert pushed.code == 0, pushed.err
    assert differences(sent, there(user.host, "up")) == []
    pulled = user("pull", "hpc:up/", "back")
    assert pulled.code == 0, pulled.err
    assert differences(sent, here(user.folder / "back")) == []
    for words in (["push", "tree/", "hpc:up"], ["pull", "hpc:up/", "back"]):
        assert user(*words, "--json").json["files"] == 0


# Cut half way.


def cut_half_way(user: Client, process: subprocess.Popen[bytes], folder: str, how: str) -> None:
    """Wait until a third of the files have arrived in a folder, there or here, then break the connection."""
    found = f"find '{folder}' -type f -printf x 2>/dev/null | wc -c"
    line = ["sh", "-c", f'until [ "$({found})" -ge {COUNT // 3} ]; do sleep 0.05; done']
    if folder.startswith("/"):
        subprocess.run(line, check=True, timeout=60)
    else:
        user.host.run(line, check=True, timeout=60)
    assert process.poll() is None
    if how == "sessions killed, no new ones":
        user.host.stop_sshd()
    if how == "link cut":
        user.host.cut()
    else:
        assert user.host.kill_sessions() > 0


def slow(user: Client) -> None:
    """Limit the bandwidth, and let a dead link be noticed in seconds."""
    hosts = user.folder / "hosts.yaml"
    hosts.write_text(hosts.read_text().replace("connect_timeout: 5}", "connect_timeout: 5" + IMPATIENT) + SLOW)


WAYS = [
    pytest.param(["push", "tree/", "hpc:up"], "remote-install-run/up", id="push"),
    pytest.param(["pull", "hpc:there/", "back"], "back", id="pull"),
]


def result(user: Client, words: list[str]) -> Tree:
    wait_for_rsync(user.host)
    return there(user.host, "up") if words[0] == "push" else here(user.folder / "back")


def begin(user: Client, words: list[str], arriving: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a slow push or pull; returns it, and the folder in which the files arrive."""
    if words[0] == "pull":
        assert user("push", "tree/", "hpc:there").code == 0
        arriving = str(user.folder / arriving)
    slow(user)
    return user.start(*words), arriving


@pytest.mark.parametrize(("words", "arriving"), WAYS)
def test_a_transfer_lives_through_killed_sessions(user: Client, words: list[str], arriving: str) -> None:
    process, folder = begin(user, words, arriving)
    cut_half_way(user, process, folder, "sessions killed")
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert differences(here(user.folder / "tree"), result(user, words)) == []


@pytest.mark.faults
@pytest.mark.parametrize("how", ["sessions killed, no new ones", "link cut"])
@pytest.mark.parametrize(("words", "arriving"), WAYS)
def test_a_transfer_cut_half_way_and_made_again_is_whole(
    user: Client, words: list[str], arriving: str, how: str
) -> None:
    process, folder = begin(user, words, arriving)
    cut_half_way(user, process, folder, how)
    _, err = process.communicate(timeout=90)
    assert process.returncode in (4, 5), err
    user.host.repair()
    user.host.kill_sessions()  # behind a cut link the host can't know yet that they are dead
    assert len(result(user, words)) < len(here(user.folder / "tree"))
    again = user(*words, "--json")
    assert again.code == 0, again.err
    assert 0 < again.json["files"] < COUNT
    assert differences(here(user.folder / "tree"), result(user, words)) == []
