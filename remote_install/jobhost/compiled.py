"""Keeps the program with what the Python here has compiled of it, lest each call compiles it anew.

A Python of another version passes that over, and compiles the sources, which are all still there: zipimport looks at
the magic number of each .pyc.
"""

import io
import os
import sys
import zipfile

HEADER = (1).to_bytes(4, "little") + bytes(8)  # PEP 552: compared with no source; a zip has no times that could be


def with_compiled(data: bytes) -> bytes:
    """The program `data`, and behind its files those that this Python makes of them."""
    if sys.implementation.name != "cpython" or sys.version_info < (3, 7):
        return data
    import marshal
    from importlib.util import MAGIC_NUMBER

    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:  # uncompressed: quicker to read
        for name in archive.namelist():
            if name.endswith(".py"):
                code = compile(archive.read(name), name, "exec", dont_inherit=True)
                archive.writestr(zipfile.ZipInfo(name + "c"), MAGIC_NUMBER + HEADER + marshal.dumps(code))
    return buffer.getvalue()


def holds(path: bytes, data: bytes) -> bool:
    """Is there an unharmed file with all of the program `data`, whichever Python compiled the rest of it?"""
    try:
        with zipfile.ZipFile(os.fsdecode(path)) as there, zipfile.ZipFile(io.BytesIO(data)) as wanted:
            return there.testzip() is None and all(there.read(name) == wanted.read(name) for name in wanted.namelist())
    except Exception:  # damaged anywhere, it makes zipfile, zlib and struct raise what they like
        return False
