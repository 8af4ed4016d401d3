"""playbooks/setup.yml: from a bare host to one that jobs run on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import playing
import pytest
from hosts import JobHost, MakeHost
from playing import Ansible, Played
from testinfra.host import get_host

pytestmark = pytest.mark.ansible
SETUP = "remote_install.remote_install.setup"
DROP_INS = "Include /etc/ssh/sshd_config.d/*.conf"


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """remote-install as pip installs it."""
    folder, source = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):  # a copy, because pip leaves things in it
        shutil.copy(playing.ROOT / name, source)
    for name in ("transfer", "remote_install", "docs/man"):
        shutil.copytree(playing.ROOT / name, source / name)
    words = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(words, check=True, capture_output=True)
    return folder


@pytest.fixture
def bare(make_host: MakeHost) -> JobHost:
    """A host with no rsync and no user for jobs; root may log in with the key of the tests."""
    host = make_host(system="trixie-bare", sshd_config=[DROP_INS], system_size="256m")
    with open(f"{host.key}.pub") as key:
        host.write_file("/root/.ssh/authorized_keys", key.read(), 0o600, owner="root")
    host.run(["chmod", "700", "/root/.ssh"], user="root", check=True)
    host.run(["apt-get", "-q", "update"], user="root", check=True)  # as any Debian has done some day
    assert host.run(["sh", "-c", "command -v rsync"], user="root").returncode != 0
    return host


@pytest.fixture
def setting_up(tmp_path: Path, bare: JobHost, wheels: Path) -> Ansible:
    """Ansible with an inventory of the bare host and this machine."""
    ansible = playing.Ansible(tmp_path / "ansible", {"PYTHONPATH": ""})
    ansible.prepare()
    home = tmp_path / "user"
    with open(f"{bare.key}.pub") as key:
        public_key = key.read().strip()
    ssh = {"identity": bare.key, "options": {"UserKnownHostsFile": str(home / "known_hosts")}}
    job_hosts: dict[str, Any] = {
        "hosts": {"box": {"ansible_host": bare.address}},
        "vars": {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_common_args": f"-F /dev/null -i {bare.key} -o UserKnownHostsFile={bare.known_hosts}",
            "job_host_user": "worker",
            "job_host_authorized_keys": [public_key],
            "job_host_platform": {"environment": {"SITE": "test"}},
        },
    }
    controllers: dict[str, Any] = {
        "hosts": {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
        "vars": {
            "controller_venv": str(home / "venv"),
            "controller_hosts_file": str(home / "config" / "hosts.yaml"),
            "controller_known_hosts_file": str(home / "known_hosts"),
            "controller_pip_environment": {"PIP_FIND_LINKS": str(wheels)},
            "controller_defaults": {"ssh": ssh},
        },
    }
    groups = {"all": {"children": {"job_hosts": job_hosts, "controllers": controllers}}}
    (ansible.folder / "inventory.json").write_text(json.dumps(groups))
    return ansible


def set_up(ansible: Ansible, *words: str) -> Played:
    done = ansible.play(SETUP, "-i", "inventory.json", *words)
    assert done.code == 0, done.talk
    return done


def differences(played: Played) -> list[tuple[str, str]]:
    """The files as --diff showed them, by task."""
    shown = [(one.task, one.result["diff"]) for one in played.told if "diff" in one.result]
    each = [(task, one) for task, found in shown for one in (found if isinstance(found, list) else [found])]
    return [(task, one["after"]) for task, one in each if isinstance(one.get("after"), str)]


def test_a_bare_host_becomes_a_job_host(setting_up: Ansible, bare: JobHost, tmp_path: Path) -> None:
    foretold = set_up(setting_up, "--check", "--diff")
    assert bare.run(["sh", "-c", "command -v rsync || getent passwd worker"], user="root").returncode != 0
    assert not (tmp_path / "user").exists()

    real = set_up(setting_up, "--diff")
    assert real.changed == foretold.changed
    assert ("box", "Install rsync") in real.changed
    assert ("box", "Make the user") in real.changed
    assert differences(real) == differences(foretold) != []

    assert set_up(setting_up).changed == []
    assert set_up(setting_up, "--check").changed == []

    look_at(bare)
    run_there(tmp_path)


def look_at(bare: JobHost) -> None:
    """What the playbook has made, as its user sees it over ssh."""
    host = get_host(f"ssh://worker@{bare.name}?ssh_config={bare.ssh_config}&controlpersist=0")
    assert host.package("rsync").is_installed
    assert host.user().name == "worker"
    assert host.user().shell == "/bin/sh"
    assert host.file(".ssh/authorized_keys").mode == 0o600
    assert (host.file("remote-install-run").is_directory, host.file("remote-install-run").user) == (True, "worker")
    assert host.file("/etc/ssh/sshd_config.d/10-remote-install.conf").contains("Match User worker")
    of_user = bare.run(["/usr/sbin/sshd", "-T", "-C", f"user=worker,host=x,addr={bare.address}"], user="root").stdout
    assert "maxsessions 20" in of_user.splitlines()


def run_there(folder: Path) -> None:
    """The main job, by the remote-install that the playbook has installed, with the hosts.yaml that it has written."""
    (folder / "demo").mkdir()
    (folder / "demo" / "model").write_text("42\n")
    program = str(folder / "user" / "venv" / "bin" / "remote-install")
    words = ["--hosts", str(folder / "user" / "config" / "hosts.yaml"), "run", "demo", "-p", "box"]
    done = subprocess.run(
        [program, *words, "--", "sh", "-c", "id -un; cat model; echo $SITE"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "worker\n42\ntest\n"), done.stderr
