"""Reading the pages of docs/ as a user does: what they have one write and type, and what they show."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

HOSTS_YAML = "~/.config/remote-install/hosts.yaml"
BLOCK = re.compile(r"(?P<before>[^\n]*):?\n\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
# What differs each time: numbers, where the run directory is, whether a job has begun when it is first told of.
CHANGES = (
    (r"\d+(\.\d+)?( (bytes|kB))?\b", "N"),
    (r"\S*/remote-install-run/", "/remote-install-run/"),
    (r"\S+/forecast \(local\)", "forecast (local)"),
    (r"\([\w.]+, background", "(HOST, background"),
    (r"\(N?[\w.]+\): N files", "(HOST): N files"),
    (r"\bN file\b", "N files"),
)
BEGUN = re.compile(r"\w+ N (submitted|running) on ")


def steps(page: str) -> list[tuple[str, str, str]]:
    """What the reader does: ("write", path, text) or ("type", line, what it shows)."""
    found: list[tuple[str, str, str]] = []
    for block in BLOCK.finditer(page):
        named = re.search(r"`([^` ]+/[^` ]+\.(?:sh|yaml))`:?$", block["before"])
        if block["kind"] == "console":
            for command in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                line, _, shown = command.partition("\n")
                found.append(("type", line, shown))
        elif named:
            found.append(("write", named.group(1), block["text"]))
    return found


def plain(shown: str) -> list[str]:
    """Output without what differs each time. That a job has begun may be told once, twice or not at all."""
    for pattern, word in CHANGES:
        shown = re.sub(pattern, word, shown)
    lines = [line for line in shown.splitlines() if not BEGUN.match(line)]
    # Jobs that run side by side end in any order.
    return sorted(lines) if len([line for line in lines if " succeeded on " in line]) > 1 else lines


def on_the_host(text: str, hosts_file: str) -> str:
    """The reader's hosts.yaml, with what it takes to reach the throw-away host."""
    written, real = yaml.safe_load(text), yaml.safe_load(Path(hosts_file).read_text())
    there = {
        **real["defaults"],
        **real["platforms"]["hpc"],
        "ssh": {**real["defaults"]["ssh"], **real["platforms"]["hpc"]["ssh"]},
    }
    return yaml.safe_dump({"platforms": {"hpc": {**written["platforms"]["hpc"], **there}}})
