"""An Ansible callback that writes each task's result, as a line of JSON, to the file that $TOLD names."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: told
type: notification
short_description: each task's result as a line of JSON
description: [Writes to the file that TOLD names.]
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "told"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        self._tell("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._tell("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_skipped(self, result):
        self._tell("skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._tell("unreachable", result)

    def _tell(self, how, result):
        fields = {"task": result._task.name, "host": result._host.get_name(), "how": how}
        found = {name: value for name, value in result._result.items() if name not in ("invocation", "exception")}
        with open(os.environ["TOLD"], "a") as file:
            file.write(json.dumps({**fields, "result": found}, default=str) + "\n")
