"""The hosts of hosts.yaml."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: The hosts of hosts.yaml
description:
  - The platforms of C(remote-install) as an inventory. The file is the C(hosts.yaml) itself, with one more key,
    C(plugin), which C(remote-install) ignores.
  - The groups are C(platform_NAME) of each platform, C(job_runner_NAME), and C(group_NAME) of each group, with C(_) for
    what can't stand in the name of a group. Platforms whose name is an expression name no host.
  - A host that several platforms have is reached as the first of them says.
author:
  - the remote-install project (@remote-install)
requirements:
  - remote-install, in the Python of Ansible; C(remote-install platforms --ansible) prints the same for an inventory
    script where it is elsewhere
options:
  plugin:
    description:
      - This plugin.
    required: true
    choices: [remote_install.remote_install.hosts]
"""

EXAMPLES = r"""
plugin: remote_install.remote_install.hosts
platforms:
  hpc:
    hosts: [login1, login2]
    job_runner: slurm
"""

from ansible.errors import AnsibleParserError

from ansible.plugins.inventory import BaseInventoryPlugin

try:
    from remote_install import ansible_inventory
    from transfer.errors import RemoteInstallError
except ImportError as error:
    IMPORT_ERROR = error
else:
    IMPORT_ERROR = None


class InventoryModule(BaseInventoryPlugin):
    NAME = "remote_install.remote_install.hosts"
    trusted_by_default = True  # as Ansible has it of scripts and YAML: the file names programs to run in any case

    def verify_file(self, path: str) -> bool:
        """Could it be ours? The key `plugin` is looked at by Ansible itself, or by parse."""
        return super().verify_file(path) and path.endswith((".yaml", ".yml"))

    def parse(self, inventory, loader, path: str, cache: bool = True) -> None:
        """Adds the hosts, their groups and their variables.

        Raises AnsibleParserError where the file is not for this plugin, or has mistakes, all of which it names.
        """
        super().parse(inventory, loader, path, cache)
        content = loader.load_from_file(path, cache="none")
        if not isinstance(content, dict) or content.get("plugin") != self.NAME:
            raise AnsibleParserError(f"{path}: its key `plugin` does not say {self.NAME}")
        if IMPORT_ERROR is not None:
            raise AnsibleParserError(
                "remote-install is not installed in the Python of Ansible; install it there, or use an inventory "
                "script that says: exec remote-install platforms --ansible"
            ) from IMPORT_ERROR
        try:
            found = ansible_inventory(path)
        except RemoteInstallError as error:
            raise AnsibleParserError(f"{error.message} {error.hint}".strip()) from error
        self._add(found)

    def _add(self, found: dict) -> None:
        for host, variables in found.pop("_meta")["hostvars"].items():
            self.inventory.add_host(host)
            for name, value in variables.items():
                self.inventory.set_variable(host, name, value)
        for group in found:
            self.inventory.add_group(group)
        for group, members in found.items():
            for member in (*members.get("hosts", ()), *members.get("children", ())):
                self.inventory.add_child(group, member)
