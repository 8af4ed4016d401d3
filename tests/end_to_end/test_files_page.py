"""docs/files.md names what lies around after work: nothing is left anywhere that it does not tell of."""

from __future__ import annotations

import re
from pathlib import Path

from .client import Client

PAGE = (Path(__file__).parents[2] / "docs/files.md").read_text()
VARYING = {"NAME": "[^/]+", "NN": "[0-9]+", "N": "[0-9]+", "HASH": "[0-9a-f]{16}", "HOST": "[^/]+", "RUN_ID": "demo"}
THERE = re.escape("remote-install-run/demo")


def told(*headings: str) -> list[str]:
    """Patterns of the paths in the first cells below these headings; what ends with / is all in it."""
    found = []
    for heading in headings:
        for row in re.findall(
            r"^\| (`.+?) \| ", PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0], re.MULTILINE
        ):
            for path in re.findall(r"`([^`]+)`", row):
                escaped = re.escape(path.replace("RUN_ROOT", "remote-install-run").replace("~/", ""))
                pattern = re.sub(r"[A-Z_]+", lambda one: VARYING.get(one[0], one[0]), escaped)
                found.append(pattern + ".*" if path.endswith("/") else pattern)
    return found


def untold(paths: list[str], patterns: list[str], *users: str) -> list[str]:
    """The paths that are neither told of nor the user's own; each of our folders has a .gitignore."""
    known = re.compile("|".join([*patterns, r"(.*/)?\.gitignore", *map(re.escape, users)]))
    return [path for path in paths if not known.fullmatch(path)]


def test_all_that_is_left_is_told(client: Client) -> None:
    with open(client.folder / "hosts.yaml", "a") as file:
        file.write(f"    symlink_dirs: {{work: {client.host.home}/scratch}}\n")
    client.write("train.sh", "#!/bin/sh\nremote-install-message half\necho x >work/x\nmkdir results\nexit 3\n", 0o755)
    words = ("run", "demo", "-p", "hpc", "--time-limit", "60", "--fetch", "results")
    assert client(*words, "--", "./train.sh").code == 1
    assert client(*words, "--name", "other", "--", "true").code == 0
    here = [str(path.relative_to(client.run_directory)) for path in client.run_directory.rglob("*") if path.is_file()]
    in_a_try = [f"log/job/[^/]+/[0-9]+/{pattern}" for pattern in told("In a job directory")]
    assert untold(here, [*told("In the run directory, here"), *in_a_try], "train.sh") == []
    there = client.host.run(["find", ".", "!", "-type", "d", "-printf", "%P\\n"], check=True).stdout.split()
    mine = (".ssh/authorized_keys", "remote-install-run/demo/train.sh", "remote-install-run/demo/work")
    patterns = [one for one in told("On a job host") if one != f"{THERE}/.*"] + [f"{THERE}/{one}" for one in in_a_try]
    assert untold(there, [one.replace("FOLDER", "scratch") for one in patterns], *mine) == []
    cache = client.folder / "cache"
    assert untold([str(path.relative_to(client.folder)) for path in cache.rglob("*") if path.is_file()], []) == []
