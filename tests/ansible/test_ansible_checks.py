"""The collection passes Ansible's own checks, in a tree such as Ansible wants."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import playing
import pytest
from playing import Ansible

pytestmark = pytest.mark.ansible

# All but those for which ansible-test builds environments of its own with old pins: pylint, and of other languages.
SANITY = (
    *("action-plugin-docs", "ansible-doc", "compile", "empty-init", "ignores", "import", "line-endings", "no-assert"),
    *("no-get-exception", "no-illegal-filenames", "no-smart-quotes", "replace-urlopen", "runtime-metadata", "shebang"),
    *("symlinks", "use-argspec-type-path", "use-compat-six", "validate-modules", "yamllint"),
)


@pytest.fixture
def alone(tmp_path: Path) -> Ansible:
    """Ansible without any host."""
    found = Ansible(tmp_path, {"PYTHONPATH": "", "LC_ALL": "C.UTF-8"})
    found.prepare()
    return found


def test_the_production_profile_of_ansible_lint(alone: Ansible) -> None:
    done = alone("ansible-lint", "--offline", "--profile", "production", folder=alone.collection)
    assert done.returncode == 0, done.stdout
    assert "Profile 'production' was required, and it passed" in done.stdout


# ansible-test makes environments without pip, and would get that from a server of Ansible's own, but for this file.
PIP = "import ensurepip\nensurepip.bootstrap()\n"


def test_sanity(alone: Ansible) -> None:
    alone.variables["HOME"] = str(alone.folder)
    cache = alone.folder / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    requirements = importlib.util.find_spec("ansible_test._internal.python_requirements")
    assert requirements is not None
    assert requirements.origin is not None
    for version in re.findall(r"pip='([0-9.]+)'", Path(requirements.origin).read_text()):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(PIP)
    words = [word for name in SANITY for word in ("--test", name)]
    words = ["sanity", "--color", "no", "--python", playing.PYTHON, *words]
    done = alone("ansible-test", *words, folder=alone.collection, timeout=170)  # on an idle machine it takes 71 s
    assert done.returncode == 0, done.stdout


def test_units(alone: Ansible) -> None:
    done = alone("ansible-test", "units", "--color", "no", "--python", playing.PYTHON, folder=alone.collection)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
