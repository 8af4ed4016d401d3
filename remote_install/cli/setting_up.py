"""The commands with which a user begins: init, and what his shell completes."""

from __future__ import annotations

import json
import os
import re
import sys

from remote_install.cli.context import Context
from remote_install.cli.output import count
from remote_install.durable import create
from transfer.errors import WouldDoHarm
from transfer.hosts_file import user_hosts_file
from transfer.ssh_config import host_names
from transfer.wording import visible

HEAD = """\
# The platforms where jobs run, read by remote-install. Written by `remote-install init` from {origin}.
# A platform without `hosts` is the host of its name, as ssh knows it. `remote-install check` tries them out;
# `remote-install schema hosts.yaml` tells an editor what else can stand here, for instance:
#   cluster: {{hosts: [login1, login2], job_runner: slurm, run_root: /scratch/$USER/runs}}
"""
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def init_command(context: Context) -> int:
    """Write a first hosts.yaml, never over another one."""
    path = user_hosts_file(getattr(context.arguments, "hosts", None), os.environ)
    if os.path.lexists(path):
        raise _is_there(path)
    origin = os.path.join("~", ".ssh", "config")
    names = host_names(os.path.expanduser(origin))
    text = hosts_file(names, origin)
    if context.arguments.dry_run:
        context.out.result(f"would write {visible(path)}:\n{text}".rstrip())
    else:
        _write(path, text)
        told = "" if names else f"; {origin} names no host, so write yours into it"
        context.out.result(f"wrote {visible(path)}: {count(len(names), 'platform')}{told}")
    context.out.document({"hosts_file": path, "platforms": names, "error": None})
    return 0


def hosts_file(names: list[str], origin: str) -> str:
    """The text of a hosts.yaml with a platform for each host.

    >>> print(hosts_file(["hpc", "on", "10.0.0.1"], "ssh_config").partition("runs}\\n")[2], end="")
    platforms:
      hpc: {}
      "on": {}
      "10.0.0.1": {}
    """
    lines = [f"  {_key(name)}: {{}}\n" for name in names]
    return HEAD.format(origin=origin) + ("platforms:\n" + "".join(lines) if names else "platforms: {}\n")


def _key(name: str) -> str:
    return name if PLAIN.fullmatch(name) and name.lower() not in YAML_WORDS else json.dumps(name)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    if not create(path, text.encode()):  # somebody else made it just now
        raise _is_there(path)


def _is_there(path: str) -> WouldDoHarm:
    return WouldDoHarm(f"{visible(path)} is there already", "Edit it, or name another file with --hosts.")


def completion_command(_context: Context) -> int:
    """The completion of bash, for `eval`."""
    from remote_install.cli import arguments, completion

    sys.stdout.write(completion.script(arguments.parser()))
    return 0
