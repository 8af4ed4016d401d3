"""Each check of the gate is needed: an attempt that the gate refuses is let through without it.

What is asked here is the gate's own decision: rrsync, which stands behind it, is another one's.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import resource
import subprocess
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from remote_install import gate as the_gate

from . import mutants
from .attempts import OPTIONS, PULL, PUSH, STAGE, TOKEN, first_request
from .sandbox import NO_SUBMIT, PROGRAM_LINE, Sandbox

MUTANTS = mutants.names()


class Try(NamedTuple):
    """ask: asks a module of the gate, with its settings; raises that module's Refused, or does not."""

    ask: Callable[[types.ModuleType, Any], object]
    more: tuple[str, ...] = ()
    allow: str = NO_SUBMIT


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    made = Sandbox(tmp_path)
    made.prepare()
    return made


def line(text: str, *more: str, allow: str = NO_SUBMIT) -> Try:
    return Try(lambda module, gate: module.admit(text, gate), more, allow)


def request(verb: str, box: str, *more: str, allow: str = NO_SUBMIT, **fields: object) -> Try:
    said = {**copy.deepcopy(first_request(verb, box)), **fields}
    data = json.dumps(said).encode("ascii")
    return Try(lambda module, gate: module.checked(verb, data, gate, True), more, allow)


def message(verb: str, said: object, allow: str = NO_SUBMIT) -> Try:
    data = json.dumps(said).encode("ascii")
    return Try(lambda module, gate: module.checked(verb, data, gate, False), (), allow)


def settings(*options: str) -> Try:
    def ask(module: types.ModuleType, _gate: object) -> None:
        module.gate_of(module.parser().parse_args(options))

    return Try(ask)


def entries(*rows: list[object], allow: str = NO_SUBMIT) -> Try:
    return message("install", {"entries": [*rows]}, allow)


def tries(sandbox: Sandbox) -> list[Try]:
    """Each is refused, by the one check that is there for it."""
    box, out = str(sandbox.box), str(sandbox.outside)
    pull = PULL.format(path=f"{box}/demo/./a")
    own = {"name": "background", "source": "x"}
    folder: list[object] = ["a", "d", False, ""]
    return [
        *(line(text) for text in ("", "id", "sh -c id", "python3 -I -", f"{pull};id", f"{pull} '{box}'")),
        line(f"{pull} {box}/{'x' * 40_000}"),
        line(f"{pull}\x1b"),
        *(line(pull.replace("--timeout=60", option.format(out=out, box=box))) for option in OPTIONS),
        line(f"{PUSH.format(path=box + '/a')} {box}/b", allow=NO_SUBMIT + ",submit,push"),
        line(PULL.format(path=f"{out}/secret")),
        line(PUSH.format(path=f"{box}/a")),
        line(pull, "--rrsync", f"{out}/rrsync"),
        line(STAGE.format(box=box), allow="poll"),
        line(f"python3 -I {out}/run poll"),
        line(f"{PROGRAM_LINE}shell"),
        request("poll", box, mirror={"here": out, "there": out}),
        request("poll", box, allow="kill"),
        request("install", box, command=["id"]),
        request("poll", box, runner=own),
        request("submit", box, "--runner", "slurm", allow="submit"),
        request("poll", box, forward={"LD_PRELOAD": "x"}),
        *(request("poll", box, run=run) for run in ("-x", "a b", "out", "demo/../demo", "linked", "led-away")),
        *(request("watch", box, run="linked", jobs=[{"job": job, "out": 0}]) for job in ("evil", "train")),
        *(request("poll", box, run_root=root) for root in (out, f"{box}/out", f"{box}/$NOT_SET_HERE")),
        request("resolve", box, path="../outside/secret"),
        request("resolve", box, path=f"{out}/secret", line=True),
        request("resolve", box, line=True, allow="pull"),
        request("install", box, symlink_dirs={"work": out}),
        message("clean", {"do": "clean", "run": "other"}),
        message("clean", []),
        entries(["..", "d", False, ""]),
        entries([".remote-install", "d", False, ""]),
        entries(["a/b", "f", False, ""]),
        entries(["a/b", "l", False, out], folder),
        entries(["a/b", "l", False, "../../x"], folder),
        settings(*sandbox.options("install,everything")),
        settings(*sandbox.options("push")),
        settings(*sandbox.options()[2:], "--root", "box"),
        settings(*sandbox.options()[2:], "--root", "/"),
    ]


def is_refused(module: types.ModuleType, one: Try, sandbox: Sandbox) -> bool:
    """By a refusal: what goes wrong otherwise admits nothing either, but no check of the gate has seen to that."""
    try:
        gate = module.gate_of(module.parser().parse_args(sandbox.options(one.allow, *one.more)))
        one.ask(module, gate)
    except module.Refused:
        return True
    return False


def lets_through(module: types.ModuleType, one: Try, sandbox: Sandbox) -> bool:
    try:
        return not is_refused(module, one, sandbox)
    except Exception:
        return False


def test_what_is_in_order_is_admitted(sandbox: Sandbox) -> None:
    box = str(sandbox.box)
    fine = [
        line(PULL.format(path=f"{box}/demo/./a")),
        line(STAGE.format(box=box)),
        *(request(verb, box) for verb in ("hello", "install", "poll", "watch", "kill", "clean", "resolve", "check")),
        request("submit", box, "--runner", "background", allow="submit"),
        entries(["a", "d", False, ""], ["a/b", "l", False, "../c"], ["c", "f", False, "0"]),
        entries(["a", "l", False, "/scratch"], allow="install,submit"),
        message("clean", {"do": "clean"}),
    ]
    assert [number for number, one in enumerate(fine) if is_refused(the_gate, one, sandbox)] == []


def test_each_of_the_tries_is_refused(sandbox: Sandbox) -> None:
    made = tries(sandbox)
    assert [number for number, one in enumerate(made) if not is_refused(the_gate, one, sandbox)] == []


# --- what only a gate that runs can show


def running_source(source: str) -> str:
    """It waits a moment for a request instead of a minute, and takes fewer bytes."""
    found = source.replace("FIRST = 60.0", "FIRST = 0.3").replace("64 * 1024 * 1024", "100 * 1024")
    assert found.count("FIRST = 0.3") == found.count("100 * 1024") == 1
    return found


def ran(sandbox: Sandbox, source: str, command: str, said: dict[str, Any], limit: int = 0, late: float = 0.0) -> bool:
    """Is something run that should not be? limit: bytes that a file may have. late: seconds before a request comes, if
    the gate still waits for it then."""
    mark, path = sandbox.folder / "ran", sandbox.folder / "site/mutant.py"
    mark.unlink(missing_ok=True)
    path.write_text(source)
    (sandbox.folder / "site/jobhost.pyz").write_text(f"open({str(mark)!r}, 'w')\n")
    sandbox.log.parent.mkdir(exist_ok=True)
    sandbox.log.write_bytes(b"x" * 100 + b"\n")
    process = subprocess.Popen(
        sandbox.argv(*sandbox.options("poll,submit"), "--runner", "background", source=path),
        env={"PATH": os.environ["PATH"], "HOME": str(sandbox.folder / "home"), "SSH_ORIGINAL_COMMAND": command},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(late)
    process.communicate(json.dumps(said).encode("ascii") + b"\n", timeout=30)
    return mark.exists()


def runs(sandbox: Sandbox, source: str) -> Iterator[bool]:
    """Each is refused by the gate as it is."""
    said, submit = (first_request(verb, str(sandbox.box)) for verb in ("poll", "submit"))
    large = {**submit, "jobs": [{"job": "x", "token": TOKEN, "argv": ["x" * 5000]}]}
    yield ran(sandbox, source, f"{PROGRAM_LINE}poll", {**said, "mirror": {}})
    yield ran(sandbox, source, f"touch {sandbox.folder}/ran", {})
    yield ran(sandbox, source, f"{PROGRAM_LINE}poll", said, limit=150)  # not all of a line fits into the audit log
    yield ran(sandbox, source, f"{PROGRAM_LINE}submit", large, limit=3000)  # all of it does, but a job can't be kept
    yield ran(sandbox, source, f"{PROGRAM_LINE}poll", {**said, "polling": "x" * 200 * 1024})
    yield ran(sandbox, source, f"{PROGRAM_LINE}poll", said, late=10.0)


def test_what_only_a_gate_that_runs_can_refuse_is_refused(sandbox: Sandbox) -> None:
    source = running_source(mutants.SOURCE)
    assert ran(sandbox, source, f"{PROGRAM_LINE}poll", first_request("poll", str(sandbox.box)))
    assert not any(runs(sandbox, source))


def test_each_check_is_needed(sandbox: Sandbox) -> None:
    """Without it at least one attempt gets through."""
    made, needless = tries(sandbox), []
    for number, condition in enumerate(MUTANTS):
        source = mutants.source_without(number)
        module = mutants.load(source)
        through = any(lets_through(module, one, sandbox) for one in made)
        if not through and not any(runs(sandbox, running_source(source))):
            needless.append((number, condition))
    assert needless == []
