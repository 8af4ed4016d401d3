"""What really happens when commands are run: exit codes, output, time-outs, and that nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from transfer import abandoned, execute
from transfer.command import ERR_KEPT, Command, Outcome
from transfer.errors import ConfigError, NoAnswer, TransferError

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def shell(line: str, stdin: bytes = b"", cwd: str | None = None) -> Command:
    return Command(("sh", "-c", line), stdin, cwd)


def alive(session: int) -> list[str]:
    """The live processes of a session, zombies left out."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
            if int(fields[3]) == session and fields[0] not in (b"Z", b"X"):
                with open(f"/proc/{pid}/cmdline", "rb") as words:
                    found.append(words.read().replace(b"\0", b" ").decode())
    return found


def is_quiet(session: int, seconds: float = 2.0) -> bool:
    """Is nothing of the session alive, now or soon? What lives is ended."""
    until = time.monotonic() + seconds
    while alive(session):
        if time.monotonic() > until:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    if os.getsid(int(pid)) == session:
                        os.kill(int(pid), signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("code", [0, 1, 2, 23, 126, 127, 128, 137, 254, 255])
def test_the_exit_code_is_that_of_the_program(code: int) -> None:
    assert execute.run(shell(f"exit {code}")) == Outcome(code, b"", b"")


# Not HUP: sh starts everything with it ignored.
@pytest.mark.parametrize("number", [2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 31, 35, 64])
def test_an_end_by_a_signal_is_told_as_its_negative_number(number: int) -> None:
    program = f"import os, signal; signal.signal({number}, signal.SIG_DFL) if {number} != 9 else 0; "
    command = Command((sys.executable, "-I", "-c", program + f"os.kill(os.getpid(), {number})"))
    assert execute.run(command).exit_code == -number


@pytest.mark.parametrize(
    "words",
    [
        ("a b", "", "-n", "--", "*", "~", "$HOME", "`id`", "'", '"', "\\", "é", "a\nb", "\t", "{x}", "[x]", "!", " "),
        ("",),
        ("x" * 100_000,),
        ("--key=value", "key=value", "None", "True"),
    ],
)
def test_arguments_arrive_unchanged(words: tuple[str, ...]) -> None:
    program = "import os, sys; sys.stdout.buffer.write(b''.join(os.fsencode(a) + b'\\0' for a in sys.argv[1:]))"
    outcome = execute.run(Command((sys.executable, "-I", "-c", program, *words)))
    assert outcome.out == b"".join(word.encode() + b"\0" for word in words)


def test_an_argument_that_is_no_utf_8_arrives_unchanged() -> None:
    word = os.fsdecode(b"caf\xe9")
    assert execute.run(Command(("printf", "%s", word))).out == b"caf\xe9"


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_000])
def test_stdin_of_any_size_arrives_whole_and_ends(size: int) -> None:
    data = os.urandom(size)
    assert execute.run(Command(("cat",), data)).out == data


def test_a_program_that_does_not_read_its_stdin_is_no_error() -> None:
    assert execute.run(Command(("true",), b"x" * 5_000_000)).exit_code == 0


def test_the_program_runs_in_cwd_which_may_be_any_bytes(tmp_path: Path) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9 \n")
    os.mkdir(folder)
    assert execute.run(shell('printf %s "$(ls -d "$PWD" | od -An -c | wc -l)"', cwd=os.fsdecode(folder))).out
    assert execute.run(Command(("touch", "here"), cwd=os.fsdecode(folder))).exit_code == 0
    assert os.listdir(folder) == [b"here"]


def test_the_program_has_no_terminal_to_ask_on() -> None:
    assert execute.run(shell("exec 3</dev/tty")).exit_code != 0
    assert execute.run(shell("test ! -t 0 && test ! -t 1 && test ! -t 2")).exit_code == 0


def make(path: Path, text: str, mode: int) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program", "./nothing"])
def test_a_missing_program_is_told_as_a_matter_of_configuration(name: str) -> None:
    with pytest.raises(ConfigError, match="is not on this machine") as caught:
        execute.run(Command((name, "-x")))
    assert name in str(caught.value)
    assert "hosts.yaml" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "mode"),
    [("#!/bin/sh\n", 0o644), ("#!/no/such/interpreter\n", 0o755), ("echo no shebang\n", 0o755), ("\0ELF", 0o755)],
    ids=["not executable", "missing interpreter", "no shebang", "no program"],
)
def test_a_program_that_can_not_be_started_is_told_as_a_matter_of_configuration(
    tmp_path: Path, text: str, mode: int
) -> None:
    with pytest.raises(ConfigError):
        execute.run(Command((make(tmp_path / "program", text, mode),)))


def test_stderr_is_kept_at_its_end() -> None:
    outcome = execute.run(shell("seq 100000 >&2; echo last >&2; echo out"))
    assert outcome.out == b"out\n"
    assert len(outcome.err) == ERR_KEPT
    assert outcome.err.endswith(b"99999\n100000\nlast\n")


def test_stderr_written_after_stdout_was_closed_is_kept() -> None:
    outcome = execute.run(shell("exec >&-; sleep 0.3; echo late >&2; exit 3"))
    assert outcome == Outcome(3, b"", b"late\n")


def test_much_on_both_ends_at_once_does_not_block() -> None:
    outcome = execute.run(shell("head -c 3000000 /dev/zero >&2 & head -c 3000000 /dev/zero; wait"))
    assert (outcome.exit_code, len(outcome.out), len(outcome.err)) == (0, 3_000_000, ERR_KEPT)


def test_fifty_megabytes_stream_through_bounded_memory() -> None:
    program = """
import resource
from transfer import execute
from transfer.command import Command
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
execute.run(Command(("true",)))
before, size = peak(), 0
with execute.stream(Command(("head", "-c", "50000000", "/dev/zero"))) as running:
    for data in running:
        size += len(data)
print(size, peak() - before)
"""
    argv = [sys.executable, "-c", program]
    told = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    assert int(told[0]) == 50_000_000
    assert int(told[1]) < 10_000_000


def test_more_output_than_the_limit_is_an_error_and_ends_the_program() -> None:
    with pytest.raises(TransferError, match="more than 1000 bytes"):
        execute.run(shell("echo $$ >&2; while :; do echo xxxxxxxxxxxxxxxxxxxxxx; done"), limit=1000)


def test_output_comes_while_the_program_runs() -> None:
    with execute.stream(shell("echo first; sleep 30")) as running:
        assert next(iter(running)) == b"first\n"


def test_the_program_stays_unfinished_until_its_output_was_read() -> None:
    with execute.stream(shell("echo a; exit 4")) as running:
        assert running.exit_code is None
        assert b"".join(running) == b"a\n"
        assert running.exit_code == 4


@pytest.mark.parametrize(
    "line",
    [
        "echo $$; sleep 60 & sleep 60 & wait",
        "echo $$; sh -c 'sh -c \"sleep 60; true\"; true'; true",
        "echo $$; exec 2>&-; sleep 60",
        "echo $$; trap '' TERM; sleep 60; sleep 60",
        "echo $$; (trap '' TERM; sleep 60; true) & wait",
    ],
    ids=["children", "grandchildren", "stderr closed", "deaf to TERM", "a child deaf to TERM"],
)
def test_silence_is_told_and_ends_all_of_the_session(line: str) -> None:
    told: list[bytes] = []

    def listen() -> None:
        with execute.stream(shell(line), idle=0.3) as running:
            told.extend(running)

    began = time.monotonic()
    with pytest.raises(NoAnswer) as caught:
        listen()
    assert caught.value.transient
    assert 0.2 < time.monotonic() - began < 6
    assert is_quiet(int(b"".join(told)))


def test_a_program_that_talks_is_never_silent_for_too_long() -> None:
    line = "for i in 1 2 3; do echo $i; sleep 0.2; done; for i in 1 2 3; do echo $i >&2; sleep 0.2; done"
    assert execute.run(shell(line), idle=0.5).exit_code == 0


def test_a_program_that_closed_both_ends_and_lives_on_is_silent_too() -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        execute.run(shell("exec >&- 2>&-; sleep 2"), idle=0.4)
    assert time.monotonic() - began < 1.5


def test_a_reader_who_takes_his_time_is_not_told_that_nothing_came() -> None:
    """A pager that stands still, or a terminal after Ctrl-S, is no silence of the host."""
    read = b""
    with execute.stream(shell("echo a; sleep 0.1; echo b; sleep 0.1; echo c"), idle=0.5) as running:
        for data in running:
            read += data
            time.sleep(0.8)
    assert read == b"a\nb\nc\n"
    assert running.exit_code == 0


def test_what_is_written_just_before_the_end_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program writes and ends between the look for output and the look whether it is still there."""
    with execute.stream(shell("sleep 0.7; echo last")) as running:
        is_alive = running._process.is_alive

        def later() -> bool:
            time.sleep(0.6)
            return bool(is_alive())

        monkeypatch.setattr(running._process, "is_alive", later)
        assert b"".join(running) == b"last\n"


def test_a_grandchild_that_holds_the_pipe_does_not_hang() -> None:
    began = time.monotonic()
    outcome = execute.run(shell("setsid sleep 3 & echo out; echo err >&2; exit 3"))
    assert outcome == Outcome(3, b"out\n", b"err\n")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, GeneratorExit, SystemExit])
def test_leaving_in_the_middle_ends_all_of_the_session(stop: type[BaseException]) -> None:
    session = 0
    with contextlib.suppress(stop), execute.stream(shell("echo $$; sleep 60 & sleep 60 & wait")) as running:
        for data in running:
            session = int(data)
            raise stop
    assert session
    assert is_quiet(session)


def test_leaving_without_reading_ends_all_of_the_session(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with execute.stream(shell(f"echo $$ >{pid_file}; yes & yes")) as running:
        assert running.wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"), 5)
    assert is_quiet(int(pid_file.read_text()))


def interrupted(pid_file: Path, number: int, seconds: float) -> int:
    """Interrupt a process of ours `seconds` after the program that it runs has started; the program's session."""
    program = f"""
import signal
signal.signal(signal.SIGTERM, signal.default_int_handler)
from transfer import execute
from transfer.command import Command
execute.run(Command(("sh", "-c", "echo $$ >{pid_file}.part; mv {pid_file}.part {pid_file}; sleep 60 & sleep 60")))
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 10
        while not pid_file.exists() and time.monotonic() < until:
            time.sleep(0.0005)
        time.sleep(seconds)
        process.send_signal(number)
        assert process.wait(timeout=10) != 0
    return int(pid_file.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_of_our_own_process_ends_what_it_started(number: signal.Signals, tmp_path: Path) -> None:
    assert is_quiet(interrupted(tmp_path / "pid", number, 0.3))


def test_an_interrupt_just_after_the_start_ends_what_was_started(tmp_path: Path) -> None:
    """Several times, because the moment is short: the program runs, and its start has not yet been told."""
    sessions = [interrupted(tmp_path / f"pid{n}", signal.SIGINT, 0.0) for n in range(6)]
    assert [session for session in sessions if not is_quiet(session, 0.3)] == []


def test_end_all_ends_what_other_threads_wait_for_that_belong_together() -> None:
    outcomes: list[Outcome] = []
    ours, others = threading.Event(), threading.Event()

    def work(event: threading.Event, seconds: float) -> None:
        with abandoned.by(event):
            outcomes.append(execute.run(shell(f"exec sleep {seconds}")))

    threads = [threading.Thread(target=work, args=(ours, 60)) for _ in range(4)]
    beside = threading.Thread(target=work, args=(others, 1))
    beside.start()
    for thread in threads:
        thread.start()
    until = time.monotonic() + 5
    while any(thread.is_alive() for thread in threads) and time.monotonic() < until:
        execute.end_all(ours)
        time.sleep(0.05)
    for thread in (*threads, beside):
        thread.join(5)
    assert [outcome.exit_code for outcome in outcomes] == [-15] * 4 + [0]


def test_no_file_stays_open() -> None:
    def all_ways() -> None:
        execute.run(shell("echo out; echo err >&2; exit 1", b"in"))
        with contextlib.suppress(ConfigError):
            execute.run(Command(("no-such-program",)))
        with contextlib.suppress(KeyError), execute.stream(shell("sleep 60")):
            raise KeyError

    all_ways()
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        all_ways()
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_many_side_by_side_get_their_own_output() -> None:
    outcomes: dict[int, bytes] = {}

    def one(number: int) -> None:
        outcomes[number] = execute.run(Command(("cat",), b"%d" % number * 1000)).out

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert outcomes == {number: b"%d" % number * 1000 for number in range(16)}


@pytest.mark.parametrize(
    ("line", "seconds", "found"),
    [("sleep 0.2; touch ready; sleep 60", 5, True), ("exit 1", 5, False), ("sleep 60", 0.2, False)],
    ids=["in time", "it ended", "too late"],
)
def test_wait_until_tells_whether_it_became_ready(line: str, seconds: float, found: bool, tmp_path: Path) -> None:
    with execute.stream(shell(line, cwd=str(tmp_path))) as running:
        assert running.wait_until((tmp_path / "ready").exists, seconds) is found
