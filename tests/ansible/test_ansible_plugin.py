"""hosts.yaml as an inventory: through the plugin, and through a script."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from typing import Any

import pytest
from end_to_end.client import Client
from playing import BIN, NAME, ROOT, Ansible

pytestmark = pytest.mark.ansible


@pytest.fixture
def inventories(ansible: Ansible, client: Client) -> tuple[str, str]:
    """The hosts.yaml with its one more key, and an inventory script."""
    file = client.folder / "hosts.yaml"
    own = f"plugin: {NAME}.hosts\n" + file.read_text()
    others = "  away-1: {hosts: [far], job_runner: slurm, ssh: {user: me, port: 2222, jump: gate, multiplex: false}}\n"
    file.write_text(own + others + "  localhost: {}\ngroups:\n  any: {platforms: [hpc, away-1]}\n")
    script = ansible.folder / "script"
    with open(BIN / "ansible-inventory") as program:
        python = program.readline()[2:].strip()  # by the name that the plugin sees, lest localhost's variable differs
    script.write_text(f"#!/bin/sh\nexec {python} -m remote_install platforms --ansible\n")
    script.chmod(0o755)
    return str(file), str(script)


def listed(ansible: Ansible, inventory: str) -> dict[str, Any]:
    done = ansible("ansible-inventory", "-i", inventory, "--list")
    assert done.returncode == 0, done.stdout
    return dict(json.loads(done.stdout))


def test_plugin_and_script_tell_the_same_hosts_and_variables(
    ansible: Ansible, client: Client, inventories: tuple[str, str]
) -> None:
    by_plugin, by_script = (listed(ansible, one) for one in inventories)
    assert json.dumps(by_plugin, indent=1, sort_keys=True) == json.dumps(by_script, indent=1, sort_keys=True)
    hosts = by_plugin["_meta"]["hostvars"]
    assert sorted(hosts) == sorted(["far", client.host.name, "localhost"])
    assert by_plugin["job_runner_slurm"] == {"hosts": ["far"]}
    assert by_plugin["platform_hpc"] == {"hosts": [client.host.name]}
    assert by_plugin["group_any"] == {"children": ["platform_hpc", "platform_away_1"]}
    assert (hosts["far"]["ansible_user"], hosts["far"]["ansible_port"]) == ("me", 2222)
    assert "-o ProxyJump=gate" in hosts["far"]["ansible_ssh_common_args"]
    assert "ControlMaster=no" in hosts["far"]["ansible_ssh_args"]
    assert "ansible_ssh_args" not in hosts[client.host.name]


def test_both_reach_the_hosts(ansible: Ansible, client: Client, inventories: tuple[str, str]) -> None:
    for inventory in inventories:
        done = ansible("ansible", "-i", inventory, f"{client.host.name}:localhost", "-m", "ansible.builtin.ping")
        assert done.returncode == 0, done.stdout
        assert done.stdout.count('"ping": "pong"') == 2


def test_remote_install_reads_the_same_file(client: Client, inventories: tuple[str, str]) -> None:
    assert inventories
    assert client("platforms").out.decode().splitlines()[0].startswith(f"hpc  {client.host.name}:")


def test_what_the_page_shows_of_inventories_is_typed(ansible: Ansible, client: Client) -> None:
    """With the login nodes of the page, which lead to the test host, and its script."""
    section = (ROOT / "docs/ansible.md").read_text().partition("\n## hosts.yaml as an inventory\n")[2]
    (settings,), (script,) = (re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL) for kind in ("yaml", "sh"))
    (line,) = re.findall(r"^\$ (.+)$", section, re.MULTILINE)
    known = client.folder / "ssh_config"
    known.write_text(client.host.ssh_config_block().replace(f"Host {client.host.name}", "Host login1 login2"))
    (client.folder / "bin").mkdir()
    programs = {"ssh": f"/usr/bin/ssh -F {known}", "remote-install": f"{sys.executable} -m remote_install"}
    for name, program in programs.items():
        (client.folder / "bin" / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (client.folder / "bin" / name).chmod(0o755)
    ansible.variables["PATH"] = f"{client.folder}/bin:{os.environ['PATH']}"
    (client.folder / "hosts.yaml").write_text(settings)
    (client.folder / "script").write_text(script)
    (client.folder / "script").chmod(0o755)
    for inventory in ("hosts.yaml", "script"):
        typed = shlex.split(line.replace("~/.config/remote-install/hosts.yaml", str(client.folder / inventory)))
        done = ansible(*typed)
        assert done.returncode == 0, done.stdout
        assert done.stdout.count('"ping": "pong"') == 2


def test_the_collection_is_installed_from_a_checkout(ansible: Ansible) -> None:
    (line,) = re.findall(r"^\$ (ansible-galaxy .+)$", (ROOT / "docs/ansible.md").read_text(), re.MULTILINE)
    shutil.rmtree(ansible.collection)
    done = ansible(*shlex.split(line), folder=ROOT)
    assert done.returncode == 0, done.stdout
    assert (ansible.collection / "plugins/modules/job.py").is_file()


def test_a_mistake_in_the_file_is_told_with_its_place(ansible: Ansible, client: Client) -> None:
    file = client.folder / "hosts.yaml"
    file.write_text(f"plugin: {NAME}.hosts\nplatforms:\n  hpc: {{job_runer: slurm}}\n")
    done = ansible("ansible-inventory", "-i", str(file), "--list")
    assert "hosts.yaml:3:" in done.stdout
    assert "job_runner" in done.stdout
