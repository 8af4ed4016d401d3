"""What the module job makes of its options, without remote-install."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.remote_install.remote_install.plugins.modules import job

NOTHING = dict.fromkeys(("time_limit", "directives", "environment", "retries", "command", "platform"))


class Failed(Exception):
    pass


class Module:
    """An AnsibleModule, as far as the functions need one."""

    check_mode = False

    def __init__(self, **params) -> None:
        self.params = {**NOTHING, "name": "train", "again": False, "state": "finished", **params}

    def fail_json(self, msg) -> None:
        raise Failed(msg)


@pytest.fixture(autouse=True)
def _job(monkeypatch) -> None:
    def make(name, command, platform, **fields):
        return SimpleNamespace(name=name, command=command, platform=platform, **fields)

    monkeypatch.setattr(job, "Job", make)


def described(**fields):
    """A run directory whose run.yaml has the job."""
    known = {"time_limit": 60.0, "directives": {}, "environment": {"A": "1"}, "retries": 2}
    one = SimpleNamespace(name="train", command="./train.sh", platform="hpc", **known)
    return SimpleNamespace(jobs=lambda: [one], **fields)


def test_what_the_task_says_wins_over_run_yaml() -> None:
    found = job.wanted(Module(retries=0, environment={"B": 2}), described())
    assert (found.command, found.platform, found.time_limit, found.retries) == ("./train.sh", "hpc", 60.0, 0)
    assert found.environment == {"B": "2"}


def test_a_command_in_the_task_is_the_job() -> None:
    found = job.wanted(Module(platform="gpu", command=["echo", 1]), described())
    assert (found.command, found.platform) == (["echo", "1"], "gpu")


@pytest.mark.parametrize("command", [{"a": 1}, 7, True])
def test_a_command_is_a_line_or_a_list(command) -> None:
    with pytest.raises(Failed, match="a shell line, or a list"):
        job.wanted(Module(platform="gpu", command=command), described())


def test_a_job_that_nobody_describes_fails() -> None:
    with pytest.raises(Failed, match="has no job other"):
        job.wanted(Module(name="other"), described())


def told(state):
    return SimpleNamespace(
        job="train", state=state, ended=state in ("succeeded", "failed"), as_json=lambda: {"state": state}
    )


@pytest.mark.parametrize(
    ("last", "again", "changed"),
    [
        ([], False, True),
        ([told("succeeded")], False, False),
        ([told("succeeded")], True, True),
        ([told("failed")], False, True),
        ([told("running")], False, False),
    ],
)
def test_check_mode_foretells_what_is_known_here(last, again, changed) -> None:
    module = Module(again=again)
    module.check_mode = True
    assert job.present(module, described(known=lambda: last))["changed"] is changed
