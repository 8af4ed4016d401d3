"""install --dry-run prints the exact commands and file changes, and changes nothing on either side."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hosts import JobHost

from .client import Client, Done
from .test_install import install

# Names, kinds, modes, times to the nanosecond, link targets and contents of all below a folder; not when it was read.
EVERYTHING = (
    "find . -printf '%p %y %m %T@ %s %l\\n' | LC_ALL=C sort; "
    "find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum"
)


def everything(client: Client) -> tuple[str, bytes]:
    """All that lies in the home directory there, and in the run directory here."""
    there = client.host.run(["sh", "-c", EVERYTHING], check=True).stdout
    here = subprocess.run(["sh", "-c", EVERYTHING], cwd=client.run_directory, stdout=subprocess.PIPE, check=True).stdout
    return there, here


def dry(client: Client, *words: str) -> Done:
    """A dry run, after which all is as before."""
    before = everything(client)
    done = client("install", "demo", "-p", "hpc", "--dry-run", *words)
    assert everything(client) == before
    return done


def planned(client: Client, *words: str) -> dict[str, Any]:
    (target,) = dry(client, "--json", *words).json["targets"]
    return dict(target)


def named(done: Done) -> list[str]:
    """The commands that a dry run names."""
    lines = [line.strip() for line in done.out.decode().splitlines()]
    return [line[2:].partition("  # with ")[0] for line in lines if line.startswith("$ ")]


def run_in_fact(client: Client) -> list[str]:
    done = install(client, "-v")
    assert done.code in (0, 1), done.err
    return [line[2:] for line in done.err.splitlines() if line.startswith("$ ")]


@pytest.fixture
def fresh(make_host: Any, tmp_path: Path) -> Client:
    """A user whose host never heard of us."""
    host: JobHost = make_host()
    client = Client(tmp_path, host)
    client.prepare()
    return client


def test_on_a_fresh_host_all_is_to_be_sent_and_the_commands_are_those_of_the_install(fresh: Client) -> None:
    fresh.write("a", "12345")
    fresh.write("d/b", "x", 0o755)
    (fresh.run_directory / "link").symlink_to("a")
    fresh.write("run.yaml", "install: {exclude: ['*.tmp'], command: echo built >built}\n")
    done = dry(fresh)
    assert done.code == 0, done.err
    text = done.out.decode()
    for part in ("job host program is not there yet", "3 files", "new     d/b", "folder  d", "link    link"):
        assert part in text
    assert "the install command would run there: sh -c 'echo built >built'" in text
    # The path there is known when the host was asked; the run root of hosts.yaml starts in the home directory.
    assert named(done) == [line.replace(f":{fresh.host.home}/", ":") for line in run_in_fact(fresh)]
    assert len(named(done)) == 6


@pytest.mark.parametrize(
    "case", ["first", "unchanged", "changed", "deleted", "excludes", "command", "command only", "unfinished"]
)
def test_the_commands_it_names_are_those_that_the_install_runs(client: Client, case: str) -> None:
    install(client)
    client.host.run(["rm", "-r", "remote-install-run"], check=True)
    client.write("a", "one")
    client.write("b", "one")
    if case != "first":
        client.write("run.yaml", "install: {command: exit 3}\n" if case == "unfinished" else "id: demo\n")
        install(client)
    if case == "changed":
        client.write("a", "two")
        client.write("c", "new")
    elif case == "deleted":
        (client.run_directory / "a").unlink()
    elif case == "excludes":
        client.write("run.yaml", "install: {exclude: ['b*']}\n")
    elif case == "command":
        client.write("run.yaml", "install: {command: 'true'}\n")
    elif case == "command only":
        client.write("run.yaml", "install: {command: 'true', exclude: [run.yaml]}\n")
        install(client)
        client.write("run.yaml", "install: {command: 'exit 0', exclude: [run.yaml]}\n")
    done = dry(client)
    assert done.code == 0
    assert named(done) == run_in_fact(client)


def test_it_tells_what_is_new_changed_deleted_and_kept(client: Client) -> None:
    for name in ("same", "other", "mode", "gone/x", "kept", "kind"):
        client.write(name, name)
    install(client)
    client.host.write_file(f"{client.there}/kept", "a job's")
    client.host.write_file(f"{client.there}/output", "a job's")
    client.write("other", "changed")
    client.write("new", "four")
    client.write("mode", "mode", 0o755)
    for name in ("gone/x", "kept", "kind"):
        (client.run_directory / name).unlink()
    (client.run_directory / "gone").rmdir()
    (client.run_directory / "kind").symlink_to("same")
    target = planned(client)
    names = {which: target[which] for which in ("send", "new", "change", "delete", "kept")}
    assert names == {
        "send": ["new", "other"],
        "new": ["new"],
        "change": ["kind", "mode"],
        "delete": ["gone", "gone/x"],
        "kept": ["kept"],
    }
    assert (target["dry_run"], target["asked"], target["unfinished"], target["error"]) == (True, True, False, None)
    text = dry(client).out.decode()
    titles = ("to be sent", "to be changed", "to be deleted", "left alone")
    sent, changed, deleted, kept = (text.index(title) for title in titles)
    assert sent < text.index("changed other") < changed < text.index("mode    mode") < deleted
    assert deleted < text.index("delete  gone/x") < kept < text.index("keep    kept")
    done = install(client).json["targets"][0]
    numbers = ("files_sent", "files_deleted")
    assert [target[name] for name in numbers] == [done[name] for name in numbers] == [2, 2]
    assert target["bytes_sent"] == len("changed" + "four")


def test_an_unchanged_run_directory_needs_nothing(client: Client) -> None:
    client.write("a", "one")
    install(client)
    done = dry(client)
    assert "nothing would be changed there" in done.out.decode()
    assert len(named(done)) == 1


def test_the_first_dry_run_makes_no_uuid_here_and_no_folder_there(client: Client) -> None:
    other = Client(client.folder / "other", client.host)
    other.prepare()
    install(other)  # the job host program is there now
    client.host.run(["rm", "-r", "remote-install-run"], check=True)
    client.write("a", "one")
    assert planned(client)["send"] == ["a"]
    assert not (client.run_directory / ".remote-install").exists()
    assert not client.host.testinfra.file(f"{client.host.home}/remote-install-run").exists


def test_an_unfinished_install_is_told_and_whether_the_command_would_run(client: Client) -> None:
    client.write("a", "one")
    client.write("run.yaml", "install: {command: 'test -e go || exit 3'}\n")
    assert install(client).code == 1
    target = planned(client)
    assert target["unfinished"] is True
    assert target["install_command"] == ["sh", "-c", "test -e go || exit 3"]
    assert "unfinished; this one would finish it" in dry(client).out.decode()
    client.host.run(["touch", f"{client.there}/go"], check=True)
    install(client)
    target = planned(client)
    assert (target["unfinished"], target["install_command"]) == (False, None)
    client.write("a", "two")
    assert planned(client)["install_command"] == ["sh", "-c", "test -e go || exit 3"]


def test_what_the_install_would_refuse_is_refused(client: Client) -> None:
    client.write("a", "one")
    install(client)
    other = Client(client.folder / "other", client.host)
    other.prepare()
    other.write("b", "two")
    refused = dry(other, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (9, 9)
    assert "--adopt" in refused.err
    target = planned(other, "--adopt")
    assert (target["send"], target["delete"]) == (["b"], ["a"])
    client.host.write_file(f"{client.there}/thing/output", "a job's")
    client.write("thing", "ours")
    assert dry(client).code == 9


def test_while_an_install_is_at_work_it_neither_waits_nor_disturbs(client: Client) -> None:
    client.write("run.yaml", "install: {command: 'touch runs; until test -e go; do sleep 0.05; done'}\n")
    process = client.start("install", "demo", "-p", "hpc")
    client.host.run(["sh", "-c", f"until test -e {client.there}/runs; do sleep 0.05; done"], check=True, timeout=30)
    assert planned(client)["unfinished"] is True
    client.host.run(["touch", f"{client.there}/go"], check=True)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_names_of_any_bytes_are_told_and_harmless(client: Client) -> None:
    names = [b"new\nline", b"caf\xe9", b"\x1b[2J", b"plain"]
    for name in names:
        client.write(name, "x")
    told = [name.encode("utf-8", "surrogateescape") for name in planned(client)["send"]]
    assert sorted(told) == sorted(names)
    text = dry(client).out.decode()
    assert "\x1b" not in text
    assert "new     new\\nline" in text
    install(client)
    os.unlink(os.path.join(os.fsencode(client.run_directory), b"caf\xe9"))
    assert planned(client)["delete"] == [os.fsdecode(b"caf\xe9")]


def test_a_host_that_can_not_be_reached_is_told(client: Client) -> None:
    client.host.stop_sshd()
    done = client("install", "demo", "-p", "hpc", "--dry-run", "--json")
    assert (done.code, done.json["targets"][0]["error"]["code"]) == (4, 4)
