"""playbooks/setup.yml: from a bare host to one that jobs run on, through a gate."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from box import GATED_KEYS, KEYS, PAGE, SETUP, differences, public, set_up
from hosts import JobHost
from playing import Ansible
from testinfra.host import get_host

pytestmark = [pytest.mark.ansible, pytest.mark.timeout(400)]  # a bare host is played on many times
GATE = "/usr/local/libexec/remote-install/gate.py"


def test_a_bare_host_becomes_a_gated_job_host(setting_up: Ansible, bare: JobHost, tmp_path: Path, gated: Path) -> None:
    foretold = set_up(setting_up, "--check", "--diff")
    assert bare.run(["sh", "-c", f"command -v rsync || getent passwd worker || ls {GATE}"], user="root").returncode != 0
    assert not (tmp_path / "user").exists()

    real = set_up(setting_up, "--diff")
    assert real.changed == foretold.changed
    assert ("box", "Install rsync") in real.changed
    assert ("box", "Make the user") in real.changed
    assert ("box", "Lead his keys to the gate") in real.changed
    assert differences(real) == differences(foretold) != []

    assert set_up(setting_up).changed == []

    look_at(bare)
    run_there(tmp_path)
    only_the_gate_is_open(bare, gated)
    a_key_is_led_anew(setting_up, bare, gated)


def look_at(bare: JobHost) -> None:
    """What the playbook has made, as its user sees it over ssh with the key that is not gated."""
    host = get_host(f"ssh://worker@{bare.name}?ssh_config={bare.ssh_config}&controlpersist=0")
    assert host.package("rsync").is_installed
    assert host.file("/usr/bin/rrsync").exists
    assert host.user().name == "worker"
    assert host.user().shell == "/bin/sh"
    assert (host.file("remote-install-run").is_directory, host.file("remote-install-run").user) == (True, "worker")
    assert host.file("/etc/ssh/sshd_config.d/10-remote-install.conf").contains("Match User worker")
    of_user = bare.run(["/usr/sbin/sshd", "-T", "-C", f"user=worker,host=x,addr={bare.address}"], user="root").stdout
    assert {"maxsessions 20", "authenticationmethods publickey"} <= set(of_user.splitlines())
    assert f"authorizedkeysfile {GATED_KEYS} {KEYS}" in of_user.splitlines()
    folders, program = [os.path.dirname(path) for path in (GATE, KEYS)], GATE.replace("gate.py", "jobhost.pyz")
    for path in (*folders, GATE, program, KEYS, GATED_KEYS):
        mode = 0o755 if path in folders else 0o644
        assert (host.file(path).user, host.file(path).group, host.file(path).mode) == ("root", "root", mode)
        assert host.run(f"test -w {path}").rc == 1
    assert not host.file(".ssh").exists


def run_there(folder: Path) -> None:
    """The main job, by the remote-install that the playbook has installed, with the hosts.yaml that it has written."""
    commands = [shlex.split(line) for line in re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)]
    playbook = ["ansible-playbook", "-i", "inventory.yml", SETUP]
    assert commands[:2] == [[*playbook, "--check", "--diff"], playbook]
    (folder / "forecast").mkdir()
    (folder / "forecast" / "model").write_text("42\n")
    (folder / "forecast" / "train.sh").write_text("#!/bin/sh\nid -un; cat model; echo $SITE\n")
    (folder / "forecast" / "train.sh").chmod(0o755)
    hosts = str(folder / "user" / "config" / "hosts.yaml")
    done = subprocess.run(
        [str(folder / "user" / "venv" / "bin" / commands[2][0]), *commands[2][1:]],
        cwd=folder, env={**os.environ, "REMOTE_INSTALL_HOSTS": hosts}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "worker\n42\nlab\n"), done.stderr


def only_the_gate_is_open(bare: JobHost, gated: Path) -> None:
    """To the gated key: it is refused what is no call of ours, and the audit log names it."""
    options = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={bare.known_hosts}"]
    words = ["ssh", *options, "-i", str(gated), f"worker@{bare.address}", "id"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (126, ""), done.stderr
    log = [json.loads(line) for line in bare.read("/home/worker/.remote-install/gate.log").splitlines()]
    assert {one["key"] for one in log} == {"ci"}
    assert "submit" in {one.get("verb") for one in log if one["gate"] == "admitted"}
    assert [one["command"] for one in log if one["gate"] == "refused"] == ["id"]


def a_key_is_led_anew(setting_up: Ansible, bare: JobHost, gated: Path) -> None:
    """Another `allow` is another line, and the only one; a key can't be led to the gate and past it."""
    words = ["--limit", "box", "-e", json.dumps({"gate_keys": [{"key": public(gated), "allow": ["poll"]}]})]
    foretold = set_up(setting_up, *words, "--check", "--diff")
    real = set_up(setting_up, *words, "--diff")
    assert real.changed == foretold.changed == [("box", "Lead his keys to the gate")]
    assert differences(real) == differences(foretold) != []
    _, line = bare.read(GATED_KEYS).splitlines()
    assert line == (
        f'restrict,command="/usr/bin/python3 -I {GATE} --root /home/worker/remote-install-run --allow poll'
        f' --runner background" {public(gated)}'
    )
    open_to_all = {"job_host_authorized_keys": [public(gated)]}
    refused = setting_up.play(SETUP, "-i", "inventory.yml", "--limit", "box", "--check", "-e", json.dumps(open_to_all))
    assert "A key stands in gate_keys and in job_host_authorized_keys, or twice." in refused.talk


def test_the_molecule_scenario(setting_up: Ansible, bare: JobHost, wheels: Path, tmp_path: Path, ssh_args: str) -> None:
    home = tmp_path / "molecule"
    home.mkdir()
    setting_up.variables = {
        "CONTROLLER_HOME": str(home),
        "JOB_HOST": bare.address,
        "JOB_HOST_KEY": bare.key,
        "JOB_HOST_SSH_ARGS": ssh_args,
        "MOLECULE_EPHEMERAL_DIRECTORY": str(home / "ephemeral"),
        "PIP_FIND_LINKS": str(wheels),
        "PYTHONPATH": "",  # pip would take what lies here for what is installed
    }
    done = setting_up("molecule", "test", folder=setting_up.collection / "extensions", timeout=150)
    assert done.returncode == 0, done.stdout
    assert "idempotence" in done.stdout
    assert (home / "demo" / "log" / "job" / "verify" / "01" / "job.status").exists(), done.stdout
