"""Has the processor of this machine instructions for AES? Without them ssh is quicker with another cipher."""

import re

CPUINFO = "/proc/cpuinfo"
FIRST = 16 * 1024  # bytes that hold what is told of the first of many processors; of all it takes milliseconds


def is_missing() -> bool:
    """Is it told that there are none?"""
    try:
        with open(CPUINFO, "rb", buffering=0) as file:
            return tells_of_none(file.read(FIRST))
    except OSError:
        return False


def tells_of_none(cpuinfo: bytes) -> bool:
    r"""Only x86 (`flags`) and ARM (`Features`) tell.

    >>> tells_of_none(b"flags\t\t: fpu aes avx\n"), tells_of_none(b"Features\t: fp asimd crc32\n")
    (False, True)
    >>> tells_of_none(b"processor\t: 0\ncpu\t\t: POWER9\n")
    False
    """
    found = re.search(rb"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return found is not None and b"aes" not in found.group(1).split()
