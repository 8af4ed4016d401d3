"""What docs/slurm-clusters.md and docs/without-ssh.md show of Slurm is typed where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch.fixtures import MakeSlurmClusters
from tools import pages
from tools.follower import Follower

pytestmark = pytest.mark.batch
WHERE = '#!/bin/sh\nmkdir -p results\nscontrol show config | grep "^ClusterName" >"results/$REMOTE_INSTALL_JOB"\n'


def test_jobs_of_one_run_on_two_clusters_of_one_login_node(
    tmp_path: Path, make_slurm_clusters: MakeSlurmClusters
) -> None:
    """These clusters have no generic resources, and few processors."""
    section = pages.section("slurm-clusters.md")
    settings, run_yaml = pages.blocks(section, "yaml")
    (shown,) = pages.blocks(section, "console")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    host = make_slurm_clusters(2, shared={str(scratch): "/scratch"})[0].host
    scratch.chmod(0o777)
    reader = Follower(tmp_path, host)
    reader.know(settings.replace(', --gres: "gpu:1"', ""), {"login1": host})
    reader.write_run("forecast", {"run.yaml": run_yaml.replace("64", "1"), "train.sh": WHERE, "post.sh": WHERE})
    reader.sees(shown, any_order=True)
    found = {path.name: path.read_text().split()[-1] for path in (tmp_path / "forecast/results").iterdir()}
    assert found == {"train": "c2", "post": "c1"}
