"""The keys of hosts.yaml, and what is refused under them."""

from __future__ import annotations

import re

from transfer.keys import Key, Kind, Refusal
from transfer.wording import nearest, shown

HOST = r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*"
HOST_IN_WORDS = "letters, digits and _ . : @ -, with a letter, a digit or _ first"
_TARGET = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
_TARGET_IN_WORDS = "letters, digits and . _ + -, with a letter or digit first"
_NO_CONTROL = r"[^\x00-\x1f\x7f-\x9f]+"
_PLAIN_WORD = r"(?!-)[A-Za-z0-9_./+-]+"  # a shell on the job host reads it again
# No blank, and nothing that ssh refuses in a user's name itself: older ones pass it to a shell (ProxyCommand).
_USER = r"""(?!-)[^\s\x00-\x1f\x7f-\x9f'"`;&<>|(){}]+"""
_JUMP = r"[A-Za-z0-9_\[][A-Za-z0-9_.:@,/\[\]-]*"


def refuse_platform_name(name: str) -> Refusal:
    """Why a name that is spelled right can't be a platform's."""
    if name.startswith("/") and name.endswith("/"):
        return "names that are regular expressions have no effect yet", "Write out the platform's name."
    return _refuse_host(name)


def _refuse_host(host: str) -> Refusal:
    if host.lower() != "localhost":
        return None
    return "localhost has no effect yet: this version reaches hosts by ssh only", "Name another host."


def _refuse_hosts(hosts: tuple[str, ...]) -> Refusal:
    if not hosts:
        return "no host is named", "Name one, or remove the key: then it is the platform's name."
    if len(hosts) > 1:
        return "several hosts on a platform are not used yet: name one", "Keep the first."
    return None


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


def _refuse_ssh_option(name: str) -> Refusal:
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


def _refuse_rsync_option(word: str) -> Refusal:
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


_SSH = {
    "command": Key("program and arguments", Kind.COMMAND),
    "user": Key("user there", pattern=_USER, wanted="a user's name (no blanks, no quotes, no - first)"),
    "port": Key("port of the ssh server", Kind.WHOLE, least=1, most=65535),
    "identity": Key("private key file", pattern=_NO_CONTROL, wanted="a path"),
    "jump": Key("jump hosts, with commas between", pattern=_JUMP, wanted="hosts as ssh -J takes them (no - first)"),
    "connect_timeout": Key("seconds until a host counts as down", Kind.WHOLE, least=1, most=3600),
    "multiplex": Key("share one connection", later=True),
    "max_connections": Key("connections at once", later=True),
    "rate": Key("new connections a minute", later=True),
    "options": Key(
        "as in ssh_config",
        Kind.MAPPING,
        any_case=True,
        name=Key("option", pattern="[A-Za-z][A-Za-z0-9]*", wanted="letters and digits", refuse=_refuse_ssh_option),
    ),
}
_RSYNC = {
    "command": Key("program and arguments", Kind.COMMAND),
    "options": Key("further options", Kind.LIST, item=Key("option", refuse=_refuse_rsync_option)),
    "root": Key("where an rsync-restricted key starts", later=True),
}
_RETRY = {
    "attempts": Key("calls in all, the first included", Kind.WHOLE, least=1, most=100),
    "max_wait": Key("seconds between two calls at most", Kind.SECONDS, least=0, most=3600),
}
_HOST_KEY = Key("what ssh is given", pattern=HOST, wanted=HOST_IN_WORDS, refuse=_refuse_host)
_PLATFORM_NAME = Key("name", pattern=f"{HOST}|/.*/", wanted=HOST_IN_WORDS, refuse=refuse_platform_name)
_PLATFORM = {
    "hosts": Key("default: the platform's name", Kind.LIST, item=_HOST_KEY, refuse=_refuse_hosts),
    "select": Key("which host is tried first", later=True),
    "install_target": Key("one filesystem; default: the platform's name", pattern=_TARGET, wanted=_TARGET_IN_WORDS),
    "run_root": Key("home of run directories there", pattern=_NO_CONTROL, wanted="a path"),
    "job_runner": Key("what starts a job", later=True),
    "filesystem": Key("is it the one here?", later=True),
    "access": Key("what ssh may do there", later=True),
    "submit_from": Key("where the job runner is called", later=True),
    "python": Key(
        "python on the job host",
        pattern=_PLAIN_WORD,
        wanted="a name or path of letters, digits and _ . / + - (no ~, no - first)",
    ),
    "shell": Key("runs shell lines in the job", later=True),
    "ssh": Key("how ssh reaches the hosts", Kind.TABLE, keys=_SSH),
    "rsync": Key("how rsync is called", Kind.TABLE, keys=_RSYNC),
    "retry": Key("calls that fail and may pass later", Kind.TABLE, keys=_RETRY),
    "symlink_dirs": Key("relative path -> where it really lies", later=True),
    "environment": Key("variables of the job", later=True),
    "secrets": Key("variables of this machine that the job gets, never shown", later=True),
    "forward": Key("variables of this machine that the job runner's commands see", later=True),
    "init_script": Key("shell lines in the job, before the command", later=True),
    "directives": Key("job runner directives every job starts from", later=True),
    "polling": Key("seconds between looks", later=True),
}
_PLACE = Key("a platform", Kind.TABLE, keys=_PLATFORM)
HOSTS_YAML = Key(
    "hosts.yaml",
    Kind.TABLE,
    keys={
        "defaults": Key("what every platform starts from", Kind.TABLE, keys=_PLATFORM),
        "platforms": Key("the places where jobs run", Kind.MAPPING, name=_PLATFORM_NAME, item=_PLACE),
        "groups": Key("platforms to choose from", later=True),
    },
)
