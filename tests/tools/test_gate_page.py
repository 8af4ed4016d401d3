"""docs/gate.md: an administrator types what it shows, and writes what it has him write into sshd_config."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hosts import JobHost, MakeHost

from . import pages
from .follower import Follower

SECTION = pages.section("gate.md", "Put it there")
RUN = "remote-install run forecast -p hpc --fetch results/ -- ./train.sh"
FILES = {"train.sh": "#!/bin/sh\nmkdir results\necho made >results/model\n"}


def user_of(folder: Path, host: JobHost, root: str, more: str = "") -> Follower:
    """Somebody whose platform begins at the root that the gate admits."""
    host.as_root(f"mkdir -p {root} && chown alice {root}")
    reader = Follower(folder, host)
    reader.know(f"platforms:\n  hpc: {{hosts: [login1], run_root: {root}}}\n", {"login1": host}, more)
    reader.write_run("forecast", FILES)
    return reader


def works(reader: Follower) -> None:
    """A run does, a command of one's own does not."""
    code, said = reader.type("remote-install check hpc -q")
    assert (code, said) == (0, "")
    code, said = reader.type(RUN)
    assert code == 0, said
    assert (reader.folder / "forecast/results/model").read_text() == "made\n"
    code, said = reader.type("ssh login1 id")
    assert (code, said.startswith("remote-install gate: ")) == (126, True), said


def test_a_key_is_led_to_the_gate(tmp_path: Path, make_host: MakeHost) -> None:
    """On a host without Slurm."""
    host = make_host(home="/home/me")
    reader = user_of(tmp_path, host, "/scratch/me/runs")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f", tmp_path / "ci"], check=True)
    (shown,) = pages.blocks(SECTION, "console")
    *_, line = reader.sees(shown.replace("--runner slurm", "--runner background")).splitlines()
    host.run(["sh", "-c", f"echo '{line}' >>.ssh/authorized_keys"], check=True)
    reader.ssh_config.write_text(reader.ssh_config.read_text().replace(host.key, str(tmp_path / "ci")))
    reader.hang_up()
    works(reader)


def test_a_group_is_led_to_the_gate_that_only_root_can_write(tmp_path: Path, make_host: MakeHost) -> None:
    _, block = pages.blocks(SECTION, "text")  # the first: tests/end_to_end/test_gate_keys.py
    folder, root = "/usr/local/libexec/remote-install", "/scratch/ci/runs"
    assert folder in block
    assert root in block
    words = "install,submit,poll,kill,logs,fetch,check"
    host = make_host(sshd_config=block.replace("…", words).replace("slurm", "background").splitlines())
    host.as_root("echo ci:x:4100:alice >>/etc/group")
    reader = user_of(tmp_path, host, root)
    assert reader.type(f"remote-install gate --write {tmp_path}/gate")[0] == 0
    for name in ("gate.py", "jobhost.pyz"):
        host.write_file(f"{folder}/{name}", (tmp_path / "gate" / name).read_bytes(), owner="root")
    works(reader)
