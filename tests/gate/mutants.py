"""The gate with one of its checks taken out, for each of its checks."""

from __future__ import annotations

import ast
import types
from pathlib import Path

from remote_install import gate

SOURCE = Path(gate.__file__).read_text()


def _checks(tree: ast.Module) -> list[ast.If]:
    """Each `if` that does nothing but raise."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    return [node for node in found if len(node.body) == 1 and isinstance(node.body[0], ast.Raise) and not node.orelse]


def names() -> list[str]:
    """What the checks are about, in the order of the source: their conditions."""
    checks = sorted(_checks(ast.parse(SOURCE)), key=lambda node: node.lineno)
    return [ast.unparse(check.test) for check in checks]


def source_without(number: int) -> str:
    """The source in which that check refuses nothing. What it looks at is still looked at."""
    tree = ast.parse(SOURCE)
    check = sorted(_checks(tree), key=lambda node: node.lineno)[number]
    check.body = [ast.copy_location(ast.Pass(), check.body[0])]
    return ast.unparse(tree)


def load(source: str) -> types.ModuleType:
    """The source as a module."""
    module = types.ModuleType("gate_mutant")
    module.__file__ = gate.__file__
    exec(compile(source, "gate.py", "exec"), module.__dict__)
    return module
