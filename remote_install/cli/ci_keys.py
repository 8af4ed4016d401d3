"""A private key and a known_hosts as CI systems hand them over: made right where that can be done, else explained.

Pasted into a secret, a key tends to lose its last line end, or all of them, and to gain carriage returns. Nothing of a
key is ever shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from transfer import execute
from transfer.command import Command
from transfer.errors import ConfigError

PEM = re.compile(r"-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY)-----(?P<body>.*?)-----END (?P=kind)-----", re.DOTALL)
PUBLIC = re.compile(r"(ssh-|ecdsa-|sk-|---- BEGIN SSH2 PUBLIC|-----BEGIN [A-Z ]*PUBLIC)")
KEY_TYPE = re.compile(r"(ssh-(rsa|ed25519)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) ")
MAKE_ONE = "Make one for this purpose alone: ssh-keygen -t ed25519 -N '' -f key"


def value(name: str, environ: Mapping[str, str]) -> str:
    """What variable `name` holds; where that is the path of a file, as GitLab's variables of type File have it, what
    the file holds. "" if there is no such variable."""
    held = environ.get(name, "")
    if not os.path.isfile(held):
        return held
    with open(held, encoding="utf-8", errors="replace", newline="") as file:
        return file.read()


def repaired(name: str, text: str) -> str:
    """The key as ssh reads it: lines of base64 between BEGIN and END. Raises ConfigError for what is no private key.

    >>> repaired("KEY", "-----BEGIN PRIVATE KEY-----\\r\\nAAAA\\r\\n-----END PRIVATE KEY-----")
    '-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n'
    """
    text = text.lstrip("\ufeff").strip()
    found = PEM.search(text.replace("\\r", "").replace("\\n", "\n"))
    if not found:
        raise _no_key(name, text)
    if "ENCRYPTED" in found["kind"] or "ENCRYPTED" in found["body"]:
        raise _encrypted(name)
    body = re.sub(r"\s", "", found["body"])
    rows = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {found['kind']}-----", *rows, f"-----END {found['kind']}-----", ""])


def _no_key(name: str, text: str) -> ConfigError:
    if not text:
        return ConfigError(
            f"${name} holds no key: it is empty, or not set", "A secret is not given to pipelines of forks."
        )
    if PUBLIC.match(text):
        return ConfigError(f"${name} holds a public key", "What is needed is the private one: the file without .pub.")
    if text.startswith("PuTTY"):
        return ConfigError(f"${name} holds a key of PuTTY", "Convert it: puttygen key.ppk -O private-openssh -o key")
    if "-----BEGIN" in text:
        return ConfigError(
            f"${name} holds a part of a key: its END line is missing, or another one", "Copy the whole file."
        )
    return ConfigError(f"${name} holds no private key, and is no file's path", MAKE_ONE)


def _encrypted(name: str) -> ConfigError:
    return ConfigError(f"the key in ${name} is encrypted, and nobody is there to be asked for its passphrase", MAKE_ONE)


def check_key(name: str, path: str) -> str:
    """The fingerprint of the key in the file `path`. Raises ConfigError when ssh can't use it."""
    public = execute.run(Command(("ssh-keygen", "-y", "-P", "", "-f", path)))
    if public.exit_code == 0:
        told = execute.run(Command(("ssh-keygen", "-l", "-f", path)))
        words = told.out.decode(errors="replace").split()
        return words[1] if told.exit_code == 0 and len(words) > 1 else "of unknown fingerprint"
    if b"passphrase" in public.err:
        raise _encrypted(name)
    raise ConfigError(f"${name} holds a broken key: ssh-keygen can't read it", "Copy the whole file, and nothing else.")


def known_hosts(name: str, text: str) -> str:
    """The lines of a known_hosts. Raises ConfigError when there is none: host keys are never learnt in a pipeline."""
    rows = [row.strip() for row in text.lstrip("\ufeff").splitlines()]
    found = [row for row in rows if row and not row.startswith("#")]
    how = (
        "Take the line from a machine that has it: ssh-keygen -F HOST. Compare it with what the site publishes. "
        "What ssh-keyscan says in a pipeline is worth nothing: it takes whatever answers."
    )
    if not found:
        raise ConfigError(f"${name} holds no host key: it is empty, or not set", how)
    bare = next((row for row in found if KEY_TYPE.match(row)), None)
    if bare:
        raise ConfigError(f"${name}: a line has a key, but not whose it is", "The name of the host stands first in it.")
    return "\n".join([*found, ""])


def check_known_hosts(name: str, path: str) -> None:
    """Raises ConfigError when no line of the file `path` is one of a known_hosts."""
    if execute.run(Command(("ssh-keygen", "-l", "-f", path))).exit_code:
        raise ConfigError(f"${name} holds no line of a known_hosts file", "One is: HOST ssh-ed25519 AAAA…")
