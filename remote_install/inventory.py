"""hosts.yaml as an Ansible inventory: the document that a dynamic inventory script prints for `--list`."""

from __future__ import annotations

import re
import shlex
import sys
from typing import Any

from transfer.hosts_yaml import is_expression
from transfer.platforms import Platform, Platforms
from transfer.ssh import NOT_SHARED

Json = dict[str, Any]


def inventory_of(known: Platforms) -> Json:
    """The hosts of all platforms with their variables, in groups: `platform_NAME`, `job_runner_NAME`, and `group_NAME`
    for each group of hosts.yaml.

    What is no letter, digit or _ becomes _ in a group's name. A platform whose name is an expression names no host. A
    host of several platforms is reached as the first of them says.
    """
    members = [name for chosen in known.groups.values() for name in chosen]  # some may be named by no more than a group
    literal = dict.fromkeys(name for name in (*known.given, *members) if not is_expression(name))
    hosts: dict[str, Json] = {}
    groups: dict[str, Json] = {}
    names = _Names()
    for platform in map(known.get, literal):
        its_hosts = [host.lower() if platform.local else host for host in platform.hosts]
        for host in its_hosts:
            variables = hosts.setdefault(host, _variables(platform))
            variables["remote_install_platforms"].append(platform.name)
        for group in (names.of("platform", platform.name), names.of("job_runner", platform.job_runner.name)):
            there = groups.setdefault(group, {"hosts": []})["hosts"]
            there += [host for host in its_hosts if host not in there]
    for name, chosen in known.groups.items():
        children = [names.of("platform", one) for one in chosen if one in literal]
        groups[names.of("group", name)] = {"children": children}
    return {"_meta": {"hostvars": hosts}, **groups}


class _Names:
    """The names of groups, as Ansible wants them; two that would be the same are told apart by a number."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[str, str]] = {}

    def of(self, kind: str, name: str) -> str:
        plain = found = re.sub(r"[^A-Za-z0-9_]", "_", f"{kind}_{name}")
        number = 1
        while self._taken.setdefault(found, (kind, name)) != (kind, name):
            number += 1
            found = f"{plain}_{number}"
        return found


def _variables(platform: Platform) -> Json:
    """How Ansible reaches the hosts of `platform`, and what remote-install does there."""
    return {
        **(_LOCAL if platform.local else _by_ssh(platform)),
        "remote_install_access": platform.access,
        "remote_install_install_target": platform.install_target,
        "remote_install_job_runner": platform.job_runner.name,
        "remote_install_platforms": [],
        "remote_install_run_root": platform.run_root,
    }


# The modules of the collection need a Python that can import us, and this one can.
_LOCAL: Json = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def _by_ssh(platform: Platform) -> Json:
    ssh = platform.ssh
    options = {"StrictHostKeyChecking": "yes", **ssh.options}  # a host key is never learnt in passing
    if ssh.jump is not None:
        options = {"ProxyJump": ssh.jump, **options}
    arguments = [*ssh.command[1:], *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    found = {
        "ansible_connection": "ssh",
        "ansible_user": ssh.user,
        "ansible_port": ssh.port,
        "ansible_ssh_private_key_file": ssh.identity,
        "ansible_python_interpreter": platform.python,
        "ansible_ssh_common_args": shlex.join(arguments),
        "ansible_ssh_timeout": ssh.connect_timeout,
    }
    if ssh.command[0] != "ssh":  # files go through it as well, and not through an sftp that knows nothing of it
        found.update(ansible_ssh_executable=ssh.command[0], ansible_ssh_transfer_method="piped")
    if not ssh.multiplex:  # instead of Ansible's own, which share a connection
        found["ansible_ssh_args"] = shlex.join(word for option in NOT_SHARED for word in ("-o", option))
    return {name: value for name, value in found.items() if value is not None}
