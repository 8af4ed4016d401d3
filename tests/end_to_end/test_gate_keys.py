"""Keys where only root can write, as docs/gate.md says it to administrators: what lies in the home counts no more."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from hosts import JobHost, MakeHost
from hosts.settings import generate_key

from remote_install import gating

PAGE = (Path(__file__).parents[2] / "docs" / "gate.md").read_text().partition("### As root")[2]
FOLDER = "/usr/local/libexec/remote-install"


def log_in(host: JobHost, key: str) -> tuple[int, str]:
    words = ["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes"]
    words = ["ssh", *words, "-o", f"UserKnownHostsFile={host.known_hosts}", "-i", key, f"{host.user}@{host.address}"]
    done = subprocess.run([*words, "id"], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def test_only_keys_of_root_let_in(make_host: MakeHost, tmp_path: Path) -> None:
    block = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0].replace("Match User ci", "Match User alice")
    assert "Match User alice" in block
    host, key = make_host(sshd_config=block.splitlines()), str(tmp_path / "ci")
    generate_key(key)
    for name, content in gating.files().items():
        host.write_file(f"{FOLDER}/{name}", content, owner="root")
    options = ["--root", "/home/alice/runs", "--allow", "submit,poll", "--runner", "background"]
    line = gating.key_line(f"{key}.pub", options, f"{FOLDER}/gate.py", "/usr/bin/python3")
    host.write_file("/etc/ssh/keys/alice", f"{line}\n", owner="root")
    host.run(["mkdir", "runs"], check=True)

    assert Path(f"{host.key}.pub").read_text().split()[1] in host.read("/home/alice/.ssh/authorized_keys")
    code, said = log_in(host, host.key)
    assert code == 255
    assert "Permission denied" in said
    code, said = log_in(host, key)
    assert code == 126, said
    assert said.startswith("remote-install gate: ")

    host.run(["chmod", "600", "/etc/ssh/keys/alice"], user="root", check=True)  # the page says 0644, and why
    assert log_in(host, key)[0] == 255
