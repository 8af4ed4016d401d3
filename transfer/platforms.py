"""hosts.yaml -> frozen Platform objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Optional


@dataclass(frozen=True)
class Ssh:
    """How ssh reaches the hosts of a platform. What is None is left to ssh_config.

    connect_timeout: seconds. options: as in ssh_config, name -> value.
    """

    command: tuple[str, ...] = ("ssh",)
    user: Optional[str] = None
    port: Optional[int] = None
    identity: Optional[str] = None
    jump: Optional[str] = None
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
