"""What the modules share: their common options, the import of remote-install, errors as failures of the task."""

from __future__ import annotations

import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from remote_install import Job, RunDirectory
    from transfer.errors import RemoteInstallError

    IMPORT_ERROR = None
except ImportError:
    Job = RunDirectory = None
    RemoteInstallError = Exception
    IMPORT_ERROR = traceback.format_exc()

COMMON = {
    "path": {"type": "path", "required": True},
    "run_id": {"type": "str"},
    "hosts": {"type": "path"},
}


def carry_out(module: AnsibleModule, act) -> None:
    """Ends the module with what `act` returns, given the run directory: the fields of the result.

    An error of remote-install fails the task with the fact and the remedy, and stands in the result as `error`.
    """
    if IMPORT_ERROR:
        module.fail_json(
            msg=missing_required_lib(
                "remote-install", reason="here; set ansible_python_interpreter to the Python that it is installed in"
            ),
            exception=IMPORT_ERROR,
        )
    try:
        run = RunDirectory(module.params["path"], module.params["run_id"], module.params["hosts"])
        fields = {"run": run.run_id, **act(run)}
    except RemoteInstallError as error:
        module.fail_json(msg=in_words(error), error=error.as_json())
    if fields.get("failed"):
        module.fail_json(**fields)
    module.exit_json(**fields)


def in_words(error) -> str:
    return f"{error.message.rstrip('.')}. {error.hint}".strip() if error.hint else error.message
