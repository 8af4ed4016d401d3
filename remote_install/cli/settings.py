"""The commands about settings: schema, platforms."""

from __future__ import annotations

import json
import sys

from remote_install.cli.context import Context
from remote_install.cli.schemas import output_schema
from remote_install.inventory import inventory_of
from remote_install.run_yaml import RUN_YAML
from transfer.hosts_yaml import HOSTS_YAML, is_expression
from transfer.schema import json_schema


def schema_command(context: Context) -> int:
    """The JSON Schema of a file, for editors; of both as one document; or of what a command prints with --json."""
    schemas = {table.about: json_schema(table) for table in (HOSTS_YAML, RUN_YAML)}
    what = context.arguments.what
    document = schemas if what is None else schemas[what] if what in schemas else output_schema(what)
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
    return 0


def platforms_command(context: Context) -> int:
    """A line for each platform and group of hosts.yaml; or all as an Ansible inventory."""
    known = context.known_platforms
    if context.arguments.ansible:
        sys.stdout.write(json.dumps(inventory_of(known), indent=1) + "\n")
        return 0
    found = [known.get(name) for name in known.given if not is_expression(name)]
    for one in found:
        where = f"{one.hosts[0]}:{one.run_root}"
        context.out.result(f"{one.name}  {where}  {one.job_runner.name}")
    for name in known.given:
        if is_expression(name):
            context.out.result(f"{name}  each host that it matches")
    for name, members in known.groups.items():
        context.out.result(f"{name}  one of {', '.join(members)}")
    if not known.given:
        context.out.tell(f"no platforms in {known.path}" if known.path else "there is no hosts.yaml")
    context.out.document(
        {
            "platforms": [
                {
                    "platform": one.name,
                    "hosts": list(one.hosts),
                    "install_target": one.install_target,
                    "run_root": one.run_root,
                    "job_runner": one.job_runner.name,
                }
                for one in found
            ],
            "expressions": [name for name in known.given if is_expression(name)],
            "groups": {name: list(members) for name, members in known.groups.items()},
            "error": None,
        }
    )
    return 0
