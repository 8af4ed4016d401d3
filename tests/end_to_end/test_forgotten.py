"""Where nothing is known of a run, as in a later CI stage, -p and the run id find its jobs on the host."""

from __future__ import annotations

from typing import Any

import pytest

from .client import Client

RUN_ID = "nightly/7"
THERE = ("--run-id", RUN_ID, "-p", "hpc")
RUN_YAML = """
fetch: [results/]
jobs:
  long:
    platform: hpc
    command: mkdir -p results; echo one >results/a; echo told; echo wrong >&2; until test -e go; do sleep 0.05; done
  short: {platform: hpc, command: echo said; exit 5}
"""


@pytest.fixture
def later(client: Client) -> Client:
    """The user in another checkout, from which this run was never submitted; its jobs are."""
    client.write("run.yaml", RUN_YAML)
    assert client("submit", "demo", "--run-id", RUN_ID).code in (0, 1)
    (client.folder / "fresh").mkdir()
    (client.folder / "fresh/run.yaml").write_text(RUN_YAML)
    until = "until test -s long/01/job.err && grep -q EXIT short/01/job.status; do sleep 0.05; done"
    folder = f"{client.host.home}/remote-install-run/{RUN_ID}/log/job"
    client.host.run(["sh", "-c", f"cd {folder} && {until}"], check=True, timeout=20)
    return client


def states(document: dict[str, Any]) -> dict[str, tuple[int, str, int | None]]:
    return {job["job"]: (job["try"], job["state"], job["exit_code"]) for job in document["jobs"]}


def let_it_end(client: Client) -> None:
    client.host.run(["touch", f"remote-install-run/{RUN_ID}/go"], check=True)


def test_without_a_platform_the_error_says_how_to_ask(client: Client) -> None:
    for command in (["poll"], ["wait"], ["kill"], ["fetch"], ["logs", "short"]):
        done = client(command[0], "demo", *command[1:], "--run-id", RUN_ID)
        assert (done.code, "-p PLATFORM" in done.err) == (2, True), command


def test_poll_tells_all_jobs_and_those_that_are_named(later: Client) -> None:
    told = states(later("poll", "fresh", *THERE, "--json").json)
    assert told == {"long": (1, "running", None), "short": (1, "failed", 5)}
    named = later("poll", "fresh", "short", "nosuch", *THERE, "--json")
    assert states(named.json) == {"short": (1, "failed", 5), "nosuch": (None, "unknown", None)}
    assert (named.code, "knows no try of job nosuch" in named.err) == (7, True)


def test_wait_waits_for_all_jobs_and_for_one(later: Client) -> None:
    late = later("wait", "fresh", *THERE, "--timeout", "1", "--json")
    assert (late.code, states(late.json)["long"]) == (8, (1, "running", None))
    let_it_end(later)
    done = later("wait", "fresh", "long", *THERE, "--json")
    assert (done.code, done.job["state"]) == (0, "succeeded")


def test_logs_prints_and_follows(later: Client) -> None:
    assert later("logs", "fresh", "short", *THERE).out == b"said\n"
    let_it_end(later)
    assert later("logs", "fresh", "long", "-f", *THERE).out == b"told\n"
    assert later("logs", "fresh", "long", "--err", *THERE).out == b"wrong\n"


@pytest.mark.parametrize("names", [[], ["long"]], ids=["all", "one"])
def test_kill_ends_what_is_alive(later: Client, names: list[str]) -> None:
    done = later("kill", "fresh", *names, *THERE, "--json")
    assert (done.code, states(done.json)["long"]) == (0, (1, "killed", 143))
    assert names or states(done.json)["short"] == (1, "failed", 5)


def test_fetch_brings_logs_and_results(later: Client) -> None:
    assert later("fetch", "fresh", *THERE).code == 0
    fresh = later.folder / "fresh"
    assert (fresh / "results/a").read_text() == "one\n"
    assert (fresh / "log/job/long/01/job.out").read_text() == "told\n"
    assert (fresh / "log/job/short/01/job.out").read_text() == "said\n"
    # What came is no record: the host is asked again.
    assert later("poll", "fresh", "--run-id", RUN_ID).code == 2


def test_jobs_that_are_submitted_from_there_do_not_mix_with_the_first(later: Client) -> None:
    """Its uuid is another one: what is alive is the other's, what has ended is followed by the next try."""
    refused = later("submit", "fresh", "short", "--run-id", RUN_ID)
    assert (refused.code, "--adopt" in refused.err) == (9, True)
    adopted = later("submit", "fresh", "--run-id", RUN_ID, "--adopt", "--json")
    assert (adopted.code, "another run directory" in adopted.err) == (9, True)
    assert [job["try"] for job in adopted.json["jobs"]] == [None, 2]
    assert states(later("poll", "fresh", *THERE, "--json").json)["long"] == (1, "running", None)
