"""The modules of the collection, in playbooks, on a real job host."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from end_to_end.client import Client
from playing import ROOT, Ansible, task

pytestmark = pytest.mark.ansible


def install(client: Client, **fields: Any) -> dict[str, Any]:
    return task("Install", "run_directory", path=str(client.run_directory), platform="hpc", **fields)


def job(client: Client, title: str, name: str, **fields: Any) -> dict[str, Any]:
    return task(title, "job", path=str(client.run_directory), name=name, **fields)


def tree(folder: Path) -> dict[str, float]:
    """Every file and folder below, with the time of its last change; the tokens of live processes come and go."""
    found = {}
    for path, folders, names in os.walk(folder):
        if os.path.basename(path) != "seen":
            found.update({f"{path}/{name}": os.lstat(f"{path}/{name}").st_mtime for name in (*folders, *names)})
    return found


def test_a_playbook_installs_submits_waits_and_fetches(ansible: Ansible, client: Client) -> None:
    client.write("train.sh", "mkdir -p results; echo $1 >results/model\n", 0o755)
    tasks = [
        install(client),
        job(client, "Submit", "train", state="submitted", platform="hpc", command="sh train.sh $SEED",
            environment={"SEED": 7}),
        task("Look", "job_info", path=str(client.run_directory)),
        job(client, "Finish", "train", platform="hpc", command="sh train.sh $SEED", fetch=["results"]),
    ]  # fmt: skip
    first = ansible.play(tasks)
    assert first.code == 0, first.talk
    assert (first["Install"]["changed"], first["Install"]["targets"][0]["files_sent"]) == (True, 1)
    assert (first["Submit"]["changed"], first["Submit"]["job"]["job"]) == (True, "train")
    assert first["Look"]["jobs"][0]["state"] in ("submitted", "running", "succeeded")
    assert first["Finish"]["job"]["state"] == "succeeded"
    assert (client.run_directory / "results" / "model").read_text() == "7\n"
    second = ansible.play(tasks)
    assert (second.code, second.changed) == (0, [])
    assert client.host.run(["ls", f"{client.there}/log/job/train"]).stdout.split() == ["01"]


def test_the_playbook_of_the_page_does_what_it_says(ansible: Ansible, client: Client) -> None:
    client.write("../forecast/train.sh", "#!/bin/sh\nmkdir -p results; echo $2 >results/model\n", 0o755)
    (playbook,) = re.findall(
        r"```yaml\n(- name: Forecast.*?)```", (ROOT / "docs" / "ansible.md").read_text(), re.DOTALL
    )
    (client.folder / "playbook.yml").write_text(playbook)
    done = ansible.play(str(client.folder / "playbook.yml"))
    assert done.code == 0, done.talk
    assert done["Say it"]["msg"] == ["succeeded"]
    assert (client.folder / "forecast" / "results" / "model").read_text() == "3\n"


def test_a_failing_job_fails_the_task_with_its_reason_and_is_tried_anew_the_next_time(
    ansible: Ansible, client: Client
) -> None:
    tasks = [install(client), job(client, "Run", "bad", platform="hpc", command="echo no such model >&2; exit 3")]
    done = ansible.play(tasks)
    assert done.code != 0
    assert done["Run"]["msg"] == f"job bad failed on {client.host.name}: exit 3"
    assert done["Run"]["stderr"] == "no such model\n"
    assert (done["Run"]["job"]["exit_code"], done["Run"]["job"]["try"]) == (3, 1)
    assert ansible.play(tasks)["Run"]["job"]["try"] == 2


def test_who_waits_for_a_submitted_job_is_told_of_its_failure_though_others_looked(
    ansible: Ansible, client: Client
) -> None:
    command = {"platform": "hpc", "command": "exit 4"}
    submitted = ansible.play([install(client), job(client, "Submit", "bad", state="submitted", **command)])
    assert submitted.code == 0, submitted.talk
    look = task("Look", "job_info", path=str(client.run_directory), names=["bad"])
    until = time.monotonic() + 20
    while ansible.play([look])["Look"]["jobs"][0]["state"] != "failed":
        assert time.monotonic() < until
    done = ansible.play([job(client, "Finish", "bad", **command)])
    assert (done["Finish"]["job"]["try"], done["Finish"]["job"]["reason"]) == (1, "exit 4")
    assert done.code != 0


def test_a_job_of_run_yaml_is_tried_again_as_often_as_it_says(ansible: Ansible, client: Client) -> None:
    client.write(
        "run.yaml", "jobs:\n  flaky:\n    platform: hpc\n    command: test $REMOTE_INSTALL_TRY = 2\n    retries: 1\n"
    )
    done = ansible.play([install(client), job(client, "Run", "flaky")])
    assert done.code == 0, done.talk
    assert done["Run"]["job"]["try"] == 2


def test_an_absent_job_is_ended_and_once_only(ansible: Ansible, client: Client) -> None:
    end = job(client, "End", "long", state="absent", grace=1)
    assert ansible.play([end])["End"]["changed"] is False
    sleep = job(client, "Start", "long", state="submitted", platform="hpc", command=["sleep", "600"])
    started = ansible.play([install(client), sleep])
    again = ansible.play([sleep])
    assert (started["Start"]["changed"], again["Start"]["changed"]) == (True, False)
    dry = ansible.play([end], "--check")
    assert (dry["End"]["changed"], dry["End"]["job"]["state"]) == (True, "running")
    done = ansible.play([end])
    assert (done["End"]["changed"], done["End"]["job"]["state"]) == (True, "killed")
    assert ansible.play([end])["End"]["changed"] is False


def test_check_mode_tells_what_would_be_changed_and_changes_nothing(ansible: Ansible, client: Client) -> None:
    client.write("a", "one\n")
    client.write("b", "one\n")
    tasks = [install(client), job(client, "Run", "train", platform="hpc", command="true")]
    assert ansible.play([install(client)]).code == 0
    client.write("a", "two\n")
    client.write("c", "new\n")
    (client.run_directory / "b").unlink()
    before = tree(client.run_directory), client.host.run(["find", ".", "-printf", "%p %T@ %s\\n"]).stdout
    dry = ansible.play(tasks, "--check", "--diff")
    assert dry.code == 0, dry.talk
    assert (tree(client.run_directory), client.host.run(["find", ".", "-printf", "%p %T@ %s\\n"]).stdout) == before
    (difference,) = dry["Install"]["diff"]
    assert (difference["before"], difference["after"]) == ("a\nb\n", "a (changed)\nc\n")
    assert difference["after_header"] == f"hpc:{client.there}"
    real = ansible.play(tasks, "--diff")
    assert real["Install"]["diff"] == dry["Install"]["diff"]
    assert [dry[name]["changed"] for name in ("Install", "Run")] == [True, True] == [
        real[name]["changed"] for name in ("Install", "Run")
    ]  # fmt: skip
    assert ansible.play(tasks, "--check").changed == []


def test_errors_fail_the_task_with_the_fact_and_the_remedy(ansible: Ansible, client: Client) -> None:
    tasks = [
        task("No platform", "run_directory", path=str(client.run_directory), platform="hpd", _ignore_errors=True),
        task("No job", "job_info", path=str(client.run_directory), names=["none"], _ignore_errors=True),
        job(client, "No command", "none", _ignore_errors=True),
        job(client, "Not installed", "early", platform="hpc", command="true", _ignore_errors=True),
    ]
    done = ansible.play(tasks)
    assert "has no platform hpd. Did you mean `hpc`?" in done["No platform"]["msg"]
    assert done["No platform"]["error"]["code"] == 3
    assert done["No job"]["msg"] == "nothing is known here of job none; known are: none"
    assert "run.yaml has no job none" in done["No command"]["msg"]
    assert done["Not installed"]["error"]["code"] == 9


def test_a_python_without_remote_install_is_told_so(ansible: Ansible, client: Client) -> None:
    ansible.variables = {**ansible.variables, "PYTHONPATH": ""}
    done = ansible.play([install(client)], "-e", "ansible_python_interpreter=/usr/bin/python3")
    assert "Failed to import the required Python library (remote-install)" in done["Install"]["msg"]
    assert "ansible_python_interpreter" in done["Install"]["msg"]
