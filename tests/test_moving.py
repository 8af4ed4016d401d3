"""docs/from-hpc-rocket.md is true: its run directory, with its two files as they stand there, gives results."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from reading import on_the_host

from remote_install.cli.throwaway import missing, throwaway_hosts

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/from-hpc-rocket.md").read_text()


@pytest.mark.skipif(bool(missing()), reason=f"throw-away job hosts need {', '.join(missing())}")
def test_the_example_that_was_moved_runs(tmp_path: Path) -> None:
    """On a host without Slurm: its job runner is left out, and with it the directives."""
    hosts_yaml, run_yaml = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    run = tmp_path / "train"
    (run / "jobs").mkdir(parents=True)
    (run / "data").mkdir()
    (run / "run.yaml").write_text(run_yaml)
    (run / "data/input.txt").write_text("model\n")
    (run / "jobs/train.job").write_text(
        "#!/bin/sh\n#SBATCH --ntasks=4\nmkdir results\ncp data/input.txt results/model.txt\n"
    )
    written = yaml.safe_load(hosts_yaml)["platforms"]["cluster"]
    assert written.pop("job_runner") == "slurm"
    with throwaway_hosts(("hpc",)) as (_, hosts_file):
        known = yaml.safe_load(on_the_host(yaml.safe_dump({"platforms": {"hpc": written}}), hosts_file))
        there = tmp_path / "hosts.yaml"
        there.write_text(yaml.safe_dump({"platforms": {"cluster": known["platforms"]["hpc"]}}))
        for line in re.findall(r"^\$ remote-install (.+)$", PAGE, re.MULTILINE):
            shutil.rmtree(run / "results", ignore_errors=True)
            done = subprocess.run(
                [sys.executable, "-m", "remote_install", *shlex.split(line)],
                cwd=run,
                env={**os.environ, "PYTHONPATH": str(ROOT), "REMOTE_INSTALL_HOSTS": str(there)},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, done.stderr
            assert line.startswith("clean") or (run / "results/model.txt").read_text() == "model\n"
    assert 'failures="0"' in (run / "report.xml").read_text()
