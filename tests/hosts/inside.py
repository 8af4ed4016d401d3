"""Doing and seeing things inside a job host from outside, with no ssh involved."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

USER = "alice"
USER_ID = 4000
HOME = f"/home/{USER}"
# What sshd gives to a command; root also finds the system's tools.
USER_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")


class Account(NamedTuple):
    """A line of the host's /etc/passwd."""

    name: str
    user_id: int
    group_id: int
    home: str
    shell: str


class Process(NamedTuple):
    """A process on the host: its pid there, whose it is, and its arguments joined by blanks."""

    pid: int
    user: str
    args: str


class Inside:
    """The namespaces of a job host, seen from the machine it runs on."""

    def __init__(self, pid: int) -> None:
        """Take the pid by which this machine knows process 1 of the host."""
        self.pid = pid

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = USER,
        input: str | bytes = b"",  # noqa: A002 - as subprocess.run calls it
        env: Mapping[str, str] | None = None,
        check: bool = False,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` on the host as `user`, in the user's home, by nsenter; output is decoded, line ends are kept."""
        account = self.account(user)
        system = ["nsenter", f"--target={self.pid}", *NAMESPACES, "--root", "--wd", "--"]
        become = ["setpriv", f"--reuid={account.user_id}", f"--regid={account.group_id}", "--init-groups", "--"]
        directory = account.home if user in (USER, "root") else "/"
        environment = {"PATH": ROOT_PATH if user == "root" else USER_PATH, "HOME": account.home}
        environment.update({"USER": user, "LOGNAME": user, "SHELL": account.shell}, **(env or {}))
        process = subprocess.Popen(
            [*system, *become, "env", "-C", directory, "--", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # Like a command by ssh it has no terminal, and a Ctrl-C meant for pytest does not reach it.
            start_new_session=True,
        )
        try:
            out, err = process.communicate(encode(input), timeout=timeout)
        except BaseException:
            # nsenter only waits for its child: end both.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        done = subprocess.CompletedProcess(list(argv), process.returncode, decode(out), decode(err))
        if check and done.returncode != 0:
            raise RuntimeError(f"{list(argv)} exited {done.returncode} on the host: {done.stderr.strip()}")
        return done

    def write_file(self, path: str, text: str | bytes, mode: int = 0o644, owner: str = USER) -> None:
        """Write a file on the host; missing directories are made, all belong to `owner`; relative to the home."""
        script = 'umask 022 && mkdir -p -- "$(dirname -- "$1")" && cat >"$1" && chmod "$2" "$1"'
        self.run(["sh", "-c", script, "write", path, f"{mode:o}"], user=owner, input=text, check=True)

    def account(self, user: str) -> Account:
        """Return a user's account on the host."""
        for account in self.accounts():
            if account.name == user:
                return account
        raise KeyError(f"no user {user} on the host")

    def accounts(self) -> list[Account]:
        """Return all accounts of the host."""
        rows = [line.split(":") for line in self.read("/etc/passwd").splitlines()]
        return [Account(row[0], int(row[2]), int(row[3]), row[5], row[6]) for row in rows if len(row) == 7]

    def read(self, path: str) -> str:
        """Return a file's text; only for paths without symlinks, which would lead out of the host."""
        with open(f"/proc/{self.pid}/root{path}", "rb") as file:
            return decode(file.read())

    def processes(self, user: str = USER) -> list[Process]:
        """Return the user's processes on the host: not sshd's, not those that have ended and wait to be reaped."""
        user_id = self.account(user).user_id
        return [
            Process(pid, user, args)
            for pid, owner, args, program in self.all_processes()
            if owner == user_id and not is_sshd(program)
        ]

    def sessions(self, user: str = USER) -> list[int]:
        """Return the pids, on the host, of the sshd processes that serve the user's logins."""
        title = re.compile(rf"sshd(-session)?: {re.escape(user)}\b")
        return [pid for pid, _, args, program in self.all_processes() if is_sshd(program) and title.match(args)]

    def all_processes(self) -> Iterator[tuple[int, int, str, str]]:
        """Yield pid, user id, arguments and program of each process that lives, read from the host's own /proc."""
        proc = f"/proc/{self.pid}/root/proc"
        for entry in os.listdir(proc):
            if not entry.isdigit():
                continue
            try:
                status = self.read(f"/proc/{entry}/status")
                args = self.read(f"/proc/{entry}/cmdline")
                program = os.readlink(f"{proc}/{entry}/exe")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile, or is a zombie, which has no program
            owner = re.search(r"^Uid:\t(\d+)", status, re.MULTILINE)
            assert owner is not None
            yield int(entry), int(owner[1]), args.rstrip("\0").replace("\0", " "), program


def is_sshd(program: str) -> bool:
    """Tell whether a program is part of the ssh server; OpenSSH 9.8 split it."""
    return os.path.basename(program) in ("sshd", "sshd-session", "sshd-auth")


def encode(text: str | bytes) -> bytes:
    """Return bytes; text may hold any bytes that `decode` returned."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Return text, whatever the bytes; subprocess's text mode would change line ends."""
    return data.decode("utf-8", "surrogateescape")
