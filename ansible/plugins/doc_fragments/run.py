"""The options that all modules about a run directory have."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  path:
    description:
      - The run directory on the controller.
    type: path
    required: true
  run_id:
    description:
      - Its name on every job host.
      - Else what C(run.yaml) says, else the name of its folder.
    type: str
  hosts:
    description:
      - The C(hosts.yaml) that names the platforms.
      - Else the one that the command C(remote-install) would read.
    type: path
requirements:
  - remote-install, in the Python that the module runs with
notes:
  - Modules of this collection run on the controller, where the run directory is. Write C(delegate_to=localhost),
    C(connection=local), or a play on C(localhost).
"""
