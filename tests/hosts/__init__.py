"""Real job hosts for tests: each a set of namespaces on this machine, with an address and an sshd of its own."""

from .host import JobHost, Process
from .lab import JobHosts, MakeHost, MakeHosts
from .leftovers import sweep
from .requirements import missing_requirements
from .settings import HostOptions
from .systems import SystemUnavailable

__all__ = [
    "HostOptions",
    "JobHost",
    "JobHosts",
    "MakeHost",
    "MakeHosts",
    "Process",
    "SystemUnavailable",
    "missing_requirements",
    "sweep",
]
