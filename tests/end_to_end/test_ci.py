"""What CI systems are shown of a run, and what a job can't make them do."""

from __future__ import annotations

import re

import pytest

from .client import Client, Done

COMMANDS = (
    *("::error::x", "  ::set-output name=x::y", "::add-mask::x", "##[command]x", "::stop-commands::x", "a\r::error::x"),
    *("\u00a0::warning::x", "say ##[add-mask]x", "::endgroup::"),
)
VARYING = {
    r"host\d+-\d+": "HOST",
    r"background \d+": "background ID",
    r"[\d.]+ (bytes?|[kMG]B)": "SIZE",
    r"[\d.]+ s\b": "TIME",
    r":\d{10}:": ":CLOCK:",
}
PASSES = """\
::group::install
installed 1 file, SIZE, on 1 install target in TIME
::endgroup::
job 01 submitted on hpc (HOST, background ID)
job 01 succeeded on hpc (HOST, background ID)
::group::fetch
fetched N files, SIZE, from hpc in TIME
::endgroup::
"""
FAILS = """\
::group::install
installed 0 files, SIZE, on 1 install target in TIME
::endgroup::
job 02 submitted on hpc (HOST, background ID)
job 02 failed (exit 3) on hpc (HOST, background ID)
::group::fetch
fetched N files, SIZE, from hpc in TIME
::endgroup::
::error title=job job::job 02 failed (exit 3) on hpc (HOST, background ID)
"""


@pytest.fixture
def github(client: Client) -> Client:
    """A user whom GitHub runs."""
    files = {"GITHUB_OUTPUT": str(client.folder / "output"), "GITHUB_STEP_SUMMARY": str(client.folder / "summary")}
    client.variables.update({"CI": "true", "GITHUB_ACTIONS": "true", **files})
    client.write("data", "1")
    return client


def same(text: str) -> str:
    """The text with what varies made alike; what is told while the job runs may come or not."""
    for pattern, word in VARYING.items():
        text = re.sub(pattern, word, text)
    lines = re.sub(r"fetched \d+ files?", "fetched N files", text).splitlines(keepends=True)
    return "".join(line for line in lines if " running on " not in line)


def run(client: Client, line: str) -> Done:
    return client("run", "demo", "-p", "hpc", "--", "sh", "-c", line)


def test_github_is_shown_a_run_that_passes_and_one_that_fails(github: Client) -> None:
    passed = run(github, "echo fine")
    assert (passed.code, passed.out, same(passed.err)) == (0, b"fine\n", PASSES)
    assert (github.folder / "output").read_text() == "state=succeeded\nexit-code=0\nrun-id=demo\njob=job\n"
    (github.folder / "summary").unlink()
    failed = run(github, "echo bad >&2; exit 3")
    assert (failed.code, same(failed.err.replace("bad\n", ""))) == (1, FAILS)
    assert (github.folder / "output").read_text().endswith("state=failed\nexit-code=1\nrun-id=demo\njob=job\n")
    table = (github.folder / "summary").read_text().splitlines()
    assert table[2] == "| job | try | state | why | platform | host |"
    assert table[4].startswith("| job | 02 | failed | exit 3 | hpc | ")


def test_what_a_job_prints_is_no_command(github: Client) -> None:
    github.write("lines", "\n".join(COMMANDS) + "\n::error::no end")
    done = run(github, "cat lines; cat lines >&2")
    talk = [line for line in re.split("[\r\n]", done.err) if "group" not in line or "| " in line]
    for line in [*re.split("[\r\n]", done.out.decode()), *talk]:
        assert not re.match(r"\s*::", line), line
        assert "##[" not in line
    for shown in ("::error::x", "::set-output name=x::y", "| ::add-mask::x", "[command]x", "::error::no end\n"):
        assert shown in done.out.decode()
        assert shown in done.err


def test_gitlab_folds_install_and_fetch(client: Client) -> None:
    client.variables.update({"CI": "true", "GITLAB_CI": "true"})
    done = run(client, "echo ::error::x")
    assert done.out == b"::error::x\n"
    for name in ("install", "fetch"):
        assert f"\x1b[0Ksection_start:CLOCK:{name}\r\x1b[0K{name}\n" in same(done.err)
        assert f"\x1b[0Ksection_end:CLOCK:{name}\r\x1b[0K\n" in same(done.err)


def test_elsewhere_nothing_is_changed(client: Client) -> None:
    done = run(client, "printf ::error::x")
    assert (done.code, done.out) == (0, b"::error::x")
    assert "group" not in done.err
    assert "section" not in done.err
