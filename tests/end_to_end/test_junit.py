"""--junit writes how the jobs went, also when they failed, when the run was interrupted, or could not begin."""

from __future__ import annotations

import signal
from xml.etree import ElementTree

from .client import Client

TWO = """
jobs:
  good: {platform: hpc, command: "echo fine"}
  bad: {platform: hpc, command: "printf 'no \\\\033[31m \\\\377 <file>\\\\n' >&2; exit 3"}
"""


def cases(client: Client) -> dict[str, tuple[str, str, str]]:
    """Of each job that stands in the file: what element says that it did not succeed, its message and its text."""
    found = {}
    for case in ElementTree.parse(client.folder / "report.xml").iter("testcase"):
        (why,) = list(case) or [ElementTree.Element("")]
        found[case.get("name", "")] = (why.tag, why.get("message", ""), why.text or "")
    return found


def test_run_and_wait_write_how_each_job_went(client: Client) -> None:
    client.write("run.yaml", TWO)
    for command in ("run", "wait"):
        assert client(command, "demo", "--junit", "report.xml").code == 1
        told = cases(client)
        assert sorted(told) == ["bad", "good"]
        assert told["good"] == ("", "", "")
        assert told["bad"][:2] == ("failure", "exit 3")
        assert told["bad"][2].endswith("no \ufffd[31m \ufffd <file>\n\n")
        (client.folder / "report.xml").unlink()


def test_it_is_written_when_the_run_is_interrupted(client: Client) -> None:
    process = client.start("run", "demo", "-p", "hpc", "--junit", "report.xml", "--", "sh", "-c", "echo up; sleep 61")
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert cases(client)["job"][:2] == ("failure", "signal TERM")


def test_it_is_written_when_nothing_can_be_submitted(client: Client) -> None:
    client.write("run.yaml", "install: {command: 'exit 3'}\n")
    assert client("run", "demo", "-p", "hpc", "--junit", "report.xml", "--", "true").code == 1
    assert cases(client)["job"][0] == "error"
