"""Other releases of Debian that a job host can stand on: made once by debootstrap, then kept on this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator

from .requirements import SYSTEM_PATH

CACHE = "/var/cache/remote-install-tests"
EACH = ("openssh-server", "rsync", "python3")
# From the oldest that mirrors have (rsync 3.2.3, OpenSSH 8.4, Python 3.9) to the newest, with shells of other families.
PACKAGES = {"bullseye": EACH, "trixie": (*EACH, "fish", "tcsh")}
# A release moves to the archive when it is no longer looked after.
MIRRORS = ("http://deb.debian.org/debian", "http://archive.debian.org/debian")
# Not needed by anybody, and a third of all.
NEEDLESS = ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists")
STAMP = ".made-from"
DEBOOTSTRAP = "debootstrap"
SECONDS = 900.0


class SystemUnavailable(RuntimeError):
    """A release can't be had here: debootstrap is missing, or no mirror has it."""


def root_of(suite: str) -> str:
    """Return the root of a release, made now if it is not there; "" is this machine, whose root is /."""
    if not suite:
        return "/"
    root = f"{CACHE}/{suite}"
    os.makedirs(CACHE, exist_ok=True)
    with exclusive(f"{root}.lock") as lock:
        if not is_made(root, suite):
            make(root, suite, lock)
    return root


def is_made(root: str, suite: str) -> bool:
    """Tell whether the root is there, whole, with the packages that are wanted now."""
    try:
        with open(f"{root}/{STAMP}") as file:
            return file.read() == " ".join(PACKAGES[suite])
    except FileNotFoundError:
        return False


def make(root: str, suite: str, lock: int) -> None:
    """Build beside, then rename: what bears the name is whole."""
    if shutil.which(DEBOOTSTRAP, path=SYSTEM_PATH) is None:
        raise SystemUnavailable(f"{DEBOOTSTRAP} is not on this machine")
    part = f"{root}.part"
    said = ""
    for mirror in MIRRORS:
        for path in (part, root):
            shutil.rmtree(path, ignore_errors=True)
        done = debootstrap(suite, part, mirror, lock)
        if done.returncode == 0:
            break
        said += f"\n{mirror}: {' / '.join(done.stdout.splitlines()[-3:])}"
    else:
        raise SystemUnavailable(f"Debian {suite} can't be had:{said}")
    for name in NEEDLESS:
        shutil.rmtree(f"{part}/{name}", ignore_errors=True)
    with open(f"{part}/{STAMP}", "w") as file:
        file.write(" ".join(PACKAGES[suite]))
    os.rename(part, root)


def debootstrap(suite: str, part: str, mirror: str, lock: int) -> subprocess.CompletedProcess[str]:
    """Run debootstrap; what it mounts is gone with it, and the lock is held as long as it lives."""
    argv = ["unshare", "--mount", "--fork", "--kill-child", DEBOOTSTRAP, "--variant=minbase"]
    argv += [f"--include={','.join(PACKAGES[suite])}", suite, part, mirror]
    environment = {**os.environ, "PATH": SYSTEM_PATH, "LC_ALL": "C", "DPKG_FORCE": "unsafe-io"}
    return subprocess.run(
        argv,
        env=environment,
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
