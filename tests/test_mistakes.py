"""Mistakes in hosts.yaml and run.yaml as a user meets them: place, line, caret and remedy, exit 3, all at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi")
)
HOSTS = b"platforms: {hpc: {hosts: [login1]}}\n"
RUN = b"jobs: {a: {command: 'true'}}\n"

# Which file, its content, where the mistake is, what is said of it, the remedy.
MISTAKES = [
    ("hosts", "platforms:\n  hpc: {hots: [a]}", "2:9", "`hots` is not a key of platforms.hpc", "Did you mean `hosts`?"),
    ("hosts", "platforms:\n  hpc: {port: 22}", "2:9", "`port` is not a key", "It belongs under `ssh`."),
    (
        "hosts",
        "platforms:\n  hpc: {ssh: {port: ssh}}",
        "2:21",
        "expected a whole number from 1 to 65535",
        "Write digits",
    ),
    ("hosts", "platforms:\n  hpc: {hosts: login1}", "2:16", "expected a list, saw login1", "[login1]"),
    ("hosts", "platforms:\n  hpc: {}\n  hpc: {}", "3:3", "`hpc` is given twice: on line 2 and on line 3", "Keep one"),
    ("hosts", "platforms:\n\thpc: {}", "2:1", "a tab is used as indentation", "Indent with spaces."),
    ("hosts", "platforms:\n  hpc: {hosts: [a}", "2:18", "this is not YAML", "It came up"),
    ("hosts", "platforms:\n  hpc: {<<: *none}", "2:13", "this is not YAML: found undefined alias", ""),
    ("hosts", "platforms:\n  a: &a {<<: *a}", "2:14", "the alias *a stands inside of what it names", "Write out"),
    ("hosts", "platforms:\n  a: {<<: [1]}", "2:12", "<<: expected a mapping", "Name an anchor of a mapping"),
    ("hosts", BOMB, "1:1", "`a` is not a key of this file", "It can have"),
    (
        *("hosts", "platforms:\n  hpc: {hosts: ['-oProxyCommand=x']}", "2:17", "expected letters, digits"),
        "",
    ),
    (
        "hosts",
        b"platforms:\n  hpc: {hosts: [caf\xe9]}",
        "2:20",
        "the byte \\xe9 is not UTF-8",
        "Save the file as UTF-8.",
    ),
    ("hosts", "platforms:\n  hpc: {ssh: {options: {StrictHostKeyChecking: no}}}", "2:25", "can't be set", "Remove it."),
    ("hosts", "platforms:\n  hpc: {rsync: {options: [--delete]}}", "2:27", "--delete is not used here", "Remove it."),
    ("hosts", "groups:\n  any: {platforms: [hcp]}\nplatforms: {hpc: }", "2:21", "there is no platform hcp", "`hpc`"),
    ("hosts", "platforms: {hpc: {environment: {A B: 1}}}", "1:33", "expected a variable's name", ""),
    ("hosts", "platforms: {hpc: {secrets: [KEY, PATH]}}", "1:34", "(PATH belongs under `environment`)", ""),
    ("run", "job:\n  a: {command: x}", "1:1", "`job` is not a key of this file", "Did you mean `jobs`?"),
    ("run", "jobs:\n  a: {comand: x}", "2:7", "`comand` is not a key of jobs.a", "Did you mean `command`?"),
    ("run", "jobs:\n  a: {platform: hpc}", "2:6", "jobs.a: `command` is missing", "Add a line `command: ...`."),
    ("run", "jobs:\n  ;rm -rf ~: {command: x}", "2:3", "expected up to 64 letters", ""),
    ("run", "jobs:\n  a: {command: x, retries: -1}", "2:28", "expected a whole number from 0 to 100", ""),
    ("run", "jobs:\n  a: {command: x, retries: two}", "2:28", "expected a whole number", "Write digits only"),
    ("run", "jobs:\n  a: {command: [], platform: hpc}", "2:16", "no program is named", "Name one"),
    ("run", "jobs:\n  a: {command: x, time_limit: soon}", "2:31", "expected a time such as 90", ""),
    ("run", "jobs:\n  a: {command: x, environment: {REMOTE_INSTALL_RUN: x}}", "2:33", "is set by us", "another name"),
    ("run", "id: ../x", "1:5", "id: expected letters, digits", ""),
    ("run", "fetch: [/etc]", "1:9", "is no path of results inside the run directory", "relative"),
    ("run", "fetch: [.remote-install/uuid]", "1:9", "is no path of results", ""),
    ("run", "install: {exclude: a}", "1:20", "expected a list, saw a", "[a]"),
    ("run", "id: x\n---\nid: y", "2:1", "a second document begins here", "Keep one"),
    ("run", "id: !!str x", "1:5", "tags such as !!str are not used here", "Remove it"),
]


def remote_install(folder: Path, hosts: bytes, run: bytes) -> tuple[subprocess.CompletedProcess[str], float]:
    """`remote-install run demo`, and the seconds that it took."""
    (folder / "demo").mkdir(exist_ok=True)
    (folder / "hosts.yaml").write_bytes(hosts)
    (folder / "demo/run.yaml").write_bytes(run)
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "REMOTE_INSTALL_HOSTS": "hosts.yaml"}
    argv = [sys.executable, "-m", "remote_install", "run", "demo", "-p", "hpc"]
    began = time.monotonic()
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done, time.monotonic() - began


@pytest.mark.parametrize(("which", "content", "place", "message", "hint"), MISTAKES)
def test_a_mistake_is_shown_at_its_place(
    tmp_path: Path, which: str, content: str | bytes, place: str, message: str, hint: str
) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    done, _ = remote_install(tmp_path, data if which == "hosts" else HOSTS, data if which == "run" else RUN)
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" not in done.stderr
    first, line, caret, *_ = done.stderr.split("\n")
    found = re.match(r"remote-install: (\S+)\.yaml:(\d+:\d+): ", first)
    assert found is not None, first
    assert found[1] == ("hosts" if which == "hosts" else "demo/run")
    assert place in ("", found[2])
    assert message in done.stderr
    assert hint in done.stderr
    assert set(caret) == {" ", "^"}
    assert len(caret) <= len(line) + 1
    assert not (tmp_path / "demo/log").exists()


def test_all_mistakes_of_a_file_are_told_at_once_and_soon(tmp_path: Path) -> None:
    run = "jobs:\n  a: {comand: x}\n  b: {command: x, retries: x}\n  c: {command: x, environment: {1: 2}}\nfetch: a\n"
    done, seconds = remote_install(tmp_path, HOSTS, run.encode())
    assert re.findall(r"yaml:(\d+:\d+)", done.stderr) == ["2:7", "3:28", "4:33", "5:8"]
    assert done.returncode == 3
    assert seconds < 30  # far under a second by itself; this machine may be busy


# A hosts.yaml may be a pipe: --hosts <(make-hosts).
@pytest.mark.parametrize(
    ("which", "kind"),
    [
        *(("hosts.yaml", kind) for kind in ("empty", "folder", "unreadable link")),
        *(("demo/run.yaml", kind) for kind in ("empty", "folder", "pipe", "unreadable link")),
    ],
)
def test_what_is_no_settings_file_at_all(tmp_path: Path, which: str, kind: str) -> None:
    path = tmp_path / which
    remote_install(tmp_path, HOSTS, RUN)
    path.unlink()
    {
        "empty": lambda: path.touch(),
        "folder": lambda: path.mkdir(),
        "pipe": lambda: os.mkfifo(path),
        "unreadable link": lambda: path.symlink_to("nowhere"),
    }[kind]()
    argv = [sys.executable, "-m", "remote_install", "run", "demo", "-p", "hpc"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "REMOTE_INSTALL_HOSTS": "hosts.yaml"}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 3, done.stderr
    assert which in done.stderr
    assert "Traceback" not in done.stderr
