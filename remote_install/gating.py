"""Puts the gate on a host, and writes the line of authorized_keys that leads a key to it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remote_install import bundle, gate
from remote_install.durable import replace
from remote_install.program import past_noise
from remote_install.talk import Talk
from transfer import execute, rsync, ssh
from transfer.command import Command, last_words
from transfer.connections import connected
from transfer.errors import ConfigError, HostUnsuitable, UsageError
from transfer.platforms import Platform
from transfer.sync import transfer
from transfer.wording import visible

NAME = "gate.py"
PATH = f"{bundle.FOLDER}/{NAME}"  # from the home directory on, where sshd starts a forced command
LARGEST = 16 * 1024  # bytes of a public key
KEY = re.compile(
    r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp[0-9]+|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/]+={0,3}( [^\x00-\x1f\x7f]*)?"
)
WORD = re.compile(r"[A-Za-z0-9_./+@:,=-]+")  # what neither a shell nor sshd takes for anything else


@dataclass(frozen=True)
class Installed:
    """What is there now. rrsync: its path, "" where there is none."""

    host: str
    path: str
    python: str
    rrsync: str

    def as_json(self) -> dict[str, Any]:
        """The document of `gate --install --json`."""
        return {"host": self.host, "path": self.path, "python": self.python, "rrsync": self.rrsync or None}


def files() -> Mapping[str, bytes]:
    """What has to lie in one folder there: name -> content."""
    with open(gate.__file__, "rb") as file:
        return {NAME: file.read(), gate.PROGRAM: bundle.build().data}


def write(folder: str) -> list[str]:
    """Write them into a folder here, which is made if it is missing; the mode of both is 0644. Their paths.

    Raises OSError.
    """
    os.makedirs(folder, exist_ok=True)
    paths = []
    for name, data in files().items():
        paths.append(os.path.join(folder, name))
        replace(paths[-1], data, mode=0o644)
    return paths


def install(platform: Platform, talk: Talk) -> Installed:
    """Send the gate and the program that it admits, with a key that it does not stand in front of, and look at them.

    Raises HostError, TransferError, RefusedByGate.
    """
    host = platform.hosts[0]
    with tempfile.TemporaryDirectory() as folder:
        write(folder)
        command = rsync.push(platform, host, tuple(files()), f"{bundle.FOLDER}/", ("-c",), folder)
        transfer(platform, host, command, talk.tell, talk.command, past_noise(platform, host, talk))
    return _look(platform, host, talk)


def _look(platform: Platform, host: str, talk: Talk) -> Installed:
    words = (platform.python, "-I", PATH, "--about")
    talk.command(str(Command(ssh.command_line(platform, host, words))))
    with connected(platform, host, talk.tell) as there:
        outcome = execute.run(Command(ssh.command_line(there, host, words), b""), limit=1024 * 1024)
    error = ssh.refused_by_gate(outcome.err, host) or ssh.error_of(outcome, host)
    if error is not None:
        raise error
    try:
        told = json.loads(outcome.out.strip().rpartition(b"\n")[2])
        hashes, folder, python = told["hashes"], visible(str(told["folder"])), visible(str(told["python"]))
        rrsync = visible(str(told["rrsync"][0])) if told["rrsync"] else ""
    except (ValueError, TypeError, KeyError, IndexError):
        words_there = last_words(outcome.err) or f"exit {outcome.exit_code}"
        raise HostUnsuitable(
            f"{host}: the gate does not start there: {words_there}", "It needs Python 3.6.", host
        ) from None
    if hashes != {name: hashlib.sha256(data).hexdigest() for name, data in files().items()}:
        raise HostUnsuitable(
            f"{host}: what lies in {folder} is not what was sent", "Is something else writing there?", host
        )
    return Installed(host, f"{folder}/{NAME}", python, rrsync)


def key_line(key_file: str, options: list[str], path: str, python: str) -> str:
    """The line of authorized_keys. options: of the gate. path: of the gate there.

    Raises ConfigError for a file that holds no public key, UsageError for what can't stand in the line.
    """
    for word in (python, path, *options):
        if not WORD.fullmatch(word):
            hint = "A shell there and sshd read the line: only letters, digits and _ . / + @ : , = - can stand in it."
            raise UsageError(f"{visible(word)!r} can't stand in a line of authorized_keys", hint)
    return f'restrict,command="{" ".join([python, "-I", path, *options])}" {_public_key(key_file)}'


def _public_key(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="strict") as file:
            text = file.read(LARGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"{visible(path)} can't be read: {reason}", "Name the file of a public key.") from None
    if not KEY.fullmatch(text):
        raise ConfigError(f"{visible(path)} is no public key of OpenSSH, one line", "Name the file that ends in .pub.")
    return text
