"""Puts the job host program where it stays: run from memory by the client's sender, see bundle.py."""

import os
import re
import stat

from . import layout
from .compiled import holds, with_compiled
from .files import write
from .wire import Client, Refusal, to_bytes, to_text

# What can stand on a command line that a shell there reads again.
PLAIN = re.compile(rb"[A-Za-z0-9_./+-]+")


def main(data: bytes, folder: str, name: str, run_root: str) -> int:
    """Write `data` as FOLDER/NAME to the home directory, else to the run root, and say where it is.

    The answer is a path as the next call can name it: from the directory that it starts in, or absolute.
    """
    try:
        client = Client()
        try:
            client.say("arrived", path=to_text(_place(data, to_bytes(folder), to_bytes(name), run_root)))
        except Refusal as refusal:
            client.refuse(refusal)
        client.end()
    except BrokenPipeError:
        return 1  # nobody listens any more
    return 0


def _place(data: bytes, folder: bytes, name: bytes, run_root: str) -> bytes:
    home = os.path.expanduser(b"~")
    try:
        _keep(data, os.path.join(home, folder), name)
        return os.path.join(_from_here(home), folder, name)
    except OSError as error:
        first = "%s: %s" % (to_text(os.path.join(home, folder)), error.strerror)
    root = layout.run_root(run_root)
    there = os.path.join(root, folder)
    try:
        _check_plain(there)
        os.makedirs(root, exist_ok=True)
        _keep(data, there, name, alone=True)
    except OSError as error:
        raise Refusal(
            4,
            "our program, one file, finds no place: %s; %s: %s" % (first, to_text(there), error.strerror),
            "Make the home directory writable, or set run_root in hosts.yaml to a folder that you may write to there, "
            "its path of letters, digits and . _ + - alone.",
        )
    return os.path.join(there, name)


def _from_here(home: bytes) -> bytes:
    """How a call names the home directory: b"" where it starts there, as sshd has it, else absolute."""
    if os.path.realpath(home) == os.path.realpath(os.getcwdb()):
        return b""
    _check_plain(home)
    return home


def _check_plain(path: bytes) -> None:
    if not PLAIN.fullmatch(path):
        raise OSError(0, "a command line can't name it, for its blanks or signs")


def _keep(data: bytes, folder: bytes, name: bytes, alone: bool = False) -> None:
    """Raises OSError. alone: nobody else may be able to write to the folder: a run root may lie among others' files."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        status = os.lstat(folder)
        if alone and not (stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o22):
            raise OSError(0, "it is there, but others may write to it: our program would run what they put into it")
    path = os.path.join(folder, name)
    if not holds(path, data):
        whole = with_compiled(data)
        # A sender with another Python, which compiles another length of it, may have been faster.
        if not holds(path, data):
            write(path, whole, durable=True)
