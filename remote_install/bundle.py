"""Packs jobhost/ into one file named by its content's hash; the same bytes every time."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import zipfile
from dataclasses import dataclass

from remote_install import jobhost

FOLDER = ".remote-install"  # in the home directory of the job host
PACKAGE = "jobhost"
START = f"import sys\nfrom {PACKAGE}.__main__ import main\nsys.exit(main())\n"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # zipapp would write today's date


@dataclass(frozen=True)
class Bundle:
    """The job host program as one file."""

    data: bytes

    @property
    def name(self) -> str:
        return f"jobhost-{hashlib.sha256(self.data).hexdigest()[:16]}.pyz"

    @property
    def path(self) -> str:
        """Relative to the home directory of the job host."""
        return f"{FOLDER}/{self.name}"


@functools.lru_cache(maxsize=1)
def build() -> Bundle:
    """The bundle of this version.

    >>> build().name == build().name
    True
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", START.encode())
        for name, data in sorted(_sources().items()):
            _add(archive, f"{PACKAGE}/{name}", data)
    return Bundle(buffer.getvalue())


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, LONG_AGO)
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def _sources() -> dict[str, bytes]:
    root = os.path.dirname(jobhost.__file__)
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith((".py", ".sh")):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, root)] = file.read()
    return found
