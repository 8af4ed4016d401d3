"""The check verb under the oldest and the newest Python, and what can be told of it only from inside."""

from __future__ import annotations

import errno
import os
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from remote_install.jobhost import checking, processes
from remote_install.jobhost.runners import commands
from remote_install.jobhost.wire import Refusal

from .test_program import ENDS, Host, host, replies_of  # noqa: F401, a fixture


@ENDS
def test_all_facts_are_told_and_nothing_stays(host: Host, python: str) -> None:  # noqa: F811
    before = sorted(host.home.rglob("*"))
    wanted = {"run_root": "$HOME/new/runs", "facts": ["root", "rsync", "runner"], "runner": {"name": "background"}}
    told, root, rsync, runner = host.ask(python, "check", **wanted)
    assert (told["reply"], told["program"]) == ("python", str(host.program))
    found = host.program.stat()
    assert told["marks"] == [found.st_ino, found.st_ctime_ns]
    assert (root["path"], root["above"]) == (str(host.home / "new/runs"), str(host.home))
    assert (root["why"], root["full"]) == ("", False)
    assert root["free"] <= root["size"]
    assert rsync["version"][0].isdigit()
    assert runner == {"reply": "runner", "warning": ""}
    assert sorted(host.home.rglob("*")) == before


@ENDS
def test_the_time_is_told_at_once_when_it_is_asked_for(host: Host, python: str) -> None:  # noqa: F811
    with host.start(python, "check") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b'{"facts": [], "clock": true}\n')
        process.stdin.flush()
        while b'"python"' not in process.stdout.readline():
            pass
        began = time.time()
        out, _ = process.communicate(b"{}\n", timeout=30)
    assert f'{{"reply": "clock", "time": {str(began)[:6]}'.encode() in out


@ENDS
@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"facts": ["root"], "run_root": "$NO_SUCH/runs"}, 3, "NO_SUCH"),
        ({"facts": ["runner"], "runner": {"name": "slurm"}}, 7, "there is no sbatch and no squeue"),
        ({"facts": ["runner"], "runner": {"name": "at"}}, 7, "no atq"),
        ({"facts": ["runner"], "runner": {"name": "nosuch"}}, 3, "there is no job runner nosuch"),
        ({"facts": ["nosuch"]}, 2, "'nosuch' is nothing"),
        ({}, 2, "facts"),
    ],
)
def test_what_is_wrong_is_told_with_its_code(
    host: Host,  # noqa: F811
    python: str,
    request_: dict[str, Any],
    code: int,
    words: str,
) -> None:
    host.environment["PATH"] = "/nowhere"
    told = host.ask(python, "check", **request_)[-1]
    assert told["code"] == code
    assert words in told["message"]


def test_what_does_not_answer_is_waited_for_no_longer_than_was_asked(host: Host) -> None:  # noqa: F811
    bin_ = host.home / "bin"
    bin_.mkdir()
    for name in ("sbatch", "scancel", "squeue"):
        (bin_ / name).write_text("#!/bin/sh\nexec sleep 60\n")
        (bin_ / name).chmod(0o755)
    host.environment["PATH"] = f"{bin_}:{host.environment['PATH']}"
    told = host.ask("python3", "check", facts=["runner"], runner={"name": "slurm"}, seconds=1)[-1]
    assert (told["code"], told["message"]) == (7, "it could not be asked: squeue did not answer within 1 s")
    assert "`squeue`" in told["hint"]


def test_that_something_can_be_written_is_tried(host: Host) -> None:  # noqa: F811
    """As with a quota, which nothing else shows: each user may write so much, however much is free."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 * 1024, 16 * 1024))

    with host.start("python3", "check", preexec_fn=limit) as process:
        out, _ = process.communicate(b'{"run_root": "runs", "facts": ["root"]}', timeout=30)
    root = replies_of(out)[1]
    assert (root["why"], root["full"]) == ("File too large", False)


def test_a_file_system_without_nameless_files_is_tried_with_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS is, of which this kernel has none."""
    opened, real = [], os.open

    def without(path: bytes, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        opened.append(path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", without)
    checking._try_to_write(os.fsencode(tmp_path))
    assert len(opened) == 1
    assert opened[0].startswith(os.fsencode(tmp_path) + b"/.remote-install-check-")
    assert list(tmp_path.iterdir()) == []


def test_a_program_is_looked_for_where_commands_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    with pytest.raises(Refusal, match="there is no there and no missing on"):
        commands.check_there(["there", "missing", "/bin/sh", "missing"])
    (tmp_path / "there").chmod(0o755)
    commands.check_there(["there", "/bin/sh"])


def test_a_process_is_found_by_its_name() -> None:
    assert processes.is_running((Path("/proc/self/comm").read_bytes()).strip()) is True
    assert processes.is_running(b"nosuch") is False
