"""Past start-up files that print: what comes behind the marker line is passed on to the byte, nothing before it."""

from __future__ import annotations

import hashlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hosts import JobHost, MakeHost

from remote_install import bundle, program
from remote_install.talk import Talk
from transfer import quiet, rsync, ssh, sync
from transfer.errors import HostUnreachable, HostUnsuitable, NoisyStartUp, RefusedBySite
from transfer.platforms import Platform, Rsync, Ssh

MARKER = "the marker line"


def past(*command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-I", "-S", quiet.__file__, MARKER, *command]
    return subprocess.run(argv, input=stdin, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("noise", "rest"),
    [
        ("", "rest"),
        ("hello\\n", "rest"),
        ("no newline", "rest"),
        (f"hello {MARKER} in a line\\nx{MARKER}\\n", "rest\\n\\000\\377"),
        (f"{MARKER} x\\n", f"\\n{MARKER}\\nagain"),
        ("", ""),
        ("\\n\\n\\n", "\\n"),
    ],
)
def test_what_comes_before_the_marker_line_is_dropped_and_nothing_else(noise: str, rest: str) -> None:
    done = past("printf", f"{noise}\\n{MARKER}\\n{rest}")
    expected = subprocess.run(["printf", rest], capture_output=True, check=True).stdout
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, b"")


def test_a_marker_that_comes_in_pieces_is_seen() -> None:
    line = "for word in noi se.NL 'the ma' 'rker' ' line' NL re st; do printf %s \"$word\" | tr -d N | tr L '\\n'; done"
    assert past("sh", "-c", line).stdout == b"rest"


@pytest.mark.parametrize("command", [["true"], ["echo", "hello"], ["printf", MARKER[:-1] + "\\n"], ["yes"]])
def test_without_a_marker_line_nothing_is_passed_on_and_that_is_said(command: list[str]) -> None:
    done = past(*command)
    assert done.stdout == b""
    assert done.stderr.decode().strip() == quiet.NO_MARKER


@pytest.mark.parametrize("code", [0, 1, 12, 255])
def test_it_ends_as_ssh_ends(code: int) -> None:
    assert past("sh", "-c", f"printf '\\n{MARKER}\\n'; exit {code}").returncode == code
    assert past("sh", "-c", f"exit {code}").returncode == code


def test_it_dies_as_ssh_dies() -> None:
    assert past("sh", "-c", f"printf '\\n{MARKER}\\n'; kill -9 $$").returncode == -signal.SIGKILL


def test_stdin_and_stderr_go_straight_through() -> None:
    done = past("sh", "-c", f"printf '\\n{MARKER}\\n'; echo words >&2; cat", stdin=b"\0\xff" * 100_000)
    assert (done.stdout, done.stderr) == (b"\0\xff" * 100_000, b"words\n")


@pytest.mark.parametrize("to_a_file", [False, True])
def test_much_is_passed_on_unchanged(tmp_path: Path, to_a_file: bool) -> None:
    data = tmp_path / "data"
    with open(data, "wb") as file:
        for number in range(64):
            file.write(hashlib.sha512(b"%d" % number).digest() * 16384)
    argv = [sys.executable, "-I", "-S", quiet.__file__, MARKER, "sh", "-c", f"printf 'x\\n{MARKER}\\n'; cat {data}"]
    target = tmp_path / "target"
    with open(target, "ab" if to_a_file else "wb") as file:  # one that is appended to can't be spliced to
        if to_a_file:
            subprocess.run(argv, stdout=file, check=True, timeout=60)
        else:
            with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                file.write(process.stdout.read())
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(data.read_bytes()).digest()


def test_a_stdout_that_does_not_block_and_a_slow_reader_lose_nothing() -> None:
    """As rsync has it: both ends of its socket pair are non-blocking."""
    ours, its = socket.socketpair()
    its.setblocking(False)
    argv = [sys.executable, "-I", "-S", quiet.__file__, MARKER, "sh", "-c"]
    with ours, subprocess.Popen([*argv, f"printf '\\n{MARKER}\\n'; head -c 5000000 /dev/zero"], stdout=its) as process:
        its.close()
        time.sleep(0.5)  # the buffers are full by then
        size = 0
        while data := ours.recv(100_000):
            size += len(data)
        assert size == 5_000_000
        assert process.wait(timeout=20) == 0


def test_it_ends_when_nobody_reads_any_more() -> None:
    argv = [sys.executable, "-I", "-S", quiet.__file__, MARKER, "sh", "-c", f"printf '\\n{MARKER}\\n'; exec yes"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(timeout=20) == -signal.SIGPIPE


PLAIN = Platform("hpc", ("login1",), "hpc")


def test_the_quiet_command_differs_in_two_words() -> None:
    command = rsync.push(PLAIN, "login1", ("a", "c"), "b/")
    other = rsync.past_noise(command, ("python3", "-I", "x.pyz", "rsync"), MARKER)
    assert other is not None
    at = other.argv.index("--")
    (*argv, path, dash_e, rsh), ends = other.argv[:at], other.argv[at:]
    assert (*argv, dash_e, *ends) == tuple(word for word in command.argv if not word.startswith("ssh"))
    assert path == "--rsync-path=python3 -I x.pyz rsync"
    assert (
        rsh
        == f"{sys.executable} -I -S {quiet.__file__} '{MARKER}' {' '.join(map(rsync.quoted, ssh.connection(PLAIN)))}"
    )


def test_an_rsync_path_of_the_users_own_is_left_to_him() -> None:
    own = Platform("hpc", ("login1",), "hpc", rsync=Rsync(("rsync", "--rsync-path=/opt/rsync")))
    assert rsync.past_noise(rsync.push(own, "login1", ("a",), "b/"), ("x",), MARKER) is None


@pytest.mark.parametrize("word", ["a b", "$(id)", "x;y", "a'b", "~/x", ""])
def test_no_word_that_a_shell_would_read_goes_there(word: str) -> None:
    with pytest.raises(AssertionError):
        rsync.past_noise(rsync.push(PLAIN, "login1", ("a", "c"), "b/"), (word,), MARKER)


class Noisy:
    """A host whose .bashrc prints, seen from the transfers alone."""

    def __init__(self, host: JobHost) -> None:
        self.host = host
        self.platform = Platform("hpc", (host.name,), "hpc", ssh=Ssh(("ssh", "-F", host.ssh_config)))
        self.told: list[str] = []
        self.talk = Talk(self.told.append)
        host.write_file(".bashrc", "echo hello; printf 'no newline'\n")
        host.write_file(bundle.build().path, bundle.build().data)

    def take_down(self) -> None:
        self.host.stop_sshd()
        self.host.kill_sessions()

    def push(self, source: Path, say_command: Callable[[str], None] = lambda _text: None) -> sync.Changes:
        command = rsync.push(self.platform, self.host.name, (f"{source}/",), "target/")
        way = program.past_noise(self.platform, self.host.name, self.talk)
        return sync.transfer_once(self.platform, self.host.name, command, self.talk.tell, say_command, way)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a").write_text("content")
    return folder


def test_noise_is_passed_over_and_told_once(make_host: MakeHost, source: Path) -> None:
    noisy = Noisy(make_host())
    assert noisy.push(source).files == 1
    assert noisy.host.read("/home/alice/target/a") == "content"
    assert noisy.host.calls() == 2
    (source / "b").write_text("more")
    assert noisy.push(source).files == 1
    assert noisy.host.calls() == 3
    (line,) = noisy.told
    assert line.startswith(f"{noisy.host.name}: a start-up file there prints")
    assert ".bashrc" in line


def test_a_key_for_rsync_alone_gets_the_first_error(make_host: MakeHost, source: Path) -> None:
    noisy = Noisy(make_host(key_options='command="rrsync /home/alice"'))
    with pytest.raises(NoisyStartUp, match="a start-up file there prints"):
        noisy.push(source)
    assert (noisy.told, noisy.host.calls()) == ([], 2)
    noisy.host.write_file(".bashrc", "")
    with pytest.raises(RefusedBySite, match="its rrsync refuses this: option -s"):  # which is what no noise hid before
        noisy.push(source)


def test_where_the_way_past_noise_is_closed_the_plain_way_is_tried(make_host: MakeHost, source: Path) -> None:
    noisy = Noisy(make_host(key_options='command="rrsync /home/alice"'))
    noisy.talk.learnt.hear_noise("hpc", noisy.host.name)  # in a call, for instance
    with pytest.raises(NoisyStartUp, match="a start-up file there prints"):
        noisy.push(source)


def test_noise_that_was_heard_in_a_call_costs_no_login(make_host: MakeHost, source: Path) -> None:
    noisy = Noisy(make_host())
    noisy.talk.learnt.hear_noise("hpc", noisy.host.name)
    assert noisy.push(source).files == 1
    assert noisy.host.calls() == 1
    assert len(noisy.told) == 1


def test_a_host_that_goes_down_between_the_two_ways_is_told_as_that(make_host: MakeHost, source: Path) -> None:
    noisy = Noisy(make_host())
    with pytest.raises(HostUnreachable):
        noisy.push(source, lambda command: noisy.take_down() if "--rsync-path" in command else None)


def test_a_failure_on_the_way_past_noise_is_told_as_what_it_is(make_host: MakeHost, source: Path) -> None:
    noisy = Noisy(make_host())
    noisy.host.run(["rm", "/usr/bin/rsync"], user="root", check=True)
    with pytest.raises(HostUnsuitable, match="no rsync"):
        noisy.push(source)
    noisy.take_down()
    with pytest.raises(HostUnreachable):
        noisy.push(source)
