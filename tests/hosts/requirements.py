"""What this machine must have so that job hosts can be built on it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

PROGRAMS = ("bash", "chroot", "env", "ip", "nft", "nsenter", "rsync", "setpriv", "ssh", "ssh-keygen", "sshd", "unshare")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Tried in namespaces of its own: it leaves nothing behind, and tells a container that lacks a capability.
PROBE = """
set -e
mount -t tmpfs probe /mnt && mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work probe /mnt/root
mknod /mnt/whiteout c 0 0
ip link add probe type bridge
ip link add one type veth peer name two
nft add table inet probe
"""


@functools.cache
def missing_requirements() -> tuple[str, ...]:
    """Return what keeps this machine from building job hosts, in words; empty if nothing does."""
    if not os.path.exists("/proc/self/ns/pid"):
        return ("Linux",)
    if os.geteuid() != 0:
        return ("root",)
    missing = [program for program in PROGRAMS if shutil.which(program, path=SYSTEM_PATH) is None]
    # Job hosts hide what is installed under /root, /opt and /usr/local.
    for program in ("/usr/bin/python3", "/usr/bin/rsync"):
        if not os.path.exists(program):
            missing.append(program)
    return tuple(missing) or refused_by_kernel()


def refused_by_kernel() -> tuple[str, ...]:
    """Return what the kernel refuses of namespaces, overlays, bridges and packet filters."""
    argv = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", PROBE]
    environment = {"PATH": SYSTEM_PATH}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)
    return () if done.returncode == 0 else (f"namespaces: {done.stderr.strip()}",)
