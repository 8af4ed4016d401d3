"""One job for all who ask for it at the same moment; two checkouts are two clients."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import Client

WAITS = ("sh", "-c", "echo x >>~/starts; echo begun; until test -e ~/go; do sleep 0.05; done")


@pytest.fixture(autouse=True)
def _clean(client: Client) -> Iterator[None]:
    client.host.run(["rm", "-f", "starts", "go"], check=True)
    yield
    client.host.run(["touch", "go"], check=True)


def starts(client: Client) -> int:
    return client.host.read(f"{client.host.home}/starts").count("x")


def tries(client: Client) -> list[str]:
    return client.host.run(["ls", f"{client.there}/log/job/job"], check=True).stdout.split()


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err.decode()


@pytest.mark.parametrize("count", [2, 10])
def test_of_many_submits_at_once_one_starts_the_job(client: Client, count: int) -> None:
    for number in range(20):
        client.write(f"data/{number}", str(number))
    for process in [client.start("submit", "demo", "-p", "hpc", "--", *WAITS) for _ in range(count)]:
        code, out, err = end(process)
        assert code == 0, err
        assert out.startswith((b"job 01 running", b"job 01 submitted"))
    assert client("wait", "demo", "--timeout", "0").code == 8
    assert (starts(client), tries(client)) == (1, ["01"])


def test_of_several_runs_at_once_one_drives_and_shares_its_job_with_all_who_submit_it(client: Client) -> None:
    runs, submits = [], []
    for _ in range(3):
        runs.append(client.start("run", "demo", "-p", "hpc", "--", *WAITS))
        submits.append(client.start("submit", "demo", "-p", "hpc", "--", *WAITS))
    for process in submits:
        code, _, err = end(process)
        assert code == 0, err
    told = []
    for process in runs:
        assert process.stdout is not None
        told.append(process.stdout.readline())
    assert sorted(told) == [b"", b"", b"begun\n"]
    client.host.run(["touch", "go"], check=True)
    for process, first in zip(runs, told):
        code, _, err = end(process)
        assert code == (0 if first else 9), err
        assert ("job 01 succeeded" if first else "is driven already, by process") in err
    assert (starts(client), tries(client)) == (1, ["01"])


@pytest.fixture
def other(client: Client, tmp_path: Path) -> Client:
    """The same user's other checkout of the same run, under the same run id."""
    other = Client(tmp_path / "other", client.host, client.mark)
    other.prepare()
    return other


def test_of_two_checkouts_that_submit_at_once_one_is_refused(client: Client, other: Client) -> None:
    both = [one.start("submit", "demo", "-p", "hpc", "--", *WAITS) for one in (client, other)]
    ended = [end(process) for process in both]
    assert sorted(code for code, _, _ in ended) == [0, 9]
    (err,) = [err for code, _, err in ended if code == 9]
    assert "another run directory" in err
    assert "--adopt" in err
    assert (starts(client), tries(client)) == (1, ["01"])


@pytest.mark.parametrize("way", ["--adopt", "--no-install"])
def test_two_checkouts_at_once_have_a_try_each_or_are_refused(client: Client, other: Client, way: str) -> None:
    assert client("install", "demo", "-p", "hpc").code == 0
    both = [one.start("submit", "demo", "-p", "hpc", way, "--json", "--", *WAITS) for one in (client, other)]
    ended = [end(process) for process in both]
    assert {code for code, _, _ in ended} <= {0, 9}, ended
    numbers = [json.loads(out)["jobs"][0]["try"] for code, out, _ in ended if code == 0]
    assert sorted(numbers) == list(range(1, len(numbers) + 1)) != []
    for number in numbers:
        client.host.run(
            ["sh", "-c", f"until test -s {client.there}/log/job/job/0{number}/job.out; do sleep 0.05; done"]
        )
    assert (starts(client), tries(client)) == (len(numbers), [f"0{number}" for number in sorted(numbers)])


def test_the_next_checkout_has_the_next_try_once_the_job_of_the_first_has_ended(client: Client, other: Client) -> None:
    client.host.run(["touch", "go"], check=True)
    words = ["run", "demo", "-p", "hpc", "--json", "--adopt", "--", *WAITS]
    assert [one(*words).job["try"] for one in (client, other, client)] == [1, 2, 3]
    assert starts(client) == 3


def test_a_live_job_whose_submission_was_not_written_down_is_not_taken_for_ours(client: Client, other: Client) -> None:
    """As our program there leaves it when it is killed as soon as it has started the job."""
    assert client("submit", "demo", "-p", "hpc", "--", *WAITS).code == 0
    client.host.run(["rm", f"{client.there}/log/job/job/01/job.submit"], check=True)
    refused = other("submit", "demo", "-p", "hpc", "--adopt", "--", *WAITS)
    assert refused.code == 9
    assert "another run directory" in refused.err
    assert client("submit", "demo", "-p", "hpc", "--adopt", "--json", "--", *WAITS).job["try"] == 1
    assert starts(client) == 1
