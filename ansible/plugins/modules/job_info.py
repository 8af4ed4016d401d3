#!/usr/bin/python
"""How the jobs of a run directory are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_info
short_description: How the jobs of a run directory are
description:
  - Asks the job hosts for the state of the jobs that were submitted from this run directory. A job that failed is no
    error here, and counts as not yet told of - M(remote_install.remote_install.job) tells of its failure nevertheless.
author:
  - the remote-install project (@remote-install)
extends_documentation_fragment:
  - remote_install.remote_install.run
attributes:
  check_mode:
    support: full
    description: It changes nothing in any case.
  diff_mode:
    support: none
    description: It changes nothing.
options:
  names:
    description:
      - The jobs; all that were submitted from here if none is named.
    type: list
    elements: str
    default: []
  ask:
    description:
      - Ask the job hosts. Else what was last told is told again, without any connection.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: How are they?
  remote_install.remote_install.job_info:
    path: "{{ playbook_dir }}/forecast"
  delegate_to: localhost
  register: now

- name: Say it
  ansible.builtin.debug:
    msg: "{{ now.jobs | map(attribute='state') }}"
"""

RETURN = r"""
run:
  description: The run id.
  returned: success
  type: str
  sample: forecast
jobs:
  description: The jobs, in the order asked for, else by name, as C(remote-install poll --json) tells them.
  returned: success
  type: list
  elements: dict
  sample:
    - job: train
      state: running
      platform: hpc
      host: login1
error:
  description: What went wrong, with the exit code that C(remote-install) has for it.
  returned: when an error of remote-install failed the task
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.remote_install.remote_install.plugins.module_utils.run import COMMON, carry_out


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "names": {"type": "list", "elements": "str", "default": []},
            "ask": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    carry_out(module, lambda run: look(module, run))


def look(module: AnsibleModule, run) -> dict:
    names, known = module.params["names"], {one.job: one for one in run.known()}
    unknown = [name for name in names if name not in known]
    if unknown:
        module.fail_json(msg=f"nothing is known here of job {unknown[0]}; known are: {', '.join(known) or 'none'}")
    if known and module.params["ask"]:
        found = run.poll(*names, shown=False)
    else:
        found = [known[name] for name in names or sorted(known)]
    return {"changed": False, "jobs": [one.as_json() for one in found]}


if __name__ == "__main__":
    main()
