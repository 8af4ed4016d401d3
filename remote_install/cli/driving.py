"""The command active: about who drives a run."""

from __future__ import annotations

from remote_install import contact
from remote_install.cli.context import Context


def active_command(context: Context) -> int:
    """Is a driver alive, and where? Returns 0 for alive, 1 for not, 4 when that can't be told."""
    found = contact.find(context.run, context.reach, context.out.talk)
    if found.alive:
        context.out.result(f"{context.run.run_id} is driven by {found.driver}")
    elif found.error:
        context.out.error(found.error)
    else:
        last = f"; the last one was {found.driver}" if found.driver else ""
        context.out.result(f"{context.run.run_id} is not driven: {found.why}{last}")
    context.out.document(
        {
            "run": context.run.run_id,
            "active": found.alive,
            "driver": found.driver.as_json() if found.driver else None,
            "reason": found.why or None,
            "error": found.error.as_json() if found.error else None,
        }
    )
    return found.error.exit_code if found.error else int(not found.alive)
