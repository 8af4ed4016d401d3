"""An rsync on the job host that sends what nobody asked for, hangs, or sends without end: nothing of it gets out of the
results, also where the rsync here looks at nothing, as those before 3.2.5 (--trust-sender makes a newer one do so)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remote_install import copy, fetch, mirror
from remote_install.run_directory import RunDirectory, open_run
from remote_install.talk import Talk
from transfer import rsync
from transfer.errors import RemoteInstallError, TransferError
from transfer.platforms import Platform, load_platforms

from .client import Client

EVIL = "evil\n"
SERVER = Path(__file__).with_name("hostile_rsync.py")
HERE = {  # what lies in the run directory here, and beside it
    "demo/run.yaml": "id: demo\n",
    "demo/.git/config": "mine\n",
    "demo/log/job/job/token.1": "mine\n",
    "demo/log/job/job/report.1": "mine\n",
    "demo/log/job/job/01/job.submit": "mine\n",
    "outside/canary": "mine\n",
}
FOLDERS = [["results", "folder", ""], ["results/a", "file", ""]]
LOGS = [[name, "folder", ""] for name in ("log", "log/job", "log/job/job", "log/job/job/01")]
UNASKED = [
    *("run.yaml", "new", ".git/config", ".git/hooks/post-checkout", ".remote-install/uuid", ".remote-install/fetched"),
    *(
        "../escaped",
        "results/../../escaped",
        "resultsx/a",
        "log/other",
        ".remote-install/incoming/x",
        "/abs",
        "a" * 4000,
    ),
]
# Nothing of these is an error, for a job there may have made it: it stays where it is.
LEFT_OUT = {
    "a link out": [*FOLDERS, ["results/l", "link", "/etc"]],
    "a link up": [*FOLDERS, ["results/l", "link", "../../outside"]],
    "a link to what is ours": [*FOLDERS, ["results/l", "link", "../.git"]],
    "a link by a link": [*FOLDERS, ["results/l", "link", "a/../../.git"]],
    "a device": [*FOLDERS, ["results/d", "device", ""], ["results/p", "pipe", ""]],
    "our own files": [*LOGS, ["log/job/job/token.1", "file", ""], ["log/job/job/report.1", "file", ""]],
    "a name beside": [*LOGS, ["log/job/job/01/other", "file", ""], ["log/job/.gitignore", "file", ""]],
    "a link as a job's file": [*LOGS, ["log/job/job/01/job.out", "link", "../token.1"]],
}
# Whatever comes of these, nothing is written elsewhere.
THROUGH = {
    "a link and what is behind it": [*FOLDERS, ["results/l", "link", "../.git"], ["results/l/config", "file", ""]],
    "a link and a folder in its place": [
        *(*FOLDERS, ["results/l", "link", "../.git"], ["results/l", "folder", ""], ["results/l/config", "file", ""])
    ],
    "the results a link": [["results", "link", "../outside"], ["results/canary", "file", ""]],
    "a job a link": [*LOGS[:2], ["log/job/job", "link", "../../.git"], ["log/job/job/01/job.out", "file", ""]],
    "behind a link that is here": [*FOLDERS, ["results/here/config", "file", ""]],
    "a folder where a link is": [*FOLDERS, ["results/here", "folder", ""], ["results/here/config", "file", ""]],
}
KEPT = {"demo/.remote-install/fetched": "results\0", "demo/.remote-install/kept.lock": ""}


def snapshot(client: Client) -> dict[str, str]:
    """All files and links, but for ours that no job host may name."""
    found = {}
    for folder, folders, files in os.walk(client.folder):
        folders[:] = [name for name in folders if name not in ("cache", "incoming", "seen")]
        for name in files + [one for one in folders if os.path.islink(os.path.join(folder, one))]:
            path = os.path.join(folder, name)
            told = os.readlink(path) if os.path.islink(path) else Path(path).read_text(errors="replace")
            found[os.path.relpath(path, client.folder)] = told
    return found


def may_change(path: str) -> bool:
    return path.startswith("demo/results/") or path in (
        "demo/log/job/job/01/job.out",
        *("demo/.remote-install/fetched", "demo/.remote-install/kept.lock"),
    )


def assert_nothing_else_changed(client: Client, before: dict[str, str]) -> None:
    after = snapshot(client)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert [path for path in changed if not may_change(path)] == []
    links = {path: to for path, to in after.items() if os.path.islink(client.folder / path) and path not in before}
    assert links == {}
    assert os.listdir(client.run_directory / ".remote-install/incoming") == [".gitignore"]


@pytest.fixture(params=["trusting", "as it is"])
def trusting(request: pytest.FixtureRequest) -> bool:
    """Does the rsync here believe all that it is sent?"""
    known = subprocess.run(["rsync", "--trust-sender", "--version"], capture_output=True).returncode == 0
    return bool(request.param == "trusting" and known)


@pytest.fixture
def user(client: Client) -> Client:
    """A user with things of his own, and a host whose rsync sends what entries.json says."""
    for name, text in HERE.items():
        (client.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (client.folder / name).write_text(text)
    client.host.write_file("evil/rsync", SERVER.read_text())
    client.host.run(["chmod", "+x", "evil/rsync"], check=True)
    client.host.write_file(f"{client.there}/x", "")
    run_of(client).uuid()
    return client


def run_of(client: Client) -> RunDirectory:
    return open_run(str(client.run_directory))


def sends(client: Client, entries: list[list[str]], **more: object) -> None:
    client.host.write_file("evil/entries.json", json.dumps({"entries": entries, "content": EVIL, **more}))


def platform(client: Client, trusting: bool, *options: str, path: str = "evil/rsync", **more: Any) -> Platform:
    plain = load_platforms(str(client.folder / "hosts.yaml")).get("hpc")
    trust = ("--trust-sender",) if trusting else ()
    command = ("rsync", *trust, f"--rsync-path={client.host.home}/{path}")
    once = replace(plain.retry, attempts=1)
    return replace(plain, rsync=replace(plain.rsync, command=command, options=options), retry=once, **more)


def fetches(client: Client, on: Platform) -> tuple[RemoteInstallError | None, list[str]]:
    """The error, and what was told."""
    told: list[str] = []
    try:
        fetch.fetch(run_of(client), on, ("results",), Talk(told.append), client.there)
    except RemoteInstallError as error:
        return error, told
    return None, told


def test_what_is_asked_for_comes(user: Client, trusting: bool) -> None:
    """Else the others would prove nothing."""
    before = snapshot(user)
    sends(user, [*FOLDERS, *LOGS, ["log/job/job/01/job.out", "file", ""], ["results/k", "link", "a"]])
    assert fetches(user, platform(user, trusting)) == (None, [])
    after = snapshot(user)
    assert (after["demo/results/a"], after["demo/log/job/job/01/job.out"]) == (EVIL, EVIL)
    assert after["demo/results/k"] == "a"
    assert_nothing_else_changed(user, {**before, "demo/results/k": "a"})


def test_what_was_not_asked_for_is_an_error_and_nothing_of_it_comes(user: Client, trusting: bool) -> None:
    before = snapshot(user)
    for name in UNASKED:
        sends(user, [*FOLDERS, [name, "file", ""]])
        error, _ = fetches(user, platform(user, trusting))
        assert isinstance(error, TransferError), name
        assert snapshot(user) == {**before, **KEPT}, name


def test_what_a_job_may_have_made_is_left_out(user: Client, trusting: bool) -> None:
    before = snapshot(user)
    for name, entries in LEFT_OUT.items():
        sends(user, entries)
        error, _ = fetches(user, platform(user, trusting))
        assert error is None or not trusting, (name, error)
        if error is None:
            assert_nothing_else_changed(user, before)
        assert {path: text for path, text in snapshot(user).items() if not may_change(path)} == before, name


def test_nothing_is_written_through_a_link(user: Client, trusting: bool) -> None:
    (user.run_directory / "results").mkdir()
    for name, entries in THROUGH.items():
        here = user.run_directory / "results/here"
        if not os.path.lexists(here):
            here.symlink_to("../.git")
        before = snapshot(user)
        sends(user, entries)
        fetches(user, platform(user, trusting))
        after = snapshot(user)
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        assert [path for path in changed if not may_change(path)] == [], name


def test_a_fetch_that_broke_off_goes_on_where_it_was(user: Client) -> None:
    """What has come lies in a folder of ours until then."""
    on = platform(user, trusting=False)
    sends(user, [*FOLDERS, ["results/b", "file", ""]], most=1)
    assert isinstance(fetches(user, on)[0], TransferError)
    assert not (user.run_directory / "results").exists()
    sends(user, [*FOLDERS, ["results/b", "file", ""]])
    assert fetch.fetch(run_of(user), on, ("results",), Talk(), user.there).files == 1
    assert sorted(os.listdir(user.run_directory / "results")) == ["a", "b"]


def test_a_pull_writes_below_its_target_alone(user: Client, trusting: bool) -> None:
    """Below it the host may write: what is to come is known there only."""
    (user.run_directory / "results").mkdir()
    before = snapshot(user)
    outside = str(user.folder / "outside")
    for entries in (
        [["some", "folder", ""], ["../escaped", "file", ""]],
        [["some", "folder", ""], [f"{outside}/new", "file", ""]],
        [["some", "folder", ""], ["some/l", "link", outside], ["some/l/canary", "file", ""]],
        [["some", "link", outside], ["some/canary", "file", ""]],
    ):
        sends(user, entries)
        with contextlib.suppress(RemoteInstallError):
            copy.pull(platform(user, trusting), "/some", str(user.run_directory / "results"), Talk())
        after = snapshot(user)
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        assert [path for path in changed if not may_change(path)] == [], entries


def test_a_mirror_takes_only_what_jobs_write(user: Client, trusting: bool) -> None:
    home = user.host.home
    site = platform(user, trusting, access="rsync-only", run_root=f"{home}/remote-install-run")
    site = replace(site, rsync=replace(site.rsync, root=home))
    wheres = {"here": str(user.run_directory), "there": user.there}
    fields = {"run": "demo", "mirror": wheres, "jobs": [{"job": "job"}]}
    folders = [[name, "folder", ""] for name in ("job", "job/01", "other", "other/01")]
    sends(user, [*folders[:2], ["job/01/job.status", "file", ""], ["job/01/job.start", "link", "12"]])
    mirror.pull(site, fields, Talk())
    before = snapshot(user)
    assert (before["demo/log/job/job/01/job.status"], before["demo/log/job/job/01/job.start"]) == (EVIL, "12")
    for name, kind, target in [
        *(("job/token.1", "file", ""), ("job/01/job.submit", "file", ""), ("other/01/job.status", "file", "")),
        *(("job/01/job.kill", "link", "../token.1"), ("job/02", "link", "../../../.git"), (".gitignore", "file", "")),
        *(("../../run.yaml", "file", ""), ("job/01/job.messages", "link", "../../../../.git"), ("x", "device", "")),
    ]:
        sends(user, [*folders, [name, kind, target]])
        with contextlib.suppress(TransferError):
            mirror.pull(site, fields, Talk())
        assert snapshot(user) == before, name


def test_an_rsync_that_hangs_is_given_up(user: Client) -> None:
    sends(user, FOLDERS, hang=True)
    began = time.monotonic()
    error, _ = fetches(user, platform(user, False, "--timeout=1"))
    assert isinstance(error, TransferError)
    assert time.monotonic() - began < 20
    user.host.run(["sh", "-c", "kill -9 -1; true"])  # what hangs there would do so for ever


def test_garbage_without_end_is_an_error(user: Client) -> None:
    user.host.write_file("evil/garbage", "#!/bin/sh\nexec cat /dev/urandom\n")
    user.host.run(["chmod", "+x", "evil/garbage"], check=True)
    error, _ = fetches(user, platform(user, False, path="evil/garbage"))
    assert error is not None
    assert error.exit_code in (4, 5)


def test_a_list_without_end_does_not_take_all_memory(user: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rsync, "MOST_MEMORY", 48 * 1024 * 1024)
    sends(user, FOLDERS, endless=True)
    error, _ = fetches(user, platform(user, True, "--timeout=20"))
    assert isinstance(error, TransferError)
    assert "memory" in error.message


def test_what_it_says_is_harmless_to_a_terminal(user: Client) -> None:
    said = ["\x1b]0;pwned\x07\x1b[2J\n", f">f+++++++++ {'9' * 5000} x\n"]
    sends(user, [*FOLDERS, ["results/\x1b[31m\n\u202e", "file", ""], ["results/\x1b[2J", "pipe", ""]], said=said)
    text = (user.folder / "hosts.yaml").read_text()
    (user.folder / "hosts.yaml").write_text(
        f"{text}    rsync: {{command: 'rsync --rsync-path={user.host.home}/evil/rsync'}}\n"
    )
    for name in (None, "\x1b[31mrun.yaml"):
        done = user("fetch", "demo", "results", "-p", "hpc", "-v")
        assert (done.code, "Traceback" in done.err) == (5 if name else 0, False), done.err
        assert not set(done.out.decode() + done.err) - {"\n"} & set(map(chr, [*range(32), 127, 0x202E]))
        sends(user, [*FOLDERS, ["\x1b[31mrun.yaml", "file", ""]])
