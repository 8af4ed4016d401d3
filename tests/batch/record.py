"""Records what the commands of real batch systems print: PYTHONPATH=tests python -m batch.record [SYSTEM...].

Run it, as root, when a batch system is newer than the recorded one, and look at the difference: all cases of the
systems named are made anew.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

from hosts import JobHosts

from . import record_at, record_gridengine, record_oar, record_slurm, record_torque
from .cases import CASES

SYSTEMS: dict[str, Callable[[JobHosts], None]] = {
    "at": record_at.record,
    "gridengine": record_gridengine.record,
    "oar": record_oar.record,
    "slurm": record_slurm.record,
    "torque": record_torque.record,
}


def main(systems: list[str]) -> None:
    """Record the systems named, or all."""
    for system in systems or SYSTEMS:
        shutil.rmtree(os.path.join(CASES, system), ignore_errors=True)
        with JobHosts() as job_hosts:
            SYSTEMS[system](job_hosts)


if __name__ == "__main__":
    main(sys.argv[1:])
