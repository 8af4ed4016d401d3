"""docs/ci.md: what it shows is typed, or held against what it is about; GitHub and GitLab are in test_pipelines.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hosts import JobHost

from remote_install.cli import arguments, in_ci

from . import pages
from .follower import Follower

ROOT = Path(__file__).parents[2]
TRAIN = {"train.sh": '#!/bin/sh\nmkdir -p results\necho "$@" | tee results/model\n'}


@pytest.fixture
def reader(tmp_path: Path, job_host: JobHost) -> Iterator[Follower]:
    """A pipeline whose run directory is new on the shared job host."""
    user = Follower(tmp_path, job_host)
    user.know("platforms:\n  hpc: {hosts: [login1]}\n", {"login1": job_host})
    user.write_run("forecast", TRAIN)
    yield user
    user.hang_up()
    job_host.run(["sh", "-c", "kill -9 -1; rm -rf remote-install-run"])


def test_a_key_and_host_keys_come_from_variables(reader: Follower) -> None:
    """With the hosts.yaml of the page, which says nothing of keys, for a host without Slurm."""
    (settings,) = pages.blocks(pages.section("ci.md").partition("\n## ")[0], "yaml")
    (typed,) = pages.lines(pages.section("ci.md", "Anywhere else"))
    there = {"login1.example.org": reader.host.address, "robot": "alice", "slurm": "background"}
    for word, meant in there.items():
        assert word in settings
        settings = settings.replace(word, meant)
    (reader.folder / "hosts.yaml").write_text(settings)
    (reader.folder / "bin/ssh").unlink()
    key = Path(reader.host.key).read_text().rstrip().replace("\n", "\r\n")
    reader.variables = {"HPC_SSH_KEY": key, "HPC_KNOWN_HOSTS": reader.host.known_hosts}
    code, said = reader.type(typed)
    assert (code, "--epochs 3" in said.splitlines()) == (0, True), said
    assert reader.type(typed.replace("HPC_SSH_KEY", "NO_SUCH"))[0] == 3


def test_a_later_stage_with_another_checkout_finds_the_job(reader: Follower) -> None:
    section = pages.section("ci.md", "Submit in one stage, wait in another")
    submit, later = (block.replace("slurm ", "background ") for block in pages.blocks(section, "console"))
    code, said = reader.type(pages.typed(submit)[0][0])
    assert (code, said.splitlines()[-1].startswith("job 01 ")) == (0, True), said
    (reader.folder / "forecast").rename(reader.folder / "first")
    reader.write_run("forecast", TRAIN)
    reader.sees(later)
    assert (reader.folder / "forecast/results/model").read_text() == "--epochs 3\n"


def test_a_step_of_ones_own_hands_over_to_the_run(reader: Follower) -> None:
    """A fresh checkout each time, which takes over what the last one has left there."""
    (block,) = pages.blocks(pages.section("ci.md", "When the pipeline is cancelled"), "yaml")
    ((step,),) = (yaml.safe_load(block)["steps"],)
    for number in (1, 2):
        reader.write_run(f"checkout{number}", TRAIN)
        code, said = reader.type(f"cd checkout{number}; {step['run']}")
        assert code == 0, said
        assert f"job {number:02} succeeded on hpc" in said


# --- what is held against what it is about


def commands(text: str) -> list[str]:
    """The values of `args` and `after` in the pipelines that a text shows."""
    found = []
    for block in pages.blocks(text, "yaml"):
        for line in re.findall(r"^ +(?:args|after): (?:>-\n)?((?:.+\n)(?: {12,}.+\n)*)", block, re.MULTILINE):
            found.append(" ".join(line.split()))
    return found


@pytest.mark.parametrize(("heading", "count"), [("GitHub Actions", 2), ("GitLab", 2)])
def test_what_pipelines_are_given_is_understood(heading: str, count: int) -> None:
    found = commands(pages.section("ci.md", heading))
    assert len(found) == count
    for line in found:
        words = in_ci.words_of("LINE", {"LINE": line, "GITHUB_RUN_ID": "1", "CI_PIPELINE_ID": "2"})
        before, _ = arguments.split(words)
        assert arguments.parser().parse_args(before).run == "forecast"


def test_every_input_that_a_pipeline_gives_is_one_and_all_are_told_of() -> None:
    text = pages.section("ci.md", "GitHub Actions")
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    for step in yaml.safe_load(pages.blocks(text, "yaml")[0])["jobs"]["forecast"]["steps"]:
        assert set(step.get("with", {})) <= set(action["inputs"])
        assert "with" not in step or set(step["with"]) >= {
            name for name, one in action["inputs"].items() if one["required"]
        }
    assert set(re.findall(r"^\| `([\w-]+)`", text, re.MULTILINE)) == {*action["inputs"], *action["outputs"]}
    text = pages.section("ci.md", "GitLab")
    spec, _ = yaml.safe_load_all((ROOT / "templates/run.yml").read_text().replace("$[[", "x").replace("]]", "x"))
    given = set(yaml.safe_load(pages.blocks(text, "yaml")[0])["include"][0]["inputs"])
    told = set(re.findall(r"`(\w+)`", text))
    assert given <= set(spec["spec"]["inputs"]) <= given | told
