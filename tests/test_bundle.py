"""The job host program as one file: always the same bytes, and nothing in it that does not belong there."""

from __future__ import annotations

import ast
import glob
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from remote_install import bundle, jobhost

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.dirname(jobhost.__file__)


def old_pythons() -> list[str]:
    """The interpreters of 3.6 on this machine."""
    return sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.6*/bin/python3")))


def names() -> list[str]:
    return zipfile.ZipFile(io.BytesIO(bundle.build().data)).namelist()


def built(repository: Path | str, **environ: str) -> str:
    """The hash of a bundle that another process builds."""
    program = "import sys, hashlib; from remote_install import bundle; b = bundle.build(); "
    program += "print(b.name, hashlib.sha256(b.data).hexdigest())"
    environ = {**os.environ, "PYTHONPATH": str(repository), "PYTHONDONTWRITEBYTECODE": "1", **environ}
    argv = [sys.executable, "-c", program]
    return subprocess.run(argv, env=environ, cwd="/", capture_output=True, text=True, check=True).stdout


def test_the_name_follows_the_content() -> None:
    one = bundle.build()
    assert bundle.Bundle(dict(one.files)).name == one.name
    assert bundle.Bundle({**one.files, "jobhost/wire.py": b""}).name != one.name
    assert bundle.Bundle({"ab": b"c"}).name != bundle.Bundle({"a": b"bc"}).name
    assert re.fullmatch(r"\.remote-install/jobhost-[0-9a-f]{16}\.pyz", one.path)


@pytest.mark.parametrize("seed", ["0", "1", "77"])
def test_every_process_builds_the_same_bytes(seed: str) -> None:
    assert built(REPOSITORY, PYTHONHASHSEED=seed, TZ="Asia/Tokyo", LC_ALL="C") == built(REPOSITORY)


def test_another_checkout_builds_the_same_bytes(tmp_path: Path) -> None:
    """Times, modes and what Python or an editor leaves behind make no difference."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(os.path.join(REPOSITORY, "remote_install"), tmp_path / "remote_install", ignore=ignored)
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    cache = tmp_path / "remote_install/jobhost/__pycache__"
    cache.mkdir()
    (cache / "wire.cpython-311.pyc").write_bytes(b"x")
    (tmp_path / "remote_install/jobhost/wire.py~").write_bytes(b"x")
    assert built(tmp_path) == built(REPOSITORY)


def test_one_changed_byte_makes_another_bundle(tmp_path: Path) -> None:
    shutil.copytree(os.path.join(REPOSITORY, "remote_install"), tmp_path / "remote_install")
    with open(tmp_path / "remote_install/jobhost/job.sh", "ab") as file:
        file.write(b"#")
    assert built(tmp_path) != built(REPOSITORY)


def test_it_holds_the_job_host_side_and_a_start_and_nothing_else() -> None:
    sources = {
        os.path.relpath(os.path.join(folder, name), SOURCES)
        for folder, _, found in os.walk(SOURCES)
        for name in found
        if "__pycache__" not in folder
    }
    assert sorted(names()) == sorted(["__main__.py", *(f"jobhost/{name}" for name in sources)])
    assert "jobhost/job.sh" in names()
    assert not [name for name in names() if not name.endswith((".py", ".sh"))]


def is_of_python_itself(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    origin = (spec and spec.origin) or ""
    library = os.path.realpath(sysconfig.get_path("stdlib"))
    return origin in ("built-in", "frozen") or (
        os.path.realpath(origin).startswith(library) and "site-packages" not in origin
    )


def test_no_file_in_it_imports_anything_of_ours_or_of_others() -> None:
    archive = zipfile.ZipFile(io.BytesIO(bundle.build().data))
    for name in filter(re.compile(r".*\.py").fullmatch, archive.namelist()):
        for node in ast.walk(ast.parse(archive.read(name))):
            if isinstance(node, ast.Import):
                assert all(is_of_python_itself(alias.name) for alias in node.names), name
            elif isinstance(node, ast.ImportFrom) and not node.level and name != "__main__.py":
                assert is_of_python_itself(str(node.module)), (name, node.module)


def test_it_is_small_enough_to_be_sent_without_a_thought() -> None:
    assert len(bundle.build().data) < 88 * 1024
    assert len(bundle.looker("process h 1 2 b n")) < 12 * 1024


@pytest.mark.parametrize("python", old_pythons())
def test_every_file_in_it_compiles_under_python_3_6(python: str, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(bundle.build().data)).extractall(tmp_path)
    argv = [python, "-I", "-W", "error", "-m", "compileall", "-q", "-f", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
