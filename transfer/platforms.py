"""hosts.yaml -> frozen Platform objects."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from transfer.errors import ConfigError
from transfer.settings import Key, Kind, Refusal, nearest, read_settings, shown, visible

SYSTEM_HOSTS_FILE = "/etc/remote-install/hosts.yaml"
SEARCHED = (
    "--hosts FILE, $REMOTE_INSTALL_HOSTS, $XDG_CONFIG_HOME/remote-install/hosts.yaml "
    f"(else ~/.config/remote-install/hosts.yaml), {SYSTEM_HOSTS_FILE}"
)


@dataclass(frozen=True)
class Ssh:
    """How ssh reaches the hosts of a platform. What is None is left to ssh_config.

    connect_timeout: seconds. options: as in ssh_config, name -> value.
    """

    command: tuple[str, ...] = ("ssh",)
    user: str | None = None
    port: int | None = None
    identity: str | None = None
    jump: str | None = None
    connect_timeout: int = 10
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Rsync:
    command: tuple[str, ...] = ("rsync",)
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retry:
    """attempts: calls in all, the first included. max_wait: seconds between two of them at most."""

    attempts: int = 5
    max_wait: float = 30.0


@dataclass(frozen=True)
class Platform:
    """A named place where jobs run."""

    name: str
    hosts: tuple[str, ...]
    install_target: str
    run_root: str = "remote-install-run"
    python: str = "python3"
    ssh: Ssh = Ssh()
    rsync: Rsync = Rsync()
    retry: Retry = Retry()


@dataclass(frozen=True)
class Platforms:
    """What a hosts.yaml holds. path: None where there is none. given: platform's name -> what the file sets for it."""

    path: str | None
    defaults: Mapping[str, Any]
    given: Mapping[str, Mapping[str, Any]]

    def get(self, name: str) -> Platform:
        """Raises ConfigError when the file has no such platform."""
        if name in self.given:
            # Merged only now: a file of many platforms would be slow and large with all of them merged.
            return _platform(name, _merge(self.defaults, self.given[name]))
        raise self._missing(name)

    def _missing(self, name: str) -> ConfigError:
        refusal = _refuse_platform_name(name)
        if refusal:
            return ConfigError(*refusal)
        if not re.fullmatch(_HOST, name):
            return ConfigError(f'"{shown(name)}" can\'t be the name of a platform', f"It is {_HOST_IN_WORDS}.")
        if self.path is None:
            lines = f"platforms:\n  {name}:\n    hosts: [{name}]"
            hint = f"Looked for: {SEARCHED}. Write into one of them:\n{lines}"
            return ConfigError(f"there is no hosts.yaml, so no platform {name} either", hint)
        names = [shown(known) for known in self.given]
        listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        hint = f"It has: {listed or 'none'}."
        return ConfigError(f"{visible(self.path)} has no platform {name}", f"{nearest(name, names)} {hint}".lstrip())


def find_hosts_file(explicit: str | None, environ: Mapping[str, str]) -> str | None:
    """The path of the hosts.yaml to read; None if there is none. explicit: what --hosts says.

    Raises ConfigError: there is nothing where --hosts or $REMOTE_INSTALL_HOSTS points.
    """
    for origin, path in (("--hosts", explicit), ("$REMOTE_INSTALL_HOSTS", environ.get("REMOTE_INSTALL_HOSTS") or None)):
        if path is not None:
            try:
                os.stat(path)
            except (OSError, ValueError) as error:
                reason = (isinstance(error, OSError) and error.strerror) or error
                hint = "Correct the path, or leave it out."
                raise ConfigError(f"{origin} names {visible(path) or 'nothing'}: {reason}", hint) from None
            return path
    config = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):  # the XDG rules: a relative path is ignored
        config = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    found = (os.path.join(config, "remote-install", "hosts.yaml"), SYSTEM_HOSTS_FILE)
    # A dangling link counts as there, so that reading it tells the user.
    return next((path for path in found if os.path.lexists(path)), None)


def load_platforms(path: str | None) -> Platforms:
    """Reads a hosts.yaml; without one there are no platforms. Raises ConfigError that shows every mistake in it."""
    values = {} if path is None else read_settings(path, HOSTS_YAML)
    return Platforms(path, values.get("defaults", {}), values.get("platforms", {}))


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key, all else is replaced.

    >>> _merge({"a": {"x": 1, "y": 2}, "b": (1, 2)}, {"a": {"y": 3}, "b": (4,)})
    {'a': {'x': 1, 'y': 3}, 'b': (4,)}
    """
    merged = {**below, **above}
    for name, value in above.items():
        if isinstance(value, Mapping):
            merged[name] = _merge(below.get(name, {}), value)
    return merged


def _platform(name: str, given: Mapping[str, Any]) -> Platform:
    ssh, rsync = dict(given.get("ssh", {})), dict(given.get("rsync", {}))
    for tool in (ssh, rsync):
        if "command" in tool:
            tool["command"] = (os.path.expanduser(tool["command"][0]), *tool["command"][1:])
    if "identity" in ssh:
        ssh["identity"] = os.path.expanduser(ssh["identity"])
    # ssh takes the first of two equal options, whatever their case; here the platform's own wins.
    options = {option.lower(): (option, value) for option, value in ssh.get("options", {}).items()}
    ssh["options"] = MappingProxyType(dict(options.values()))
    built = {"ssh": Ssh(**ssh), "rsync": Rsync(**rsync), "retry": Retry(**given.get("retry", {}))}
    return Platform(**{"name": name, "hosts": (name,), "install_target": name, **given, **built})


_HOST = r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*"
_HOST_IN_WORDS = "letters, digits and _ . : @ -, with a letter, a digit or _ first"
_NO_CONTROL = r"[^\x00-\x1f\x7f-\x9f]+"

_PROMISES = {  # options of ssh that would break what we promise, in lower case -> why
    "batchmode": "nothing may wait for a person",
    "numberofpasswordprompts": "nothing may wait for a person",
    "stricthostkeychecking": "host keys are always checked",
    "nohostauthenticationforlocalhost": "host keys are always checked",
    "requesttty": "a terminal would change the bytes",
    "remotecommand": "we give the command",
    "sessiontype": "we give the command",
    "forkafterauthentication": "we need to see ssh end",
    "stdinnull": "the request travels on stdin",
    "loglevel": "what ssh says tells us what went wrong",
}


def _refuse_option(name: str) -> Refusal:
    why = _PROMISES.get(name.lower())
    return (f"the ssh option {name} can't be set: {why}", "Remove it.") if why else None


def _refuse_platform_name(name: str) -> Refusal:
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


def _later(about: str, kind: Kind = Kind.TEXT, default: object = None, **rest: Any) -> Key:
    return Key(about, kind, default, later=True, **rest)


_PLAIN_WORD = r"(?!-)[A-Za-z0-9_./+-]+"  # a shell on the job host reads it again
# No blank, and nothing that ssh refuses in a user's name itself: older ones pass it to a shell (ProxyCommand).
_USER = r"""(?!-)[^\s\x00-\x1f\x7f-\x9f'"`;&<>|(){}]+"""
_JUMP = r"[A-Za-z0-9_\[][A-Za-z0-9_.:@,/\[\]-]*"

_SSH = {
    "command": Key("program and arguments", Kind.COMMAND, "ssh"),
    "user": Key("user there", pattern=_USER, wanted="a user's name (no blanks, no quotes, no - first)"),
    "port": Key("port of the ssh server", Kind.WHOLE, least=1, most=65535),
    "identity": Key("private key file", pattern=_NO_CONTROL, wanted="a path"),
    "jump": Key("jump hosts, with commas between", pattern=_JUMP, wanted="hosts as ssh -J takes them (no - first)"),
    "connect_timeout": Key("seconds until a host counts as down", Kind.WHOLE, Ssh.connect_timeout, least=1, most=3600),
    "multiplex": _later("share one connection", Kind.BOOLEAN, True),
    "max_connections": _later("connections at once", Kind.WHOLE, 8),
    "rate": _later("new connections a minute", Kind.WHOLE, 60),
    "options": Key(
        "as in ssh_config",
        Kind.MAPPING,
        name=Key("option", pattern="[A-Za-z][A-Za-z0-9]*", wanted="letters and digits", refuse=_refuse_option),
    ),
}
_RSYNC = {
    "command": Key("program and arguments", Kind.COMMAND, "rsync"),
    "options": Key("further options", Kind.LIST, ()),
    "root": _later("where an rsync-restricted key starts"),
}
_RETRY = {
    "attempts": Key("calls in all, the first included", Kind.WHOLE, Retry.attempts, least=1, most=100),
    "max_wait": Key("seconds between two calls at most", Kind.SECONDS, Retry.max_wait, least=0, most=3600),
}
_POLLING = {
    "first": Key("seconds until the second look", Kind.SECONDS, 1),
    "max": Key("seconds between two looks at most", Kind.SECONDS, 30),
}
_HOST_KEY = Key("what ssh is given", pattern=_HOST, wanted=_HOST_IN_WORDS, refuse=_refuse_host)
_PLATFORM_NAME = Key("name", pattern=f"{_HOST}|/.*/", wanted=_HOST_IN_WORDS, refuse=_refuse_platform_name)
_PLATFORM = {
    "hosts": Key("default: the platform's name", Kind.LIST, item=_HOST_KEY, refuse=_refuse_hosts),
    "select": _later("which host is tried first", default="in-order", choices=("in-order", "random")),
    "install_target": Key("one filesystem; default: the platform's name", pattern=_NO_CONTROL, wanted="a name"),
    "run_root": Key("home of run directories there", default=Platform.run_root, pattern=_NO_CONTROL, wanted="a path"),
    "job_runner": _later("what starts a job", default="background"),
    "filesystem": _later("is it the one here?", default="auto", choices=("auto", "shared", "separate")),
    "access": _later("what ssh may do there", default="ssh", choices=("ssh", "rsync-only")),
    "submit_from": _later("where the job runner is called", default="auto", choices=("auto", "host", "here")),
    "python": Key(
        "python on the job host",
        default=Platform.python,
        pattern=_PLAIN_WORD,
        wanted="a name or path of letters, digits and _ . / + - (no ~, no - first)",
    ),
    "shell": _later("runs shell lines in the job", Kind.COMMAND, "sh"),
    "ssh": Key("how ssh reaches the hosts", Kind.TABLE, keys=_SSH),
    "rsync": Key("how rsync is called", Kind.TABLE, keys=_RSYNC),
    "retry": Key("calls that fail and may pass later", Kind.TABLE, keys=_RETRY),
    "symlink_dirs": _later("relative path -> where it really lies", Kind.MAPPING),
    "environment": _later("variables of the job", Kind.MAPPING),
    "secrets": _later("variables of this machine that the job gets, never shown", Kind.LIST),
    "forward": _later("variables of this machine that the job runner's commands see", Kind.LIST),
    "init_script": _later("shell lines in the job, before the command"),
    "directives": _later("job runner directives every job starts from", Kind.MAPPING),
    "polling": _later("seconds between looks", Kind.TABLE, keys=_POLLING),
}
_GROUP = {
    "platforms": Key("platforms to choose from", Kind.LIST),
    "select": Key("which one", default="in-order", choices=("in-order", "random")),
}
HOSTS_YAML = Key(
    "hosts.yaml",
    Kind.TABLE,
    keys={
        "defaults": Key("what every platform starts from", Kind.TABLE, keys=_PLATFORM),
        "platforms": Key(
            "the places where jobs run",
            Kind.MAPPING,
            name=_PLATFORM_NAME,
            item=Key("a platform", Kind.TABLE, keys=_PLATFORM),
        ),
        "groups": _later("platforms to choose from", Kind.MAPPING, item=Key("a group", Kind.TABLE, keys=_GROUP)),
    },
)
