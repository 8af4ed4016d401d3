"""action.yml and templates/run.yml: their shell steps are run as GitHub and GitLab would, against a test host."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hosts import JobHost

ROOT = Path(__file__).parents[2]
CHECKOUT = ("remote_install", "transfer", "docs", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")

# One process for all of them: pip takes longer than everything else here.
pytestmark = [pytest.mark.tools, pytest.mark.xdist_group("pipelines")]


@dataclass
class Pipeline:
    """A job of a CI system. folder: its checkout. temp: what it may use meanwhile. package: a checkout of ours."""

    folder: Path
    temp: Path
    package: Path
    host: JobHost
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        keep = {name: os.environ[name] for name in ("LANG", "PIP_INDEX_URL", "PIP_CONFIG_FILE") if name in os.environ}
        path = f"{self.temp}/bin:/usr/local/bin:/usr/bin:/bin"
        return {**keep, "HOME": os.environ.get("HOME", "/"), "PATH": path, "CI": "true", **self.variables}

    def start(self, script: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a step as both systems do: a script that bash reads from a file."""
        file = self.temp / "step"
        file.write_text(script)
        return subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)],
            cwd=self.folder,
            env={**self.environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """The exit code of a step, and what it shows."""
        process = self.start(script, env)
        shown, _ = process.communicate(timeout=150)
        return process.returncode, shown

    def left(self) -> set[str]:
        """What lies in the folder for meanwhile, but for what we put there."""
        return set(os.listdir(self.temp)) - {"bin", "step", "remote-install", "output", "summary"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of this project; pip writes into it."""
    folder = tmp_path_factory.mktemp("action")
    for name in CHECKOUT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a runner."""
    folder = tmp_path_factory.mktemp("temp")
    (folder / "bin").mkdir()
    (folder / "bin/python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "bin/python3").chmod(0o755)
    return folder


@pytest.fixture
def pipeline(tmp_path: Path, temp: Path, package: Path, job_host: JobHost) -> Iterator[Pipeline]:
    """A checkout with a run directory and a hosts.yaml, which names nothing but the host."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "hosts.yaml").write_text(f"platforms: {{hpc: {{hosts: [{job_host.address}], ssh: {{user: alice}}}}}}\n")
    yield Pipeline(tmp_path, temp, package, job_host)
    job_host.run(["sh", "-c", "kill -9 -1; rm -rf remote-install-run"])


# --- GitHub

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
INSTALL, RUN = ACTION["runs"]["steps"]


def evaluated(text: str, inputs: Mapping[str, str]) -> str:
    """What GitHub makes of the expressions in a text: no others are used."""
    return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: inputs[found[1]], text)


@dataclass
class Action:
    """The action in a step of a workflow."""

    pipeline: Pipeline
    inputs: dict[str, str]

    def start(self, step: dict[str, Any], **inputs: str) -> subprocess.Popen[str]:
        given = {**{name: one.get("default", "") for name, one in ACTION["inputs"].items()}, **self.inputs, **inputs}
        env = {name: evaluated(text, given) for name, text in step["env"].items()}
        return self.pipeline.start(step["run"], env)

    def __call__(self, **inputs: str) -> tuple[int, str]:
        process = self.start(RUN, **inputs)
        shown, _ = process.communicate(timeout=100)
        assert self.pipeline.left() == set()
        assert not any(line in shown for line in self.inputs["key"].splitlines() if len(line) > 20)
        return process.returncode, shown

    def outputs(self) -> dict[str, str]:
        """The outputs of the action; the file holds those of its steps."""
        written = dict(line.split("=", 1) for line in (self.pipeline.temp / "output").read_text().splitlines())
        wanted = {name: re.findall(r"outputs\.([\w-]+)", one["value"]) for name, one in ACTION["outputs"].items()}
        return {name: written[key] for name, (key,) in wanted.items()}


@pytest.fixture
def action(pipeline: Pipeline) -> Action:
    """The action, installed; its key has come through a form on a web page."""
    files = {name: pipeline.temp / name for name in ("output", "summary")}
    for file in files.values():
        file.write_text("")
    pipeline.variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": str(pipeline.package),
        "GITHUB_OUTPUT": str(files["output"]),
        "GITHUB_STEP_SUMMARY": str(files["summary"]),
        "GITHUB_RUN_ID": "77",
        "RUNNER_TEMP": str(pipeline.temp),
    }
    key, known = Path(pipeline.host.key).read_text(), Path(pipeline.host.known_hosts).read_text()
    inputs = {"key": key.strip().replace("\n", "\r\n"), "known-hosts": known, "hosts": "hosts.yaml"}
    made = Action(pipeline, inputs)
    process = made.start(INSTALL)
    shown, _ = process.communicate(timeout=150)
    assert process.returncode == 0, shown
    return made


def line(command: str) -> str:
    """What `args` is set to."""
    return f"run demo -p hpc --adopt --run-id ci/$GITHUB_RUN_ID {command}"


def test_the_action_tells_of_a_job_that_succeeds(action: Action) -> None:
    code, shown = action(args=line("-- sh -c 'echo $REMOTE_INSTALL_RUN; cat \"$0\"' 'a $(touch b)'"))
    assert code == 1
    assert "a $(touch b)" in shown  # cat: no such file
    code, shown = action(
        args=line("--again --junit report.xml -- sh -c 'echo it is $REMOTE_INSTALL_RUN; echo ::error::x'")
    )
    assert code == 0, shown
    assert "it is ci/77\n" in shown
    assert "::error::" not in re.sub(r"\| ::error::", "", shown)
    assert action.outputs() == {"state": "succeeded", "exit-code": "0", "run-id": "ci/77", "job": "job"}
    assert "| job | 02 | succeeded |" in (action.pipeline.temp / "summary").read_text()
    assert 'failures="0"' in (action.pipeline.folder / "report.xml").read_text()
    assert not list(action.pipeline.folder.glob("**/b"))


def test_the_action_tells_of_a_job_that_fails(action: Action) -> None:
    code, shown = action(args=line("-- sh -c 'exit 3'"))
    assert code == 1
    assert re.search(r"^::error title=job job::job 01 failed \(exit 3\)", shown, re.MULTILINE)
    assert action.outputs()["state"] == "failed"


@pytest.mark.parametrize(
    ("name", "value", "code", "phrase"),
    [
        ("known-hosts", "", 3, "holds no host key"),
        ("known-hosts", "{address} ssh-ed25519 {other}", 4, "host key"),
        ("key", "", 3, "holds no key"),
        ("key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", 3, "a broken key"),
        ("args", "run demo 'x", 2, "Quotes must be closed"),
        ("hosts", "no.yaml", 3, "no.yaml"),
    ],
)
def test_the_action_fails_closed(action: Action, name: str, value: str, code: int, phrase: str) -> None:
    other = (Path(action.pipeline.host.key + ".pub")).read_text().split()[1]
    filled = value.replace("{address}", action.pipeline.host.address).replace("{other}", other)
    before = action.pipeline.host.calls()
    told, shown = action(**{"args": line("-- true"), name: filled})
    assert (told, phrase in shown) == (code, True), shown
    assert "::error title=" in shown
    assert action.pipeline.host.calls() == before


def test_a_step_that_is_cancelled_ends_its_job(action: Action) -> None:
    """GitHub tells only the first process of a step."""
    process = action.start(RUN, args=line("-- sleep 666"))
    sleeping(action.pipeline.host, True)
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=30)
    assert process.returncode == 130, shown
    sleeping(action.pipeline.host, False)
    assert action.pipeline.left() == set()


def sleeping(host: JobHost, wanted: bool) -> None:
    """Wait until a job sleeps on the host, or until none does."""
    until = time.monotonic() + 40
    while any(one.args == "sleep 666" for one in host.processes()) != wanted:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_no_input_of_the_action_reaches_a_shell_as_code() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
    assert [step["shell"] for step in ACTION["runs"]["steps"]] == ["bash", "bash"]


# --- GitLab

SPEC, JOB = (ROOT / "templates/run.yml").read_text().split("\n---\n")


def component(**inputs: str) -> dict[str, Any]:
    """The job that GitLab makes of the component: it puts the inputs into its text."""
    declared = yaml.safe_load(SPEC)["spec"]["inputs"]
    given = {**{name: one["default"] for name, one in declared.items() if "default" in one}, **inputs}
    assert set(given) == set(declared)
    (job,) = yaml.safe_load(re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda found: given[found[1]], JOB)).values()
    return dict(job)


def variables(job: dict[str, Any]) -> dict[str, str]:
    """The job's variables. Those that GitLab expands hold nothing to expand."""
    return {name: one["value"] if isinstance(one, dict) else one or "" for name, one in job["variables"].items()}


def script(job: dict[str, Any], part: str) -> str:
    return "\n".join(job[part])


@pytest.fixture
def gitlab(pipeline: Pipeline) -> Pipeline:
    """A job of GitLab; the variables with the key and the host keys are of type File."""
    folder = Path(f"{pipeline.folder}.tmp")
    folder.mkdir()
    if (pipeline.temp / "remote-install").exists():  # what the action has installed need not come once more
        shutil.copytree(pipeline.temp / "remote-install", folder / "remote-install", symlinks=True)
    (folder / "KEY").write_text(Path(pipeline.host.key).read_text().rstrip())
    pipeline.variables = {
        "GITLAB_CI": "true",
        "CI_PROJECT_DIR": str(pipeline.folder),
        "CI_PIPELINE_ID": "77",
        "HPC_KEY": str(folder / "KEY"),
        "HPC_KNOWN_HOSTS": pipeline.host.known_hosts,
    }
    return pipeline


def inputs(pipeline: Pipeline, **more: str) -> dict[str, str]:
    names = {
        "key": "HPC_KEY",
        "known_hosts": "HPC_KNOWN_HOSTS",
        "hosts": "hosts.yaml",
        "package": str(pipeline.package),
    }
    return {**names, **more}


def test_the_component_runs_a_job_and_cleans_up_and_fails_closed(gitlab: Pipeline) -> None:
    prints = "-- sh -c 'echo it is \"$0\"; exit 3' '$(id)'"
    args = f'run demo -p hpc --run-id "ci/$CI_PIPELINE_ID" --junit report.xml {prints}'
    job = component(**inputs(gitlab, args=args, after="clean demo -p hpc --run-id ci/$CI_PIPELINE_ID"))
    code, shown = gitlab.run(script(job, "script"), variables(job))
    assert (code, "it is $(id)\n" in shown) == (1, True), shown
    assert "section_start:" in shown
    assert 'failures="1"' in (gitlab.folder / job["artifacts"]["reports"]["junit"]).read_text()
    assert gitlab.host.run(["ls", "remote-install-run/ci/77"]).returncode == 0
    code, shown = gitlab.run(script(job, "after_script"), variables(job))
    assert code == 0, shown
    assert gitlab.host.run(["ls", "remote-install-run/ci/77"]).returncode != 0
    calls = gitlab.host.calls()
    last = script(job, "script").strip().splitlines()[-1]
    code, shown = gitlab.run(last, {**variables(job), "KNOWN_HOSTS_VARIABLE": "NO_SUCH"})
    assert (code, "$NO_SUCH holds no host key" in shown) == (3, True), shown
    assert gitlab.host.calls() == calls


def test_no_input_of_the_component_reaches_a_shell_as_code() -> None:
    job = yaml.safe_load(JOB.replace("$[[ inputs.job ]]", "job"))["job"]
    assert "[[ inputs" not in script(job, "script") + script(job, "after_script")
    for name in ("REMOTE_INSTALL_LINE", "REMOTE_INSTALL_AFTER"):
        assert job["variables"][name]["expand"] is False
