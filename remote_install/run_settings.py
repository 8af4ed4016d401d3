"""What a run.yaml says of a run: its jobs, what is installed, what comes back. run_yaml.py reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

OURS = ".remote-install"
Line = Union[str, tuple[str, ...]]  # a shell line, or an argument list


@dataclass(frozen=True)
class JobSettings:
    """A job of run.yaml. platform: a platform's or a group's name. time_limit: seconds. retries: new tries after a
    failure."""

    name: str
    command: Line
    platform: str | None = None
    time_limit: float | None = None
    directives: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0


@dataclass(frozen=True)
class RunSettings:
    """What a run.yaml says. exclude: rsync patterns of what is not installed. install_command: a shell line that runs
    on each install target. fetch: plain paths of results, relative to the run directory."""

    run_id: str | None = None
    exclude: tuple[str, ...] = ()
    install_command: str = ""
    jobs: Mapping[str, JobSettings] = field(default_factory=dict)
    fetch: tuple[str, ...] = ()
