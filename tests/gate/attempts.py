"""Attempts to get out of the root, made from a number each: the same number is the same attempt."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass
from typing import Any

from .sandbox import NO_SUBMIT, PROGRAM_LINE, Sandbox

UUID, TOKEN = "0" * 32, "1" * 32
ALL = NO_SUBMIT + ",submit,push"
PULL = "rsync --server --sender -ltrRe.iLsfxCIvu --timeout=60 . {path}"
PUSH = "rsync --server -ltrEe.iLsfxCIvu --log-format=%i --timeout=60 --partial . {path}"
STAGE = "rsync --server -ltErRe.iLsfxCIvu --log-format=%i --partial . {box}/demo/.remote-install/staging/"
# What a client may try to have done by the rsync there.
OPTIONS = (
    *("--log-file={out}/log", "--rsync-path={out}/run", "--partial-dir={out}", "--temp-dir={out}", "--daemon"),
    *("--backup-dir={out}", "--link-dest={out}", "--compare-dest={out}", "--copy-dest={out}", "--copy-links", "-L"),
    *("-k", "-K", "--copy-unsafe-links", "--no-relative", "--files-from={out}/secret", "--write-devices", "-s"),
    *("--copy-devices", "--config={out}/run", "--only-write-batch={out}/batch", "--delete", "--remove-source-files"),
    *("--read-batch={out}/secret", "-e{out}/run", "--fake-super", "--filter=merge {out}/secret", "--no-munge-links"),
    *("--password-file={out}/secret", "--super", "--chown=nobody", "--usermap=*:nobody", "--iconv=utf-8", "-D"),
)
# What a client does for itself; the other options it passes on with -M, or they would touch what is here.
OF_CLIENTS = (
    *("--rsync-path={out}/run", "-L", "-K", "-k", "-D", "-s", "--copy-unsafe-links", "--no-relative", "--delete"),
    *("--files-from=:{out}/secret", "--fake-super", "--write-devices", "--partial-dir=.remote-install-partial", "-b"),
)
PATHS = (
    *("{out}/secret", "{out}/", "{box}/../outside/secret", "{box}/demo/../../outside/secret", "{box}/out/secret"),
    *(
        "{box}/demo/out/secret",
        "{box}/demo/out/",
        "{box}/demo/./out/secret",
        "{box}/demo/./secret",
        "../outside/secret",
    ),
    *("{box}/demo/./out/", "{box}/demo/./../../outside/secret", "{box}/swap/secret", "{box}/demo/./swapped/secret"),
    *(
        "/etc/passwd",
        "~/x",
        ".",
        "/",
        "{box}/demo/o*/secret",
        "{box}/{{a,../outside}}/secret",
        "{box}/\\.\\./outside/secret",
    ),
    *("{box}/linked/./log/job/evil/", "{box}/linked/./log/job/train/02/job.out", "{box}//..//outside/secret", "{box}"),
)
WORDS = (
    *("; touch {out}/ran", "$(touch {out}/ran)", "`touch {out}/ran`", "| tee {out}/ran", "&& touch {out}/ran"),
    *("> {out}/ran", "\ntouch {out}/ran", "\0", "\r", "\x1b]0;x\x07", "\\\x1b", "'", '"', "\\", "\\\n", "x" * 40_000),
    *("--", "-", "%s", "\udcff", "é", "  "),
)
LINES = (
    "",
    "sh",
    "sh -c id",
    "touch {out}/ran",
    "{out}/run",
    "scp -t {out}",
    "internal-sftp",
    "python3 -I -",
    "python3 -c pass",
    "python3 -I {out}/run submit",
    PROGRAM_LINE + "rsync {out}/secret",
    PROGRAM_LINE + "hello hello",
    PROGRAM_LINE + "shell",
    "rsync --server --daemon .",
    "rsync {out}/secret {box}/",
    "rsync --server --sender -ltre.iLsfxCIvu --timeout=60 .",
)
RUNS = (
    *("linked", "led-away") * 3,
    "out",
    "../outside",
    "/",
    "demo/../../outside",
    ".",
    "",
    "a\nb",
    "-x",
    "demo/out",
    "swap",
    "x y",
    "a//b",
    "é",
)
ROOTS = (
    "{out}",
    "{box}/../outside",
    "{box}/out",
    "/",
    "~",
    "$HOME",
    "{box}/$NOT_SET_HERE",
    "~root",
    "{box}/demo/out",
    "",
)


@dataclass(frozen=True)
class Attempt:
    """kind: "line", with what is said on stdin, or "client": an rsync with these words. allow: of the key."""

    kind: str
    line: str = ""
    said: tuple[Any, ...] = ()
    words: tuple[str, ...] = ()
    allow: str = NO_SUBMIT

    @property
    def stdin(self) -> bytes:
        lines = (one if isinstance(one, bytes) else json.dumps(one).encode("ascii") for one in self.said)
        return b"".join(line + b"\n" for line in lines)


def attempt(number: int, sandbox: Sandbox) -> Attempt:
    """The attempt of that number."""
    draw = random.Random(number)
    kind = (_line, _smuggled, _client, _request, _message)[number % 5]
    return kind(draw, {"box": str(sandbox.box), "out": str(sandbox.outside)})


def _filled(text: str, places: dict[str, str]) -> str:
    return text.replace("{{", "\1").replace("}}", "\2").format(**places).replace("\1", "{").replace("\2", "}")


def _line(draw: random.Random, places: dict[str, str]) -> Attempt:
    line = draw.choice((*LINES, PULL, PUSH, STAGE, PROGRAM_LINE + "poll"))
    line = _filled(line.replace("{path}", draw.choice(PATHS)), places)
    if draw.random() < 0.6:
        word = _filled(draw.choice(WORDS), places)
        at = draw.choice([at for at, letter in enumerate(line + " ") if letter == " "])
        line = line[:at] + draw.choice(("", " ")) + word + line[at:]
    return Attempt("line", line, allow=draw.choice((NO_SUBMIT, "poll", "fetch", "install", ALL)))


def _smuggled(draw: random.Random, places: dict[str, str]) -> Attempt:
    """A line of our rsync with an option of another sort."""
    words = draw.choice((PULL, PUSH, STAGE)).replace("{path}", draw.choice((*PATHS, "{box}/demo/a"))).split(" ")
    at = draw.randrange(2, len(words) + 1)
    line = " ".join([*words[:at], draw.choice(OPTIONS), *words[at:]])
    return Attempt("line", _filled(line, places), allow=draw.choice((NO_SUBMIT, ALL)))


def _client(draw: random.Random, places: dict[str, str]) -> Attempt:
    """A real rsync, which wants to send or to get something."""
    path = "h:" + draw.choice((*PATHS, "{box}/demo/", "{box}/demo/.remote-install/staging/"))
    options = ["-rlt", *draw.sample(OF_CLIENTS, draw.randrange(3))]
    if draw.random() < 0.3:
        options.append(f"-M{draw.choice(OPTIONS)}")
    if draw.random() < 0.4:
        options.append("-R")
    if draw.random() < 0.2:
        options.append("--old-args")
    ends = [path, "got/"] if draw.random() < 0.6 else ["mine/", path]
    words = [_filled(word, places) for word in (*options, "--", *ends)]
    return Attempt("client", words=tuple(words), allow=draw.choice((NO_SUBMIT, ALL)))


def first_request(verb: str, box: str) -> dict[str, Any]:
    """A request that is in order, and admitted."""
    about = {"run_root": box, "run": "demo"}
    jobs = {**about, "runner": {"name": "background", "cluster": None, "source": None}, "forward": {}, "jobs": None}
    job = {"job": "train", "token": TOKEN, "argv": ["true"]}
    return {
        "hello": about,
        "install": {**about, "uuid": UUID, "origin": "here", "adopt": False, "digest": "x", "command": []},
        "submit": {**jobs, "uuid": UUID, "jobs": [job]},
        "poll": jobs,
        "watch": {**jobs, "seconds": 0, "jobs": [{"job": "train", "try": 1, "out": 0, "err": 0}]},
        "kill": {**jobs, "grace": 0},
        "clean": {**jobs, "uuid": UUID, "force": False, "dry_run": True},
        "resolve": {"run_root": box, "path": "demo/a", "make": False},
        "check": {"run_root": box, "seconds": 1, "facts": ["root"], "runner": jobs["runner"]},
    }[verb]


VERBS = ("hello", "install", "submit", "poll", "watch", "kill", "clean", "resolve", "check")
CODE = "import os; open({out!r} + '/ran', 'w'); NAME = ID = 'x'"


def _request(draw: random.Random, places: dict[str, str]) -> Attempt:
    verb = draw.choice(VERBS)
    request = copy.deepcopy(first_request(verb, places["box"]))
    touch = ["touch", places["out"] + "/ran"]
    changes: tuple[dict[str, Any], ...] = (
        {"run": draw.choice(RUNS)},
        {"run_root": _filled(draw.choice(ROOTS), places)},
        {"mirror": {"here": places["out"], "there": places["out"]}},
        {
            "seen": {
                "token": TOKEN,
                "paths": [places["out"]],
                "filesystem": draw.choice(("auto", "shared")),
                "cluster": "",
            }
        },
        {"runner": {"name": "background", "source": CODE.format(**places)}},
        {"runner": {"name": "mine", "source": CODE.format(**places)}},
        {"forward": {draw.choice(("LD_PRELOAD", "PATH", "SLURM_CONF", "PYTHONPATH")): places["out"]}},
        {"path": _filled(draw.choice((*PATHS, "../../outside")), places), "make": True},
        {"command": touch},
        {"symlink_dirs": {"work": places["out"]}},
        {"symlink_dirs": {"../../outside/x": places["box"]}},
        {
            "jobs": [
                {"job": draw.choice(("evil", "../../../../outside/log/job/train", "train", "")), "try": 2, "out": 0}
            ]
        },
        {"jobs": [{"job": "x", "token": TOKEN, "argv": touch}]},
        {"stage": True},
        {"gate": {"allow": ["submit"]}},
        {"force": True, "dry_run": False, "run": draw.choice(RUNS)},
    )
    for change in draw.sample(changes, draw.randrange(1, 3)):
        request.update(change)
    said: list[Any] = [request]
    if draw.random() < 0.1:
        said = [draw.choice(([], 7, None, "x", b"{", b"\xff\n", b"[" * 100_000, b"{}"))]
    if verb == "install":
        said.append({"entries": _entries(draw, places)})
    return Attempt("line", PROGRAM_LINE + verb, tuple(said))


def _entries(draw: random.Random, places: dict[str, str]) -> list[list[object]]:
    content = places["out"]
    rows: list[list[object]] = [
        ["out/x", "f", False, "0" * 40],
        ["../../outside/x", "l", False, content],
        ["evil", "l", False, content],
        ["evil", "l", False, "../../outside"],
        [".remote-install/links", "l", False, content],
        [".remote-install", "l", False, content],
        ["log", "l", False, content],
        ["log/job", "l", False, content],
        ["a", "f", False, "0" * 40],
        ["demo", "d", False, ""],
    ]
    return draw.sample(rows, draw.randrange(1, 4))


def _message(draw: random.Random, places: dict[str, str]) -> Attempt:
    """After a request that is in order."""
    verb = draw.choice(("install", "install", "clean", "check", "poll"))
    later = draw.choice(
        (
            {"entries": _entries(draw, places)},
            {"do": "place", "run_root": places["out"]},
            [],
            {"mirror": {}},
            b"{",
            {"do": "x"},
        )
    )
    return Attempt("line", PROGRAM_LINE + verb, (first_request(verb, places["box"]), later, {"do": "place"}))
