"""hosts.yaml -> frozen Platform objects."""

from __future__ import annotations

import os
import posixpath
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from transfer.errors import ConfigError
from transfer.hosts_file import SEARCHED
from transfer.hosts_yaml import HOST, HOST_IN_WORDS, HOSTS_YAML, LOCALHOST, is_expression, match, refuse_platform_name
from transfer.settings import read_settings
from transfer.wording import nearest, shown, visible


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Ssh:
    """How ssh reaches the hosts of a platform. What is None is left to ssh_config.

    connect_timeout: seconds. rate: new connections a minute. options: as in ssh_config, name -> value.
    """

    command: tuple[str, ...] = ("ssh",)
    user: str | None = None
    port: int | None = None
    identity: str | None = None
    jump: str | None = None
    connect_timeout: int = 10
    multiplex: bool = True
    max_connections: int = 8
    rate: int = 60
    options: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True)
class Rsync:
    command: tuple[str, ...] = ("rsync",)
    options: tuple[str, ...] = ()
    root: str | None = None


@dataclass(frozen=True)
class Retry:
    """attempts: calls in all, the first included. max_wait: seconds between two of them at most."""

    attempts: int = 5
    max_wait: float = 30.0


@dataclass(frozen=True)
class Polling:
    """Seconds between two looks at a job: from `first` they grow to `max`."""

    first: float = 1.0
    max: float = 30.0


@dataclass(frozen=True)
class JobRunner:
    """What starts a job. cluster: of slurm. file: a site's own, as an absolute path here."""

    name: str = "background"
    cluster: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Platform:
    """A named place where jobs run. The keys are those of hosts.yaml.

    secrets, forward: names of variables of this machine. shell: argv to which `-c LINE` is added.
    """

    name: str
    hosts: tuple[str, ...]
    install_target: str
    select: str = "in-order"
    run_root: str = "remote-install-run"
    job_runner: JobRunner = JobRunner()
    filesystem: str = "auto"
    access: str = "ssh"
    submit_from: str = "auto"
    python: str = "python3"
    shell: tuple[str, ...] = ("sh",)
    ssh: Ssh = Ssh()
    rsync: Rsync = Rsync()
    retry: Retry = Retry()
    symlink_dirs: Mapping[str, str] = field(default_factory=_nothing)
    environment: Mapping[str, str] = field(default_factory=_nothing)
    secrets: tuple[str, ...] = ()
    forward: tuple[str, ...] = ()
    init_script: str = ""
    directives: Mapping[str, str] = field(default_factory=_nothing)
    polling: Polling = Polling()

    @property
    def local(self) -> bool:
        """Is it this machine?"""
        return self.hosts[0].lower() == LOCALHOST


@dataclass(frozen=True)
class Platforms:
    """What a hosts.yaml holds. path: None where there is none. given: platform's name -> what the file sets for it.

    groups: name -> the names of its platforms, in the order in which they are tried. random: the
    groups whose order is drawn.
    """

    path: str | None
    defaults: Mapping[str, Any]
    given: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    random: frozenset[str] = frozenset()

    def get(self, name: str) -> Platform:
        """The platform of that name, or the one whose expression matches it. Raises ConfigError when there is none."""
        key = match(name, self.given)
        # Said of all platforms, it is not meant of this machine, which has its own filesystem in any case.
        defaults = self.defaults if name != LOCALHOST else {**self.defaults, "filesystem": "auto"}
        if key is not None:
            # Merged only now: a file of many platforms would be slow and large with all of them merged.
            return _platform(name, key, _merge(defaults, self.given[key]), self.path)
        if name == LOCALHOST:
            return _platform(name, name, defaults, self.path)
        raise self._missing(name)

    def has(self, name: str) -> bool:
        """Is there a platform of that name, or an expression that matches it? localhost always is."""
        return name == LOCALHOST or match(name, self.given) is not None

    def candidates(self, name: str) -> tuple[Platform, ...]:
        """The platforms that a name stands for, a platform's or a group's, in the order in which they are tried."""
        if name in self.groups:
            names = self.groups[name]
            return tuple(map(self.get, random.sample(names, len(names)) if name in self.random else names))
        return (self.get(name),)

    def of_host(self, host: str) -> Platform:
        """How a host is reached that need not be a platform's: as a platform that has it, else as `defaults` say."""
        names = (name for name, given in self.given.items() if host in given.get("hosts", (name,)))
        name = next(names, match(host, self.given))
        platform = _platform(host, host, self.defaults, self.path) if name is None else self.get(name)
        return replace(platform, hosts=(host,))

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
        names = [shown(known) for known in (*self.given, *self.groups)]
        listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        hint = f"It has: {listed or 'none'}."
        return ConfigError(f"{visible(self.path)} has no platform {name}", f"{nearest(name, names)} {hint}".lstrip())


def load_platforms(path: str | None) -> Platforms:
    """Reads a hosts.yaml; without one there are no platforms. Raises ConfigError that shows every mistake in it."""
    values = {} if path is None else read_settings(path, HOSTS_YAML)
    given = values.get("groups", {})
    groups = {name: tuple(group["platforms"]) for name, group in given.items()}
    drawn = frozenset(name for name, group in given.items() if group.get("select") == "random")
    return Platforms(path, values.get("defaults", {}), values.get("platforms", {}), groups, drawn)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key, all else is replaced.

    >>> _merge({"a": {"x": 1, "y": 2}, "b": (1, 2)}, {"a": {"y": 3}, "b": (4,)})
    {'a': {'x': 1, 'y': 3}, 'b': (4,)}
    """
    merged = {**below, **above}
    for name, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(name), Mapping):
            merged[name] = _merge(below[name], value)
    return merged


def _platform(name: str, key: str, given: Mapping[str, Any], path: str | None) -> Platform:
    """key: how the file calls it, which may be an expression."""
    ssh, rsync = dict(given.get("ssh", {})), dict(given.get("rsync", {}))
    for tool in (ssh, rsync):
        if "command" in tool:
            tool["command"] = (os.path.expanduser(tool["command"][0]), *tool["command"][1:])
    if "identity" in ssh:
        ssh["identity"] = os.path.expanduser(ssh["identity"])
    # ssh takes the first of two equal options, whatever their case; here the platform's own wins.
    options = {option.lower(): (option, value) for option, value in ssh.get("options", {}).items()}
    ssh["options"] = MappingProxyType(dict(options.values()))
    built: dict[str, Any] = {
        "ssh": Ssh(**ssh),
        "rsync": Rsync(**rsync),
        "retry": Retry(**given.get("retry", {})),
        "polling": Polling(**given.get("polling", {})),
        "job_runner": _job_runner(given.get("job_runner", {}), path),
    }
    if is_expression(key):
        built["hosts"] = (name,)
    symlink_dirs = given.get("symlink_dirs", {})
    built["symlink_dirs"] = MappingProxyType({posixpath.normpath(path): to for path, to in symlink_dirs.items()})
    for mapping in ("environment", "directives"):
        built[mapping] = MappingProxyType(dict(given.get(mapping, {})))
    return Platform(**{"name": name, "hosts": (name,), "install_target": name, **given, **built})


def _job_runner(given: str | Mapping[str, str], path: str | None) -> JobRunner:
    """A file is named as it lies from hosts.yaml."""
    fields = {"name": given} if isinstance(given, str) else dict(given)
    if "file" in fields:
        folder = os.path.dirname(os.path.abspath(path or "."))
        fields["file"] = os.path.join(folder, os.path.expanduser(fields["file"]))
    return JobRunner(**fields)
