"""What the hosts of a platform admit: all that ssh can do, or nothing but rsync."""

from __future__ import annotations

import os
import shutil

from transfer.errors import ConfigError, RefusedBySite
from transfer.platforms import Platform


def is_mirrored(platform: Platform) -> bool:
    """Is rsync all that the hosts of `platform` admit?"""
    return platform.access == "rsync-only"


def run_dir(run_id: str, platform: Platform) -> str:
    """The real path of a run directory there. Raises ConfigError when it can't be told without asking."""
    root = os.path.normpath(platform.run_root)
    if not root.startswith("/") or "$" in root:
        raise ConfigError(
            f"platform {platform.name}: access: rsync-only is configured, but run_root {platform.run_root} is no "
            "absolute path",
            "Nobody there can be asked where it is: write it out.",
        )
    return f"{root}/{run_id}"


def check_jobs(platform: Platform) -> None:
    """Raises RefusedBySite, before anything is sent, when no job can be started on `platform` from here."""
    if not is_mirrored(platform):
        return
    runner = platform.job_runner
    if runner.name != "slurm" or not runner.cluster or platform.submit_from == "host" or not shutil.which("sbatch"):
        raise RefusedBySite(
            f"platform {platform.name} admits only rsync, and no job runner here starts its jobs",
            "Name its Slurm cluster, job_runner: {name: slurm, cluster: NAME}, where this machine has the commands of "
            "Slurm; or have the site allow `python3 -I .remote-install/jobhost-*.pyz VERB` for your key.",
        )
