"""Ansible as its users call it: playbooks that are played, and what is told of each task."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COLLECTION = ROOT / "ansible"
BIN = Path(sys.executable).parent
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
NAME = "remote_install.remote_install"


@dataclass(frozen=True)
class Told:
    """What became of a task on a host: ok, failed, ignored, skipped, unreachable."""

    task: str
    host: str
    how: str
    result: dict[str, Any]

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))


@dataclass(frozen=True)
class Played:
    """A playbook that has been played. talk: what Ansible printed."""

    code: int
    talk: str
    told: tuple[Told, ...]

    def __getitem__(self, task: str) -> dict[str, Any]:
        """The result of a task that one host had."""
        (found,) = (one.result for one in self.told if one.task == task)
        return found

    @property
    def changed(self) -> list[tuple[str, str]]:
        """The tasks that changed something, with the host of each."""
        return [(one.host, one.task) for one in self.told if one.changed]


@dataclass
class Ansible:
    """Ansible in a folder of its own: its files, its home, the collection where it looks for collections."""

    folder: Path
    variables: dict[str, str]

    @property
    def collection(self) -> Path:
        return self.folder / "ansible_collections" / "remote_install" / "remote_install"

    def prepare(self) -> None:
        """Make its files; the collection is a copy, because some of Ansible's programs write beside it."""
        shutil.copytree(COLLECTION, self.collection, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "ansible.cfg").touch()

    def environment(self) -> dict[str, str]:
        """Nothing of the user who runs the tests counts."""
        mine = {
            "ANSIBLE_CALLBACKS_ENABLED": "told",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none",  # no connection outlives the play
            "PATH": f"{BIN}:{self.variables.get('PATH', os.environ['PATH'])}",
            "TOLD": str(self.folder / "told"),
        }
        others = {**os.environ, **self.variables}
        return {**{name: value for name, value in others.items() if not name.startswith(("ANSIBLE_", "SSH_"))}, **mine}

    def __call__(
        self, program: str, *words: str, timeout: float = 100, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs to its end."""
        return subprocess.run(
            [str(BIN / program), *words],
            cwd=folder or self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def play(self, playbook: str | list[dict[str, Any]], *words: str, timeout: float = 150) -> Played:
        """Play a playbook: its name, or its plays, or the tasks of one play on localhost."""
        told = self.folder / "told"
        told.unlink(missing_ok=True)
        if not isinstance(playbook, str):
            plays = playbook if "hosts" in playbook[0] else [_on_localhost(playbook)]
            (self.folder / "playbook.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
            playbook = "playbook.yml"
        done = self("ansible-playbook", playbook, *words, timeout=timeout)
        lines = told.read_text().splitlines() if told.exists() else []
        return Played(done.returncode, done.stdout, tuple(Told(**json.loads(line)) for line in lines))


def _on_localhost(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": "Test", "hosts": "localhost", "gather_facts": False, "tasks": tasks}


def task(title: str, module: str, **fields: Any) -> dict[str, Any]:
    """A task with a module of the collection; what begins with _ is a keyword of the task."""
    keywords = {key[1:]: value for key, value in fields.items() if key.startswith("_")}
    return {
        "name": title,
        f"{NAME}.{module}": {key: value for key, value in fields.items() if not key.startswith("_")},
        **keywords,
    }


def is_here() -> bool:
    return (BIN / "ansible-playbook").exists() and shutil.which("ansible-lint", path=str(BIN)) is not None
