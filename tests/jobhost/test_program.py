"""The job host program as the client starts it, under every Python that is found here: orderly whatever it is asked."""

from __future__ import annotations

import base64
import contextlib
import functools
import glob
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remote_install import bundle
from remote_install.jobhost import processes, status, wire
from remote_install.jobhost.layout import JobDirectory

Json = dict[str, Any]
UUID = "0123456789abcdef0123456789abcdef"
T0, T1, T2, T3 = (f"{number:032x}" for number in range(4))
MARKER = b"\n" + wire.MARKER.encode() + b"\n"


@functools.cache
def pythons() -> dict[str, str]:
    """Version -> interpreter, from the oldest that counts (3.6) on; one for each minor version."""
    candidates = glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3"))
    candidates += filter(None, (shutil.which(f"python3.{minor}") for minor in range(6, 20)))
    candidates += filter(None, [shutil.which("python3")])
    found: dict[tuple[int, ...], str] = {}
    for python in candidates:
        if "/shims/" in python:
            continue
        argv = [python, "-I", "-c", "import sys; print(sys.version_info[0], sys.version_info[1])"]
        told = subprocess.run(argv, capture_output=True, text=True, check=False)
        version = tuple(map(int, told.stdout.split()))
        if told.returncode == 0 and version >= (3, 6):
            found.setdefault(version, python)
    return {".".join(map(str, version)): found[version] for version in sorted(found)}


ALL = [pytest.param(python, id=version) for version, python in pythons().items()]
EACH = pytest.mark.parametrize("python", ALL)
ENDS = pytest.mark.parametrize("python", ALL[:1] + ALL[1:][-1:])


class Host:
    """A home directory with the job host program in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.program = home / bundle.build().path
        self.program.parent.mkdir(parents=True)
        self.program.write_bytes(bundle.build().data)
        # As sshd starts it: few variables, no locale.
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"], "USER": "me"}

    def start(self, python: str, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        argv = [python, "-I", bundle.build().path, *words]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(argv, cwd=self.home, env=self.environment, **{**pipes, **more})

    def say(self, python: str, verb: str, request: bytes) -> tuple[int, bytes, bytes]:
        with self.start(python, verb) as process:
            out, err = process.communicate(request, timeout=30)
        return process.returncode, out, err

    def ask(self, python: str, verb: str, **request: Any) -> list[Json]:
        """The replies to a request that is in order, the last line taken off."""
        code, out, err = self.say(python, verb, json.dumps(request).encode("ascii"))
        assert (code, err) == (0, b"")
        return replies_of(out)[:-1]

    def submit(self, python: str, token: str, *argv: str, **more: Any) -> list[Json]:
        job = {"job": "a", "token": token, "argv": list(argv), **more}
        return self.ask(python, "submit", run_root="runs", run="demo", uuid=UUID, jobs=[job])

    def watch(self, python: str, seconds: float = 20, **job: Any) -> list[Json]:
        return self.ask(python, "watch", run_root="runs", run="demo", seconds=seconds, jobs=[{"job": "a", **job}])

    @property
    def job(self) -> Path:
        return self.home / "runs/demo/log/job/a/01"


def replies_of(out: bytes) -> list[Json]:
    """All that the program said, checked: the marker first, then one JSON object a line, then the last line."""
    assert out.startswith(MARKER)
    assert out.endswith(b'{"reply": "end"}\n')
    assert out.isascii()
    replies = [json.loads(line) for line in out[len(MARKER) :].splitlines()]
    assert all(isinstance(reply, dict) and isinstance(reply["reply"], str) for reply in replies)
    assert [reply["reply"] for reply in replies].count("end") == 1
    return replies


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "home")
    (host.home / "runs/demo").mkdir(parents=True)
    yield host
    for folder, _, _ in os.walk(host.home / "runs"):
        with contextlib.suppress(OSError):
            facts = status.read(JobDirectory(os.fsencode(folder), 1))
            for text in (facts.start, facts.submit.get("PROCESS")):
                identity = processes.parse_identity(text or "")
                if identity and processes.Table().alive(identity):
                    os.killpg(identity.pid, signal.SIGKILL)


def output_of(replies: list[Json], stream: str = "out", offset: int = 0) -> bytes:
    """The output in the replies; each piece must begin where the one before has ended."""
    data = b""
    for reply in replies:
        if reply["reply"] == "output" and reply["stream"] == stream:
            assert reply["offset"] == offset + len(data)
            data += base64.b64decode(reply["data"], validate=True)
    return data


def states_of(replies: list[Json]) -> list[str]:
    return [reply["state"] for reply in replies if reply["reply"] == "job"]


@EACH
def test_hello_submit_poll_and_watch_do_their_work(host: Host, python: str) -> None:
    os.makedirs(host.home / "runs/new/run")
    (hello,) = host.ask(python, "hello", run_root="runs", run="new/run")
    assert hello["protocol"] == wire.PROTOCOL
    assert hello["verbs"] == ["check", "clean", "hello", "install", "kill", "poll", "resolve", "submit", "watch"]
    assert hello["run_dir"] == str(host.home / "runs/new/run")
    assert hello["exists"] is True
    assert os.path.isdir(hello["run_dir"])
    (told,) = host.submit(python, T1, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (told["reply"], told["job"], told["try"], told["job_runner"]) == ("job", "a", 1, "background")
    replies = host.watch(python, out=0, err=0)
    assert output_of(replies, "out") == b"out\n"
    assert output_of(replies, "err") == b"err\n"
    assert states_of(replies)[-1] == "failed"
    assert set(states_of(replies)) <= {"submitted", "running", "failed"}
    (told,) = host.ask(python, "poll", run_root="runs", run="demo", jobs=[{"job": "a"}])
    assert (told["state"], told["exit_code"], told["reason"]) == ("failed", 3, "exit 3")
    assert host.submit(python, T1, "sh", "-c", "exit 4")[0]["exit_code"] == 3


@ENDS
def test_hello_changes_nothing(host: Host, python: str) -> None:
    (hello,) = host.ask(python, "hello", run_root="$HOME/elsewhere", run="demo")
    assert (hello["run_dir"], hello["exists"]) == (str(host.home / "elsewhere/demo"), False)
    assert not os.path.exists(host.home / "elsewhere")


@ENDS
def test_all_jobs_are_told_where_none_is_named(host: Host, python: str) -> None:
    assert host.ask(python, "poll", run_root="runs", run="demo", jobs=None) == []
    jobs = [{"job": name, "token": token, "argv": ["true"]} for name, token in (("b", T2), ("a", T1))]
    host.ask(python, "submit", run_root="runs", run="demo", uuid=UUID, jobs=jobs)
    replies = host.ask(python, "poll", run_root="runs", run="demo", jobs=None)
    assert [(reply["reply"], reply["job"]) for reply in replies] == [("job", "a"), ("job", "b")]


@ENDS
def test_a_job_that_is_not_here_is_told_as_missing(host: Host, python: str) -> None:
    for verb in ("poll", "watch"):
        assert host.ask(python, verb, run_root="runs", run="demo", seconds=9, jobs=[{"job": "a", "token": T1}]) == [
            {"reply": "missing", "job": "a"}
        ]


@ENDS
def test_a_job_that_can_not_be_submitted_does_not_hold_up_the_others(host: Host, python: str) -> None:
    jobs = [
        {"job": "a", "token": T1, "argv": []},
        {"job": "; rm -rf ~", "token": T2, "argv": ["true"]},
        {"job": "c", "token": T3, "argv": ["true"]},
    ]
    replies = host.ask(python, "submit", run_root="runs", run="demo", uuid=UUID, jobs=jobs)
    assert [(reply["reply"], reply["job"]) for reply in replies] == [
        ("error", "a"),
        ("error", "; rm -rf ~"),
        ("job", "c"),
    ]


@ENDS
def test_arguments_of_any_bytes_arrive(host: Host, python: str) -> None:
    words = ["caf\u00e9", "caf\udce9", "a\nb", "", "'", "$(id)"]
    host.submit(python, T1, "printf", "%s\\0", *words)
    assert output_of(host.watch(python, out=0)) == b"".join(os.fsencode(word) + b"\0" for word in words)


@ENDS
@pytest.mark.parametrize("words", [(), ("nosuch",), ("poll", "more"), ("--help",)], ids=repr)
def test_a_bad_verb_is_told_in_order(host: Host, python: str, words: tuple[str, ...]) -> None:
    with host.start(python, *words) as process:
        out, err = process.communicate(b"{}", timeout=30)
    assert (process.returncode, err) == (0, b"")
    error, _ = replies_of(out)
    assert (error["reply"], error["code"]) == ("error", 2)


@ENDS
@pytest.mark.parametrize(
    "request_",
    [b"", b"{", b"\xff\xfe", b"\0", '{"run": "é"}'.encode(), b"[]", b"null", b'"x"', b"{} {}"],
    ids=repr,
)
def test_what_is_no_request_is_told_in_order(host: Host, python: str, request_: bytes) -> None:
    code, out, err = host.say(python, "poll", request_)
    assert (code, err) == (0, b"")
    error, _ = replies_of(out)
    assert (error["reply"], error["code"]) == ("error", 2 if request_ else 4)


GOOD: dict[str, Json] = {
    "hello": {"run_root": "runs", "run": "demo"},
    "submit": {
        "run_root": "runs",
        "run": "demo",
        "uuid": UUID,
        "jobs": [{"job": "b", "token": T1, "argv": ["true"], "try": None}],
    },
    "poll": {"run_root": "runs", "run": "demo", "jobs": [{"job": "a", "token": None, "try": None}]},
    "watch": {
        "run_root": "runs",
        "run": "demo",
        "seconds": 0,
        "jobs": [{"job": "a", "token": None, "try": None, "out": 0, "err": 0}],
    },
}
NO_TEXT: list[object] = [None, 7, ["a"]]
NOT_ONE = "not one"  # stands for: the field is left out
HUGE = 10**400
WRONG: list[tuple[str, str, list[object]]] = [
    *((verb, "run_root", [NOT_ONE, *NO_TEXT]) for verb in ("hello", "submit")),
    ("hello", "run", [NOT_ONE, "", "../x", "/x", "a/../b", "a\n", "a\0", "\udcff", *NO_TEXT]),
    *((verb, "run", ["../x", None]) for verb in ("submit", "poll", "watch")),
    *((verb, "jobs", ["a", {}, [7]]) for verb in ("submit", "poll", "watch")),
    ("submit", "jobs", [NOT_ONE, None]),
    ("submit", "uuid", [NOT_ONE, *NO_TEXT]),
    *((verb, "job.job", ["; rm -rf ~", "../x"]) for verb in ("poll", "watch")),
    ("watch", "seconds", ["x", None, [], HUGE]),
    ("watch", "job.out", ["x", [], -1, 10**30, float("inf"), float("nan")]),
]
WRONG_JOBS: list[tuple[str, list[object]]] = [
    ("job", [NOT_ONE, "; rm -rf ~", "../x", "a/b", "", "\udcff", *NO_TEXT]),
    ("token", [NOT_ONE, "", "../x", "a/b", "a b", "\u00e9", "a\0", *NO_TEXT]),
    ("argv", [NOT_ONE, "true", [], ["a", 7], ["a", None], ["a\0b"], None, {}]),
]
CASES = [
    pytest.param(verb, field, value, id=f"{verb} {field} {str(value)[:20]!r}")
    for verb, field, values in WRONG
    for value in values
]


def changed(verb: str, field: str, value: object) -> bytes:
    request = json.loads(json.dumps(GOOD[verb]))
    place = request["jobs"][0] if field.startswith("job.") else request
    name = field.rpartition(".")[2]
    if value is NOT_ONE:
        del place[name]
    else:
        place[name] = value
    return json.dumps(request).encode("ascii")


@ENDS
@pytest.mark.parametrize(("name", "values"), WRONG_JOBS)
def test_each_job_that_is_not_in_order_is_refused(host: Host, python: str, name: str, values: list[object]) -> None:
    before = sorted(host.home.rglob("*"))
    jobs: list[dict[str, object]] = [{"job": "b", "token": T1, "argv": ["true"], name: value} for value in values]
    for job in jobs:
        if job[name] is NOT_ONE:
            del job[name]
    replies = host.ask(python, "submit", run_root="runs", run="demo", uuid=UUID, jobs=jobs)
    accepted = [job for job, reply in zip(jobs, replies) if (reply["reply"], reply.get("code")) != ("error", 2)]
    assert accepted == []
    assert len(replies) == len(jobs)
    assert sorted(host.home.rglob("*")) == before


@pytest.mark.parametrize("python", ALL[:1])
@pytest.mark.parametrize(("verb", "field", "value"), CASES)
def test_a_wrong_field_is_told_in_order(host: Host, python: str, verb: str, field: str, value: object) -> None:
    host.job.mkdir(parents=True)
    (host.job / "job.token").symlink_to(T0)
    (host.job / "job.status").write_text("EXIT=0         \n")
    (host.job / "job.out").write_text("out\n")
    (host.job / "job.err").write_text("err\n")
    before = sorted(host.home.rglob("*"))
    code, out, err = host.say(python, verb, changed(verb, field, value))
    assert b"Traceback" not in out + err
    assert (code, err) == (0, b"")
    replies = replies_of(out)
    assert "error" in [reply["reply"] for reply in replies], replies
    assert sorted(host.home.rglob("*")) == before


@pytest.mark.parametrize("python", ALL[:1])
@pytest.mark.parametrize(
    ("verb", "field", "value"),
    [
        *(("poll", "job.try", value) for value in (0, -1, 1.5, True, "1", [], HUGE)),
        *(("watch", "job.try", value) for value in (1.5, True)),
        *(("poll", "job.token", value) for value in (7, [T0])),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_can_not_name_a_try_finds_none(host: Host, python: str, verb: str, field: str, value: object) -> None:
    host.job.mkdir(parents=True)
    (host.job / "job.token").symlink_to(T0)
    (host.job / "job.status").write_text("EXIT=0         \n")
    code, out, err = host.say(python, verb, changed(verb, field, value))
    assert (code, err) == (0, b"")
    kinds = {reply["reply"] for reply in replies_of(out)}
    assert kinds & {"error", "missing"}
    assert "job" not in kinds


@ENDS
def test_a_request_that_is_too_deep_is_told_in_order(host: Host, python: str) -> None:
    code, out, err = host.say(python, "poll", b"[" * 100_000)
    assert (code, err) == (0, b"")
    assert replies_of(out)[0]["reply"] == "error"


@ENDS
def test_a_run_that_is_not_installed_is_refused(host: Host, python: str) -> None:
    job = {"job": "a", "token": T1, "argv": ["true"]}
    (error,) = host.ask(python, "submit", run_root="runs", run="other", uuid=UUID, jobs=[job])
    assert (error["reply"], error["code"], error["hint"]) == (
        "error",
        9,
        "Install it first: the same install command finishes it.",
    )
    assert not os.path.exists(host.home / "runs/other")


@ENDS
@pytest.mark.parametrize(
    ("run_root", "code"), [("$NOT_SET/x", 3), ("/proc/no/such", 5), ("/etc/passwd/x", 5), ("/dev/null", 5)]
)
def test_a_run_root_that_can_not_be_is_refused(host: Host, python: str, run_root: str, code: int) -> None:
    fields = {"uuid": UUID, "origin": "here", "digest": "0"}
    (error,) = host.ask(python, "install", run_root=run_root, run="demo", **fields)
    assert (error["reply"], error["code"]) == ("error", code)
    assert error["hint"]


@ENDS
def test_one_garbled_job_does_not_hide_the_others(host: Host, python: str) -> None:
    """What a stray process wrote into one job's files is that job's matter."""
    for name in ("a", "b", "c"):
        folder = host.home / f"runs/demo/log/job/{name}/01"
        folder.mkdir(parents=True)
        (folder / "job.token").symlink_to(T1)
        (folder / "job.status").write_text("EXIT=0         \n")
    (host.home / "runs/demo/log/job/b/01/job.status").unlink()
    (host.home / "runs/demo/log/job/b/01/job.status").mkdir()
    code, out, err = host.say(python, "poll", json.dumps({"run_root": "runs", "run": "demo", "jobs": None}).encode())
    assert (code, err) == (0, b"")
    told = {reply.get("job"): reply["reply"] for reply in replies_of(out)}
    assert (told.get("a"), told.get("c")) == ("job", "job")


SLOWLY = "for i in 1 2 3 4 5 6; do echo line $i; echo error $i >&2; sleep 0.3; done"


@ENDS
def test_watch_tells_each_byte_once_and_the_end_last(host: Host, python: str) -> None:
    host.submit(python, T1, "sh", "-c", SLOWLY)
    replies = host.watch(python, out=0, err=0)
    assert output_of(replies, "out") == b"".join(b"line %d\n" % n for n in range(1, 7))
    assert output_of(replies, "err") == b"".join(b"error %d\n" % n for n in range(1, 7))
    assert replies[-1]["state"] == "succeeded"
    assert states_of(replies).count("succeeded") == 1
    assert len([reply for reply in replies if reply["reply"] == "output"]) > 4


@ENDS
def test_watches_that_are_cut_off_join_without_a_gap(host: Host, python: str) -> None:
    host.submit(python, T1, "sh", "-c", SLOWLY)
    data, looks = b"", 0
    while not data.endswith(b"line 6\n"):
        looks += 1
        assert looks < 50
        data += output_of(host.watch(python, seconds=0.15, out=len(data)), "out", len(data))
    assert data == b"".join(b"line %d\n" % n for n in range(1, 7))
    assert looks > 1


@ENDS
@pytest.mark.parametrize(("offset", "data"), [(4, b"456789"), (10, b""), (99, b"")])
def test_watch_tells_the_output_from_where_it_is_asked_to(host: Host, python: str, offset: int, data: bytes) -> None:
    host.job.mkdir(parents=True)
    (host.job / "job.status").write_text("EXIT=0         \n")
    (host.job / "job.out").write_text("0123456789")
    assert output_of(host.watch(python, out=offset), offset=offset) == data
    assert not [reply for reply in host.watch(python) if reply["reply"] == "output"]


@ENDS
def test_watch_of_no_time_tells_what_is_there_now(host: Host, python: str) -> None:
    host.submit(python, T1, "sleep", "60")
    began = time.monotonic()
    assert states_of(host.watch(python, 0, out=0)) in (["running"], ["submitted"])
    assert time.monotonic() - began < 3


def peak_of(pid: int) -> int:
    """The most memory that a process has had so far, in KiB; 0 when it has ended. (ru_maxrss counts ours too.)"""
    with contextlib.suppress(OSError, StopIteration), open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1])
    return 0


@ENDS
def test_watch_of_much_output_takes_little_memory(host: Host, python: str) -> None:
    host.job.mkdir(parents=True)
    (host.job / "job.status").write_text("EXIT=0         \n")
    with open(host.job / "job.out", "wb") as file:
        file.truncate(50_000_000)
    size, peak = 0, 0
    with host.start(python, "watch") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(changed("watch", "seconds", 5))
        process.stdin.close()
        for data in iter(lambda: process.stdout.read(1 << 20), b""):  # type: ignore[union-attr]
            size += len(data)
            peak = max(peak, peak_of(process.pid))
    assert process.returncode == 0
    assert size > 50_000_000 * 4 / 3
    assert 1_000 < peak < 30_000


@ENDS
@pytest.mark.parametrize("verb", ["watch", "poll"])
def test_a_listener_who_leaves_ends_it_quietly(host: Host, python: str, verb: str) -> None:
    host.submit(python, T1, "sh", "-c", "while :; do echo x; sleep 0.02; done")
    with host.start(python, verb) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        if verb == "watch":
            process.stdin.write(changed("watch", "seconds", 30))
            process.stdin.close()
            process.stdout.readline()
            process.stdout.readline()
            process.stdout.close()
        else:
            process.stdout.close()
            process.stdin.write(changed("poll", "jobs", None))
            process.stdin.close()
        err = process.stderr.read()
        process.wait(timeout=10)
    assert err == b""


@ENDS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_end_of_a_watch_does_not_end_the_job(host: Host, python: str, number: int) -> None:
    host.submit(python, T1, "sh", "-c", "echo begun; sleep 60")
    with host.start(python, "watch") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(changed("watch", "seconds", 30))
        process.stdin.close()
        assert any(b"output" in line for line in process.stdout)
        process.send_signal(number)
        process.wait(timeout=10)
    assert states_of(host.watch(python, 0)) == ["running"]


@pytest.mark.parametrize("python", ALL[-1:])
def test_it_needs_nothing_but_the_standard_library(host: Host, python: str) -> None:
    argv = [python, "-I", "-S", "-W", "error", bundle.build().path, "hello"]
    told = subprocess.run(
        argv,
        cwd=host.home,
        env=host.environment,
        input=changed("hello", "run", "demo"),
        capture_output=True,
        check=True,
    )
    assert (replies_of(told.stdout)[0]["reply"], told.stderr) == ("hello", b"")


@ENDS
def test_it_leaves_nothing_beside_itself(host: Host, python: str) -> None:
    host.ask(python, "hello", run_root="runs", run="demo")
    assert os.listdir(host.program.parent) == [host.program.name]
