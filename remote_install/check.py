"""Diagnose a host: what it takes to run jobs there, each thing tried once, by as few connections as can be."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from remote_install import admission, findings, inquiry, place, program
from remote_install.findings import Checked, Rows, Told
from remote_install.inquiry import Answers
from remote_install.jobhost.files import has_marks
from remote_install.jobhost.wire import to_bytes
from remote_install.own_runner import runner_fields
from remote_install.talk import Talk
from remote_install.wanted import secrets
from transfer import execute, rsync
from transfer.command import Command
from transfer.errors import ConfigError, HostBusy, HostUnsuitable, RefusedByGate, RemoteInstallError
from transfer.platforms import Platform
from transfer.sync import transfer_once

KNOWN = "the one that is known here"
LOGIN = ("reach", "host key", "auth")
OF_PROGRAM = ("python", "program", "clock", "run root", "disk")


def each_host(platforms: Iterable[Platform]) -> list[Platform]:
    """A platform of its own for each host. A connection that was kept would hide what a new one meets."""
    return [
        replace(platform, hosts=(host,), ssh=replace(platform.ssh, multiplex=False))
        for platform in platforms
        for host in platform.hosts
    ]


def check(platform: Platform, talk: Talk) -> Checked:
    """All rows about the first host of `platform`. Nothing is tried again: what can't be done now is what is told."""
    rows, mirrored = Rows(platform), admission.is_mirrored(platform)
    try:
        here = place.is_here(platform, talk)
        if mirrored:
            rsync.push(platform, rows.host, ("./",), admission.run_dir("check", platform))
    except ConfigError as error:
        rows.stop("settings", error)
        return rows.done()
    rows.judge("settings", lambda: _settings(platform))
    if mirrored:
        _check_rsync_only(rows, talk)
    elif here:
        _check_here(rows, talk)
    else:
        _check_there(rows, talk)
    return rows.done()


def _settings(platform: Platform) -> Told:
    """Raises ConfigError when something is missing that a job needs."""
    secrets(platform, os.environ)
    return f"access: {platform.access}, job_runner: {platform.job_runner.name}", ""


def _check_here(rows: Rows, talk: Talk) -> None:
    """No ssh is ever started for it, and nothing is sent."""
    local = rows.platform.local
    why = "this machine" if local else "not needed: jobs are started from here, in the run directory itself"
    rows.pass_over((*LOGIN, "rsync", *OF_PROGRAM), why)
    rows.add("filesystem", "this machine" if local else findings.filesystem(rows.platform, "", False)[0])
    _check_runner_here(rows, talk)


def _check_rsync_only(rows: Rows, talk: Talk) -> None:
    """Nothing but rsync is asked to run there."""
    rows.pass_over(OF_PROGRAM, "not needed: only rsync is admitted")
    rows.add("filesystem", "separate: only rsync is admitted")
    _check_rsync(rows, "", rows.platform.rsync.root or "/", talk, first=True)
    try:
        admission.check_jobs(rows.platform)
    except RemoteInstallError as error:
        rows.fail("job runner", error)
    else:
        _check_runner_here(rows, talk)


def _check_runner_here(rows: Rows, talk: Talk) -> None:
    request = _request(rows, ("runner",))
    if "runner" in request["facts"]:
        answers = inquiry.ask_here(rows.platform, request, talk)
        if answers.error:
            rows.fail("job runner", answers.error)
        else:
            _judge(rows, answers)


def _check_there(rows: Rows, talk: Talk) -> None:
    """One call of the job host program, and one rsync."""
    here = rows.platform.submit_from == "here"
    answers = inquiry.ask_there(rows.platform, _request(rows, ("root", "rsync", "runner")[: 2 if here else 3]), talk)
    if answers.facts:
        _pass_login(rows, answers)
        _judge(rows, answers)
    if answers.error:
        _explain(rows, answers.error, answers, talk)
    # What hangs, breaks off or refuses is not asked more; but where only Python is missing rsync has an answer too.
    silent = not answers.facts and not rows.failed("settings", *LOGIN)
    if not answers.error or (silent and not isinstance(answers.error, RefusedByGate)):
        _check_rsync(rows, answers.facts.get("rsync", {"version": ""}).get("version"), _rsync_target(rows, talk), talk)
    if here:
        _check_runner_here(rows, talk)


def _rsync_target(rows: Rows, talk: Talk) -> str:
    """A folder that is surely there: the home directory, or the one that a gate keeps us in."""
    gate = talk.learnt.gates.get((rows.platform.name, rows.host))
    return gate.root if gate and gate.root else "."


def _request(rows: Rows, facts: tuple[str, ...]) -> dict[str, Any]:
    """What is asked of the job host program; where its job runner can't be, without that, and a row says why."""
    platform = rows.platform
    request: dict[str, Any] = {"run_root": platform.run_root, "seconds": platform.ssh.connect_timeout}
    if "runner" in facts:
        try:
            request.update(runner_fields(platform))
        except ConfigError as error:
            rows.fail("job runner", error)
            facts = tuple(name for name in facts if name != "runner")
    return {**request, "facts": facts}


def _pass_login(rows: Rows, answers: Answers | None = None) -> None:
    """It was reached and let us in, and says who it is."""
    said = answers.facts["python"] if answers else {}
    seconds = answers.seconds["python"] if answers else 0.0
    rows.judge("reach", lambda: (f"it calls itself {findings.word(said, 'host')}" if said else "", ""), seconds)
    rows.add("host key", KNOWN)
    rows.judge("auth", lambda: (f"as {findings.word(said, 'user')}" if said else "", ""))


def _judge(rows: Rows, answers: Answers) -> None:
    """The rows that the facts decide, but for rsync: its versions are only half of it."""
    platform, host, facts = rows.platform, rows.host, answers.facts
    if "root" in facts:
        rows.judge("run root", lambda: findings.run_root(facts["root"], host), answers.seconds["root"])
        if "free" in facts["root"]:
            rows.judge("disk", lambda: findings.disk(facts["root"], host))
        else:
            rows.pass_over(("disk",), "not made, because run root failed")
    if "runner" in facts:
        told = facts["runner"]
        rows.judge("job runner", lambda: findings.job_runner(told, platform, host), answers.seconds["runner"])
    if "clock" in facts:
        rows.judge("clock", lambda: findings.clock(findings.number(facts["clock"], "time"), *answers.clock))
    if "root" in answers.asked:
        python = facts["python"]
        rows.judge("python", lambda: (findings.word(python, "version"), ""))
        sent = ", sent now" if answers.sent else ""
        rows.judge("program", lambda: (findings.word(python, "program") + sent, ""))
        rows.judge("filesystem", lambda: _filesystem(platform, python))


def _filesystem(platform: Platform, python: findings.Fact) -> Told:
    """Is our program there the very file of that path here?"""
    path = findings.word(python, "program")
    return findings.filesystem(platform, path, has_marks(to_bytes(path), python.get("marks")))


def _explain(rows: Rows, error: RemoteInstallError, answers: Answers, talk: Talk) -> None:
    """The row that failed."""
    row = inquiry.row_of(error, answers)
    if row == "program" and not answers.facts:
        _pass_login(rows)
        if isinstance(error, HostUnsuitable):
            _blame(rows, error, talk)
            return
    _fail(rows, row, error, answers.lasted)


def _fail(rows: Rows, row: str, error: RemoteInstallError, seconds: float) -> None:
    """What comes before a failure of the login is in order."""
    for name in LOGIN[: LOGIN.index(row)] if row in LOGIN else ():
        rows.add(name, KNOWN if name == "host key" else "")
    rows.stop(row, error, seconds)


def _blame(rows: Rows, error: HostUnsuitable, talk: Talk) -> None:
    """Why does our program not start: for its Python, or for itself? One more call tells."""
    version = inquiry.python_version(rows.platform, talk)
    if version is None:
        rows.stop("python", error)
    elif findings.is_older(version, findings.LEAST_PYTHON):
        least = ".".join(map(str, findings.LEAST_PYTHON))
        said = f"{rows.host}: {rows.platform.python} there is Python {version}, and {least} or newer is needed"
        rows.stop("python", HostUnsuitable(said, "Name another one with `python:` in hosts.yaml.", rows.host))
    else:
        rows.add("python", version)
        rows.stop("program", error)


def _check_rsync(rows: Rows, there: object, target: str, talk: Talk, first: bool = False) -> None:
    """The rsync of an install, with nothing to send, and dry. there: its version as it tells it, None for none.

    first: nothing was connected before, so that it may be the login that fails.
    """
    command, began = rows.platform.rsync.command, time.monotonic()
    if any(word.startswith("--rsync-path") for word in command):
        there = ""  # that is another one
    try:
        detail, remedy = findings.rsync_versions(_rsync_here(command), there, rows.host)
    except RemoteInstallError as error:
        (rows.stop if first else rows.fail)("rsync", error)
        return
    try:
        more, noise = _try_rsync(rows.platform, target, talk)
    except RemoteInstallError as error:
        row = inquiry.row_of(error, Answers(())) if first else "program"
        if row == "program":
            rows.fail("rsync", error, time.monotonic() - began)
        else:
            _fail(rows, row, error, time.monotonic() - began)
            return
    else:
        rows.add("rsync", detail + more, remedy or noise, time.monotonic() - began)
    if first:
        _pass_login(rows)


def _try_rsync(platform: Platform, target: str, talk: Talk) -> Told:
    """What is to be added to detail and remedy. Raises HostError, TransferError, or ConfigError."""
    host, options = platform.hosts[0], ("-n", f"--timeout={inquiry.patience(platform):.0f}")
    with tempfile.TemporaryDirectory() as empty:
        push = rsync.push(platform, host, ("./",), target, options, empty)
        past = None if admission.is_mirrored(platform) else program.past_noise(platform, host, talk)
        try:
            transfer_once(platform, host, push, talk.tell, talk.command, past)
        except HostBusy:
            return "; just now another rsync is in its folder", ""
    if (platform.name, host) in talk.learnt.noisy:
        return "; a start-up file there prints, and that is passed over", rsync.noisy_start_up(host).hint
    return "", ""


def _rsync_here(command: tuple[str, ...]) -> str:
    """Its version; "" when it does not tell. Raises ConfigError when there is none."""
    told = execute.run(Command((*command, "--version")), inquiry.PATIENCE).out
    found = re.search(rb"^rsync +version v?(\S+)", told, re.MULTILINE)
    return found.group(1).decode("ascii", "replace") if found else ""
