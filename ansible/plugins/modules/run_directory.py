#!/usr/bin/python
"""A run directory on job hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_directory
short_description: A run directory on job hosts
description:
  - Brings a run directory of the controller to the install target of each platform, as C(remote-install install) does.
    What is unchanged is not sent; what an earlier install brought, and is gone here, is deleted there; what jobs wrote
    there stays.
author:
  - the remote-install project (@remote-install)
extends_documentation_fragment:
  - remote_install.remote_install.run
attributes:
  check_mode:
    support: full
    description: The job host is asked what differs. Nothing is changed, here or there.
  diff_mode:
    support: full
    description: Names of files, not their content.
options:
  platform:
    description:
      - The platforms, or groups of them, to install on.
    type: list
    elements: str
    required: true
  adopt:
    description:
      - Take over what another run directory left there under this run id. A pipeline with a fresh checkout wants that.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Bring the forecast to both clusters
  remote_install.remote_install.run_directory:
    path: "{{ playbook_dir }}/forecast"
    platform: [hpc, gpu]
  delegate_to: localhost
"""

RETURN = r"""
run:
  description: The run id.
  returned: success
  type: str
  sample: forecast
targets:
  description: How each install target fared, as C(remote-install install --json) tells it.
  returned: success
  type: list
  elements: dict
  sample:
    - install_target: hpc
      platform: hpc
      host: login1
      mode: ssh
      files_sent: 3
      files_deleted: 0
      bytes_sent: 812
      seconds: 0.4
      error:
error:
  description: What went wrong, with the exit code that C(remote-install) has for it.
  returned: when an error of remote-install failed the task
  type: dict
  sample:
    code: 4
    message: login1 can't be reached
    hint: ""
    host: login1
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.remote_install.remote_install.plugins.module_utils.run import (
    COMMON,
    RemoteInstallError,
    carry_out,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "platform": {"type": "list", "elements": "str", "required": True},
            "adopt": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    carry_out(module, lambda run: install(module, run))


def install(module: AnsibleModule, run) -> dict:
    """The plan tells what is changed, in check mode and else: so both tell the same."""
    platforms, adopt = module.params["platform"], module.params["adopt"]
    if module.check_mode:
        planned = run.plan(*platforms, adopt=adopt)
        return {**_told(planned), "targets": [one.as_json() for one in planned]}
    try:
        planned = run.plan(*platforms, adopt=adopt)
    except RemoteInstallError:  # the install says it, or can do more: a host that admits only rsync tells no plan
        planned = []
    done = run.install(*platforms, adopt=adopt)
    told = _told(planned)
    told["changed"] = told["changed"] or any(one.deleted or (one.changes and one.changes.files) for one in done)
    return {**told, "targets": [one.as_json() for one in done]}


def _told(planned: list) -> dict:
    changed = [one for one in planned if one.changes_something]
    return {"changed": bool(changed), "diff": [_difference(one) for one in changed]}


def _difference(one) -> dict:
    """What a reader is shown with --diff: the names before and after."""
    plan, before, after = one.plan, [], []
    for name in sorted({*plan.send, *plan.change, *plan.delete}):
        shown = name.decode("utf-8", "backslashreplace")
        if name not in plan.new:
            before.append(shown)
        if name not in plan.delete:
            after.append(shown if name in plan.new else f"{shown} (changed)")
    after += [f"{path} -> {there}" for path, there in plan.links.items()]
    if one.install_command:
        after.append(f"(the install command runs: {one.install_command[-1]})")
    where = f"{one.platform.name}:{plan.run_dir}"
    return {
        "before_header": where,
        "after_header": where,
        "before": "".join(f"{line}\n" for line in before),
        "after": "".join(f"{line}\n" for line in after),
    }


if __name__ == "__main__":
    main()
