"""Looking at a job host through testinfra, from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host, get_host

from .inside import encode

if TYPE_CHECKING:
    from .host import JobHost


class NsenterBackend(BaseBackend):  # type: ignore[misc]  # testinfra does not ship its types
    """A testinfra backend that runs its commands as root in the namespaces of a job host."""

    NAME = "nsenter"

    def __init__(self, host: JobHost) -> None:
        """Take the host to look at."""
        super().__init__(host.name)
        self.job_host = host

    def get_encoding(self) -> str:
        """Return utf-8; testinfra would start a Python on the host to find out."""
        return "utf-8"

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:  # noqa: ARG002 - testinfra's signature
        """Run a shell line, as testinfra's other backends do; `%s` in it are filled with quoted `args`."""
        line = self.get_command(command, *args)
        done = self.job_host.run(["sh", "-c", line], user="root")
        return self.result(done.returncode, encode(line), encode(done.stdout), encode(done.stderr))


def look_inside(job_host: JobHost) -> Host:
    """Return a testinfra host that looks by nsenter."""
    backend = NsenterBackend(job_host)
    host = Host(backend)
    backend.set_host(host)
    return host


def look_by_ssh(job_host: JobHost) -> Host:
    """Return a testinfra host that looks by ssh; no shared connection, or one login would serve many looks."""
    return get_host(f"ssh://{job_host.name}?ssh_config={job_host.ssh_config}&controlpersist=0")
