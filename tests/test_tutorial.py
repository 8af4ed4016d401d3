"""docs/tutorial.md is true: what it has the reader type is typed here, and what it shows comes.

Its real host is one of the throw-away kind, so that no root is needed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from reading import HOSTS_YAML, on_the_host, plain, steps

from remote_install.cli.throwaway import missing, throwaway_hosts

PAGE = Path(__file__).parents[1] / "docs/tutorial.md"


@pytest.fixture
def reader(tmp_path: Path) -> dict[str, str]:
    """The reader's environment: a home of their own, and remote-install on the PATH."""
    program = tmp_path / "bin/remote-install"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m remote_install "$@"\n')
    program.chmod(0o755)
    root = str(PAGE.parents[1])
    added = {"HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": root}
    without = ("REMOTE_INSTALL_HOSTS", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "CI", "GITHUB_ACTIONS", "GITLAB_CI")
    return {**{name: value for name, value in os.environ.items() if name not in without}, **added}


@pytest.mark.skipif(bool(missing()), reason=f"throw-away job hosts need {', '.join(missing())}")
def test_what_the_tutorial_shows_is_what_comes(tmp_path: Path, reader: dict[str, str]) -> None:
    """Takes as long as a dozen commands and a job on a host do."""
    code = 0
    done = steps(PAGE.read_text())
    assert {HOSTS_YAML, "forecast/train.sh", "forecast/run.yaml"} == {
        words for what, words, _ in done if what == "write"
    }
    with throwaway_hosts(("hpc",)) as (_, hosts_file):
        for what, words, text in done:
            if what == "write":
                path = tmp_path / words.replace("~/", "")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(on_the_host(text, hosts_file) if words == HOSTS_YAML else text)
                continue
            typed = subprocess.run(
                ["sh", "-c", f"(exit {code}); {words}"],
                cwd=tmp_path,
                env=reader,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            code = typed.returncode
            assert plain(typed.stdout) == plain(text), f"$ {words}\n{typed.stdout}"


def test_it_is_installed_as_the_readme_says() -> None:
    """Those lines are typed on a fresh Debian: test_readme.py."""
    found = {
        textwrap.dedent(text)
        for page in (PAGE, PAGE.parents[1] / "README.md")
        for text in re.findall(r"```sh\n( *python3 -m venv.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    }
    assert len(found) == 1
