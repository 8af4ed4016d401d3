"""What a job host says of its place, and how much of it is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remote_install import place
from remote_install.talk import Talk
from transfer.platforms import JobRunner, Platform


def test_who_is_said_to_be_separate_can_not_say_otherwise() -> None:
    """Else it could keep us from fetching anything."""
    talk = Talk()
    for filesystem, believed in (("separate", {}), ("auto", {"hpc": "/r"})):
        platform = replace(Platform("hpc", ("h",), "hpc"), filesystem=filesystem)
        place.learn({"run_dir": "/r", "shared": True, "runner_seen": True}, platform, talk)
        assert talk.learnt.shared == believed


@pytest.mark.parametrize("runner", ["background", "at", "pbs"])
def test_no_host_can_have_its_jobs_started_here(runner: str) -> None:
    """Whether the job runner here sees it is asked of Slurm alone."""
    platform = replace(Platform("hpc", ("h",), "hpc"), job_runner=JobRunner(runner))
    talk = Talk()
    place.learn({"run_dir": "/r", "shared": True, "runner_seen": True}, platform, talk)
    assert talk.learnt.here["hpc"] is False
