"""What every command prints with --json is as its schema says, also when it fails, and no command lacks a schema."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import jsonschema
import pytest

from remote_install.cli import arguments, completion, main, signals
from remote_install.cli.schemas import DOCUMENTS, output_schema

from .client import Client, Done

Typed = Callable[..., Done]
FOLDER = Path(__file__).parents[2] / "docs/schemas"
WITHOUT = {"schema", "completion", "demo", "ci"}  # they print no document
HERE = ("-p", "localhost")
GOES_ON = ("--", "sleep", "63")
# In this order on one run directory: the command line, its exit code.
STORY: tuple[tuple[tuple[str, ...], int], ...] = (
    (("active", "demo"), 1),
    (("active", "missing"), 2),
    (("list", "demo"), 0),
    (("list", "missing"), 2),
    (("install", "demo", "-p", "hpc", "--dry-run"), 0),
    (("install", "demo", "-p", "hpc"), 0),
    (("install", "demo"), 2),
    (("run", "demo", "-p", "hpc", "--dry-run", "--", "true"), 0),
    (("run", "demo", "-p", "hpc", "--", "sh", "-c", "remote-install-message half; exit 3"), 1),
    (("run", "demo", "-p", "nowhere", "--", "true"), 3),
    (("submit", "demo", *HERE, "--name", "long", "--dry-run", *GOES_ON), 0),
    (("submit", "demo", *HERE, "--name", "long", *GOES_ON), 0),
    (("submit", "demo", *HERE, "missing"), 2),
    (("poll", "demo", "long"), 0),
    (("poll", "demo", "none"), 2),
    (("wait", "demo", "long", "--timeout", "0"), 8),
    (("wait", "demo", "job"), 1),
    (("logs", "demo", "job"), 0),
    (("logs", "demo", "job", "-p", "nowhere"), 3),
    (("clean", "demo", "-p", "localhost"), 9),
    (("kill", "demo", "long", "--dry-run"), 0),
    (("kill", "demo", "long"), 0),
    (("kill", "demo", "-p", "nowhere"), 3),
    (("list", "demo"), 1),
    (("fetch", "demo", "-p", "hpc", "--dry-run"), 0),
    (("fetch", "demo", "-p", "hpc"), 0),
    (("fetch", "demo", "../outside"), 2),
    (("push", "hosts.yaml", "hpc:file", "--dry-run"), 0),
    (("push", "hosts.yaml", "hpc:file"), 0),
    (("push", "missing", "hpc:file"), 2),
    (("pull", "hpc:file", "back", "--dry-run"), 0),
    (("pull", "hpc:file", "back"), 0),
    (("pull", "hpc:missing", "back"), 5),
    (("clean", "demo", "-p", "hpc", "--dry-run"), 0),
    (("clean", "demo", "-p", "hpc"), 0),
    (("check", "localhost"), 0),
    (("check", "nowhere"), 3),
    (("gate", "--install", "-p", "hpc"), 0),
    (("gate", "--write", "gate"), 0),
    (("gate", "--print-key-line", "missing.pub", "--root", "/runs", "--allow", "poll"), 3),
    (("platforms",), 0),
    (("platforms", "--hosts", "missing.yaml"), 3),
    (("init", "--dry-run", "--hosts", "new.yaml"), 0),
    (("init", "--hosts", "new.yaml"), 0),
    (("init", "--hosts", "new.yaml"), 9),
)


def test_no_command_lacks_a_schema() -> None:
    commands = completion.subcommands(arguments.parser())
    assert set(DOCUMENTS) == set(arguments.WITH_JSON) == set(commands) - WITHOUT
    for command in DOCUMENTS:
        jsonschema.Draft7Validator.check_schema(output_schema(command))
        codes = {code for words, code in STORY if words[0] == command}
        assert codes & {0, 1}, f"{command} does not succeed in the story"
        assert codes - {0, 1}, f"{command} does not fail in the story"


@pytest.mark.parametrize("command", DOCUMENTS)
def test_the_schemas_in_the_docs_are_those_of_the_code(command: str) -> None:
    path, wanted = FOLDER / f"{command}.json", json.dumps(output_schema(command), indent=1) + "\n"
    if os.environ.get("WRITE_DOCS") == "1":
        path.write_text(wanted)
    assert path.read_text() == wanted, "WRITE_DOCS=1 writes them anew"


def test_no_file_is_the_schema_of_nothing() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(DOCUMENTS)


@pytest.fixture
def typed(
    client: Client, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Typed]:
    """Runs a command in this process, as 40 starts of Python would take most of the time."""
    handlers = {number: signal.getsignal(number) for number in signals.ENDING}
    for name, value in client.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(client.folder)

    def type_it(*words: str) -> Done:
        code = main(list(words))
        out, err = capfdbinary.readouterr()
        return Done(code, out, err.decode(), 0.0, words)

    yield type_it
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_every_document_is_as_its_schema_says(client: Client, typed: Typed) -> None:
    """All in one test, because each builds on those before it."""
    client.write("data", "1")
    for words, code in STORY:
        done = typed(words[0], "--json", *words[1:])
        assert done.code == code, (words, done.err)
        document = done.json  # is validated there
        assert (document["error"] is None) == (code in (0, 1)), words
    client.host.run(["rm", ".remote-install/gate.py", ".remote-install/jobhost.pyz"], check=True)  # others use it too


def test_a_document_that_is_not_as_its_schema_says_is_noticed() -> None:
    good = {"run": "demo", "error": None}
    Done(0, json.dumps(good).encode(), "", 0.0, ("fetch",)).json  # noqa: B018
    for wrong in ({"run": "demo"}, {"error": None}, {**good, "more": 1}, {**good, "run": 1}):
        with pytest.raises(jsonschema.ValidationError):
            Done(0, json.dumps(wrong).encode(), "", 0.0, ("fetch",)).json  # noqa: B018
