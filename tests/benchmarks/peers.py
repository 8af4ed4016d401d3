"""What others take for the same work, each in an environment of its own; what can't be had is left out, and told.

The environments lie in $REMOTE_INSTALL_PEERS, else in ~/.cache/remote-install-peers, and are made once from PyPI.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from hosts import JobHost
from measure import Command
from user import User

FOLDER = Path(os.environ.get("REMOTE_INSTALL_PEERS") or Path.home() / ".cache/remote-install-peers")
THERE = "/opt/peers"  # on a job host
PACKAGES = {
    "ansible": "ansible",
    "cylc": "cylc-flow==8.5.*",
    "remotemanager": "remotemanager",
    "dpdispatcher": "dpdispatcher",
}
ANSIBLE, CYLC_RSYNC, CYLC_POLL = "Ansible synchronize", "Cylc 8: its rsync line", "Cylc 8: jobs-poll"
OF_JOBS = ("remotemanager", "dpdispatcher")
PROGRAMS = Path(__file__).parent / "peer_programs"


@functools.cache
def has(name: str) -> bool:
    """Is the environment of this peer here? It is made if it is not."""
    if shutil.which("python3", path="/usr/bin") is None:
        return False
    folder = FOLDER / name
    if (folder / "whole").exists():
        return True
    print(f"making {folder} for {PACKAGES[name]}", file=sys.stderr, flush=True)
    # Job hosts see this machine's /usr, and so its python3, and no other.
    lines = [
        ["/usr/bin/python3", "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", PACKAGES[name]],
    ]
    for line in lines:
        if subprocess.run(line, check=False).returncode != 0:
            print(f"not measured: {name} can't be installed", file=sys.stderr, flush=True)
            return False
    (folder / "whole").touch()
    return True


def shared() -> dict[str, str]:
    """What a job host must see of this machine."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return {str(FOLDER): THERE}


def command(user: User, *argv: str, **options: object) -> Command:
    """A command of a peer: it finds an ssh that knows our hosts."""
    folder = user.folder / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {user.ssh_config} "$@"\n')
    (folder / "ssh").chmod(0o755)
    settings = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_HOST_KEY_CHECKING": "false",
        "ANSIBLE_HOME": str(user.folder / "ansible"),
        "XDG_RUNTIME_DIR": str(user.folder),
    }
    env = {name: value for name, value in user.environment.items() if name not in ("PYTHONPATH", "RSYNC_RSH")}
    return Command(argv, env={**env, **settings}, cwd=str(user.folder), **options)  # type: ignore[arg-type]


def installs(user: User, platform: str) -> dict[str, tuple[str, Command]]:
    """Who else brings `tree`, in which folder there, and how."""
    found = {}
    if has("ansible"):
        words = ["-i", f"{platform},", "all", "-e", "ansible_python_interpreter=/usr/bin/python3"]
        words += ["-e", f"ansible_ssh_common_args='-F {user.ssh_config}'", "-m", "ansible.posix.synchronize"]
        words += ["-a", "src=tree/ dest=by-ansible use_ssh_args=yes"]
        found[ANSIBLE] = ("by-ansible", command(user, str(FOLDER / "ansible/bin/ansible"), *words))
    line = ("rsync", "--delete", "-a", "--checksum", "--out-format=%o %n%L", "--no-t", "tree/", f"{platform}:by-cylc")
    found[CYLC_RSYNC] = ("by-cylc", command(user, *line))
    return found


def jobs(user: User, host: JobHost, count: int) -> dict[str, Command]:
    """Who else brings `count` jobs that do nothing to their end, and how."""
    given = {
        "host": "hpc",
        "address": host.address,
        "user": host.user,
        "key": host.key,
        "home": host.home,
        "folder": str(user.folder),
        "count": count,
    }
    (user.folder / "peer.json").write_text(json.dumps(given))

    def clear(name: str) -> None:
        shutil.rmtree(user.folder / name, ignore_errors=True)
        (user.folder / name).mkdir()
        host.run(["rm", "-rf", name])

    return {
        name: command(
            user,
            str(FOLDER / name / "bin/python"),
            str(PROGRAMS / f"by_{name}.py"),
            str(user.folder / "peer.json"),
            before=functools.partial(clear, name),
        )
        for name in OF_JOBS
        if has(name)
    }


# On the host: job logs as Cylc leaves them of jobs that run. Arguments: how many, the process.
LOGS = """
import os, sys
for number in range(int(sys.argv[1])):
    folder = "cylc-run/w/log/job/1/t%05d/01" % number
    os.makedirs(folder)
    with open(folder + "/job.status", "w") as file:
        file.write("CYLC_JOB_RUNNER_NAME=background\\nCYLC_JOB_ID=%s\\n" % sys.argv[2])
        file.write("CYLC_JOB_RUNNER_SUBMIT_TIME=2026-11-22T12:00:00Z\\nCYLC_JOB_PID=%s\\n" % sys.argv[2])
        file.write("CYLC_JOB_INIT_TIME=2026-11-22T12:00:00Z\\n")
"""


def polls(user: User, host: JobHost, platform: str, count: int, pid: int) -> dict[str, Command]:
    """`cylc jobs-poll` of `count` jobs that all are process `pid`: Cylc's own call, by one ssh."""
    if not has("cylc"):
        return {}
    host.run(["rm", "-rf", "cylc-run"], check=True)
    host.run(["/usr/bin/python3", "-c", LOGS, str(count), str(pid)], check=True)
    logs = " ".join(f"1/t{number:05d}/01" for number in range(count))
    line = f"{THERE}/cylc/bin/python {THERE}/cylc/bin/cylc jobs-poll -- cylc-run/w/log/job {logs}"
    return {CYLC_POLL: command(user, "ssh", platform, line)}
