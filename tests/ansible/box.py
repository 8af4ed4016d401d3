"""A bare host that playbooks/setup.yml is played on, and what was told of that."""

from __future__ import annotations

import difflib
from pathlib import Path

import playing
from playing import Ansible, Played

SETUP = "remote_install.remote_install.setup"
DROP_INS = "Include /etc/ssh/sshd_config.d/*.conf"
PAGE = (playing.ROOT / "docs" / "ansible.md").read_text().partition("## Set up job hosts")[2].partition("\n## ")[0]
KEYS = "/etc/ssh/remote-install/worker.keys"
GATED_KEYS = "/etc/ssh/remote-install/worker.gated-keys"


def public(key: str | Path) -> str:
    """The public half of a key, one line."""
    return Path(f"{key}.pub").read_text().strip()


def set_up(ansible: Ansible, *words: str) -> Played:
    done = ansible.play(SETUP, "-i", "inventory.yml", *words)
    assert done.code == 0, done.talk
    return done


def differences(played: Played) -> list[tuple[str, list[str]]]:
    """What --diff showed of files, by task: the lines that went and came. Of a file with two such tasks the second
    finds in check mode what was there before the first."""
    each = [(one.task, result) for one in played.told for result in [one.result, *one.result.get("results", [])]]
    shown = [(task, result["diff"]) for task, result in each if "diff" in result]
    files = [(task, one) for task, found in shown for one in (found if isinstance(found, list) else [found])]
    found = [(task, changes(one)) for task, one in files if isinstance(one.get("after"), str)]
    return [(task, lines) for task, lines in found if lines]  # of a file that is not there yet nothing is shown


def changes(difference: dict[str, str]) -> list[str]:
    before, after = (difference[name].splitlines() for name in ("before", "after"))
    return [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
