"""The job wrapper for real, under every shell that is found here: whatever the command does, its end is on disk."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_install.jobhost import layout, processes, status, submission
from remote_install.jobhost.layout import JobDirectory

from . import shells
from .shells import LIMIT, WRAPPER, Try


@pytest.fixture
def run(tmp_path: Path) -> bytes:
    folder = tmp_path / "demo"
    folder.mkdir()
    return os.fsencode(folder)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 125, 126, 127, 128, 255])
def test_the_exit_code_of_the_command_is_recorded(shell: tuple[str, ...], run: bytes, code: int) -> None:
    one = Try(shell, run, "sh", "-c", f"exit {code}")
    assert one.finish() == code
    facts = status.read(one.job)
    assert facts.exit_code == code
    assert facts.started_at
    assert facts.finished_at
    assert facts.finished_at >= facts.started_at
    assert processes.parse_identity(facts.start or "")


@pytest.mark.parametrize("number", [1, 2, 6, 9, 11, 13, 15, 10])
def test_a_command_that_a_signal_ended_is_recorded_as_128_and_its_number(
    shell: tuple[str, ...], run: bytes, number: int
) -> None:
    program = f"import os, signal; number = {number}; number == 9 or signal.signal(number, signal.SIG_DFL); "
    one = Try(shell, run, sys.executable, "-I", "-S", "-c", program + "os.kill(os.getpid(), number)")
    one.finish()
    assert status.read(one.job).exit_code == 128 + number


BUILTINS = "exit cd set return break continue eval export exec shift trap unset readonly times wait local . : alias"


@pytest.mark.parametrize("name", BUILTINS.split())
def test_a_command_named_like_a_builtin_does_not_end_the_wrapper(shell: tuple[str, ...], run: bytes, name: str) -> None:
    one = Try(shell, run, name, "5")
    one.finish()
    expected = (126, 127) if shutil.which(name) is None else tuple(range(256))
    assert status.read(one.job).exit_code in expected


@pytest.mark.parametrize(
    "argv",
    [
        *((name,) for name in ("", "no-such-program", "/no/such", ".", "/", "a b", "*", "$(exit 0)", "'", "\n")),
        *(("-dash",), ("-a", "x", "true"), ("-c", "true"), ("VAR=1", "true"), ("!", "true")),
    ],
    ids=repr,
)
def test_a_command_that_is_no_program_is_recorded_as_such(
    shell: tuple[str, ...], run: bytes, argv: tuple[str, ...]
) -> None:
    one = Try(shell, run, *argv)
    one.finish()
    assert status.read(one.job).exit_code in (126, 127)


def test_why_a_command_could_not_be_started_is_in_its_errors(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "no-such-program")
    one.finish()
    assert b"no-such-program" in one.read(one.job.err)


WORDS = [
    *("a b", "", "-dash", "--", "-n", "*", "?", "~", "~root", "$HOME", "${HOME}", "$(id)", "`id`", "$$", "!", "!!"),
    *("'", "''", '"', "it's", "\\", "\\n", "a\\", "new\nline", "\n", "\n\n", "\ttab\r"),
    *("#x", ";", "&", "|", ">x", "(", "{a,b}"),
    *("é", "日本", "\udcff", "\udc80\udcfe", "\x01\x1b[31m\x7f", "%s%n", "x" * 100_000, " "),
]  # fmt: skip


def test_arguments_arrive_unchanged(shell: tuple[str, ...], run: bytes) -> None:
    program = "import os, sys, json; print(json.dumps([os.fsencode(a).hex() for a in sys.argv[1:]]))"
    one = Try(shell, run, sys.executable, "-I", "-S", "-c", program, *WORDS)
    assert one.finish() == 0
    arrived = [bytes.fromhex(word) for word in json.loads(one.read(one.job.out))]
    assert arrived == [os.fsencode(word) for word in WORDS]
    assert one.read(one.job.err) == b""


@pytest.mark.parametrize("name", [b"it's a", b"$(id)", b"-dash", b"new\nline", b"caf\xe9", b'"', b"\\", b"* "])
def test_the_run_directory_may_lie_anywhere(shell: tuple[str, ...], tmp_path: Path, name: bytes) -> None:
    run = os.path.join(os.fsencode(tmp_path), name)
    os.mkdir(run)
    one = Try(shell, run, sys.executable, "-I", "-S", "-c", "open('here', 'w'); print('out')")
    assert one.finish() == 0
    assert status.read(one.job).exit_code == 0
    assert os.path.exists(os.path.join(run, b"here"))
    assert one.read(one.job.out) == b"out\n"


def test_the_job_knows_where_it_is_and_stands_in_the_run_directory(shell: tuple[str, ...], run: bytes) -> None:
    program = "import os; print(os.getcwd()); print(*sorted(f'{k}={v}' for k, v in os.environ.items() "
    program += "if k.startswith('REMOTE_INSTALL_')), sep='\\n')"
    one = Try(shell, run, sys.executable, "-I", "-S", "-c", program)
    one.finish()
    folder = run.decode()
    assert one.read(one.job.out).decode().splitlines() == [
        folder,
        "REMOTE_INSTALL_JOB=a",
        f"REMOTE_INSTALL_JOB_DIR={folder}/log/job/a/01",
        "REMOTE_INSTALL_RUN=demo",
        f"REMOTE_INSTALL_RUN_DIR={folder}",
        "REMOTE_INSTALL_TRY=1",
    ]


@pytest.mark.parametrize("name", ["host", "boot", "id", "start", "stat", "space", "status", "now", "record"])
def test_a_variable_of_the_environment_is_not_changed_for_the_job(
    shell: tuple[str, ...], run: bytes, name: str
) -> None:
    one = Try(shell, run, sys.executable, "-I", "-S", "-c", f"import os; print(os.environ.get({name!r}))")
    one.finish(**{name: "of the user"})
    assert one.read(one.job.out) == b"of the user\n"


@pytest.mark.parametrize("name", ["CDPATH", "ENV", "BASH_ENV", "POSIXLY_CORRECT", "LC_ALL", "TZ", "GREP_OPTIONS"])
def test_no_variable_of_the_environment_disturbs_the_wrapper(shell: tuple[str, ...], run: bytes, name: str) -> None:
    one = Try(shell, run, "sh", "-c", "exit 3")
    one.finish(**{name: "/tmp"})
    facts = status.read(one.job)
    assert (facts.exit_code, facts.started_at is None, facts.finished_at is None) == (3, False, False)


def test_the_command_has_no_signal_ignored_or_blocked_and_no_file_too_many(shell: tuple[str, ...], run: bytes) -> None:
    program = "import os; print(open('/proc/self/status').read()); print('FDS', sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"  # noqa: E501
    one = Try(shell, run, "/usr/bin/env", "grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status")
    one.finish()
    assert one.read(one.job.out).split() == [b"SigBlk:", b"0" * 16, b"SigIgn:", b"0" * 16]
    one = Try(shell, run, sys.executable, "-I", "-S", "-c", program)
    os.unlink(one.job.start)
    one.finish()
    assert b"FDS [0, 1, 2]" in one.read(one.job.out)


def test_output_and_errors_are_kept_apart_and_added_to(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "sh", "-c", "echo out; echo err >&2")
    with open(one.job.out, "w") as file:
        file.write("before\n")
    one.finish()
    assert one.read(one.job.out) == b"before\nout\n"
    assert one.read(one.job.err) == b"err\n"


def test_a_second_start_of_the_same_try_does_nothing(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "sh", "-c", "echo once >>lines; exit 3")
    assert one.finish() == 3
    before = status.read(one.job)
    for _ in range(3):
        assert one.finish() == 0
    assert one.read(os.path.join(run, b"lines")) == b"once\n"
    assert status.read(one.job) == before


def test_what_is_known_of_a_first_end_is_forgotten_when_its_batch_system_starts_it_again(
    shell: tuple[str, ...], run: bytes
) -> None:
    one = Try(shell, run, "sh", "-c", "cd log/job/a/01; ls -d job.end job.gone job.reason; exit 4", gate="mine::7")
    for link in (one.job.end, one.job.gone, one.job.reason):
        os.symlink("EXIT=3", link)
    assert one.finish() == 4
    assert one.read(one.job.out) == b""
    assert status.read(one.job).exit_code == 4


def test_of_many_that_start_the_same_try_at_once_one_goes_through(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "sh", "-c", "echo once >>lines; exit 3")
    started = [one.start() for _ in range(8)]
    codes = []
    for process in started:
        process.communicate(timeout=20)
        codes.append(process.returncode)
    assert sorted(codes) == [0] * 7 + [3]
    assert one.read(os.path.join(run, b"lines")) == b"once\n"
    winner = started[codes.index(3)].pid
    identity = processes.parse_identity(status.read(one.job).start or "")
    assert identity is not None
    assert identity.pid == winner


def test_who_went_through_the_gate_can_be_told_from_every_other_process(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "sleep", "60")
    with one.start() as process:
        one.wait_for(one.job.out)
        identity = processes.parse_identity(status.read(one.job).start or "")
        fields = processes.stat_fields(process.pid)
        here = processes.here()
        os.killpg(process.pid, signal.SIGKILL)
    assert fields is not None
    assert identity == (here.host, process.pid, int(fields[19]), here.boot, here.namespace)


def test_the_record_is_in_the_place_that_was_kept_for_it(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "sh", "-c", "cat log/job/a/01/job.status >seen; exit 143")
    one.finish()
    seen, after = one.read(os.path.join(run, b"seen")), one.read(one.job.status)
    assert seen[:48] == b" " * 15 + b"\n" + b" " * 31 + b"\n"
    assert len(after) == len(seen)
    assert after[:16] == b"EXIT=143       \n"
    assert after[48:] == seen[48:]
    assert seen[48:].startswith(b"STARTED=")
    assert not os.path.lexists(one.job.end)


@pytest.mark.parametrize("number", [1, 2, 3, 10, 15], ids=lambda number: signal.Signals(number).name)
def test_the_wrapper_lives_on_through_a_signal_and_records(shell: tuple[str, ...], run: bytes, number: int) -> None:
    one = Try(shell, run, "sh", "-c", "touch ready; while ! test -e go; do sleep 0.02; done; exit 3")
    with one.start() as process:
        one.wait_for(os.path.join(run, b"ready"))
        for _ in range(2):
            os.kill(process.pid, number)
            time.sleep(0.03)
        open(os.path.join(run, b"go"), "w").close()
        process.communicate(timeout=20)
    assert status.read(one.job).exit_code == 3


@pytest.mark.parametrize("number", [2, 15], ids=["INT", "TERM"])
def test_a_signal_to_the_whole_session_is_recorded_as_the_end_of_the_command(
    shell: tuple[str, ...], run: bytes, number: int
) -> None:
    one = Try(shell, run, sys.executable, "-I", "-S", "-c", "import signal, time; signal.signal(2, signal.SIG_DFL); "
              "open('ready', 'w'); time.sleep(60)")  # fmt: skip
    with one.start() as process:
        one.wait_for(os.path.join(run, b"ready"))
        os.killpg(process.pid, number)
        process.communicate(timeout=20)
    assert status.read(one.job).exit_code == 128 + number


def test_a_command_that_handles_the_signal_ends_with_its_own_code(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "sh", "-c", "trap 'exit 9' TERM; touch ready; while :; do sleep 0.02; done")
    with one.start() as process:
        one.wait_for(os.path.join(run, b"ready"))
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=20)
    assert status.read(one.job).exit_code == 9


def test_a_wrapper_that_was_killed_leaves_no_record_and_its_command_counts_as_alive(
    shell: tuple[str, ...], run: bytes
) -> None:
    one = Try(shell, run, "sh", "-c", "touch ready; sleep 60; true")
    with one.start() as process:
        one.wait_for(os.path.join(run, b"ready"))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        facts = status.read(one.job)
        identity = processes.parse_identity(facts.start or "")
        assert identity is not None
        assert facts.exit_code is None
        assert processes.Table().alive(identity)
        os.killpg(process.pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while processes.Table().alive(identity):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_run_directory_that_is_gone_is_recorded_as_125(shell: tuple[str, ...], run: bytes, tmp_path: Path) -> None:
    one = Try(shell, run, "true")
    elsewhere = submission.script(
        submission.Script("demo", os.fsencode(tmp_path / "gone"), "a", one.job, ["true"]), WRAPPER
    )
    submission.write(one.job.script, elsewhere)
    one.finish()
    assert status.read(one.job).exit_code == 125


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[bytes]:
    """A run directory on a file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield os.fsencode(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


FILL = "import os\nfd = os.open('fill', os.O_WRONLY | os.O_CREAT)\ntry:\n while True: os.write(fd, b'x' * 4096)\nexcept OSError: pass\n"  # noqa: E501


def test_a_disk_that_is_full_when_the_job_ends_does_not_lose_its_end(shell: tuple[str, ...], small_disk: bytes) -> None:
    one = Try(shell, small_disk, sys.executable, "-I", "-S", "-c", FILL + "raise SystemExit(3)")
    one.finish()
    assert os.statvfs(small_disk).f_bavail == 0
    facts = status.read(one.job)
    assert facts.exit_code == 3
    assert facts.finished_at


def test_a_disk_that_is_full_from_the_start_does_not_lose_the_end_either(
    shell: tuple[str, ...], small_disk: bytes
) -> None:
    one = Try(shell, small_disk, "sh", "-c", "exit 143")
    subprocess.run([sys.executable, "-I", "-S", "-c", FILL], cwd=small_disk, check=True)
    assert os.statvfs(small_disk).f_bavail == 0
    one.finish()
    assert status.read(one.job).exit_code == 143


@pytest.mark.parametrize("when", ["1+", "2+"])
def test_a_quota_that_is_used_up_does_not_lose_the_end(shell: tuple[str, ...], run: bytes, when: str) -> None:
    """Every write to the exit record fails, from the start or only when the job ends."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace")
    record = os.fsdecode(layout.job_directory(run, "a", 1).status)
    strace = ("strace", "-f", "-qq", "-o", "/dev/null", "-P", record, "-e", f"inject=write:error=EDQUOT:when={when}")
    one = Try((*strace, *shell), run, "sh", "-c", "exit 3")
    one.finish()
    assert status.read(one.job).exit_code == 3


def test_the_wrapper_costs_little(shell: tuple[str, ...], run: bytes) -> None:
    """It starts no Python and few programs."""
    one = Try(shell, run, "true")
    began = time.monotonic()
    for _ in range(10):
        for path in (one.job.start, one.job.status):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        one.finish()
    assert (time.monotonic() - began) / 10 < 0.2


def members(session: int) -> list[int]:
    return processes.Table().members(session)


def test_a_time_limit_ends_every_process_of_the_job(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "sh", "-c", "sleep 600 & sleep 600; echo over", limit=1)
    began = time.monotonic()
    one.finish()
    assert 0.9 < time.monotonic() - began < 5
    facts = status.read(one.job)
    assert (facts.exit_code, facts.kill) == (143, "time limit")
    verdict = status.judge(facts, status.Answer(status.GONE), 0.0)
    assert (verdict.state, verdict.signal, verdict.reason) == ("killed", "TERM", "time limit")
    identity = processes.parse_identity(facts.start or "")
    assert identity is not None
    until = time.monotonic() + 5
    while members(identity.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert members(identity.pid) == []


def watchers(job: JobDirectory) -> list[str]:
    """The processes whose folder is the job's: what keeps the limit."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(os.fsencode(f"/proc/{entry}/cwd")) == job.path:
                found.append(Path(f"/proc/{entry}/cmdline").read_bytes().decode())
    return found


def test_what_keeps_the_time_limit_ends_with_the_job(shell: tuple[str, ...], run: bytes) -> None:
    one = Try(shell, run, "sh", "-c", "exit 3", limit=300)
    assert one.finish() == 3
    facts = status.read(one.job)
    assert (facts.exit_code, facts.kill) == (3, None)
    until = time.monotonic() + 5
    while watchers(one.job) and time.monotonic() < until:
        time.sleep(0.01)
    assert watchers(one.job) == []


def test_who_is_deaf_to_term_gets_kill_at_the_time_limit(run: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "LIMIT", LIMIT.replace(b"grace=10 ", b"grace=1 "))
    one = Try(("sh",), run, "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", limit=1)
    one.finish()
    facts = status.read(one.job)
    assert (facts.exit_code, facts.kill) == (137, "time limit")


def test_what_a_command_leaves_deaf_to_term_gets_kill_at_the_time_limit(
    shell: tuple[str, ...], run: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "LIMIT", LIMIT.replace(b"grace=10 ", b"grace=1 "))
    one = Try(shell, run, "sh", "-c", "(trap '' TERM; while :; do sleep 0.1; done) & exec sleep 600", limit=1)
    with one.start() as wrapper:
        wrapper.wait(timeout=20)
        assert status.read(one.job).exit_code == 143
        assert members(wrapper.pid) != []
        until = time.monotonic() + 10
        while members(wrapper.pid) and time.monotonic() < until:
            time.sleep(0.01)
        left = members(wrapper.pid)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert left == []


def test_a_process_that_has_the_wrappers_id_by_now_is_not_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        limit = tmp_path / "limit.sh"
        limit.write_bytes(LIMIT)
        argv = ["sh", str(limit), str(other.pid), "1", "0"]  # 1: another start time
        subprocess.run(argv, cwd=tmp_path, timeout=20, check=False)
        assert other.poll() is None
        other.kill()


def test_messages_are_numbered_in_their_order(run: bytes, shell: tuple[str, ...]) -> None:
    submission._write_message_program(run)
    texts = ["one", "two  words", "$(x) 'q' \"d\" -n \\n", "line\nbreak", "é", *map(str, range(8))]
    one = Try(shell, run, "sh", "-c", 'for text; do remote-install-message "$text"; done', "sh", *texts)
    assert one.finish() == 0
    assert status.messages(one.job) == [" ".join(text.split()) for text in texts]


def test_messages_of_many_processes_are_all_kept_and_the_last_are_told(run: bytes) -> None:
    submission._write_message_program(run)
    line = "for i in 1 2 3 4 5 6 7 8; do (for j in 1 2 3 4 5 6 7 8; do remote-install-message $i.$j; done) & done; wait"
    one = Try(("sh",), run, "sh", "-c", line)
    assert one.finish() == 0
    assert len(os.listdir(one.job.messages)) == 64
    told = status.messages(one.job)
    assert len(set(told)) == len(told) == status.MAX_MESSAGES


def test_messages_that_a_job_replaced_by_something_else_hold_nobody(run: bytes) -> None:
    job = layout.job_directory(run, "a", 1)
    os.makedirs(job.messages)
    os.mkfifo(os.path.join(job.messages, b"1"))
    os.symlink("/etc/passwd", os.path.join(job.messages, b"2"))
    Path(os.fsdecode(job.messages), "3").write_bytes(b"x" * 5000)
    assert status.messages(job) == ["", "", "x" * status.MAX_MESSAGE]
