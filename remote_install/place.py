"""Where the verbs of a platform are done: over ssh, or here; and is the run directory there the one here?"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from typing import Any

from remote_install import host_path
from remote_install.admission import is_mirrored, run_dir
from remote_install.jobhost import sharing
from remote_install.run_directory import JOBS, RunDirectory
from remote_install.talk import Talk
from transfer.command import Command
from transfer.connections import note_slow_aes
from transfer.errors import ConfigError
from transfer.platforms import Platform

SSH, SHARED, LOCAL, RSYNC_ONLY = "ssh", "shared filesystem", "local", "rsync-only"
IN_PLACE = (SHARED, LOCAL)  # jobs run in the run directory here
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "here.py")


def is_here(platform: Platform, talk: Talk) -> bool:
    """Are the verbs of `platform` done on this machine? Raises ConfigError for a contradiction.

    For localhost; where the filesystem is said to be shared and the job runner here sees the job hosts; and where both
    were found out by a call of this command.
    """
    if platform.local:
        if platform.filesystem == sharing.SEPARATE:
            raise ConfigError(
                f"platform {platform.name}: filesystem: separate is configured, but localhost is this machine",
                "Remove it; jobs then run in the run directory itself.",
            )
        return True
    if platform.name not in talk.learnt.here:
        talk.learnt.here[platform.name] = platform.filesystem == sharing.SHARED and _runner_is_seen(platform)
    return talk.learnt.here[platform.name]


def known_shared(run: RunDirectory, platform: Platform, talk: Talk) -> str | None:
    """The run directory's path as `platform` sees it, where it is the one here and that is known without asking."""
    if is_here(platform, talk):
        return run.path
    return talk.learnt.shared.get(platform.name)


def mode(platform: Platform, talk: Talk) -> str:
    """How an install reaches the platform, as far as is known: a word of `install --json`."""
    if platform.local:
        return LOCAL
    if is_mirrored(platform):
        return RSYNC_ONLY
    return SHARED if is_here(platform, talk) or platform.name in talk.learnt.shared else SSH


def verb(name: str) -> Command:
    """The command that does a verb here: the same program, started without ssh."""
    return Command((sys.executable, "-I", HERE, name), stdin=None)


def where(run: RunDirectory, platform: Platform, writes: bool = True) -> dict[str, Any]:
    """What a request about a run begins with, so that the job host can tell whether it sees the run directory here.

    writes: may that leave traces here? A run directory without a uuid was never used, so that nobody need look for it.
    """
    fields: dict[str, Any] = {"run_root": platform.run_root, "run": run.run_id}
    if is_mirrored(platform):
        if writes:
            run.own_folder(JOBS)  # what is mirrored is written there: behind a link it might land anywhere
        fields["mirror"] = {"here": run.path, "there": run_dir(run.run_id, platform)}
    elif run.known_uuid() is not None:
        fields["seen"] = {
            **({"token": run.token} if writes else {"file": run.uuid_file()}),
            "paths": list(dict.fromkeys((run.path, os.path.realpath(run.path)))),
            "filesystem": platform.filesystem,
            "cluster": _cluster() if _asks_for_cluster(platform) else "",
        }
    return fields


def learn(reply: dict[str, Any], platform: Platform, talk: Talk) -> None:
    """Keep in mind what the job host says of its place, or its gate. Raises ConfigError for a contradiction."""
    if reply.get("reply") == "gate":
        talk.learnt.hear_gate(reply, platform.name, platform.hosts[0])
        return
    if reply.get("reply") == "slow aes":
        note_slow_aes(platform, platform.hosts[0])
        return
    if talk.learnt.here.get(platform.name) or platform.local or platform.filesystem == sharing.SEPARATE:
        return
    if reply.get("shared") is not True:
        if platform.submit_from == "here":
            raise ConfigError(
                f"platform {platform.name}: submit_from: here is configured, but {platform.hosts[0]} does not see the "
                "run directory",
                "Only where the filesystem is shared can the job runner here start jobs in it.",
            )
        return
    talk.learnt.shared[platform.name] = host_path.run_dir(reply, platform)
    seen = reply.get("runner_seen") is True and _asks_for_cluster(platform)  # to nothing else is that an answer
    talk.learnt.here[platform.name] = seen or platform.submit_from == "here"


def _runner_is_seen(platform: Platform) -> bool:
    """Does the job runner on this machine start jobs of a platform whose filesystem is said to be shared?"""
    runner = platform.job_runner
    if platform.submit_from == "here":
        return True
    if platform.submit_from == "host" or runner.name != "slurm":
        return False
    return bool(_cluster()) and runner.cluster in (None, _cluster())


def _asks_for_cluster(platform: Platform) -> bool:
    runner = platform.job_runner
    wanted = platform.filesystem == sharing.AUTO and platform.submit_from == "auto" and not platform.local
    return wanted and runner.name == "slurm" and runner.cluster in (None, _cluster())


@functools.cache
def _cluster() -> str:
    """The cluster of the Slurm on this machine; "" for none."""
    return sharing.own_cluster() if shutil.which("scontrol") else ""
