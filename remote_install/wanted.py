"""What is to be run as a job: its command, in the shell, with init script and environment, as one argument list."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from remote_install.run_settings import JobSettings, Line
from transfer.errors import ConfigError
from transfer.platforms import Platform

# env(1) takes a word with = for a variable, also where the program should stand.
PROGRAM = ("/bin/sh", "-c", 'exec "$@"', "sh")
LONGEST_LINE = 64 * 1024  # bytes; Linux takes 128 KiB in one argument


@dataclass(frozen=True)
class Wanted:
    """A job to be submitted. candidates: the platforms that it may run on, the first choice first. time_limit: seconds.
    directives: for the job runner, after the platform's."""

    name: str
    command: Line
    candidates: tuple[Platform, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0
    time_limit: float | None = None
    directives: Mapping[str, str] = field(default_factory=dict)

    def argv(self, platform: Platform) -> tuple[str, ...]:
        """The argument list on `platform`."""
        return argument_list(self.command, platform, {**platform.environment, **self.environment})


def from_settings(job: JobSettings, candidates: tuple[Platform, ...]) -> Wanted:
    """A job of run.yaml."""
    return Wanted(job.name, job.command, candidates, job.environment, job.retries, job.time_limit, job.directives)


def argument_list(command: Line, platform: Platform, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What is started: env with the variables, the platform's shell where it is needed, the command.

    >>> hpc = Platform("hpc", ("login1",), "hpc")
    >>> argument_list("./train.sh | tee log", hpc, {})
    ('sh', '-c', './train.sh | tee log')
    >>> argument_list(("./train.sh", "a b"), hpc, {"SEED": "1"})
    ('env', 'SEED=1', './train.sh', 'a b')
    """
    argv = _in_shell(command, platform.shell, platform.init_script)
    if not environment:
        return argv
    variables = [f"{name}={value}" for name, value in environment.items()]
    return ("env", *variables, *(PROGRAM if "=" in argv[0] else ()), *argv)


def _in_shell(command: Line, shell: tuple[str, ...], init_script: str) -> tuple[str, ...]:
    # An empty line between: a backslash at the end of the init script would take the command for more of its own line.
    if isinstance(command, str):
        return (*shell, "-c", f"{init_script}\n\n{command}" if init_script else command)
    if not init_script:
        return command
    # Not as arguments of the shell: an init script that sources another one without arguments would give it these,
    # and `set --` in one would change them.
    words = " ".join(map(_quoted, command))
    if len(os.fsencode(words)) < LONGEST_LINE:
        return (*shell, "-c", f"{init_script}\n\nexec {words}")
    return (*shell, "-c", f'{init_script}\n\nexec "$@"', shell[0], *command)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def secrets(platform: Platform, environ: Mapping[str, str]) -> dict[str, str]:
    """The values of the variables that hosts.yaml names as secrets. Raises ConfigError when one is not set here."""
    missing = [name for name in platform.secrets if name not in environ]
    if missing:
        raise ConfigError(
            f"the secret {missing[0]} of platform {platform.name} is not set on this machine",
            f"Export {missing[0]}, or take it out of `secrets` in hosts.yaml.",
        )
    return {name: environ[name] for name in platform.secrets}
