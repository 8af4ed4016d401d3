"""hosts.yaml as an Ansible inventory: what it holds, without Ansible."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from remote_install import ansible_inventory


def inventory(folder: Path, text: str) -> dict[str, Any]:
    (folder / "hosts.yaml").write_text(text)
    return ansible_inventory(str(folder / "hosts.yaml"))


def test_the_command_prints_what_the_api_returns(tmp_path: Path) -> None:
    wanted = inventory(tmp_path, "platforms: {hpc: {job_runner: slurm}, localhost: {}}\n")
    words = ["--hosts", str(tmp_path / "hosts.yaml"), "platforms", "--ansible"]
    out = subprocess.run([sys.executable, "-m", "remote_install", *words], check=True, capture_output=True).stdout
    assert json.loads(out) == wanted


def test_the_key_of_the_inventory_plugin_is_ignored_by_us(tmp_path: Path) -> None:
    plain = "platforms: {hpc: {}}\n"
    assert inventory(tmp_path, f"plugin: a.b.c\n{plain}") == inventory(tmp_path, plain)


def test_groups_are_of_platforms_job_runners_and_groups(tmp_path: Path) -> None:
    text = (
        "platforms:\n  hpc: {hosts: [one, two], job_runner: slurm}\n  gpu: {hosts: [two]}\n  /pc[0-9]/: {}\n"
        "groups:\n  any: {platforms: [gpu, pc1]}\n"
    )
    found = inventory(tmp_path, text)
    meta = found.pop("_meta")
    assert found == {
        "platform_hpc": {"hosts": ["one", "two"]},
        "job_runner_slurm": {"hosts": ["one", "two"]},
        "platform_gpu": {"hosts": ["two"]},
        "job_runner_background": {"hosts": ["two", "pc1"]},
        "platform_pc1": {"hosts": ["pc1"]},
        "group_any": {"children": ["platform_gpu", "platform_pc1"]},
    }
    assert meta["hostvars"]["two"]["remote_install_platforms"] == ["hpc", "gpu"]
    assert meta["hostvars"]["two"]["remote_install_job_runner"] == "slurm"


def test_names_that_ansible_would_take_for_one_stay_two(tmp_path: Path) -> None:
    found = inventory(tmp_path, "platforms: {a-b: {}, a.b: {}, a_b: {}}\n")
    assert {name: group["hosts"] for name, group in found.items() if name.startswith("platform_")} == {
        "platform_a_b": ["a-b"],
        "platform_a_b_2": ["a.b"],
        "platform_a_b_3": ["a_b"],
    }


def test_what_a_platform_says_of_ssh_is_what_ansible_does(tmp_path: Path) -> None:
    ssh = (
        "{command: /site/ssh -F 'a file', user: me, port: 22, identity: /k, jump: 'g1,g2', options: {Compression: yes}}"
    )
    hosts = inventory(tmp_path, f"platforms:\n  hpc: {{ssh: {ssh}, python: python3.9}}\n  plain: {{}}\n")["_meta"][
        "hostvars"
    ]
    ours = {name: value for name, value in hosts["hpc"].items() if name.startswith("ansible_")}
    assert ours == {
        "ansible_connection": "ssh",
        "ansible_user": "me",
        "ansible_port": 22,
        "ansible_ssh_private_key_file": "/k",
        "ansible_python_interpreter": "python3.9",
        "ansible_ssh_executable": "/site/ssh",
        "ansible_ssh_transfer_method": "piped",
        "ansible_ssh_timeout": 10,
        "ansible_ssh_common_args": ("-F 'a file' -o ProxyJump=g1,g2 -o StrictHostKeyChecking=yes -o Compression=yes"),
    }
    assert "ansible_user" not in hosts["plain"]


def test_this_machine_is_reached_without_ssh_with_a_python_that_can_import_us(tmp_path: Path) -> None:
    hosts = inventory(tmp_path, "platforms: {localhost: {}}\n")["_meta"]["hostvars"]
    assert hosts["localhost"]["ansible_connection"] == "local"
    assert hosts["localhost"]["ansible_python_interpreter"] == sys.executable
