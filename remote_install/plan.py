"""What a job host says that an install will change there, each field checked: nothing it says is believed unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remote_install import elsewhere, host_path
from remote_install.jobhost import manifest, wire
from remote_install.source import Content
from transfer.errors import HostUnsuitable
from transfer.platforms import Platform


@dataclass(frozen=True)
class Plan:
    """run_dir: its path there. send: files whose content must come; new: those of them that are not there yet.

    change: names that get another kind or mode there. delete: names that an install brought and that are gone here.
    kept: of those, what was changed there since and is left alone. runs_command: does the install command run?
    links: what of symlink_dirs is missing there -> where it will lead to; told only when nothing is to be changed.
    """

    run_dir: str
    send: tuple[bytes, ...] = ()
    change: tuple[bytes, ...] = ()
    delete: tuple[bytes, ...] = ()
    kept: tuple[bytes, ...] = ()
    new: tuple[bytes, ...] = ()
    runs_command: bool = False
    unfinished: bool = False
    links: Mapping[str, str] = field(default_factory=dict)


def from_reply(reply: dict[str, Any], content: Content, platform: Platform) -> Plan:
    """The plan of a reply. Raises HostUnsuitable when it is not about `content`, or leaves the run directory."""
    host, run_dir = platform.hosts[0], host_path.run_dir(reply, platform)
    names: dict[str, Any] = {
        which: _names(reply, which, platform) for which in ("send", "change", "delete", "kept", "new")
    }
    files = {name for name, entry in content.entries.items() if entry.kind == manifest.FILE}
    if not files.issuperset(names["send"]):
        raise HostUnsuitable(f"{host}: it asks for a file that is not to be installed", "", host)
    about_here = content.entries.keys() >= set(names["change"]) and set(names["new"]) <= set(names["send"])
    if not about_here or content.entries.keys() & {*names["delete"], *names["kept"]}:
        raise _not_in_order(platform)
    return Plan(
        run_dir,
        **names,
        runs_command=reply.get("runs_command") is True,
        unfinished=reply.get("unfinished") is True,
        links=elsewhere.from_reply(reply.get("links"), platform),
    )


def _names(reply: dict[str, Any], which: str, platform: Platform) -> tuple[bytes, ...]:
    rows = reply.get(which, [])
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise _not_in_order(platform)
    try:
        names = tuple(wire.to_bytes(row) for row in rows)
    except UnicodeEncodeError:
        raise _not_in_order(platform) from None
    if any(b"\0" in name or {b"", b".", b".."} & set(name.split(b"/")) for name in names):
        raise _not_in_order(platform)
    return names


def _not_in_order(platform: Platform) -> HostUnsuitable:
    return HostUnsuitable(f"{platform.hosts[0]}: its plan is not in order", "", platform.hosts[0])
