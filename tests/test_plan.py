"""What a job host says it will change is checked: names of its own, paths that lead elsewhere, what is no list."""

from __future__ import annotations

from typing import Any

import pytest

from remote_install import plan
from remote_install.jobhost.manifest import Entry
from remote_install.plan import Plan
from remote_install.source import Content
from transfer.errors import HostUnsuitable
from transfer.platforms import Platform

HPC = Platform("hpc", ("h",), "hpc")
CONTENT = Content(
    {b"a": Entry("f", False, "0"), b"caf\xe9": Entry("f", False, "0"), b"d": Entry("d", False, "")}, (), {}
)
REPLY: dict[str, Any] = {
    "reply": "plan",
    "run_dir": "/home/me/runs/demo",
    "runs_command": True,
    "send": ["a", "caf\udce9"],
    "new": ["a"],
    "change": ["d"],
    "delete": ["old/x"],
    "kept": ["k\udcff"],
}


def test_a_plan_in_order_is_read() -> None:
    found = plan.from_reply(REPLY, CONTENT, HPC)
    names = ((b"a", b"caf\xe9"), (b"d",), (b"old/x",), (b"k\xff",), (b"a",))
    assert found == Plan("/home/me/runs/demo", *names, runs_command=True)
    assert plan.from_reply({**REPLY, "links": {"work": "/far/work"}}, CONTENT, HPC).links == {"work": "/far/work"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("run_dir", value) for value in (None, 7, "", "home/me", "/home\n", "/\x1b[2J", "/" + "x" * 4096)),
        *(("links", {path: "/far/work"}) for path in ("", "../x", "/x", "x//y", ".remote-install/x", "\x1b[2J")),
        *(("links", {"work": there}) for there in (None, 7, "far", "/far\n", "/\ud800", "/" + "x" * 4090)),
        ("links", {str(number): "/far" for number in range(101)}),
        *(("send", value) for value in (None, "a", {}, ["b"], ["d"], ["a", 7], ["../a"], ["/etc/passwd"], ["\ud800"])),
        *(("new", value) for value in (None, ["d"], ["b"])),
        *(("change", value) for value in (None, ["x"], [["d"]])),
        *(
            (which, value)
            for which in ("delete", "kept")
            for value in (None, ["a"], ["d"], ["../x"], ["/x"], ["x/./y"])
        ),
        *(("delete", value) for value in ([""], ["x//y"], ["x/"], ["a\0b"], [None])),
    ],
)
def test_a_plan_that_is_not_in_order_is_an_error_of_the_host(field: str, value: object) -> None:
    with pytest.raises(HostUnsuitable) as caught:
        plan.from_reply({**REPLY, field: value}, CONTENT, HPC)
    assert caught.value.host == "h"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", [None, 1, "yes", "true", [], False])
def test_only_true_is_true(value: object) -> None:
    assert not plan.from_reply({**REPLY, "runs_command": value, "unfinished": value}, CONTENT, HPC).runs_command
