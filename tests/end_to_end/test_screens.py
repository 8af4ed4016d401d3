"""The screens of docs/screens/, made from real runs and compared in their words; WRITE_DOCS=1 writes them anew."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from remote_install import examples_folder

from .client import Client
from .svg import Row, Span, rows_of, svg, words
from .terminal import Terminal

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/screens"
WIDE = 1000  # columns: nothing is wrapped before what differs was made alike
WIDEST = 100
# What differs between two runs of the same, and how it is shown.
VARYING = {
    r"host\d+-\d+": "login1",
    r"\b10\.\d+\.\d+\.\d+": "192.0.2.7",
    r"background \d+": "background 18157",
    r"in [\d.]+ s$": "in 0.4 s",
    r"fetched \d+ files, [\d.]+ kB": "fetched 6 files, 4.4 kB",
    r"training on [^,]+": "training on login1",
    r"jobhost-[0-9a-f]+": "jobhost-a4d2e9a6448d25bf",
    r"(?<![\d.])\d+ s\b": "2 s",
    r"ssh -F \S+": "ssh",
    r"/tmp/\S+/hosts\.yaml": "~/.config/remote-install/hosts.yaml",
}
ENSEMBLE = "jobs:\n" + "".join(
    f"  member-{number:02d}: {{platform: hpc, command: {command}}}\n"
    for number, command in enumerate(
        ["'true'"] * 18 + ["exit 3"] * 2 + ["until test -e go; do sleep 0.1; done"] * 10, 1
    )
)
THREE = """\
platforms:
  hpc:
    hosts: [{host}]
    job_runner: slurm
    ssh: {{command: ssh -F {config}}}
  gpu:
    hosts: [{host}]
    ssh: {{command: ssh -F {config} -o UserKnownHostsFile=/dev/null}}
  desktop:
    hosts: [{host}]
    ssh: {{command: ssh -F {config}, port: 9}}
"""


@pytest.fixture
def client(client: Client) -> Client:
    """Its host is called login1, so that what stands below each other does so in the picture too."""
    config, hosts = client.folder / "ssh_config", client.folder / "hosts.yaml"
    text = Path(client.host.ssh_config).read_text()
    config.write_text(text.replace(f"Host {client.host.name}", f"Host {client.host.name} login1", 1))
    named = hosts.read_text().replace(client.host.ssh_config, str(config))
    hosts.write_text(named.replace(f"[{client.host.name}]", "[login1]"))
    return client


def typed(client: Client, *typed_words: str, code: int = 0) -> list[Row]:
    """The rows of a command: as it is typed, and what it prints."""
    terminal = Terminal(client, *typed_words, width=WIDE, height=60)
    assert terminal.end() == code, terminal.text()
    return [*prompt(*typed_words), *rows(terminal)]


def prompt(*typed_words: str) -> list[Row]:
    return [[Span("$ ", "green"), Span(shlex.join(["remote-install", *typed_words]), bold=True)]]


def rows(terminal: Terminal) -> list[Row]:
    """What stands on the terminal, made alike; whether a job is seen to run before it has ended is chance."""
    found = [[Span(same(span.text), *span[1:]) for span in row] for row in rows_of(terminal.screen)]
    return [row for row in found if not re.match(r"\S+ \d\d running on", "".join(span.text for span in row))]


def same(text: str) -> str:
    for pattern, instead in VARYING.items():
        text = re.sub(pattern, instead, text)
    return text


def wrapped(row: Row) -> list[Row]:
    """A row in parts that fit, broken at blanks, each indented as the first."""
    text = "".join(span.text for span in row)
    indent = len(text) - len(text.lstrip())
    letters = [Span(letter, *span[1:]) for span in row for letter in span.text]
    parts: list[Row] = []
    while len(letters) > WIDEST:
        at = next((at for at in range(WIDEST, indent, -1) if letters[at].text == " "), WIDEST)
        parts.append(letters[:at])
        letters = [Span(" ")] * indent + letters[at:][letters[at].text == " " :]
    return [joined(part) for part in [*parts, letters]]


def joined(letters: Row) -> Row:
    """Letters that look alike become one span."""
    groups = itertools.groupby(letters, key=lambda letter: letter[1:])
    return [Span("".join(letter.text for letter in some), *looks) for looks, some in groups]


def compare(name: str, title: str, found: list[Row]) -> None:
    """Raises AssertionError when the words in the docs are others."""
    path, now = FOLDER / f"{name}.svg", svg([part for row in found for part in wrapped(row)], title)
    if os.environ.get("WRITE_DOCS") == "1":
        path.write_text(now)
    assert words(path.read_text()) == words(now), f"{path.name} is out of date; WRITE_DOCS=1 writes it anew"


def first_line(page: str) -> tuple[str, ...]:
    """The words behind `remote-install` of the first command that a page shows."""
    (line,) = re.findall(r"\A.*?^\$ remote-install (.+?)$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return tuple(shlex.split(line))


def test_run(client: Client) -> None:
    shutil.copytree(os.path.join(examples_folder(), "forecast"), client.folder / "forecast")
    (line,) = {first_line(page) for page in ("README.md", "docs/index.md")}
    fails = ("run", "forecast", "-p", "hpc", "--name", "broken", "--", "sh", "-c", "echo no data >&2; exit 3")
    found = [*typed(client, *line), *typed(client, *fails, code=1)]
    compare("run", "A job that succeeds, and one that fails", found)


def test_wait_with_30_jobs(client: Client) -> None:
    client.write("run.yaml", ENSEMBLE)
    assert client("submit", "demo").code in (0, 1)
    terminal = Terminal(client, "wait", "demo", width=WIDEST)
    terminal.read_until(lambda text: re.search("20/30 2 failed, 10 running, 18 succeeded", text))
    found = [*prompt("wait", "demo"), *rows(terminal)]
    client.host.run(["touch", f"{client.there}/go"], check=True)
    assert terminal.end() == 1
    compare("wait", "Thirty jobs while they are waited for", found)


def test_check_with_three_failing_hosts(client: Client) -> None:
    text = THREE.format(host="login1", config=client.folder / "ssh_config")
    (client.folder / "hosts.yaml").write_text(text)
    found = typed(client, "check", "-q", code=7)
    blocks = sorted(split(found[1:]), key=lambda block: block[0][0].text)  # the first that is known is printed first
    compare("check", "What keeps three hosts from working", [found[0], *(row for block in blocks for row in block)])


def split(found: list[Row]) -> list[list[Row]]:
    """The blocks of `check`: a line that is not indented begins one."""
    blocks: list[list[Row]] = []
    for row in found:
        if not row[0].text.startswith(" "):
            blocks.append([])
        blocks[-1].append(row)
    return blocks


def test_an_error(client: Client) -> None:
    (client.folder / "hosts.yaml").write_text("platforms:\n  hpc:\n    hosts: [login1]\n    job_runer: slurm\n")
    found = typed(client, "run", "forecast", "-p", "hpc", "--", "./train.sh", code=3)
    compare("error", "A mistake in hosts.yaml", found)


def test_a_dry_run(client: Client) -> None:
    for name in ("train.sh", "data/a", "data/old"):
        client.write(name, "1")
    assert client("install", "demo", "-p", "hpc").code == 0
    client.write("train.sh", "22")
    client.write("data/b", "1")
    os.unlink(client.run_directory / "data/old")
    compare("dry-run", "What an install would do", typed(client, "install", "demo", "-p", "hpc", "--dry-run"))
