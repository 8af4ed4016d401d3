"""One job host, as tests see it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from .faults import Faults
from .inside import USER, Process
from .network import Network
from .settings import HostOptions

if TYPE_CHECKING:
    from testinfra.host import Host

__all__ = ["JobHost", "Process"]


class JobHost(Faults):
    """A host of its own for every purpose of a test: address, file system, processes, name and an sshd."""

    user = USER

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        pid: int,
        network: Network,
        number: int,
        directory: str,
        options: HostOptions,
    ) -> None:
        """Take what `lab` has started: `process` is the unshare whose child, `pid`, is process 1 of the host."""
        super().__init__(pid, network, number, options)
        self.name = name
        self.home = options.home
        self.process = process
        self.directory = directory
        self.address = network.address_of(number)
        session = os.path.dirname(directory)
        self.ssh_config = f"{session}/ssh_config"
        self.key = f"{session}/id_ed25519"
        self.known_hosts = f"{directory}/known_hosts"

    def __repr__(self) -> str:
        """Return the name and the address, for pytest's reports."""
        return f"<JobHost {self.name} {self.address}>"

    @property
    def testinfra(self) -> Host:
        """Look at the host through testinfra, as root by nsenter: no login is counted, no network is needed."""
        # Imported here, because who uses pytest-ansible can't have testinfra in the same environment.
        from .look import look_inside

        return look_inside(self)

    @property
    def testinfra_ssh(self) -> Host:
        """Look at the host through testinfra as its user does: each look is an ssh login."""
        from .look import look_by_ssh

        return look_by_ssh(self)

    def sshd_log(self) -> str:
        """Return what sshd has written since the host was made."""
        return self.read("/var/log/sshd.log")

    def connections(self) -> int:
        """Return how many logins sshd has accepted since the host was made."""
        return len(re.findall(rf"^Accepted \S+ for {self.user} ", self.sshd_log(), re.MULTILINE))

    def calls(self) -> int:
        """Return how many commands sshd has started since the host was made; one login may be good for many."""
        return len(re.findall(rf"^Starting session: .* for {self.user} from ", self.sshd_log(), re.MULTILINE))

    def ssh_config_block(self) -> str:
        """Return the host's part of the client's configuration; it is not told to be strict, that is for callers."""
        return (
            f"Host {self.name}\n"
            f"    HostName {self.address}\n"
            f"    User {self.user}\n"
            f"    IdentityFile {self.key}\n"
            f"    IdentitiesOnly yes\n"
            f"    IdentityAgent none\n"
            f"    UserKnownHostsFile {self.known_hosts}\n"
            f"    GlobalKnownHostsFile /dev/null\n"
        )

    def alive(self) -> bool:
        """Tell whether process 1 of the host lives."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the host with all its processes, and remove what there is of it on this machine."""
        assert self.process.stdin is not None
        # Process 1 ends when its standard input does, and the kernel ends the rest.
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its child is process 1, and dies with it: --kill-child
            self.process.wait()
        self.network.detach(self.number)
        shutil.rmtree(self.directory, ignore_errors=True)
