"""hosts.yaml -> frozen Platform objects."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from transfer.errors import ConfigError
from transfer.hosts_yaml import HOST, HOST_IN_WORDS, HOSTS_YAML, refuse_platform_name
from transfer.settings import read_settings
from transfer.wording import nearest, shown, visible

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
        refusal = refuse_platform_name(name)
        if refusal:
            return ConfigError(*refusal)
        if not re.fullmatch(HOST, name):
            return ConfigError(f'"{shown(name)}" can\'t be the name of a platform', f"It is {HOST_IN_WORDS}.")
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
