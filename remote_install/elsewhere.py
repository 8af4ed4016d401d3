"""symlink_dirs of a platform: folders of the run directory there that lie elsewhere, and are never installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from remote_install.host_path import is_path
from remote_install.jobhost import links, manifest
from remote_install.run_directory import JOBS
from remote_install.source import Content
from transfer.errors import ConfigError, HostUnsuitable
from transfer.platforms import Platform
from transfer.wording import visible

MOST = 100  # links
FOLDER = links.ELSEWHERE.decode()


def left_out(content: Content, platform: Platform) -> Content:
    """The content without what symlink_dirs of `platform` have lead elsewhere: folders, with nothing in them, of which
    a fetch has made some here.

    Raises ConfigError when the run directory here holds more there: it would have to be in two places.
    """
    doomed = set()
    for path in platform.symlink_dirs:
        name = os.fsencode(path)
        below = [one for one in content.entries if one == name or one.startswith(name + b"/")]
        parts = name.split(b"/")
        above = [b"/".join(parts[:count]) for count in range(1, len(parts))]
        held = [one for one in below + above if one in content.entries and content.entries[one].kind != manifest.FOLDER]
        if held:
            raise ConfigError(
                f"{visible(os.fsdecode(held[0]))} is in the run directory here, but symlink_dirs of platform "
                f"{platform.name} has {visible(path)} lead elsewhere",
                "Rename it here, exclude it with install.exclude of run.yaml, or take it out of symlink_dirs.",
            )
        if path.startswith(f"{JOBS}/"):
            raise ConfigError(
                f"symlink_dirs of platform {platform.name}: {visible(path)} would be a job's folder",
                f"Let {JOBS} itself lead elsewhere.",
            )
        doomed.update(below)
    if not doomed:
        return content
    return replace(content, entries={name: entry for name, entry in content.entries.items() if name not in doomed})


def check_alike(platforms: list[Platform]) -> None:
    """Raises ConfigError when platforms share an install target and differ in what leads elsewhere there."""
    first: dict[str, Platform] = {}
    for platform in platforms:
        other = first.setdefault(platform.install_target, platform)
        if platform.symlink_dirs != other.symlink_dirs:
            raise ConfigError(
                f"platforms {other.name} and {platform.name} share the install target {platform.install_target}, "
                "but their symlink_dirs differ",
                "Give both the same, or each an install_target of its own.",
            )


def from_reply(fields: object, platform: Platform) -> Mapping[str, str]:
    """Path in the run directory -> an absolute path, as a job host tells it.

    Raises HostUnsuitable for anything else: whatever the host is, nothing it sends is believed unseen.
    """
    found: dict[str, Any] = fields if isinstance(fields, dict) else {}
    if len(found) > MOST or any(not isinstance(there, str) for there in found.values()):
        raise _not_in_order(platform)
    for path, there in found.items():
        parts = path.split("/")
        plain = path.isprintable() and not {"", ".", "..", ".remote-install"} & set(parts)
        absolute = there.startswith("/") and there.isprintable() and is_path(f"{there}/{path}")
        if not plain or not absolute:
            raise _not_in_order(platform)
    return found


def _not_in_order(platform: Platform) -> HostUnsuitable:
    host = platform.hosts[0]
    return HostUnsuitable(f"{host}: what it says of symlink_dirs is not in order", "", host)
