"""A site's own job runner: the file that hosts.yaml names, checked before it is sent along."""

from __future__ import annotations

import ast
import functools
import os
from typing import Any

from remote_install.jobhost.runners.own import NEEDED
from transfer.errors import ConfigError
from transfer.platforms import JobRunner, Platform
from transfer.wording import visible

LARGEST = 256 * 1024  # bytes


def runner_fields(platform: Platform) -> dict[str, Any]:
    """What a request says of the job runner: which one, and the variables that its commands see.

    Raises ConfigError as own_runner does.
    """
    runner = platform.job_runner
    return {
        "runner": {"name": runner.name, "cluster": runner.cluster, "source": own_runner(runner)},
        "forward": {name: os.environ[name] for name in platform.forward if name in os.environ},
    }


def own_runner(runner: JobRunner) -> str | None:
    """The text of its file; None for the runners that come with us.

    Raises ConfigError when it can't be read, is no Python, or lacks what a runner has.
    """
    return None if runner.file is None else _checked(runner.file)


@functools.lru_cache(maxsize=16)
def _checked(path: str) -> str:
    name = visible(path)
    try:
        with open(path, encoding="utf-8") as file:
            source = file.read(LARGEST + 1)
        tree = ast.parse(source)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(
            f"the job runner {name} can't be read: {reason}", "Correct job_runner.file in hosts.yaml."
        ) from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ConfigError(
            f"{name}:{line}: this is not Python: {error}", "The job host runs it with Python 3.6."
        ) from None
    if len(source) > LARGEST:
        raise ConfigError(f"the job runner {name} is larger than 256 KiB", "Is it the right file?")
    missing = [wanted for wanted in NEEDED if wanted not in _names(tree)]
    if missing:
        raise ConfigError(f"the job runner {name} has no {missing[0]}", f"It needs: {', '.join(NEEDED)}.")
    return source


def _names(tree: ast.Module) -> set[str]:
    """What a module defines at its top."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((name.asname or name.name) for name in node.names)
    return found
