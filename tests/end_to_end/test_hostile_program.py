"""A job host whose program answers anything but what ours would: every command ends in time with a code of the
contract, writes nothing outside of its own folders, and shows nothing that a terminal would obey.

The answers are real ones, recorded from a job host over ssh, and then changed: by ssh.command a script tells them.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import pytest
from hosts import JobHost

from remote_install import bundle, call, cli, conversation
from remote_install.cli.output import Output
from remote_install.jobhost import wire
from transfer import execute
from transfer.command import Command
from transfer.errors import NoAnswer

from .client import Client

# ssh's last word is the verb, or - where a program comes on stdin. No rsync answers.
RECORDING = """#!/bin/bash
for verb; do :; done
case $* in *jobhost*|*" -I -") "$@" | tee "%s/$verb"; exit "${PIPESTATUS[0]}" ;; esac
exec "$@"
"""
TELLING = """#!/bin/sh
for verb; do :; done
case $* in *jobhost*|*" -I -") exec cat "%s/$verb" ;; esac
echo nothing for you >&2; exit 1
"""
JOB = ["-p", "hpc", "--name", "train", "--", "sh", "-c", "echo out; echo err >&2; remote-install-message half; exit 3"]
RECORDED: list[tuple[list[str], int]] = [  # and the exit code
    (["run", "demo", *JOB], 1),
    (["poll", "demo"], 1),
    (["fetch", "demo"], 0),
    (["pull", "hpc:demo/a", "back"], 0),
    (["check", "hpc"], 0),
    (["kill", "demo"], 0),
]
COMMANDS = {  # what asks for a verb
    "poll": [["poll", "demo"], ["list", "demo"]],
    "watch": [["logs", "demo", "train"], ["wait", "demo", "--timeout", "1", "--junit", "junit.xml"]],
    "kill": [["kill", "demo"]],
    "submit": [["submit", "demo", "--no-install", "--again", *JOB]],
    "install": [["install", "demo", "-p", "hpc"], ["install", "demo", "-p", "hpc", "--dry-run"]],
    "hello": [["fetch", "demo"], ["fetch", "demo", "--dry-run"]],
    "resolve": [["pull", "hpc:demo/a", "back"]],
    "check": [["check", "hpc"]],
    "clean": [["clean", "demo", "--force"]],
    "-": [["poll", "demo"]],
}
DEEP = "[" * 900 + "]" * 900
NASTY = [
    *("null", "true", "false", "-1", "0", "1", "7", "255", "256", "1e308", "1e999", "NaN", "-Infinity", "9" * 25),
    *("9" * 5000, "[]", "{}", "[[]]", '[{"a": null}]', DEEP, "[" * 100_000, '""', '"x"', f'"{"x" * 100_000}"', "x"),
    *(r'"\u001b[31mred\u0007"', r'"\u202ea\u0085"', r'"a\u0000b"', r'"\ud800"', r'"/\ud800/demo/a"', '"/\u00e9"'),
    *(
        '"../../../outside/canary"',
        '"/etc/passwd"',
        r'"/a\n/b"',
        '"-oProxyCommand=x"',
        '"$(id)"',
        '"9999-99-99T99:99:99Z"',
    ),
    *(
        '"succeeded"',
        '"failed"',
        '"lost"',
        '"job"',
        '"error"',
        '"end"',
        '"hpc"',
        "[1, 2]",
        '["../x", "/x", "a"]',
        "1.5",
    ),
]
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
SEEDS, SLOW_SEEDS = 4, 200  # for each verb


@dataclass
class User:
    """A client in this process, and the answers to what it asks."""

    client: Client
    answers: Path
    recorded: dict[str, bytes]
    capture: pytest.CaptureFixture[bytes]

    def tells(self, verb: str, data: bytes) -> None:
        for name, plain in self.recorded.items():
            (self.answers / name).write_bytes(plain)
        (self.answers / verb).write_bytes(data)
        for report in self.client.run_directory.glob("log/job/*/report.*"):  # a known end would be told
            report.unlink()

    def __call__(self, *words: str) -> tuple[int, bytes, bytes]:
        """The exit code, and what was shown on stdout and on stderr."""
        self.capture.readouterr()
        code = cli._main(list(words))
        return code, *self.capture.readouterr()

    def outside(self) -> dict[str, bytes]:
        """What no answer may change."""
        found = {}
        for folder, folders, files in os.walk(self.client.folder):
            folders[:] = [one for one in folders if one not in (".remote-install", "log", "cache", "answers")]
            found.update({os.path.join(folder, name): Path(folder, name).read_bytes() for name in files})
        return {path: data for path, data in found.items() if not path.endswith("junit.xml")}


def write_hosts_yaml(client: Client, script: str) -> None:
    path = client.folder / "ssh"
    path.write_text(script)
    path.chmod(0o755)
    (client.folder / "hosts.yaml").write_text(
        f"platforms:\n  hpc:\n    hosts: [{client.host.name}]\n    retry: {{attempts: 1}}\n"
        f"    ssh: {{command: '{path} ssh -F {client.host.ssh_config}', multiplex: false, rate: 99999}}\n"
    )


@pytest.fixture(scope="module")
def recording(job_host: JobHost, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, and in `answers` what a job host has answered to each verb."""
    client = Client(tmp_path_factory.mktemp("recording"), job_host)
    client.prepare()
    client.write("a", "a\n")
    answers = client.folder / "answers"
    answers.mkdir()
    (client.folder / "outside").mkdir()
    (client.folder / "outside/canary").write_text("mine\n")
    write_hosts_yaml(client, RECORDING % answers)
    for words, code in RECORDED:
        done = client(*words)
        assert done.code == code, done.err
    (client.folder / "back").unlink()
    # Of these two the real one may not come, or would be the last.
    (answers / "-").write_bytes(answer({"reply": "arrived", "path": bundle.build().path}, {"reply": "end"}))
    (answers / "clean").write_bytes(cleaned((answers / "hello").read_bytes()))
    assert {path.name for path in answers.iterdir()} == COMMANDS.keys()
    return client.folder


@pytest.fixture
def user(
    recording: Path,
    job_host: JobHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> User:
    client = Client(tmp_path / "user", job_host)
    shutil.copytree(recording, client.folder, symlinks=True)
    answers = client.folder / "answers"
    write_hosts_yaml(client, TELLING % answers)
    for name, value in client.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(client.folder)
    return User(client, answers, {path.name: path.read_bytes() for path in answers.iterdir()}, capfdbinary)


def cleaned(hello: bytes) -> bytes:
    """An answer to clean, whose real one would be the end of the others."""
    there = next(row for row in rows_of(hello) if row["reply"] == "hello")["run_dir"]
    plan = {"reply": "plan", "alive": ["train is running"]}
    done = {"reply": "cleaned", "run_dir": there, "files": 3, "left": [["x", "another run"]], "folders": ["/scratch/x"]}
    return answer(plan, done, {"reply": "end"})


def rows_of(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines() if line.startswith(b"{")]


def answer(*rows: dict[str, Any]) -> bytes:
    return wire.MARK + b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def changed(data: bytes, chance: random.Random) -> bytes:
    """An answer with something wrong in it."""
    lines = [json.dumps(row) for row in rows_of(data)]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        CHANGES[chance.randrange(len(CHANGES))](lines, chance)
    text = wire.MARK + "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    return text[: chance.randrange(len(text))] if chance.random() < 0.05 else text


def spoil(lines: list[str], chance: random.Random) -> None:
    """One value of one reply, at any depth."""
    at = chance.randrange(len(lines))
    try:
        reply = json.loads(lines[at])
    except (ValueError, RecursionError):
        return
    places = list(places_of(reply))
    if places:
        holder, key = chance.choice(places)
        holder[key] = "\0here"
        lines[at] = json.dumps(reply).replace('"\\u0000here"', chance.choice(NASTY))


def places_of(value: object) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places_of(value[key])  # type: ignore[index]


def leave_out_field(lines: list[str], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    try:
        reply = json.loads(lines[at])
    except (ValueError, RecursionError):
        return
    if isinstance(reply, dict) and reply:
        del reply[chance.choice(list(reply))]
        lines[at] = json.dumps(reply)


def leave_out_line(lines: list[str], chance: random.Random) -> None:
    if len(lines) > 1:
        del lines[chance.randrange(len(lines))]


def repeat_line(lines: list[str], chance: random.Random) -> None:
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))


def swap_lines(lines: list[str], chance: random.Random) -> None:
    chance.shuffle(lines)


def insert(lines: list[str], chance: random.Random) -> None:
    more = [
        *("\x1b[2J\x07", "\udcff\0", "{}", "[]", "null", '{"reply": 7}', "x" * 100_000, wire.MARKER),
        f'{{"reply": "error", "code": {chance.randrange(-1, 11)}, "message": "\\u001b[31m", "hint": {DEEP}}}',
        f'{{"reply": "error", "job": "train", "code": 7, "message": {chance.choice(NASTY)}}}',
        f'{{"reply": "place", "run_dir": {chance.choice(NASTY)}, "shared": true, "runner_seen": true}}',
        '{"reply": "job", "job": "other", "try": 1, "state": "running"}',
    ]
    lines.insert(chance.randrange(len(lines)), chance.choice(more))


CHANGES: list[Callable[[list[str], random.Random], None]] = [
    *(spoil, spoil, spoil, spoil, spoil, spoil, leave_out_field, leave_out_line, repeat_line, swap_lines, insert)
]


def check(user: User, verb: str, data: bytes, why: object) -> None:
    """All that must be true whatever a host says."""
    before = user.outside()
    for words in COMMANDS[verb]:
        for more in ([], ["--json"]):
            user.tells(verb, data)
            began = time.monotonic()
            code, out, err = user(*words, *more) if "--" not in words else user(*more, *words)
            assert code in CODES, (why, words, code)
            assert time.monotonic() - began < 15, (why, words)
            assert_harmless(err if words[0] == "logs" else out + err, (why, words))
            if more:
                json.loads(out.decode())
            assert user.outside() == before, (why, words)
            if verb not in ("poll", "hello", "install") or more:
                break  # one of the two is enough where nothing is told in another way


def assert_harmless(shown: bytes, why: object) -> None:
    text = shown.decode()  # raises where it is no text
    assert [c for c in text if not c.isprintable() and c not in "\n\t"] == [], why


def test_recorded_answers_are_understood(user: User) -> None:
    """Else the others would prove nothing."""
    for verb, data in user.recorded.items():
        check(user, verb, data, "recorded")
    user.tells("poll", user.recorded["poll"])
    code, out, _err = user("poll", "demo")
    assert (code, b"train 01 failed (exit 3)" in out) == (1, True)
    user.tells("poll", b"")
    assert user("poll", "demo")[0] == 4


def test_no_answer_does_harm(user: User) -> None:
    for verb in COMMANDS:
        for seed in range(SEEDS):
            check(user, verb, changed(user.recorded[verb], random.Random(f"{verb} {seed}")), (verb, seed))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("verb", COMMANDS)
def test_no_answer_does_harm_whatever_it_is(user: User, verb: str) -> None:
    for seed in range(SEEDS, SLOW_SEEDS):
        check(user, verb, changed(user.recorded[verb], random.Random(f"{verb} {seed}")), (verb, seed))


def test_each_field_of_a_report_may_hold_anything(user: User) -> None:
    (told,) = (row for row in rows_of(user.recorded["poll"]) if row["reply"] == "job")
    chance = random.Random(1)
    for field in told:
        for value in chance.sample(NASTY, 3):
            line = json.dumps({**told, field: "\0here"}).replace('"\\u0000here"', value)
            data = wire.MARK + line.encode() + b'\n{"reply": "end"}\n'
            user.tells("poll", data)
            code, out, err = user("poll", "demo")
            assert code in CODES, (field, value)
            assert_harmless(out + err, (field, value))


# Each of these once ended in a traceback, or would where a check is left out.
WORST = [
    ("resolve", "path", r'"/\ud800/demo/a"'),
    ("resolve", "path", f'"/{"x" * 200_000}/demo/a"'),
    ("watch", "finished_at", '"9999-99-99T99:99:99Z"'),
    ("poll", "missed_for", "1" + "0" * 400),
    ("poll", "try", DEEP),
    ("poll", "job", DEEP),
    ("poll", "reason", r'"\u001b[31m"'),
    ("kill", "messages", r'["\u001b[31m", "\ud800"]'),
    ("hello", "run_dir", r'"/\u001b[2J"'),
    ("hello", "links", f'{{"a": {DEEP}}}'),
    ("clean", "files", "9" * 5000),
    ("clean", "alive", f"[{DEEP}]"),
    ("check", "free", "NaN"),
]


def test_what_is_worst_is_told_as_an_error(user: User) -> None:
    for verb, field, value in WORST:
        rows = rows_of(user.recorded[verb])
        next(row for row in rows if field in row)[field] = "\0here"
        data = answer(*rows).replace(b'"\\u0000here"', value.encode())
        assert b"u0000here" not in data
        check(user, verb, data, (verb, field, value[:50]))


def test_signs_of_life_without_end_are_not_waited_for(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = "#!/bin/sh\nprintf '%s'\nwhile printf '{\"reply\": \"alive\"}\\n'; do sleep 0.1; done\n"
    write_hosts_yaml(user.client, alive % wire.MARK.decode().replace("\n", "\\n"))
    monkeypatch.setattr(conversation, "ENOUGH", 0.5)
    user.tells("poll", b"")
    for words in (["poll", "demo"], ["wait", "demo", "--timeout", "1"]):
        began = time.monotonic()
        code, _out, err = user(*words)
        assert (code in (4, 8), b"does not come to an end" in err) == (True, True), err
        assert time.monotonic() - began < 10


def test_who_reads_slowly_is_no_matter_of_the_host(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `logs -f | less`."""
    monkeypatch.setattr(conversation, "ENOUGH", 0.5)
    pause = functools.partial(time.sleep, 1.0)
    monkeypatch.setattr(Output, "job_output", lambda *_: pause())
    rows = [row for row in rows_of(user.recorded["watch"]) if row["reply"] == "output"]
    ended = [row for row in rows_of(user.recorded["watch"]) if row["reply"] == "job"][-1:]
    (row, *_) = [row for row in rows if row["stream"] == "out"]
    user.tells("watch", b"")
    parts = [answer(row), json.dumps(ended[0]).encode() + b'\n{"reply": "end"}\n']
    for number, part in enumerate(parts):
        (user.answers / f"part{number}").write_bytes(part)
    write_hosts_yaml(user.client, f"#!/bin/sh\ncat {user.answers}/part0; sleep 0.2; exec cat {user.answers}/part1\n")
    code, _out, err = user("logs", "demo", "train")
    assert code == 0, err


def test_replies_without_end_do_not_take_all_memory(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    told = next(row for row in rows_of(user.recorded["poll"]) if row["reply"] == "job")
    line = json.dumps({**told, "job": "other"})
    assert "'" not in line
    user.tells("poll", b"")
    (user.answers / "lines").write_bytes(wire.MARK)
    write_hosts_yaml(user.client, f"#!/bin/sh\ncat {user.answers}/lines\nexec yes '{line}'\n")
    monkeypatch.setattr(conversation, "ANSWER", 100_000)
    monkeypatch.setattr(conversation, "LONGEST_REPLY", 100_000)
    code, _out, err = user("poll", "demo")
    assert (code, b"does not end" in err) == (4, True), err


def test_a_host_that_says_nothing_is_given_up(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "SILENCE", 0.5)
    user.tells("poll", b"")
    write_hosts_yaml(user.client, f"#!/bin/sh\ncat {user.answers}/lines\nexec sleep 100\n")
    for said in (b"", wire.MARK, wire.MARK + b'{"reply": "job"'):
        (user.answers / "lines").write_bytes(said)
        assert user("poll", "demo")[0] == 4


def test_who_reads_nothing_of_what_we_say_is_given_up() -> None:
    command = Command((sys.executable, "-c", "import time; time.sleep(100)"), stdin=None)
    with execute.stream(command, 0.5) as running, pytest.raises(NoAnswer, match="nothing was read"):
        running.feed(b"x" * 10_000_000)
