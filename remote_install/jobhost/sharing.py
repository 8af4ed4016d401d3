"""Is the run directory of who asks seen from here? Then its jobs run in it, in place."""

import os
from typing import List, Optional, Tuple

from . import files, layout
from .files import read_regular
from .wire import Client, Json, Refusal, strings, text, to_bytes, to_text

AUTO, SHARED, SEPARATE = "auto", "shared", "separate"


def own_cluster() -> str:
    """The cluster of the Slurm here; "" where there is none, or it does not answer."""
    from .runners import commands, slurm  # asked for where Slurm may be

    environment = commands.clean(slurm.KEEP, {"LC_ALL": "C"})
    return slurm.parse_configuration(commands.run(slurm.configuration(), environment, seconds=10.0))


def find(request: Json, client: Client) -> Tuple[bytes, bool]:
    """Where the run directory that the request is about lies here, and: is it the very one of who asks? That is said,
    unless it does not matter. Raises Refusal (3) when what is seen contradicts what is configured.

    `mirror` of the request: the run directory lies on a host that admits only rsync. here: where it lies for who asks,
    with what jobs have written there; there: where it lies for the jobs.

    `seen` of the request: token, a name that no other file has, or file, the marks of its uuid's file; paths, where the
    run directory lies for who asks; filesystem, what is configured; cluster, of Slurm there.
    """
    at_root = layout.run_directory(text(request, "run_root"), text(request, "run"))
    if isinstance(request.get("mirror"), dict):
        return to_bytes(text(request["mirror"], "here")), True
    seen = request.get("seen")
    if not isinstance(seen, dict):
        return at_root, False
    configured, found = text(seen, "filesystem"), _seen(seen, at_root)
    if configured == SHARED and found is None:
        paths = ", ".join([*strings(seen, "paths"), to_text(at_root)])
        raise Refusal(
            3,
            "filesystem: shared is configured, but the run directory is not seen there; looked for at %s" % paths,
            "Mount it there, or set `filesystem: auto`.",
        )
    if configured == SEPARATE:
        if found is not None and os.path.exists(at_root) and os.path.samefile(found, at_root):
            raise Refusal(
                3,
                "filesystem: separate is configured, but %s there is the run directory itself" % to_text(at_root),
                "Set `filesystem: auto`, or another run_root.",
            )
        return at_root, False
    runner_seen = found is not None and bool(seen.get("cluster")) and own_cluster() == seen["cluster"]
    path = found or at_root
    client.say("place", run_dir=to_text(path), shared=found is not None, runner_seen=runner_seen)
    return path, found is not None


def _seen(seen: Json, at_root: bytes) -> Optional[bytes]:
    token = text(seen, "token", "[0-9a-f]{32}").encode() if "token" in seen else None
    for path in [*map(to_bytes, strings(seen, "paths")), at_root]:
        if os.path.isabs(path) and (
            files.has_marks(os.path.join(path, layout.UUID), seen.get("file")) if token is None else _holds(path, token)
        ):
            return path
    return None


def _holds(path: bytes, token: bytes) -> bool:
    """A copy of the run directory has files of the same names, but none that was made a moment ago."""
    try:
        return read_regular(os.path.join(path, layout.SEEN, token), 64) == token
    except OSError:
        return False


def marks(run_dir: bytes) -> List[int]:
    """What tells the run directory at this path from a copy: the marks of the file of its uuid."""
    return files.marks(os.path.join(run_dir, layout.UUID))
