"""run.yaml, which a run directory may hold: what is installed, which jobs it has, what comes back."""

from __future__ import annotations

import os

from remote_install.jobhost import layout
from remote_install.run_settings import OURS, JobSettings, RunSettings
from transfer.errors import ConfigError
from transfer.hosts_yaml import DIRECTIVES, ENVIRONMENT, HOST, HOST_IN_WORDS
from transfer.keys import Key, Kind, Refusal
from transfer.settings import read_settings
from transfer.wording import shown, visible

NAME = "run.yaml"


def read(run_directory: str) -> RunSettings:
    """The settings of a run directory; the defaults where it has no run.yaml. Raises ConfigError with all mistakes."""
    path = os.path.join(run_directory, NAME)
    if not os.path.lexists(path):
        return RunSettings()
    if not os.path.isfile(path):  # a pipe would hold us for ever
        raise ConfigError(f"{visible(path)} is not a file", "Replace it by one, or remove it.")
    values = read_settings(path, RUN_YAML)
    install = values.get("install", {})
    return RunSettings(
        run_id=values.get("id"),
        exclude=install.get("exclude", ()),
        install_command=install.get("command", ""),
        jobs={name: JobSettings(name, **given) for name, given in values.get("jobs", {}).items()},
        fetch=tuple(str(inside(path)) for path in values.get("fetch", ())),
    )


def inside(path: str) -> str | None:
    """`path` in its plain form if it stays in the run directory and is not ours, else None.

    >>> inside("./results//a/"), inside("a/../../b"), inside("/etc")
    ('results/a', None, None)
    """
    plain = os.path.normpath(path)
    parts = plain.split("/")
    leaves = path.startswith("/") or ".." in path.split("/")
    return None if leaves or parts[0] in (".", OURS, ".git") or "\0" in path else plain


def _refuse_outside(path: str) -> Refusal:
    if inside(path) is not None:
        return None
    return f"{shown(path)} is no path of results inside the run directory", "Give it relative to that."


def _refuse_run_id(run_id: str) -> Refusal:
    if f"/{layout.JOBS.decode()}/" not in f"/{run_id}/":
        return None
    return f"{shown(run_id)} leads into the jobs' folder of another run", "Give it another id."


_JOB = {
    "command": Key("what runs: any program", Kind.LINE_OR_LIST, lines=True, required=True),
    "platform": Key("a platform or a group of hosts.yaml", pattern=HOST, wanted=HOST_IN_WORDS),
    "time_limit": Key("how long it may run", Kind.DURATION, least=1, most=366 * 86400),
    "directives": DIRECTIVES,
    "environment": ENVIRONMENT,
    "retries": Key("new tries after a failure", Kind.WHOLE, least=0, most=100),
}
_INSTALL = {
    "exclude": Key("what is not installed", Kind.LIST, item=Key("an rsync pattern", pattern=".+", wanted="a pattern")),
    "command": Key("runs on each install target until it succeeded for this content", lines=True),
}
_JOB_NAME = Key(
    "name", pattern=layout.JOB_NAME.pattern, wanted="up to 64 letters, digits and . _ + -, a letter or digit first"
)
_PATH = Key("a path in the run directory", refuse=_refuse_outside)
RUN_YAML = Key(
    NAME,
    Kind.TABLE,
    keys={
        "id": Key(
            "the run's name on every job host",
            pattern=layout.RUN_ID.pattern,
            wanted="letters, digits and . _ + -, a letter or digit first",
            refuse=_refuse_run_id,
        ),
        "install": Key("how it is installed", Kind.TABLE, keys=_INSTALL),
        "jobs": Key("the jobs", Kind.MAPPING, name=_JOB_NAME, item=Key("a job", Kind.TABLE, keys=_JOB)),
        "fetch": Key("what is brought back", Kind.LIST, item=_PATH),
    },
)
