"""Ansible, and the user who plays with it."""

from __future__ import annotations

from pathlib import Path

import playing
import pytest
from end_to_end.client import Client
from end_to_end.conftest import client  # noqa: F401 - a fixture

collect_ignore = ["callbacks"]  # for its doctests each module is imported, and these only Ansible can


@pytest.fixture(autouse=True)
def _ansible_is_here() -> None:
    if not playing.is_here():
        pytest.skip("Ansible is not in this environment: ./dev ansible makes one that has it")


@pytest.fixture
def ansible(tmp_path: Path, client: Client) -> playing.Ansible:  # noqa: F811
    """Ansible as the user of the run directory has it."""
    folder = tmp_path / "ansible"
    found = playing.Ansible(folder, client.environment())
    found.prepare()
    return found
