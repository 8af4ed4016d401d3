"""Where everything in a run directory here lies: its id, its uuid, its jobs' folders."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import re
import stat
import threading
import time
from dataclasses import dataclass, field

from remote_install.durable import create, replace, write_through
from remote_install.jobhost import files, layout
from remote_install.jobhost.files import open_regular
from remote_install.run_settings import OURS, RunSettings
from transfer.errors import ConfigError, UsageError, WouldDoHarm

FETCHED, INSTALLED = f"{OURS}/fetched", f"{OURS}/installed"
JOBS = layout.JOBS.decode()
SEEN = layout.SEEN.decode()
KEPT_LOCK = "kept.lock"
STALE = 86400.0  # seconds after which a token there counts as that of a process that was killed

_MAKING = threading.Lock()  # cached_property has none of its own since Python 3.12


@dataclass(frozen=True)
class RunDirectory:
    """The local folder that holds one run. path: absolute; run_id: its name on every job host; settings: run.yaml."""

    path: str
    run_id: str
    settings: RunSettings = field(default_factory=RunSettings)

    def uuid(self) -> str:
        """What stands behind the run id: made when it is first asked for, the same ever after."""
        create(os.path.join(self.own_folder(OURS), "uuid"), os.urandom(16).hex().encode() + b"\n")
        return self._uuid()

    def own_file(self, name: str, make: bool) -> str:
        """The path of a file of ours. make: with the folder that it lies in."""
        if make:
            return os.path.join(self.own_folder(OURS), name)
        self._refuse_links(OURS)
        return os.path.join(self.path, OURS, name)

    def known_uuid(self) -> str | None:
        """The uuid, if it was made; nothing is made."""
        self._refuse_links(OURS)
        return self._uuid() if os.path.lexists(os.path.join(self.path, OURS, "uuid")) else None

    def _uuid(self) -> str:
        path = os.path.join(self.path, OURS, "uuid")
        try:
            with open_regular(os.fsencode(path)) as file:
                uuid = file.read(64).decode("ascii", "replace").strip()
        except FileNotFoundError:
            uuid = ""
        if not re.fullmatch("[0-9a-f]{32}", uuid):
            raise ConfigError(f"{path}: no uuid in it", "Remove the file; a new one is made.")
        return uuid

    def job_folder(self, job: str) -> str:
        """The folder of all tries of `job`, made with its parents."""
        folder = f"{self._jobs}/{job}"
        try:
            if stat.S_ISDIR(os.lstat(folder).st_mode):
                return folder
        except FileNotFoundError:
            pass
        self._refuse_links(f"{JOBS}/{job}")
        os.makedirs(folder, exist_ok=True)
        return folder

    @functools.cached_property
    def _jobs(self) -> str:
        return self.own_folder(JOBS)

    @property
    def token(self) -> str:
        """The name of a file in SEEN that no other has, as long as this process lives: who sees it sees this folder.
        It is as young as when it was last asked for, lest another process takes it for one that a dead one has left."""
        with _MAKING:
            path = self._token_file
            token = os.path.basename(path)
            try:
                os.utime(path)
            except FileNotFoundError:  # it is new, or clean has removed the folder
                with contextlib.suppress(FileNotFoundError, FileExistsError):
                    write_through(path, token.encode("ascii"), durable=False)
            return token

    @functools.cached_property
    def _token_file(self) -> str:
        folder = self.own_folder(SEEN)
        _sweep(folder)
        path = os.path.join(folder, os.urandom(16).hex())
        atexit.register(_remove, path)
        return path

    def uuid_file(self) -> list[int]:
        """What tells the file of the uuid from a copy of it, as far as that can be told without writing."""
        return files.marks(os.path.join(os.fsencode(self.path), layout.UUID))

    def job_names(self) -> list[str]:
        """The jobs that have a folder here."""
        return layout.job_names(os.fsencode(self.path))

    def fetched(self) -> tuple[str, ...]:
        """The paths that were ever brought back: results, which are never sent again."""
        return self._kept(FETCHED)

    def results(self) -> tuple[str, ...]:
        """The paths of results: what run.yaml names, and what was ever brought back."""
        return tuple(sorted({*self.settings.fetch, *self.fetched()}))

    def remember_fetched(self, paths: tuple[str, ...]) -> None:
        """Keep `paths` in mind as results."""
        self._keep(FETCHED, paths)

    def installed(self) -> tuple[str, ...]:
        """The names of the platforms that it was ever installed on from here."""
        return self._kept(INSTALLED)

    def remember_installed(self, platforms: tuple[str, ...]) -> None:
        """Keep the names of platforms in mind."""
        self._keep(INSTALLED, platforms)

    def _kept(self, file_name: str) -> tuple[str, ...]:
        try:
            with open_regular(os.fsencode(os.path.join(self.path, file_name))) as file:
                return tuple(os.fsdecode(name) for name in file.read().split(b"\0") if name)
        except FileNotFoundError:
            return ()

    def _keep(self, file_name: str, names: tuple[str, ...]) -> None:
        if set(names) <= set(self._kept(file_name)):
            return
        descriptor = os.open(
            self.own_file(KEPT_LOCK, make=True), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # of two commands at once none forgets what the other keeps
            every = sorted({*self._kept(file_name), *names})
            replace(os.path.join(self.path, file_name), b"".join(os.fsencode(name) + b"\0" for name in every))
        finally:
            os.close(descriptor)

    def links_on(self, path: str) -> list[str]:
        """The parts of a relative path that are links: what is written there might land anywhere."""
        parts = path.strip("/").split("/")
        ways = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        return [way for way in ways if os.path.islink(os.path.join(self.path, way))]

    def own_folder(self, name: str) -> str:
        """A folder of ours, made with its parents, with a .gitignore of its own, so that git does not see it."""
        folder = os.path.join(self.path, name)
        self._refuse_links(name)
        os.makedirs(folder, exist_ok=True)
        create(os.path.join(folder, ".gitignore"), b"*\n")
        return folder

    def _refuse_links(self, name: str) -> None:
        for part in self.links_on(name):
            raise WouldDoHarm(
                f"{os.path.join(self.path, part)} is a link, and what we write there might land anywhere",
                "Replace it by a folder.",
            )


def open_run(path: str, run_id: str | None = None) -> RunDirectory:
    """The run directory at `path`. run_id: instead of run.yaml's `id`, or the folder's name.

    Raises UsageError when there is none, or when its name is no run id; ConfigError with all mistakes of its run.yaml.
    """
    from remote_install import run_yaml  # not at the top: who reads none need not wait for what reads YAML

    where = _folder(path)
    settings = run_yaml.read(path)
    name = run_id if run_id is not None else settings.run_id or os.path.basename(where)
    if not layout.RUN_ID.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be a run id: letters, digits and . _ + -, beginning with a letter or digit",
            "Name the run with --run-id ID, or with `id:` in run.yaml." if run_id is None else "",
        )
    return RunDirectory(where, name, settings)


def unread(path: str) -> RunDirectory:
    """The run directory at `path`, its run.yaml not read, hence without a run id: enough for what is known here.

    Raises UsageError when there is none.
    """
    return RunDirectory(_folder(path), "")


def _folder(path: str) -> str:
    where = os.path.abspath(path)
    if not path or not os.path.isdir(where):  # "" comes from a shell variable that is not set: it does not mean here
        raise UsageError(f"no run directory at {path or repr(path)}", "RUN is the path of a folder on this machine.")
    return where


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sweep(folder: str) -> None:
    """Remove what processes that were killed have left."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE and entry.name != ".gitignore":
                    os.unlink(entry.path)
