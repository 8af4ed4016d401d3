"""What job runners are told and what they say: plain values between a runner's pure functions and who calls them."""

from typing import Dict, List, NamedTuple

from ..wire import Refusal

# Where the job wrapper keeps the time limit, the limit of the batch system is so many seconds longer: whoever ends all
# processes at once also ends the wrapper, and then nobody writes down how the job ended.
GRACE = 60


class Job(NamedTuple):
    """A job as a runner's `submit` sees it. Its folder is the current one, its script is `job.batch`.

    tag: its name in the job runner. time_limit: seconds, 0 for none. directives: the platform's and the job's, name ->
    value ("" for none). folder: its folder where it runs, if that is not seen from here; else "".
    """

    tag: str
    time_limit: int
    directives: Dict[str, str]
    folder: str = ""


class Settings(NamedTuple):
    """Whom to ask. user: the name of who asks. cluster: of slurm, "" for the one that is asked by default."""

    user: str
    cluster: str = ""


class Said(NamedTuple):
    """How a command of a job runner ended, and what it said."""

    code: int
    out: str
    err: str


class Listed(NamedTuple):
    """An entry of the job runner. word: QUEUED, RUNNING or GONE of status. reason: why, "" where there is nothing to
    tell."""

    name: str
    word: str
    reason: str = ""


class Unsure(Refusal):
    """Nobody can tell whether a job was submitted."""


def options(directives: Dict[str, str]) -> List[str]:
    """Directives as arguments: `--name=value`, or `-n value` where the name has one dash.

    >>> options({"--account": "climate", "-l": "nodes=1", "--exclusive": ""})
    ['--account=climate', '-l', 'nodes=1', '--exclusive']
    """
    found: List[str] = []
    for name, value in directives.items():
        if not value:
            found.append(name)
        elif name.startswith("--"):
            found.append("%s=%s" % (name, value))
        else:
            found += [name, value]
    return found


def clock(seconds: int) -> str:
    """Seconds as H:MM:SS.

    >>> clock(90), clock(100 * 3600)
    ('0:01:30', '100:00:00')
    """
    return "%d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
