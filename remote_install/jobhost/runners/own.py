"""A site's own job runner: the text of one file, sent along with the request, used like those that come with us."""

import types
from typing import Any

from ..status import GONE, QUEUED, RUNNING
from ..wire import Refusal
from .words import GRACE, Job, Listed, Said, Settings, clock, options

NEEDED = ("NAME", "ID", "submit", "parse_submit", "listing", "parse_listing", "kill")
DEFAULTS = {"KEEP": (), "FORBIDDEN": (), "BY_ID": False, "ONE_LETTER": False, "LIMIT_HERE": False}
# What the file need not import: where our modules lie differs from place to place.
GIVEN = {
    "GONE": GONE,
    "GRACE": GRACE,
    "QUEUED": QUEUED,
    "RUNNING": RUNNING,
    "Job": Job,
    "Listed": Listed,
    "Said": Said,
    "Settings": Settings,
    "clock": clock,
    "options": options,
}


def load(name: str, source: str) -> Any:
    """The module of a runner's file. Raises Refusal (3) when it is none."""
    module: Any = types.ModuleType("runner_%s" % name)
    module.__dict__.update({**DEFAULTS, **GIVEN})
    try:
        exec(compile(source, "%s.py" % name, "exec"), module.__dict__)
    except Exception as error:
        raise Refusal(3, "the job runner %s can't be loaded: %s: %s" % (name, type(error).__name__, error))
    missing = [wanted for wanted in NEEDED if not hasattr(module, wanted)]
    if missing:
        raise Refusal(3, "the job runner %s has no %s" % (name, missing[0]), "It needs: %s." % ", ".join(NEEDED))
    return module
