"""Other systems that a job host can stand on: releases of Debian, bare or with a batch system, made once and kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence

from .requirements import SYSTEM_PATH

CACHE = "/var/cache/remote-install-tests"
EACH = ("openssh-server", "rsync", "python3")
# RELEASE or RELEASE-KIND; the second is a copy of the first with more packages in it. Batch systems have one each,
# because gridengine and slurm-wlm-torque exclude each other.
PACKAGES = {
    # From the oldest that mirrors have (rsync 3.2.3, OpenSSH 8.4, Python 3.9) to the newest, with other shells.
    "bullseye": EACH,
    "trixie": (*EACH, "fish", "tcsh"),
    # Without rsync, which the host can install: from a repository of its own, because it has no way to any other.
    "trixie-bare": ("python3-apt",),
    "bookworm": EACH,
    "bookworm-slurm": ("slurm-wlm", "slurmdbd", "mariadb-server"),
    "bookworm-torque": ("slurm-wlm", "slurm-wlm-torque"),
    "bookworm-at": ("at",),
    "bookworm-gridengine": ("gridengine-master", "gridengine-exec", "gridengine-client"),
    "bookworm-oar": ("oar-server", "oar-server-pgsql", "oar-user", "oar-user-pgsql", "oar-node", "postgresql"),
}
# A release moves to the archive when it is no longer looked after.
MIRRORS = ("http://deb.debian.org/debian", "http://archive.debian.org/debian")
# Not needed by anybody, and a third of all.
NEEDLESS = ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists")
STAMP = ".made-from"
DEBOOTSTRAP = "debootstrap"
SECONDS = 900.0

# Runs in a root, in namespaces of its own, as a machine called localhost, because Grid Engine asks for its own address.
# No daemon is started, and what starts nevertheless is gone with the namespace of its process ids.
INSTALL = r"""
set -e
hostname localhost
echo 127.0.0.1 localhost >/etc/hosts
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -q -o Acquire::Languages=none update
apt-get -q install -y --no-install-recommends "$@"
rm /usr/sbin/policy-rc.d
"""
BARE = r"""
apt-get -q purge -y rsync
apt-get -q clean
apt-get -q install -y --no-install-recommends --download-only rsync
mkdir -p /var/local/apt
mv /var/cache/apt/archives/*.deb /var/local/apt
cd /var/local/apt
for package in *.deb; do
    dpkg-deb -f "$package"
    printf 'Filename: ./%s\nSize: %s\n' "$package" "$(stat -c %s "$package")"
    echo "SHA256: $(sha256sum <"$package" | cut -d ' ' -f 1)"
    echo
done >Packages
rm -rf /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/var/local/apt ./' >/etc/apt/sources.list
"""


class SystemUnavailable(RuntimeError):
    """A system can't be had here: debootstrap is missing, or no mirror has it."""


def root_of(name: str) -> str:
    """Return the root of a system, made now if it is not there; "" is this machine, whose root is /."""
    if not name:
        return "/"
    root = f"{CACHE}/{name}"
    os.makedirs(CACHE, exist_ok=True)
    with exclusive(f"{root}.lock") as lock:
        if not is_made(root, name):
            make(root, name, lock)
    return root


def is_made(root: str, name: str) -> bool:
    """Tell whether the root is there, whole, with the packages that are wanted now."""
    try:
        with open(f"{root}/{STAMP}") as file:
            return file.read() == wanted(name)
    except FileNotFoundError:
        return False


def wanted(name: str) -> str:
    """Return what a system is made of: its packages, after those of the release that it stands on."""
    release, _, kind = name.partition("-")
    return " ".join([*PACKAGES[release], *(PACKAGES[name] if kind else ())])


def make(root: str, name: str, lock: int) -> None:
    """Build beside, then rename: what bears the name is whole."""
    release, _, kind = name.partition("-")
    part = f"{root}.part"
    for path in (part, root):
        shutil.rmtree(path, ignore_errors=True)
    if kind:
        extend(root_of(release), part, name, lock)
    else:
        bootstrap(part, name, lock)
    for needless in NEEDLESS:
        shutil.rmtree(f"{part}/{needless}", ignore_errors=True)
    with open(f"{part}/{STAMP}", "w") as file:
        file.write(wanted(name))
    os.rename(part, root)


def bootstrap(part: str, release: str, lock: int) -> None:
    """Make a release from the first mirror that has it."""
    if shutil.which(DEBOOTSTRAP, path=SYSTEM_PATH) is None:
        raise SystemUnavailable(f"{DEBOOTSTRAP} is not on this machine")
    argv = [DEBOOTSTRAP, "--variant=minbase", f"--include={','.join(PACKAGES[release])}", release, part]
    said = ""
    for mirror in MIRRORS:
        done = run([*argv, mirror], lock)
        if done.returncode == 0:
            return
        said += f"\n{mirror}: {' / '.join(done.stdout.splitlines()[-3:])}"
        shutil.rmtree(part, ignore_errors=True)
    raise SystemUnavailable(f"Debian {release} can't be had:{said}")


def extend(base: str, part: str, name: str, lock: int) -> None:
    """Copy a release and install packages in the copy."""
    subprocess.run(["cp", "-a", "--reflink=auto", base, part], check=True, pass_fds=[lock])
    script = INSTALL + (BARE if name.endswith("-bare") else "")
    chroot = [f"--mount-proc={part}/proc", "--uts", "--pid", "chroot", part, "sh", "-c", script, "install"]
    done = run([*chroot, *PACKAGES[name]], lock)
    if done.returncode != 0:
        shutil.rmtree(part)
        raise SystemUnavailable(f"{name} can't be had: {' / '.join(done.stdout.splitlines()[-5:])}")


def run(argv: Sequence[str], lock: int) -> subprocess.CompletedProcess[str]:
    """Run a program, or `unshare` with more options; what is mounted goes with it, the lock is held while it lives."""
    variables = {"PATH": SYSTEM_PATH, "LC_ALL": "C", "DPKG_FORCE": "unsafe-io", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        ["unshare", "--mount", "--fork", "--kill-child", *argv],
        env={**os.environ, **variables},
        pass_fds=[lock],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextlib.contextmanager
def exclusive(path: str) -> Iterator[int]:
    """Hold a lock, waiting for it; yield its descriptor."""
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
