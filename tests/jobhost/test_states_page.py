"""docs/states.md says of every combination of facts what the code says, and leaves none out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from remote_install.jobhost import status
from remote_install.jobhost.status import GONE, NOT_ASKED, QUEUED, RUNNING, TIME_LIMIT, Answer, Facts
from remote_install.report import STATES

PAGE = (Path(__file__).parents[2] / "docs/states.md").read_text()
START = "process h 12 34 b n"

EXIT: dict[str, tuple[int | None, bool]] = {
    "none": (None, False),
    **{f"EXIT={code}": (code, False) for code in (0, 3, 143)},
    **{f"EXIT={code}, time limit": (code, True) for code in (0, 3, 143)},
}
SUBMIT = {"nothing": {}, "took it": {"JOB_ID": "12"}, "refused: no such queue": {"SUBMIT_FAILED": "no such queue"}}
GATE = {"passed": START, "not passed": None}
ANSWER = {
    "queued": Answer(QUEUED),
    "running": Answer(RUNNING),
    "gone": Answer(GONE),
    "gone: WHY": Answer(GONE, "WHY"),
    "can't be asked: WHY": Answer(NOT_ASKED, "WHY"),
}
MISSED = {"20 s": 20.0, "120 s": 120.0}
KNOWN = (EXIT, SUBMIT, GATE, ANSWER, MISSED)

GROUPS = {
    "not refused": ["nothing", "took it"],
    "not gone": ["queued", "running", "can't be asked: WHY"],
}

Case = tuple[str, ...]


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the table whose heading begins with `heading`."""
    table = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def cases(cells: list[str]) -> Iterator[Case]:
    """The combinations that a row stands for."""
    values = [list(known) if cell == "any" else GROUPS.get(cell, [cell]) for cell, known in zip(cells, KNOWN)]
    yield from itertools.product(*values)


def judged(case: Case) -> tuple[str, str]:
    code, limited = EXIT[case[0]]
    facts = Facts(SUBMIT[case[1]], GATE[case[2]], code, None, None, TIME_LIMIT if limited else None)
    verdict = status.judge(facts, ANSWER[case[3]], MISSED[case[4]])
    return verdict.state, verdict.reason


def test_every_combination_of_facts_has_one_row_and_it_says_what_the_code_says() -> None:
    seen: set[Case] = set()
    for *given, state, reason in rows("exit record"):
        for case in cases(given):
            assert case not in seen, f"two rows for {case}"
            seen.add(case)
            assert judged(case) == (state, reason), case
    assert seen == set(itertools.product(*KNOWN))


def test_every_exit_code_is_told_as_the_page_says() -> None:
    seen = []
    for codes, state, signal, reason in rows("exit code"):
        first, _, last = codes.partition(" to ")
        for code in range(int(first), int(last or first) + 1):
            seen.append(code)
            verdict = status.judge(Facts({}, START, code, None, None), Answer(GONE), 0.0)
            name = status.signal_name(code - 128) if signal else None
            assert (verdict.state, verdict.exit_code, verdict.signal) == (state, code, name), code
            assert verdict.reason == reason.replace("NAME", str(name)).replace("N", str(code), not name), code
    assert seen == list(range(256))


def test_every_state_is_explained_and_said_to_be_an_end_or_not() -> None:
    told = {cells[0].strip("`"): cells[2] for cells in rows("state")}
    assert sorted(told) == sorted(STATES)
    assert {state for state, ended in told.items() if ended == "yes"} == set(status.ENDED)


def test_the_page_names_the_time_after_which_a_job_counts_as_lost() -> None:
    assert f"only after {status.LOST_AFTER:.0f} s" in re.sub(r"\s+", " ", PAGE)
