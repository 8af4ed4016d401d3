"""Options of ssh and rsync that hosts.yaml must not set, each with the reason."""

from __future__ import annotations

import re

from transfer.keys import Refusal
from transfer.wording import nearest, shown

# Why -> options of ssh that would break what we promise, or lose against what transfer/ssh.py puts first.
_SSH_PROMISES = {
    "nothing may wait for a person": "BatchMode NumberOfPasswordPrompts",
    "host keys are always checked": "StrictHostKeyChecking NoHostAuthenticationForLocalhost",
    "a terminal would change the bytes": "RequestTTY",
    "we give the command": "RemoteCommand SessionType",
    "we need to see ssh end": "ForkAfterAuthentication",
    "the request travels on stdin": "StdinNull",
    "what ssh says tells us what went wrong": "LogLevel",
    "nothing is forwarded": "ForwardAgent ForwardX11 ClearAllForwardings LocalForward RemoteForward DynamicForward",
    "nothing runs here at login": "PermitLocalCommand LocalCommand",
    "its key is ssh.connect_timeout": "ConnectTimeout",
}
_WHY_NOT = {option.lower(): why for why, options in _SSH_PROMISES.items() for option in options.split()}


def refuse_ssh_option(name: str) -> Refusal:
    why = _WHY_NOT.get(name.lower())
    return (f"the ssh option {name} can't be set: {why}", "Remove it.") if why else None


# All that may stand in rsync.options. Not --modify-window: counting whole seconds misses changes (measured).
_RSYNC_LETTERS = "46HLOSWcxz"
_RSYNC_FLAGS = (
    "checksum|compress|copy-links|copy-unsafe-links|hard-links|inc-recursive|ipv4|ipv6|omit-dir-times"
    "|one-file-system|partial|safe-links|sparse|whole-file"
)
_RSYNC_VALUED = (
    "block-size|bwlimit|cc|checksum-choice|chmod|compress-choice|compress-level|exclude|exclude-from|filter|iconv"
    "|include|include-from|max-size|min-size|partial-dir|skip-compress|stop-after|timeout|zc|zl"
)
_RSYNC_OPTION = rf"-[{_RSYNC_LETTERS}]+|--(no-)?({_RSYNC_FLAGS})|--({_RSYNC_VALUED})=.+"


def refuse_rsync_option(word: str) -> Refusal:
    if re.fullmatch(_RSYNC_OPTION, word):
        return None
    name = word.split("=")[0]
    if not name.startswith("-"):
        return f"{shown(word) or 'an empty text'} is not an option", "An option and its value are one: --option=value."
    if re.fullmatch(f"--({_RSYNC_VALUED})", name):
        return f"the rsync option {name} needs a value", f"Write {name}=VALUE."
    if re.fullmatch(f"--(no-)?({_RSYNC_FLAGS})", name):
        return f"the rsync option {name} takes no value", f"Write {name}."
    if not name.startswith("--"):  # -ze is -z and -e
        name = "-" + word[1:].lstrip(_RSYNC_LETTERS)[:1]
    message = f"the rsync option {shown(name)} is not used here: it could break what an install promises"
    known = [f"--{option}" for option in f"{_RSYNC_FLAGS}|{_RSYNC_VALUED}".split("|")]
    return message, nearest(name, known, alike=0.8) or "Remove it."
