"""init writes a first hosts.yaml and never over another one; bash completes what the parser takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from remote_install.cli import arguments, completion
from transfer.platforms import load_platforms

ROOT = str(Path(__file__).parents[1])
SSH_CONFIG = """\
Include more/*
Host hpc login1 *.example.org !bad -oops
    User me
host = "gpu"
Host github.com
    User git
Match host other
    User git
Host hpc on localhost
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with an ssh_config."""
    (tmp_path / ".ssh/more").mkdir(parents=True)
    (tmp_path / ".ssh/config").write_text(SSH_CONFIG)
    (tmp_path / ".ssh/more/site").write_text("Host site\n")
    return tmp_path


def init(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "remote_install", "init", *words]
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": ROOT, **variables}
    return subprocess.run(line, cwd=home, env=env, capture_output=True, text=True, timeout=30)


def test_the_hosts_of_ssh_config_become_platforms(home: Path) -> None:
    done = init(home)
    path = home / ".config/remote-install/hosts.yaml"
    assert (done.returncode, done.stdout) == (0, f"wrote {path}: 5 platforms\n"), done.stderr
    platforms = load_platforms(str(path))
    assert [name for name in platforms.given if name != "localhost"] == ["site", "hpc", "login1", "gpu", "on"]
    assert platforms.get("on").hosts == ("on",)


@pytest.mark.parametrize(
    ("words", "variables", "path"),
    [
        (["--hosts", "mine.yaml"], {"REMOTE_INSTALL_HOSTS": "other.yaml"}, "mine.yaml"),
        ([], {"REMOTE_INSTALL_HOSTS": "other.yaml"}, "other.yaml"),
        ([], {"XDG_CONFIG_HOME": "/proc/self/cwd/conf"}, "conf/remote-install/hosts.yaml"),
    ],
)
def test_it_is_written_to_where_it_is_looked_for(
    home: Path, words: list[str], variables: dict[str, str], path: str
) -> None:
    assert init(home, *words, **variables).returncode == 0
    assert load_platforms(str(home / path)).get("gpu")


def test_a_file_that_is_there_stays(home: Path) -> None:
    (home / "mine.yaml").symlink_to("nowhere")
    done = init(home, "--hosts", "mine.yaml")
    assert (done.returncode, "is there already" in done.stderr) == (9, True)
    assert not (home / "nowhere").exists()


def test_a_dry_run_writes_nothing(home: Path) -> None:
    done = init(home, "--dry-run", "--hosts", "mine.yaml")
    assert (done.returncode, "  gpu: {}\n" in done.stdout) == (0, True)
    assert not (home / "mine.yaml").exists()


def test_without_an_ssh_config_the_file_is_valid_too(tmp_path: Path) -> None:
    assert init(tmp_path, "--hosts", "mine.yaml").returncode == 0
    load_platforms(str(tmp_path / "mine.yaml"))


def completed(*lines: str) -> list[list[str]]:
    """What bash offers for the last word of each line."""
    script = completion.script(arguments.parser())
    ask = 'COMP_WORDS=({}); COMP_CWORD=$(({{#COMP_WORDS[@]}} - 1)); _remote_install; echo "${{COMPREPLY[*]}}"\n'
    asked = "".join(ask.replace("{{#", "${{#").format(line) for line in lines)
    done = subprocess.run(["bash", "-eu"], input=script + asked, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    return [line.split() for line in done.stdout.splitlines()]


def test_bash_completes_each_option_of_each_command() -> None:
    commands = completion.subcommands(arguments.parser())
    offered = completed(*(f"remote-install {name} RUN --" for name in commands))
    for (name, its), words in zip(commands.items(), offered):
        wanted = [word for word in completion.long_options(its) if word.startswith("--")]
        assert words == wanted, name
    assert "--on-cancel" in offered[list(commands).index("run")]


def test_bash_completes_commands_and_values_and_leaves_the_rest_to_files() -> None:
    assert completed(
        "remote-install ''",
        "remote-install --hosts file.yaml pu",
        "remote-install run . --on-cancel k",
        "remote-install run . --junit ''",
        "remote-install run . -- --o",
        "remote-install run ''",
        "remote-install --vers",
    ) == [
        [name for name in completion.subcommands(arguments.parser()) if name != "completion"],
        *(["push", "pull"], ["kill"], [], [], [], ["--version"]),
    ]
