"""Whatever bytes a user's words, file names and files are made of: they arrive as they are, by the real way over ssh.

An example costs seconds, so each holds many values. The examples are the same every time: a failure in CI is one here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .awkward import AWKWARD, NAMES, without
from .client import Client, Done

MANY = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(
        Phase.generate,
    ),  # no shrinking: a smaller example would take minutes to find, and the first wrong value is told
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)

# Strategies: a word is what an argument or a variable may hold, a name what a file may be called.

any_bytes = st.one_of(st.binary(max_size=300), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
words = any_bytes.map(lambda data: without(data, b"\0")) | st.lists(st.sampled_from(AWKWARD), max_size=4).map(b"".join)
LONG = [b"x" * 100_000, b"'$(" * 33_000, b"\xff\n" * 50_000]

names = words.map(lambda word: without(word, b"/")[:255]).filter(lambda name: name not in (b"", b".", b"..", b".git"))
contents = st.one_of(
    any_bytes,
    st.builds(lambda data, times: data * times, st.binary(min_size=1, max_size=50), st.integers(0, 4000)),
)
paths = st.lists(names, min_size=1, max_size=3).map(b"/".join)
Tree = dict[bytes, tuple[bytes, bool]]  # path -> content, executable or not
trees = st.dictionaries(paths, st.tuples(contents, st.booleans()), min_size=30, max_size=100)


# Arguments.

SHOW = "import os, sys\nsys.stdout.buffer.write(b''.join(os.fsencode(word) + b'\\0' for word in sys.argv[1:]))\n"


def check_arguments(done: Done, given_words: list[bytes]) -> None:
    assert done.code == 0, done.err[-2000:]
    told = done.out.split(b"\0")[:-1]
    wrong = [(got[:200], want[:200]) for got, want in zip(told, given_words) if got != want]
    assert wrong == []
    assert len(told) == len(given_words)


@MANY
@given(drawn=st.lists(words, min_size=50, max_size=150))
def test_any_argument_arrives_unchanged(client: Client, drawn: list[bytes]) -> None:
    client.write("show.py", SHOW)
    given_words = [*AWKWARD, *drawn, *LONG]
    check_arguments(client("run", "demo", "-p", "hpc", "--", "python3", "show.py", *given_words), given_words)
    assert not any(Path(client.folder, *folders, "pwned").exists() for folders in ([], ["demo"]))
    assert client.host.run(["find", client.host.home, "-name", "pwned"]).stdout == ""


@MANY
@given(name=names, drawn=st.lists(words, max_size=50))
def test_any_program_of_the_run_directory_can_be_the_command(client: Client, name: bytes, drawn: list[bytes]) -> None:
    client.write(b"bin/" + name, "#!/bin/sh\n[ $# = 0 ] || printf '%s\\0' \"$@\"\n", 0o755)
    check_arguments(client("run", "demo", "-p", "hpc", "--", b"bin/" + name, *drawn), drawn)


# Variables.

SHOW_VARIABLES = """\
import os, sys
names = sorted(name for name in os.environb if name.startswith(sys.argv[1].encode()))
sys.stdout.buffer.write(b"".join(os.environb[name] + b"\\0" for name in names))
"""
# What YAML can hold as text: no control characters but tab and newline.
texts = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029"), max_size=200)
lines = st.lists(st.one_of(texts, st.sampled_from(["\n", "\t", "'", '"', "$(touch pwned)", "\\", "#", ": ", "- "])))
values = lines.map("".join)


@MANY
@given(drawn=st.lists(values, min_size=20, max_size=60))
def test_any_environment_value_arrives_unchanged(client: Client, drawn: list[str]) -> None:
    environment = {f"VALUE_{number:03}": value for number, value in enumerate(drawn)}
    job = {"platform": "hpc", "command": ["python3", "show.py", "VALUE_"], "environment": environment}
    client.write("show.py", SHOW_VARIABLES)
    client.write("run.yaml", yaml.safe_dump({"jobs": {"job": job}}))
    check_arguments(client("run", "demo"), [value.encode() for value in drawn])


@MANY
@given(drawn=st.lists(words, min_size=20, max_size=60))
def test_any_secret_arrives_unchanged(client: Client, drawn: list[bytes]) -> None:
    given_words = [*AWKWARD, *drawn]
    names = [f"SECRET_{number:03}" for number in range(len(given_words))]
    client.write("show.py", SHOW_VARIABLES)
    (client.folder / "hosts.yaml").write_text(hosts_without_secrets(client) + f"    secrets: [{', '.join(names)}]\n")
    with pytest.MonkeyPatch.context() as patch:
        for name, word in zip(names, given_words):
            patch.setenv(name, os.fsdecode(word))
        check_arguments(client("run", "demo", "-p", "hpc", "--", "python3", "show.py", "SECRET_"), given_words)


def hosts_without_secrets(client: Client) -> str:
    lines = (client.folder / "hosts.yaml").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if "secrets:" not in line)


# Files.

OURS = {b"log", b".remote-install"}
TAKEN = {*OURS, b"data", b"results", b"run.yaml"}  # names that mean something at the top of a run directory
LISTING = """\
import hashlib, json, os, sys
found = {}
for folder, folders, files in os.walk(os.fsencode(sys.argv[1])):
    for name in folders:
        found[os.path.join(folder, name)] = "folder"
    for name in files:
        path = os.path.join(folder, name)
        if os.path.islink(path):
            found[path] = "link to " + os.fsdecode(os.readlink(path))
            continue
        with open(path, "rb") as file:
            found[path] = [os.access(path, os.X_OK), hashlib.sha256(file.read()).hexdigest()]
print(json.dumps({path.partition(b"/")[2].hex(): seen for path, seen in found.items()}))
"""
Listed = dict[bytes, object]


def listed(told: str) -> Listed:
    """Path -> kind, executable or not, content's hash: as LISTING tells it, but for what is ours."""
    found = {bytes.fromhex(path): seen for path, seen in json.loads(told).items()}
    return {path: seen for path, seen in found.items() if path.split(b"/")[0] not in OURS}


def there(client: Client) -> Listed:
    """What the run directory on the host holds."""
    line = 'cd "$0" && exec python3 -c "$1" .'
    return listed(client.host.run(["sh", "-c", line, client.there, LISTING], check=True).stdout)


def here(client: Client, folder: str = ".") -> Listed:
    """What the run directory here holds, or a folder of it."""
    line = [sys.executable, "-c", LISTING, folder]
    return listed(subprocess.run(line, cwd=client.run_directory, check=True, capture_output=True, text=True).stdout)


def differences(one: Listed, other: Listed) -> list[bytes]:
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def write_anew(client: Client, root: bytes, tree: Tree) -> None:
    """Write a tree below a folder of the run directory; a file that another one needs as its folder is left out."""
    for path, (content, executable) in tree.items():
        if root or path.split(b"/")[0] not in TAKEN:
            with contextlib.suppress(NotADirectoryError, FileExistsError, IsADirectoryError):
                client.write(root + path, content, 0o755 if executable else 0o644)


def clear(client: Client) -> None:
    """Leave nothing of the last example here."""
    for entry in os.scandir(os.fsencode(client.run_directory)):
        if entry.is_dir() and entry.name not in OURS:
            shutil.rmtree(entry.path)
        elif entry.name not in OURS:
            os.unlink(entry.path)


@MANY
@given(drawn=trees)
def test_any_file_under_any_name_goes_there_and_comes_back(client: Client, drawn: Tree) -> None:
    clear(client)
    tree = {**{name: (b"content of " + name, False) for name in NAMES}, **drawn}
    for root in (b"", b"data/"):
        write_anew(client, root, tree)
    sent = here(client)
    assert len(sent) > 2 * len(NAMES)
    line = "rm -rf results && cp -r data results"
    done = client("run", "demo", "-p", "hpc", "--fetch", "results/", "--", "sh", "-c", line)
    assert done.code == 0, done.err[-2000:]
    assert (
        differences({path: seen for path, seen in there(client).items() if path.split(b"/")[0] != b"results"}, sent)
        == []
    )
    assert differences(here(client, "data"), here(client, "results")) == []


@MANY
@given(drawn=st.sets(names, max_size=50))
def test_any_name_can_be_asked_for(client: Client, drawn: set[bytes]) -> None:
    clear(client)
    wanted = {*NAMES, *drawn} - TAKEN
    write_anew(client, b"data/", {name: (name, False) for name in wanted})
    done = client("run", "demo", "-p", "hpc", "--", "sh", "-c", "cp -r data/. .")
    assert done.code == 0, done.err[-2000:]
    fetched = client("fetch", "demo", *(b"./" + name for name in wanted))
    assert fetched.code == 0, fetched.err[-2000:]
    came = {path: seen for path, seen in here(client).items() if path.split(b"/")[0] != b"data"}
    assert len(came) == len(wanted)
    assert differences(came, here(client, "data")) == []
