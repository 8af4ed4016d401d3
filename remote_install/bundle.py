"""Packs jobhost/ into one file named by the hash of what it holds."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass

from remote_install import jobhost

FOLDER = ".remote-install"  # in the home directory of the job host
PACKAGE = "jobhost"
START = f"import sys\nfrom {PACKAGE}.__main__ import main\nsys.exit(main())\n"
# A program for `python3 -`, which holds the bundle: it runs what is in there from memory, and writes nothing by itself.
# The modules stand in the order in which they import each other; the last one has the main function.
FROM_MEMORY = """\
import base64, io, sys, types, zipfile
data = base64.b64decode("{data}")
archive = zipfile.ZipFile(io.BytesIO(data))
package = sys.modules["{package}"] = types.ModuleType("{package}")
package.__path__ = []
for name in {modules}:
    module = sys.modules["{package}." + name] = types.ModuleType("{package}." + name)
    module.__package__ = "{package}"
    exec(compile(archive.read("{package}/" + name + ".py"), name + ".py", "exec"), module.__dict__)
sys.exit(module.main({arguments}))
"""
SENDER = ("meanwhile", "wire", "files", "layout", "compiled", "arrival")
LOOKER = ("meanwhile", "wire", "processes", "presence")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # zipapp would write today's date


@dataclass(frozen=True)
class Bundle:
    """The job host program as one file. files: what is in it, by name.

    Every call needs the name, and few the data: to pack them takes as long as to import half of what a call needs.
    """

    files: Mapping[str, bytes]

    @functools.cached_property
    def name(self) -> str:
        found = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            found.update(b"%s %d\n%s" % (name.encode(), len(content), content))
        return f"jobhost-{found.hexdigest()[:16]}.pyz"

    @functools.cached_property
    def data(self) -> bytes:
        return _archive(self.files)

    @property
    def path(self) -> str:
        """Relative to the home directory of the job host."""
        return f"{FOLDER}/{self.name}"

    def sender(self, run_root: str) -> bytes:
        """A program in ASCII that writes the bundle where it runs: see jobhost/arrival.py. run_root: as in hosts.yaml.

        >>> Bundle({"x": b""}).sender("caf\u00e9").isascii()
        True
        """
        return _from_memory(self.data, SENDER, f'data, "{FOLDER}", "{self.name}", {run_root!a}')


@functools.lru_cache(maxsize=1)
def build() -> Bundle:
    """The bundle of this version.

    >>> build().name == build().name
    True
    """
    return Bundle({"__main__.py": START.encode(), **_sources()})


def looker(identity: str) -> bytes:
    """A program in ASCII that tells whether a process lives where it runs: see jobhost/presence.py."""
    sources = _sources()
    needed = {f"{PACKAGE}/{name}.py": sources[f"{PACKAGE}/{name}.py"] for name in LOOKER}
    return _from_memory(_archive(needed), LOOKER, ascii(identity))


def _from_memory(data: bytes, modules: tuple[str, ...], arguments: str) -> bytes:
    encoded = base64.b64encode(data).decode("ascii")
    return FROM_MEMORY.format(data=encoded, package=PACKAGE, modules=modules, arguments=arguments).encode("ascii")


def _archive(files: Mapping[str, bytes]) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, LONG_AGO)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()


def _sources() -> dict[str, bytes]:
    root = os.path.dirname(jobhost.__file__)
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith((".py", ".sh")):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[f"{PACKAGE}/{os.path.relpath(path, root)}"] = file.read()
    return found
