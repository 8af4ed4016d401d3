"""docs/without-ssh.md: its settings are taken over as they stand, and do what the page says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hosts import MakeHost

from . import pages
from .follower import Follower

PAGE = "without-ssh.md"
TRAIN = {"train.sh": "#!/bin/sh\nmkdir -p results\nhostname >results/model\n"}


def modes(reader: Follower, *platforms: str) -> list[str]:
    words = " ".join(f"-p {name}" for name in platforms)
    code, said = reader.type(f"remote-install install forecast {words} --json 2>/dev/null")
    assert code == 0, said
    return [one["mode"] for one in json.loads(said)["targets"]]


@pytest.mark.parametrize("mode", ["seen", "hidden"])
def test_whether_a_filesystem_is_shared_is_found_out_or_said(tmp_path: Path, make_host: MakeHost, mode: str) -> None:
    text = pages.section(PAGE, "Is the filesystem shared?")
    (settings,), (shown,) = pages.blocks(text, "yaml"), pages.blocks(text, "console")
    host = make_host(shared={str(tmp_path): str(tmp_path)} if mode == "seen" else {})
    reader = Follower(tmp_path, host)
    reader.know(settings, {"login1": host})
    reader.write_run("forecast", TRAIN).chmod(0o777)
    if mode == "seen":
        reader.sees(shown.replace("/home/me/forecast", f"{tmp_path}/forecast"))
        assert (reader.folder / "forecast/results/model").read_text() == f"{host.name}\n"
        assert modes(reader, "hpc", "near", "far") == ["shared filesystem", "shared filesystem", "ssh"]
    else:
        assert modes(reader, "hpc", "far") == ["ssh", "ssh"]
        assert reader.type("remote-install install forecast -p near")[0] == 3


def test_a_site_that_admits_only_rsync(tmp_path: Path, make_host: MakeHost) -> None:
    (settings,) = pages.blocks(pages.section(PAGE, "Only rsync"), "yaml")
    host = make_host(home="/home/me", key_options='restrict,command="rrsync /home/me/box"')
    host.run(["mkdir", "box"], check=True)
    reader = Follower(tmp_path, host)
    reader.know(settings, {"login.site": host})
    reader.write_run("forecast", {**TRAIN, "data/a": "x\n"})
    (tmp_path / "big.bin").write_text("big\n")
    (shown,) = pages.blocks(pages.section(PAGE, "Only rsync"), "console")
    install, run, push, clean = (f"$ {line}\n{said}" for line, said in pages.typed(shown))
    reader.sees(install)
    code, said = reader.type(pages.typed(run)[0][0])  # with a Slurm here: tests/conformance/test_rsync_only.py
    assert (code, "no job runner here starts its jobs" in said) == (6, True), said
    reader.sees(push)
    assert host.read("/home/me/box/data/big.bin") == "big\n"
    reader.sees(clean)
    assert host.run(["ls", "box/runs"], check=True).stdout == ""
