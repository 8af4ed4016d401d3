"""The job host program arrives by `python3 -I -`: whole or not at all, where it can be written, safe from others."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from remote_install import bundle

from .test_program import ENDS, pythons, replies_of

PROGRAM = bundle.build()


class Home:
    """A home directory, and a run root elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "home"
        self.root = folder / "runs"
        self.path.mkdir()
        self.umask = 0o022

    def start(self, python: str, run_root: str | None = None, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        # As sshd starts it: few variables, no locale.
        environment = {"HOME": str(self.path), "PATH": os.environ["PATH"], "USER": "me"}
        process = subprocess.Popen(
            [python, "-I", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or self.path,
            env=environment,
            umask=self.umask,
        )
        assert process.stdin is not None
        process.stdin.write(PROGRAM.sender(str(self.root) if run_root is None else run_root))
        process.stdin.close()
        process.stdin = None
        return process

    def send(self, python: str = "python3", run_root: str | None = None, cwd: Path | None = None) -> dict[str, Any]:
        """The one reply."""
        return answer(self.start(python, run_root, cwd))

    @property
    def program(self) -> Path:
        return self.path / PROGRAM.path

    def block(self) -> None:
        """Let nothing be written to the home; root may write to what is read-only, so a file stands in the way."""
        (self.path / bundle.FOLDER).write_text("in the way")


def answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    reply, _ = replies_of(out)
    return reply


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def is_whole(path: Path) -> bool:
    """Does it hold all that was sent?"""
    with zipfile.ZipFile(path) as there, zipfile.ZipFile(io.BytesIO(PROGRAM.data)) as sent:
        return there.testzip() is None and all(there.read(name) == sent.read(name) for name in sent.namelist())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@ENDS
def test_it_arrives_in_the_home_directory_and_runs(home: Home, python: str) -> None:
    assert home.send(python) == {"reply": "arrived", "path": PROGRAM.path}
    assert is_whole(home.program)
    assert os.listdir(home.program.parent) == [PROGRAM.name]
    done = subprocess.run([python, "-I", PROGRAM.path, "hello"], cwd=home.path, input=b"", capture_output=True)
    assert b"no request came" in done.stdout


@pytest.mark.parametrize(("umask", "wanted"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_its_folder_is_the_users_alone_and_its_mode_as_the_umask_says(home: Home, umask: int, wanted: int) -> None:
    home.umask = umask
    home.send()
    assert (mode(home.program.parent), mode(home.program)) == (0o700, wanted)


def test_it_is_written_once_and_again_when_it_is_damaged(home: Home) -> None:
    home.send()
    first = home.program.stat()
    home.send()
    assert home.program.stat().st_ino == first.st_ino
    whole = home.program.read_bytes()
    for harm in (whole[:1000], whole.replace(b"job host program", b"job host prograM"), b""):
        assert harm != whole
        home.program.write_bytes(harm)
        home.send()
        assert is_whole(home.program)


@ENDS
def test_no_call_compiles_it_anew(home: Home, python: str) -> None:
    """What was compiled when it arrived does not know where it lies now."""
    home.send(python)
    asked = f"import sys; sys.path.insert(0, {str(home.program)!r}); from jobhost import __main__, wire; "
    asked += "print(wire.encode.__code__.co_filename, __main__.main.__code__.co_filename, sys.version_info >= (3, 7))"
    told = subprocess.run([python, "-I", "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    names = ["jobhost/wire.py", "jobhost/__main__.py"]
    assert told == [*names, "True"] or told == [*(f"{home.program}/{name}" for name in names), "False"]


def test_another_python_runs_it_too(home: Home) -> None:
    """Home directories are shared among hosts that have different ones."""
    home.send("python3")
    whole = home.program.read_bytes()
    for python in pythons().values():
        done = subprocess.run([python, "-I", PROGRAM.path, "hello"], cwd=home.path, input=b"", capture_output=True)
        assert (b"no request came" in done.stdout, done.stderr) == (True, b""), python
        home.send(python)
        assert home.program.read_bytes() == whole, python


def test_eight_at_once_leave_one_whole_program(home: Home) -> None:
    replies = [answer(process) for process in [home.start("python3") for _ in range(8)]]
    assert replies == [{"reply": "arrived", "path": PROGRAM.path}] * 8
    assert is_whole(home.program)
    assert os.listdir(home.program.parent) == [PROGRAM.name]


@ENDS
@pytest.mark.parametrize("run_root", ["$HOME/../runs", "~/../runs", "../runs"])
def test_it_goes_to_the_run_root_where_the_home_is_not_to_be_written(home: Home, python: str, run_root: str) -> None:
    home.block()
    there = home.root / PROGRAM.path
    assert home.send(python, run_root) == {"reply": "arrived", "path": str(there)}
    assert is_whole(there)
    assert mode(there.parent) == 0o700


def test_it_is_named_in_full_where_a_call_does_not_start_in_the_home_directory(home: Home, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert home.send(cwd=elsewhere) == {"reply": "arrived", "path": str(home.program)}
    assert os.listdir(elsewhere) == []


@pytest.mark.parametrize(
    "name", ["with blank", "caf\u00e9", "semi;colon", "\U0001f600", "\udcff", "$(id)", "back\\slash"]
)
def test_a_run_root_that_no_command_line_can_name_is_refused_with_both_places(home: Home, name: str) -> None:
    home.block()
    reply = home.send(run_root=str(home.root) + name)
    assert (reply["reply"], reply["code"]) == ("error", 4)
    assert f"{home.path}/{bundle.FOLDER}: " in reply["message"]
    assert f"{home.root}{name}/{bundle.FOLDER}: a command line can't name it" in reply["message"]
    assert "run_root" in reply["hint"]
    assert not os.path.exists(os.fsencode(f"{home.root}{name}"))


def test_a_host_where_nothing_can_be_written_names_both_places_and_why(home: Home) -> None:
    home.block()
    home.root.write_text("a file")
    reply = home.send()
    assert (reply["reply"], reply["code"]) == ("error", 4)
    for place in (home.path, home.root):
        assert f"{place}/{bundle.FOLDER}: " in reply["message"]
    assert reply["message"].count("Not a directory") + reply["message"].count("File exists") == 2


def test_a_variable_that_is_not_set_there_is_told(home: Home) -> None:
    home.block()
    reply = home.send(run_root="/x/$NO_SUCH_VARIABLE")
    assert (reply["reply"], reply["code"]) == ("error", 3)
    assert "$NO_SUCH_VARIABLE is not set" in reply["message"]


@pytest.mark.parametrize("trap", ["open to others", "somebody else's", "a link"])
def test_a_folder_that_others_may_write_to_is_not_trusted(home: Home, tmp_path: Path, trap: str) -> None:
    home.block()
    home.root.mkdir()
    folder = home.root / bundle.FOLDER
    if trap == "a link":
        (tmp_path / "target").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "target")
    else:
        folder.mkdir()
        folder.chmod(0o777 if trap == "open to others" else 0o755)
        if trap == "somebody else's":
            if os.geteuid() != 0:
                pytest.skip("only root can give a folder away")
            os.chown(folder, 4000, 4000)
    reply = home.send()
    assert (reply["reply"], reply["code"]) == ("error", 4)
    assert "others may write to it" in reply["message"]
    assert list(tmp_path.rglob("*.pyz")) == []
