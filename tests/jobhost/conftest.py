"""Fixtures of the tests of what runs on a job host."""

from __future__ import annotations

import shutil

import pytest

from .shells import SHELLS


@pytest.fixture(params=SHELLS.values(), ids=SHELLS.keys())
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The argument list of each shell, one after the other."""
    argv = tuple(request.param)
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not on this machine")
    return argv


@pytest.fixture
def every_shell() -> dict[str, tuple[str, ...]]:
    """All shells by name, for tests that need them side by side."""
    missing = [argv[0] for argv in SHELLS.values() if shutil.which(argv[0]) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not on this machine")
    return SHELLS
