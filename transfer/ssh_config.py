"""The hosts that a user has named in ssh_config: what a first hosts.yaml can begin with."""

from __future__ import annotations

import glob
import os
import re
import shlex

from transfer.hosts_yaml import HOST, LOCALHOST

DEPTH = 16  # files that include each other, as ssh has it
LINE = re.compile(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)")


def host_names(path: str) -> list[str]:
    """The names behind `Host`, each once, in their order: no patterns, and none where the user is git, as with GitHub.

    Files that can't be read are passed over, as ssh does with those that are included.
    """
    found: dict[str, bool] = {}
    _read(path, os.path.dirname(path), found, DEPTH)
    return [name for name, of_git in found.items() if not of_git]


def _read(path: str, folder: str, found: dict[str, bool], depth: int) -> None:
    """Add the names of a file to `found`, and whether git alone logs in there. folder: where relative paths start."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    names: list[str] = []
    for key, words in filter(None, map(_parsed, lines)):
        if key == "host":
            names = [word for word in words if re.fullmatch(HOST, word) and word.lower() != LOCALHOST]
            found.update({name: found.get(name, False) for name in names})
        elif key == "match":
            names = []
        elif key == "user" and words == ["git"]:
            found.update(dict.fromkeys(names, True))
        elif key == "include" and depth:
            for word in words:
                for each in sorted(glob.glob(os.path.join(folder, os.path.expanduser(word)))):
                    _read(each, folder, found, depth - 1)


def _parsed(line: str) -> tuple[str, list[str]] | None:
    """The keyword and the words of a line.

    >>> _parsed(' Host="a b" c # both'), _parsed("# Host a")
    (('host', ['a b', 'c']), None)
    """
    found = LINE.match(line)
    if found is None:
        return None
    try:
        return found.group(1).lower(), shlex.split(found.group(2), comments=True)
    except ValueError:  # a quote that is not closed
        return None
