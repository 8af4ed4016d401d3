"""What rsync is called with, how it splits -e, what its exit codes mean, and what it says has changed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer import execute, rsync
from transfer.command import Command, Outcome
from transfer.errors import (
    ConfigError,
    HostKeyError,
    HostUnreachable,
    HostUnsuitable,
    LoginRefused,
    RemoteInstallError,
    TransferError,
    TransferInterrupted,
)
from transfer.platforms import Platform, Rsync, Ssh
from transfer.rsync import Changes

ALWAYS = ("-s", "-rltE", "--modify-window=-1", "--timeout=60", "--out-format=%i %b %n")
PROMISES = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o RequestTTY=no -o RemoteCommand=none "
    "-o ClearAllForwardings=yes -o ForwardAgent=no -o ForwardX11=no -o PermitLocalCommand=no -o ConnectTimeout=10"
)
DEFAULTS = " -o ServerAliveInterval=10 -o ServerAliveCountMax=3"
SSH = PROMISES + DEFAULTS
PLAIN = Platform("hpc", ("login1",), "hpc")
OWN = Platform(
    *("hpc", ("login1",), "hpc"),
    ssh=Ssh(("ssh",), "me", 22, "/k/id of me", "gate", 10, options={"ProxyCommand": "nc 'a' %h"}),
    rsync=Rsync(("nice", "rsync"), ("--bwlimit=1m", "-z")),
)
OWN_SSH = PROMISES + " -l me -p 22 -i '/k/id of me' -J gate -o 'ProxyCommand=nc ''a'' %h'" + DEFAULTS


@pytest.mark.parametrize(
    ("command", "golden"),
    [
        (
            rsync.push(PLAIN, "login1", ("a", "b:c"), "b/"),
            Command(("rsync", *ALWAYS, "-e", SSH, "--", "./a", "./b:c", "login1:b/")),
        ),
        (
            rsync.push(PLAIN, "me@fe80::1", ("./",), "/r/x y/", ("--delay-updates", "--exclude=a b"), "/here"),
            Command(
                ("rsync", *ALWAYS, "--delay-updates", "--exclude=a b", "-e", SSH, "--", "./", "me@[fe80::1]:/r/x y/"),
                cwd="/here",
            ),
        ),
        (
            rsync.push(OWN, "::1", ("-odd",), "~/x", ("-n",)),
            Command(("nice", "rsync", *ALWAYS, "-n", "--bwlimit=1m", "-z", "-e", OWN_SSH, "--", "./-odd", "[::1]:~/x")),
        ),
        (
            rsync.pull_names(PLAIN, "login1", "/r/", "./", ()),
            Command(
                ("rsync", *ALWAYS, "--from0", "--files-from=-", "-e", SSH, "--", "login1:/r/", "./"),
                memory=rsync.MOST_MEMORY,
            ),
        ),
        (
            rsync.pull_names(OWN, "a@b", "/r/", "./", (b"#a", b";b", b"-c", b"n\nl", b"\xff"), ("--safe-links",), "/w"),
            Command(
                (
                    *("nice", "rsync", *ALWAYS, "--from0", "--files-from=-", "--safe-links", "--bwlimit=1m", "-z"),
                    *("-e", OWN_SSH, "--", "a@b:/r/", "./"),
                ),
                b"./#a\0./;b\0./-c\0./n\nl\0./\xff\0",
                "/w",
                rsync.MOST_MEMORY,
            ),
        ),
    ],
)
def test_the_command_is_exactly_this(command: Command, golden: Command) -> None:
    assert command == golden


@pytest.fixture
def shell(tmp_path: Path) -> str:
    """A program for -e that writes its argv down and ends: what rsync makes of the words is seen in it."""
    program = tmp_path / "shell"
    program.write_text(
        f"#!{sys.executable} -I\nimport json, sys\n"
        f"json.dump(sys.argv[1:], open({str(tmp_path / 'argv')!r}, 'w'))\nsys.exit(7)\n"
    )
    program.chmod(0o755)
    return str(program)


def arrived(shell: str, words: list[str], host: str = "h") -> list[str]:
    """What the program for -e is given when rsync splits our words."""
    folder = os.path.dirname(shell)
    os.makedirs(os.path.join(folder, "source"), exist_ok=True)
    rsh = " ".join(rsync.quoted(word) for word in (shell, *words))
    argv = ["rsync", "-s", "-r", "-e", rsh, "--", "source/", f"{host}:x/"]
    subprocess.run(argv, cwd=folder, stderr=subprocess.DEVNULL, check=False, timeout=20)
    with open(os.path.join(folder, "argv"), encoding="utf-8") as file:
        found = json.load(file)
    os.unlink(os.path.join(folder, "argv"))
    assert found[-4:-2] == [found[-4], "rsync"]
    return list(found[:-3])


WORDS = [
    *("plain", "a b", " a", "a ", "a  b", "", "it's", "'", "''", "'a'", 'say "hi"', '"', "a'b\"c", "\\", "a\\ b"),
    *("\\'", "$HOME", "`id`", "*", "~", "tab\there", "new\nline", "é", "--", "-o", "#x", ";", "[x]", "{a,b}"),
]


def test_rsync_gives_every_word_to_the_remote_shell_unchanged(shell: str) -> None:
    assert arrived(shell, WORDS) == [*WORDS, "h"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8), max_size=20))
def test_rsync_gives_any_words_to_the_remote_shell_unchanged(shell: str, words: list[str]) -> None:
    assert arrived(shell, [*words, "end"]) == [*words, "end", "h"]


@pytest.mark.parametrize(
    ("host", "tail"), [("login1", ["login1"]), ("fe80::1", ["fe80::1"]), ("me@::1", ["-l", "me", "::1"])]
)
def test_rsync_gives_an_odd_host_to_the_remote_shell_as_ssh_wants_it(shell: str, host: str, tail: list[str]) -> None:
    source = os.path.join(os.path.dirname(shell), "source")
    os.mkdir(source)
    command = rsync.push(Platform("p", (host,), "p", ssh=Ssh((shell,))), host, (source + "/",), "x/")
    execute.run(command)
    with open(os.path.join(os.path.dirname(shell), "argv"), encoding="utf-8") as file:
        argv = json.load(file)
    before = argv[: argv.index("rsync")]
    assert before[-len(tail) :] == tail


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"", Changes(0, 0)),
        (b".d..t...... 0 ./\n", Changes(0, 0)),
        (b"cd+++++++++ 0 d/\n<f+++++++++ 812 d/a\n<f.st...... 10 b\n", Changes(2, 822)),
        (b">f+++++++++ 44 name with  blanks\n", Changes(1, 44)),
        (b">f+++++++++ 0 empty\n", Changes(1, 0)),
        (b"cL+++++++++ 0 link -> a\nhf+++++++++ 0 hard => a\n.f...p..... 0 mode\n", Changes(0, 0)),
        (b"*deleting   0 gone\n*deleting   0 folder/\n", Changes(0, 0, deleted=1)),
        (b'skipping non-regular file "fifo"\ncreated directory d\n', Changes(0, 0, ("fifo",))),
        (b">f+++++++++ 44 nl\\#012>f+++++++++ 999 fake\n", Changes(1, 44)),
        (b"cd+++++++++ 0 <f 5 odd/\n", Changes(0, 0)),
        (b"sending incremental file list\na\n\r   2 100%    1.95kB/s    0:00:00\n<f+++++++++ 45 a\n", Changes(1, 45)),
        (b"<f+++++++++ 107374182400 large\n", Changes(1, 107374182400)),
    ],
)
def test_the_lines_of_rsync_tell_what_changed(lines: bytes, expected: Changes) -> None:
    assert rsync.changes(lines) == expected


def copied(source: Path, target: Path, *options: str) -> Changes:
    """A copy by the installed rsync with the options that every transfer has."""
    outcome = execute.run(Command(("rsync", *ALWAYS, *options, "--", f"{source}/", f"{target}/")))
    assert outcome.exit_code == 0, outcome.err
    return rsync.changes(outcome.out)


def test_the_installed_rsync_tells_every_file_once_whatever_its_name(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    names = [b"plain", b"two words", b"nl\n>f+++++++++ 999 fake", b"\n", b"\xff", b"#x", b"-n", b"sub/a", b"\t>f 1 x"]
    for name in names:
        with open(os.path.join(os.fsencode(source), name), "wb") as file:
            file.write(b"x" * 1000)
    (source / "link").symlink_to("plain")
    first = copied(source, target)
    assert first.files == len(names)
    assert len(names) * 1000 <= first.bytes_sent < len(names) * 1100
    assert copied(source, target) == Changes(0, 0)
    (source / "plain").write_bytes(b"y" * 500)
    again = copied(source, target)
    assert again.files == 1
    assert again.bytes_sent < 700


def test_the_executable_bit_arrives_and_the_group_bits_of_the_target_stay(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        folder.mkdir()
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o755)
    target.chmod(0o2775)
    copied(source, target)
    assert (target / "run").stat().st_mode & 0o100
    assert stat.S_IMODE(target.stat().st_mode) == 0o2775


def test_a_change_within_the_same_second_and_size_is_seen(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "a").write_text("1")
    os.utime(source / "a", ns=(10**18 + 1000, 10**18 + 1000))
    copied(source, target)
    (source / "a").write_text("2")
    os.utime(source / "a", ns=(10**18 + 2000, 10**18 + 2000))
    assert copied(source, target).files == 1
    assert (target / "a").read_text() == "2"


CLOSED = (
    b"rsync: connection unexpectedly closed (0 bytes received so far) [sender]\n"
    b"rsync error: error in rsync protocol data stream (code 12) at io.c(228) [sender=3.2.7]\n"
)
MKDIR_OLD = (
    b'rsync: mkdir "/no/such/a" failed: No such file or directory (2)\n'
    b"rsync error: error in file IO (code 11) at main.c(587) [Receiver=3.0.9]\n"
    b"rsync: connection unexpectedly closed (9 bytes received so far) [sender]\n"
    b"rsync error: error in rsync protocol data stream (code 12) at io.c(605) [sender=3.0.9]\n"
)
SSH_IN_A_PATH = b'rsync: [sender] read errors mapping "/home/me/ssh-data/x": Input/output error (5)\n'


@pytest.mark.parametrize(
    ("code", "err", "kind"),
    [
        (0, b"", None),
        (0, b"Warning: Permanently added 'h' (ED25519) to the list of known hosts.\n", None),
        (24, b"rsync warning: some files vanished before they could be transferred (code 24)\n", None),
        (1, b"rsync: --nosuch: unknown option\n", TransferError),
        (3, b'rsync: link_stat "/x" failed: No such file or directory (2)\n', TransferError),
        (5, b"@ERROR: Unknown module\n", TransferError),
        (11, b'rsync: write failed on "/r/x": No space left on device (28)\n', TransferError),
        (11, b'rsync: [Receiver] mkdir "/no/such/a/b" failed: No such file or directory (2)\n', TransferError),
        (13, b"", TransferError),
        (23, b'rsync: [sender] change_dir "/x" failed: No such file or directory (2)\n', TransferError),
        (25, b"", TransferError),
        (10, b"rsync: failed to connect\n", TransferInterrupted),
        (12, CLOSED, TransferInterrupted),
        (12, b"Connection to h closed by remote host.\n" + CLOSED, TransferInterrupted),
        (12, SSH_IN_A_PATH + CLOSED, TransferInterrupted),
        (14, b"rsync: fork failed: Resource temporarily unavailable (11)\n", TransferInterrupted),
        (30, b"[sender] io timeout after 60 seconds -- exiting\n", TransferInterrupted),
        (35, b"", TransferInterrupted),
        (-9, b"", TransferInterrupted),
        (-15, CLOSED, TransferInterrupted),
        (255, b"ssh: connect to host h port 22: Connection refused\r\n" + CLOSED, HostUnreachable),
        (12, b"ssh: connect to host h port 22: Connection timed out\r\n" + CLOSED, HostUnreachable),
        (255, b"me@h: Permission denied (publickey).\r\n" + CLOSED, LoginRefused),
        (12, b"me@h: Permission denied (publickey).\r\n" + CLOSED, LoginRefused),
        (255, b"Host key verification failed.\r\n" + CLOSED, HostKeyError),
        (255, b"command-line: line 0: Bad configuration option: foo\r\n" + CLOSED, ConfigError),
        (255, CLOSED, HostUnreachable),
        (12, b"bash: line 1: rsync: command not found\n" + CLOSED, HostUnsuitable),
        (127, b"bash: rsync: command not found\n" + CLOSED, HostUnsuitable),
        (127, b"sh: 1: rsync: not found\n" + CLOSED, HostUnsuitable),
        (127, b"ksh: rsync: not found\n" + CLOSED, HostUnsuitable),
        (127, b"rsync: Command not found.\n" + CLOSED, HostUnsuitable),
        (12, b"rsync: Command not found.\n" + CLOSED, HostUnsuitable),
        (127, b"zsh:1: command not found: rsync\n" + CLOSED, HostUnsuitable),
    ],
)
def test_the_exit_code_and_the_words_become_the_error(
    code: int, err: bytes, kind: type[RemoteInstallError] | None
) -> None:
    error = rsync.error_of(Outcome(code, b"", err), "h")
    assert (type(error) if error else None) is kind
    if error is not None:
        assert error.host == "h"
        assert str(error).startswith("h: ")
        assert error.hint
        assert error.transient is (kind in (TransferInterrupted, HostUnreachable))


def test_a_missing_folder_is_not_told_as_a_missing_rsync() -> None:
    """What rsync 3.0.9, that of older clusters, says when the target's parent is not there."""
    error = rsync.error_of(Outcome(12, b"", MKDIR_OLD), "h")
    assert isinstance(error, TransferError)


def test_the_installed_rsync_without_one_on_the_host_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "shell").write_text('#!/bin/sh\nshift\nPATH=/nowhere\nexec /bin/sh -c "$*"\n')
    (tmp_path / "shell").chmod(0o755)
    argv = ("rsync", *ALWAYS, "-e", str(tmp_path / "shell"), "--", "source/", "h:x/")
    error = rsync.error_of(execute.run(Command(argv, cwd=str(tmp_path))), "h")
    assert isinstance(error, HostUnsuitable)
    assert "no rsync" in str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(st.binary(min_size=1, max_size=12), max_size=8))
def test_the_installed_rsync_lists_names_of_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, names: set[bytes]
) -> None:
    folder = os.fsencode(tmp_path_factory.mktemp("any"))
    wanted = {name for name in names if b"/" not in name and b"\0" not in name and name not in (b".", b"..")}
    for name in wanted:
        with open(os.path.join(folder, name), "wb"):
            pass
    outcome = execute.run(rsync.remaining(("rsync",), ("no match",), os.fsdecode(folder)))
    assert (outcome.exit_code, rsync.names(outcome.out)) == (0, wanted)
    assert {entry.name for entry in os.scandir(folder)} == wanted  # it was asked, not told to do anything


@pytest.mark.parametrize(
    ("code", "err", "kind"),
    [
        (0, b"", None),
        (0, b"a warning of the locale", None),
        (0, b"discarding over-long filter: xxx", ConfigError),
        (1, b"unexpected end of filter rule: +", ConfigError),
        (23, b"opendir failed: Permission denied", TransferError),
        (24, b"file has vanished", TransferInterrupted),
        (-9, b"", TransferError),
    ],
)
def test_a_listing_that_is_not_whole_is_an_error(code: int, err: bytes, kind: type[RemoteInstallError] | None) -> None:
    """What it does not name would be taken for excluded, and deleted on the host."""
    error = rsync.refusal(Outcome(code, b":a\n", err))
    assert (type(error) if error else None) is kind
    assert error is None or error.hint
