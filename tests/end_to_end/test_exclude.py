"""install.exclude: what rsync's patterns match is not installed, and rsync itself says what they match."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .client import Client
from .test_install import install, sent

WEIRD = [b"plain", b"new\nline", b"caf\xe9.tmp", b"caf\xe9", b"\\#101", b"tab\there", b"-dash", b" blank ", b"\x7f\x01"]


def exclude(client: Client, *patterns: str) -> None:
    lines = "".join(f"    - {pattern!r}\n" for pattern in patterns)
    client.write("run.yaml", f"install:\n  exclude:\n{lines}")


def names_there(client: Client) -> set[bytes]:
    """All names in the run directory on the host but for what is ours."""
    line = f"cd {client.there} && find . -mindepth 1 -not -path './.remote-install*' -print0 | od -An -v -tx1"
    out = client.host.run(["sh", "-c", line], check=True).stdout
    return {name[2:] for name in bytes.fromhex("".join(out.split())).split(b"\0") if name}


def as_rsync_copies(client: Client, tmp_path: Path, *patterns: str) -> set[bytes]:
    """The names that rsync itself would bring."""
    target = tmp_path / "copy"
    shutil.rmtree(target, ignore_errors=True)
    ours = [f"--exclude={pattern}" for pattern in (".git", "/.remote-install", "/log/job", *patterns)]
    subprocess.run(["rsync", "-rl", *ours, f"{client.run_directory}/", f"{target}/"], check=True)
    root = os.fsencode(target)
    walked = [(os.path.relpath(folder, root), folders + files) for folder, folders, files in os.walk(root)]
    found = {os.path.normpath(os.path.join(folder, name)) for folder, names in walked for name in names}
    return {name for name in found if not name.startswith(b".remote-install")}  # a pattern `!` forgets ours


@pytest.mark.parametrize(
    "patterns",
    [
        ("*.tmp",),
        ("data/raw/",),
        ("data/*",),
        ("/data",),
        ("raw",),
        ("**/deep/**",),
        ("[pt]*",),
        ("caf?",),
        ("+ keep.tmp", "*.tmp"),
        ("*.tmp", "!", "plain"),
        ("*",),
    ],
    ids=" ".join,
)
def test_just_what_rsync_would_leave_out_is_left_out(client: Client, tmp_path: Path, patterns: tuple[str, ...]) -> None:
    for name in (*WEIRD, "keep.tmp", "drop.tmp", "data/raw/a", "data/raw/deep/b", "data/c", "other/data/raw/d"):
        client.write(name, "x")
    (client.run_directory / "link").symlink_to("data/raw")
    (client.run_directory / "raw").symlink_to("data")
    exclude(client, *patterns)
    assert install(client).code == 0
    assert names_there(client) == as_rsync_copies(client, tmp_path, *patterns)


def test_what_was_installed_and_is_excluded_now_is_deleted_there_unless_it_was_changed(client: Client) -> None:
    for name in ("data/raw/a", "data/raw/b", "data/c"):
        client.write(name, "x")
    install(client)
    client.host.write_file(f"{client.there}/data/raw/b", "a job's")
    client.host.write_file(f"{client.there}/data/raw/made", "a job's")
    exclude(client, "data/raw/")
    done = install(client)
    assert sent(done) == (1, 2)
    assert "data/raw/b is gone here, but was changed there" in done.err
    assert names_there(client) == {b"run.yaml", b"data", b"data/c", b"data/raw", b"data/raw/b", b"data/raw/made"}


def test_what_is_never_installed_stays_out_whatever_the_patterns_say(client: Client) -> None:
    for name in (".git/config", "log/job/a/token", "log/other", "results/a", "sub/.git", "a"):
        client.write(name, "x")
    text = 'install: {exclude: ["!", "+ .git/", "+ /log/job/**", "+ /results/"]}\nfetch: [results/]\n'
    client.write("run.yaml", text)
    assert install(client).code == 0
    assert names_there(client) == {b"run.yaml", b"a", b"log", b"log/other", b"sub"}


def test_what_is_excluded_is_not_read_and_not_complained_of(client: Client) -> None:
    client.write("a", "x")
    for name in ("pipe", "told"):
        os.mkfifo(client.run_directory / name)
    exclude(client, "pipe")
    done = install(client)
    assert done.code == 0
    assert "told is not installed" in done.err
    assert "pipe is not" not in done.err


@pytest.mark.parametrize("pattern", ["+ ", "- ", "x" * 5000])
def test_a_pattern_that_rsync_refuses_is_an_error_of_the_file_and_nothing_moves(client: Client, pattern: str) -> None:
    client.write("a", "old")
    install(client)
    client.write("a", "new")
    exclude(client, pattern)
    done = install(client)
    assert done.code == 3
    assert "install.exclude" in done.err
    assert client.host.read(f"{client.there}/a") == "old"


def test_rsync_is_not_asked_without_patterns_and_is_shown_with_them(client: Client) -> None:
    client.write("a", "x")
    assert "--exclude" not in install(client, "-v").err
    exclude(client, "*.tmp")
    done = install(client, "-v")
    assert "$ rsync -n " in done.err
    assert not (client.run_directory / ".remote-install/nowhere").exists()
