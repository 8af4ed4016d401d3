"""Ansible, the user who plays with it, and a bare host that is to become a job host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import playing
import pytest
import yaml
from box import DROP_INS, PAGE, public
from end_to_end.client import Client
from end_to_end.conftest import client  # noqa: F401 - a fixture
from hosts import JobHost, MakeHost
from hosts.settings import generate_key
from playing import Ansible

collect_ignore = ["callbacks"]  # for its doctests each module is imported, and these only Ansible can


@pytest.fixture(autouse=True)
def _ansible_is_here() -> None:
    if not playing.is_here():
        pytest.skip("Ansible is not in this environment: ./dev ansible makes one that has it")


@pytest.fixture
def ansible(tmp_path: Path, client: Client) -> playing.Ansible:  # noqa: F811
    """Ansible as the user of the run directory has it."""
    folder = tmp_path / "ansible"
    found = playing.Ansible(folder, client.environment())
    found.prepare()
    return found


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
def gated(tmp_path: Path) -> Path:
    """A key that is to be led to the gate."""
    generate_key(str(tmp_path / "ci"))
    return tmp_path / "ci"


@pytest.fixture
def ssh_args(bare: JobHost) -> Iterator[str]:
    """How root's connection is made: once for all plays, which otherwise make hundreds; it ends with the test."""
    path = f"{os.environ['XDG_RUNTIME_DIR']}/ansible"
    keeps = f"-o ControlMaster=auto -o ControlPersist=60 -o ControlPath={path}"
    yield f"-F /dev/null -i {bare.key} -o UserKnownHostsFile={bare.known_hosts} {keeps}"
    subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "box"], capture_output=True, check=False)


@pytest.fixture
def setting_up(tmp_path: Path, bare: JobHost, wheels: Path, gated: Path, ssh_args: str) -> Ansible:
    """Ansible with the inventory of the page, of the bare host and this machine."""
    ansible = playing.Ansible(tmp_path / "ansible", {"PYTHONPATH": ""})
    ansible.prepare()
    home = tmp_path / "user"
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    groups = yaml.safe_load(text)
    job_hosts, controllers = groups["job_hosts"], groups["controllers"]
    job_hosts["hosts"]["box"]["ansible_host"] = bare.address
    job_hosts["vars"]["ansible_python_interpreter"] = "/usr/bin/python3"
    job_hosts["vars"]["ansible_ssh_args"] = ssh_args
    job_hosts["vars"]["job_host_authorized_keys"] = [public(bare.key)]
    job_hosts["vars"]["gate_keys"][0]["key"] = public(gated)
    controllers["hosts"]["localhost"]["ansible_python_interpreter"] = sys.executable
    ssh = {"identity": str(gated), "options": {"UserKnownHostsFile": str(home / ".ssh" / "known_hosts")}}
    controllers["vars"] = {
        "controller_venv": str(home / "venv"),
        "controller_hosts_file": str(home / "config" / "hosts.yaml"),
        "controller_known_hosts_file": str(home / ".ssh" / "known_hosts"),
        "controller_pip_environment": {"PIP_FIND_LINKS": str(wheels)},
        "controller_defaults": {"ssh": {**controllers["vars"]["controller_defaults"]["ssh"], **ssh}},
    }
    (ansible.folder / "inventory.yml").write_text(yaml.safe_dump(groups, allow_unicode=True))
    return ansible
