"""A group of platforms: a job goes to the first that can be reached, and stays where it was sent."""

from __future__ import annotations

import pytest

from .client import Client


@pytest.fixture
def group(client: Client) -> Client:
    """`any` is hpc, whose name does not resolve, and gpu, the job host."""
    hosts = client.folder / "hosts.yaml"
    works = hosts.read_text()
    dead = works.replace(client.host.name, "127.0.0.1", 1).replace("connect_timeout: 5", "connect_timeout: 5, port: 1")
    gpu = works.replace("platforms:\n  hpc:", "  gpu:") + "    run_root: gpu\n"
    hosts.write_text(f"{dead}    retry: {{attempts: 1}}\n{gpu}groups:\n  any: {{platforms: [hpc, gpu]}}\n")
    return client


@pytest.mark.parametrize("words", [["run"], ["submit"]])
def test_a_job_goes_to_the_next_platform_when_one_can_not_be_reached(group: Client, words: list[str]) -> None:
    done = group(*words, "demo", "-p", "any", "--json", "--", "true")
    assert done.code == 0, done.err
    assert (done.job["platform"], done.job["host"]) == ("gpu", group.host.name)
    assert "job job goes to gpu instead" in done.err
    done = group("wait", "demo", "--json")
    assert (done.code, done.job["platform"], done.job["state"]) == (0, "gpu", "succeeded")


def test_a_job_that_was_sent_to_a_platform_stays_there(group: Client) -> None:
    """It may run there, whatever could be heard of it."""
    assert group("submit", "demo", "-p", "hpc", "--no-install", "--", "true").code == 4
    done = group("submit", "demo", "-p", "any", "--json", "--", "true")
    assert (done.code, done.job["platform"], done.job["state"]) == (4, "hpc", "unknown")
    assert "gpu" not in done.err


def test_what_none_of_a_group_can_do_is_the_error_of_the_last(group: Client) -> None:
    group.host.stop_sshd()
    done = group("submit", "demo", "-p", "any", "--json", "--", "true")
    assert done.code == 4
    assert (done.job["platform"], done.job["error"]["code"]) == ("gpu", 4)


def test_a_dead_platform_keeps_no_job_of_another_from_running(group: Client) -> None:
    group.write("run.yaml", "jobs:\n  a: {platform: hpc, command: 'true'}\n  b: {platform: gpu, command: 'true'}\n")
    done = group("submit", "demo", "--json")
    assert done.code == 4
    told = {job["job"]: (job["state"], job["error"] and job["error"]["code"]) for job in done.json["jobs"]}
    assert told["a"] == ("unknown", 4)
    assert told["b"][0] in ("submitted", "running", "succeeded")
    assert told["b"][1] is None


@pytest.mark.parametrize("word", ["run", "submit"])
def test_what_succeeded_beside_a_dead_platform_runs_once_however_often_all_is_typed(group: Client, word: str) -> None:
    """`until submit` must not repeat what is done; asked for alone, its end counts as told, and a new try is made."""
    ledger, one = f"{group.host.home}/ledger", "'echo x >>~/ledger'"
    group.write("run.yaml", f"jobs:\n  a: {{platform: hpc, command: 'true'}}\n  b: {{platform: gpu, command: {one}}}\n")
    for _ in range(2):
        assert group(word, "demo").code == 4
        group("wait", "demo")
    assert group.host.read(ledger) == "x\n"
    assert group("wait", "demo", "b").code == 0
    assert group("submit", "demo", "b").code == 0
    assert group("wait", "demo", "b").code == 0
    assert group.host.read(ledger) == "x\nx\n"
