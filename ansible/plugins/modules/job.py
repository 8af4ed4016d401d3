#!/usr/bin/python
"""A job of a run directory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: A job of a run directory
description:
  - Submits a job where its run directory was installed, waits for its end and brings its results back, or ends it.
  - The run id and the job's name say which job it is. One that succeeded is not run again, one that is alive is found
    again, one whose failure was told is tried anew, whatever its command is now; O(again) runs it in any case.
  - A job that failed fails the task, with its reason.
author:
  - the remote-install project (@remote-install)
extends_documentation_fragment:
  - remote_install.remote_install.run
attributes:
  check_mode:
    support: full
    description: Nothing is submitted or ended. With O(state=absent) the job host is asked whether the job is alive.
  diff_mode:
    support: none
    description: A job has nothing to compare.
options:
  name:
    description:
      - The job's name.
    type: str
    required: true
  state:
    description:
      - V(submitted) sees to it that the job is submitted, and does not wait.
      - V(finished) also waits until it has ended, and then brings its logs and results back.
      - V(absent) sees to it that it is not alive. What it has written stays.
    type: str
    choices: [submitted, finished, absent]
    default: finished
  platform:
    description:
      - The platform, or group of platforms, that it runs on.
      - Without O(platform) and O(command) the job is the one of that name in C(run.yaml).
    type: str
  command:
    description:
      - A shell line, or a list of arguments.
    type: raw
  time_limit:
    description:
      - Seconds after which it is ended.
    type: float
  directives:
    description:
      - For the job runner.
    type: dict
  environment:
    description:
      - Variables of the job.
    type: dict
  retries:
    description:
      - New tries after a failure, made while V(finished) waits.
    type: int
  again:
    description:
      - Start a new try, whatever became of the last one.
    type: bool
    default: false
  fetch:
    description:
      - Paths in the run directory that V(finished) brings back, besides the logs and what C(run.yaml) names; also after
        a failure.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds that V(finished) waits. Then the task fails, and the job goes on.
    type: float
  grace:
    description:
      - Seconds from TERM to KILL with V(absent).
    type: float
    default: 10.0
"""

EXAMPLES = r"""
- name: Train
  remote_install.remote_install.job:
    path: "{{ playbook_dir }}/forecast"
    name: train
    platform: hpc
    command: ./train.sh --epochs 3
    time_limit: 3600
    fetch: [results/]
  delegate_to: localhost

- name: Submit a job that run.yaml describes, and go on
  remote_install.remote_install.job:
    path: "{{ playbook_dir }}/forecast"
    name: verify
    state: submitted
  delegate_to: localhost

- name: End it
  remote_install.remote_install.job:
    path: "{{ playbook_dir }}/forecast"
    name: verify
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
run:
  description: The run id.
  returned: success
  type: str
  sample: forecast
job:
  description: The job, as C(remote-install poll --json) tells it. None when nothing is known of it.
  returned: when something is known of the job
  type: dict
  sample:
    job: train
    try: 1
    state: failed
    exit_code: 3
    reason: exit 3
    platform: hpc
    host: login1
    job_runner: slurm
    job_id: "12"
fetched:
  description: How many files were brought back.
  returned: with O(state=finished), when something was fetched
  type: int
  sample: 4
stderr:
  description: The end of what the job wrote to its standard error.
  returned: when a job failed whose logs were brought back
  type: str
  sample: "train.sh: no such model"
error:
  description: What went wrong, with the exit code that C(remote-install) has for it.
  returned: when an error of remote-install failed the task
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.remote_install.remote_install.plugins.module_utils.run import COMMON, Job, carry_out

SHOWN = 4096  # bytes of a failed job's errors


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **COMMON,
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["submitted", "finished", "absent"], "default": "finished"},
            "platform": {"type": "str"},
            "command": {"type": "raw"},
            "time_limit": {"type": "float"},
            "directives": {"type": "dict"},
            "environment": {"type": "dict"},
            "retries": {"type": "int"},
            "again": {"type": "bool", "default": False},
            "fetch": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float"},
            "grace": {"type": "float", "default": 10.0},
        },
        required_together=[("platform", "command")],
        supports_check_mode=True,
    )
    act = absent if module.params["state"] == "absent" else present
    carry_out(module, lambda run: act(module, run))


def present(module: AnsibleModule, run) -> dict:
    """See to it that the job is submitted, or finished."""
    name, again = module.params["name"], module.params["again"]
    job = wanted(module, run)
    last = known(run, name)
    if last is not None and last.state == "succeeded" and not again:
        return {"changed": False, "job": last.as_json()}
    if module.check_mode:
        return {"changed": again or last is None or last.ended, **({"job": last.as_json()} if last else {})}
    (told,) = run.submit(job, again=again)
    if told.found == "other":
        module.warn(f"{name} was submitted before with another command; this one was not started")
    fields = {"changed": not told.found}
    if module.params["state"] == "finished":
        if not told.ended or told.failed:  # also one that has just failed may have retries left
            (told,) = run.watch(name, timeout=module.params["timeout"])
        fields["fetched"] = run.fetch(*module.params["fetch"])
        fields["changed"] = fields["changed"] or fields["fetched"] > 0
    fields["job"] = told.as_json()
    if told.failed:
        fields.update(failed=True, msg=f"job {name} {told.state} on {told.host}: {told.reason}")
        fields["stderr"] = errors_of(run, told)
    return fields


def absent(module: AnsibleModule, run) -> dict:
    """See to it that the job is not alive."""
    name = module.params["name"]
    last = known(run, name)
    if last is None:
        return {"changed": False}
    if not last.ended:
        (last,) = run.poll(name, shown=False)
    if last.ended:
        return {"changed": False, "job": last.as_json()}
    if not module.check_mode:
        (last,) = run.kill(name, grace=module.params["grace"])
    fields = {"changed": True, "job": last.as_json()}
    if not last.ended and not module.check_mode:
        fields.update(failed=True, msg=f"job {name} is {last.state} still, on {last.host}: {last.reason}")
    return fields


def known(run, name: str):
    """What was last told here of the job; None when nothing was."""
    return next((one for one in run.known() if one.job == name), None)


def wanted(module: AnsibleModule, run):
    """The job that the task describes, or else run.yaml; what the task says besides wins over that."""
    params = module.params
    given = {
        key: params[key] for key in ("time_limit", "directives", "environment", "retries") if params[key] is not None
    }
    for key in ("directives", "environment"):
        if key in given:
            given[key] = {name: str(value) for name, value in given[key].items()}
    if params["command"] is not None:
        return Job(params["name"], command_of(module), params["platform"], **given)
    described = next((one for one in run.jobs() if one.name == params["name"]), None)
    if described is None:
        module.fail_json(
            msg=f"run.yaml has no job {params['name']} with a platform; name its platform and its command here"
        )
    fields = {key: getattr(described, key) for key in ("time_limit", "directives", "environment", "retries")}
    return Job(described.name, described.command, described.platform, **{**fields, **given})


def command_of(module: AnsibleModule):
    """A shell line or a list of arguments; nothing is guessed of anything else."""
    command = module.params["command"]
    if isinstance(command, list):
        return [str(word) for word in command]
    if not isinstance(command, str):
        module.fail_json(msg="command: a shell line, or a list of arguments")
    return command


def errors_of(run, told) -> str:
    """The end of the job's standard error, as it was brought back."""
    try:
        with open(os.path.join(run.path, "log", "job", told.job, f"{told.number:02}", "job.err"), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - SHOWN))
            return file.read().decode("utf-8", "replace")
    except (OSError, TypeError, ValueError):  # no try, or no log yet
        return ""


if __name__ == "__main__":
    main()
