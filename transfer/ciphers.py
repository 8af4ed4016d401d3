"""The order in which ciphers are asked for where nobody has chosen one: first the quicker one of equals."""

from __future__ import annotations

import re
from collections.abc import Mapping

# No weaker than what ssh puts first, and twice as fast where the processor has instructions for AES (measured).
QUICK = "aes256-gcm@openssh.com"
FIRST = 16 * 1024  # bytes of /proc/cpuinfo that hold what is told of the first processor
# What ssh(1) asks for where neither user nor site say it: since 7.6, and since 10.0. Any other order is somebody's.
BUILT_IN = (
    "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr",
)


def wanted(settings: bytes, options: Mapping[str, str]) -> str | None:
    """The order for a connection; None: as it is set. settings: as `ssh -G` prints them. options: of hosts.yaml."""
    chosen = "ciphers" in map(str.lower, options)
    return None if chosen or not is_quick_here() else order(settings)


def order(settings: bytes) -> str | None:
    """The value of Ciphers for what `ssh -G` prints: the same ciphers, the quick one first. None: it was chosen.

    The host still takes the first that it has, so that one which has not got it takes what it took before.

    >>> order(b"user me\\nciphers " + BUILT_IN[0].encode() + b"\\n")[:45]
    'aes256-gcm@openssh.com,chacha20-poly1305@open'
    >>> order(b"ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com\\n") is None
    True
    """
    found = re.search(rb"^ciphers (\S+)\r?$", settings, re.MULTILINE | re.IGNORECASE)
    names = found[1].decode("ascii", "replace") if found else ""
    if names not in BUILT_IN:
        return None
    return ",".join((QUICK, *(name for name in names.split(",") if name != QUICK)))


def is_quick_here() -> bool:
    """Has the processor of this machine instructions for AES?"""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            return tells_of_aes(file.read(FIRST))
    except OSError:
        return False


def tells_of_aes(cpuinfo: bytes) -> bool:
    r"""x86 calls what it has `flags`, ARM `Features`.

    >>> tells_of_aes(b"flags\t\t: fpu aes avx\n"), tells_of_aes(b"Features\t: fp asimd\nmodel name\t: aes\n")
    (True, False)
    """
    found = re.search(rb"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return found is not None and b"aes" in found[1].split()
