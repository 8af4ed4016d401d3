"""--dry-run of every command that changes something: all that it would run is named, and nothing is changed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from .client import Client, Done
from .test_dry_run import EVERYTHING, fresh, named

__all__ = ["fresh"]  # the fixture

# Each command; what else it needs stands behind `--`.
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", "demo", "-p", "hpc", "--fetch", "out", "--", "sh", "-c", "mkdir -p out; echo x > out/f"),
    "run.yaml": ("run", "demo"),
    "submit": ("submit", "demo", "-p", "hpc", "--name", "one", "--", "true"),
    "submit without install": ("submit", "demo", "-p", "hpc", "--no-install", "--name", "two", "--", "true"),
    "kill": ("kill", "demo"),
    "fetch": ("fetch", "demo", "out"),
    "push": ("push", "demo", "hpc:elsewhere/"),
    "push to an absolute path": ("push", "demo/data", "hpc:/home/alice/data"),
    "pull": ("pull", "hpc:demo", "back"),
}


def everything(client: Client) -> tuple[str, bytes]:
    """All that lies in the home directory there, and in the user's folder here."""
    there = client.host.run(["sh", "-c", EVERYTHING], check=True).stdout
    return there, subprocess.run(["sh", "-c", EVERYTHING], cwd=client.folder, capture_output=True, check=True).stdout


def dry(client: Client, words: tuple[str, ...]) -> Done:
    """The command with --dry-run, after which all is as before."""
    before = everything(client)
    done = client(*with_option("--dry-run", words))
    assert done.code == 0, done.err
    assert everything(client) == before
    return done


def with_option(option: str, words: tuple[str, ...]) -> tuple[str, ...]:
    at = words.index("--") if "--" in words else len(words)
    return (*words[:at], option, *words[at:])


def run_in_fact(client: Client, words: tuple[str, ...]) -> list[str]:
    done = client(*with_option("-v", words))
    assert done.code == 0, done.err
    return [line[2:] for line in done.err.splitlines() if line.startswith("$ ")]


def prepare(client: Client) -> None:
    client.write("data", "12345")
    client.write("run.yaml", "jobs:\n  a: {platform: hpc, command: 'true', time_limit: 1h}\nfetch: [out]\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_it_names_what_the_command_runs(client: Client, name: str) -> None:
    prepare(client)
    assert client(*COMMANDS["run"]).code == 0
    client.write("data", "other")
    words = COMMANDS[name]
    told = named(dry(client, words))
    assert told
    assert [line for line in run_in_fact(client, words) if line not in told] == []


@pytest.mark.parametrize("name", ["run", "submit", "push", "push to an absolute path"])
def test_on_a_host_that_never_heard_of_us_too(fresh: Client, name: str) -> None:
    prepare(fresh)
    words = COMMANDS[name]
    told = [
        line.replace(":remote-install-run/", f":{fresh.host.home}/remote-install-run/")
        for line in named(dry(fresh, words))
    ]
    assert [line for line in run_in_fact(fresh, words) if line not in told] == []
    assert not (fresh.run_directory / "log/job/none").exists()


def test_it_tells_the_jobs_and_what_would_come_and_go(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(client)
    path = client.folder / "hosts.yaml"
    path.write_text(path.read_text() + "    environment: {A: 'b c'}\n    secrets: [KEY]\n")
    monkeypatch.setenv("KEY", "hush")
    done = dry(client, ("run", "demo"))
    text = done.out.decode()
    assert "a would be submitted on hpc" in text
    assert "  env 'A=b c' sh -c true\n" in text
    assert "ended after 3600 s" in text
    assert "with the secrets KEY" in text
    assert "hush" not in text + done.err
    assert client(*COMMANDS["run"]).code == 0
    client.host.write_file(f"{client.there}/out/new", "n")
    assert ">f" in dry(client, COMMANDS["fetch"]).out.decode()
    assert "out/new (1 bytes)" in dry(client, COMMANDS["fetch"]).out.decode()
    assert "<f" in dry(client, COMMANDS["push"]).out.decode()
    assert "demo/data (5 bytes)" in dry(client, COMMANDS["push"]).out.decode()
    assert "job on hpc" in dry(client, COMMANDS["kill"]).out.decode()


def test_json_has_one_document(client: Client) -> None:
    prepare(client)
    assert client(*COMMANDS["run"]).code == 0
    for words in COMMANDS.values():
        document: dict[str, Any] = client(*with_option("--json", with_option("--dry-run", words))).json
        assert document["error"] is None


def test_what_the_command_would_refuse_is_refused(client: Client, tmp_path: Path) -> None:
    prepare(client)
    assert client("push", "nothing", "hpc:x", "--dry-run").code == 2
    assert client("pull", "hpc:x", str(tmp_path / "no/such/y"), "--dry-run").code == 2
    assert client("run", "demo", "-p", "hcp", "--dry-run").code == 3
    assert client("fetch", "demo", "-p", "hpc", "--dry-run").code == 5
