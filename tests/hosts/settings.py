"""How a job host may differ from an ordinary one, and the files and variables that tell it."""

from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
from collections.abc import Mapping, Sequence

from .inside import HOME, USER, USER_ID
from .requirements import SYSTEM_PATH


@dataclasses.dataclass(frozen=True)
class HostOptions:
    """What a test may ask of a job host."""

    name: str = ""  # its ssh alias and host name; if not given, one that no other test process uses
    system: str = ""  # a system of systems.PACKAGES; if not given, this machine's own
    login_shell: str = "/bin/bash"
    home: str = HOME  # its path, below /home
    home_size: str = "32m"  # the disk of /home, as tmpfs takes it
    system_size: str = "64m"  # the disk of what the host writes elsewhere
    umask: int = 0o022
    sshd_config: Sequence[str] = ()  # lines; they win over ours
    key_options: str = ""  # what stands before the key in authorized_keys: 'restrict,command="…"'
    shared: Mapping[str, str] = dataclasses.field(default_factory=dict)  # directory of this machine -> path there

    @property
    def own_home(self) -> bool:
        """Tell whether all of /home is the host's own disk."""
        return not any(path.split("/")[1] == "home" for path in self.shared.values())


def init_environment(
    name: str, address: str, prefix: int, directory: str, system: str, options: HostOptions
) -> dict[str, str]:
    """Return what init.sh reads.

    `prefix` is the length of the subnet's, `directory` holds the host's files, `system` is the root that it stands on.
    """
    return {
        "PATH": SYSTEM_PATH,
        "NAME": name,
        "ADDRESS": address,
        "PREFIX": str(prefix),
        "STATE": directory,
        "LOGIN": USER,
        "SYSTEM": system,
        "LOGIN_HOME": options.home,
        "LOGIN_ID": str(USER_ID),
        "LOGIN_SHELL": options.login_shell,
        "HOME_SIZE": options.home_size,
        "SYSTEM_SIZE": options.system_size,
        "UMASK": f"{options.umask:03o}",
        "SHARED": "\n".join(f"{here}\t{there}" for here, there in options.shared.items()),
    }


def write_host_files(
    name: str, address: str, directory: str, client_key: str, system: str, options: HostOptions
) -> None:
    """Write what the host takes over when it starts, and what the client knows of it."""
    generate_key(f"{directory}/host_key")
    with open(f"{directory}/host_key.pub") as file:
        kind, key = file.read().split()[:2]
    with open(f"{client_key}.pub") as file:
        public_key = file.read()
    write(f"{directory}/known_hosts", f"{name},{address} {kind} {key}\n")
    write(f"{directory}/authorized_keys", f"{options.key_options} {public_key}".lstrip())
    write(f"{directory}/sshd_config", sshd_config(address, options.sshd_config, openssh_version(system)))


def sshd_config(address: str, lines: Sequence[str], version: tuple[int, ...]) -> str:
    """Return an sshd_config; sshd takes the first value it sees, and a Match block reaches to the end."""
    match = next((i for i, line in enumerate(lines) if line.lower().split()[:1] == ["match"]), len(lines))
    ours = [
        f"ListenAddress {address}",
        "HostKey /etc/ssh/ssh_host_ed25519_key",
        "PidFile /run/sshd.pid",
        "UsePAM no",
        "UseDNS no",
        "KexAlgorithms curve25519-sha256",  # the default of 9.2 takes a quarter second of each of thousands of logins
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "MaxStartups 200:30:400",
        "AcceptEnv LANG LC_*",
        "Subsystem sftp internal-sftp",
        "LogLevel VERBOSE",  # it tells sessions, which one connection may have many of
    ]
    if version >= (9, 8):
        ours.append("PerSourcePenalties no")  # else a few failures, which tests provoke, shut the client out
    if any(line.lower().startswith("maxstartups") for line in lines):
        ours = [line for line in ours if not line.startswith("MaxStartups")]  # of this sshd takes the last (measured)
    return "\n".join([*lines[:match], *ours, *lines[match:], ""])


@functools.cache
def openssh_version(system: str) -> tuple[int, ...]:
    """Return the version of OpenSSH below a root: (9, 2)."""
    text = subprocess.run(["chroot", system, "ssh", "-V"], capture_output=True, text=True, check=True).stderr
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def generate_key(path: str) -> None:
    """Make an ed25519 key pair without a passphrase."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def write(path: str, text: str) -> None:
    """Write a file."""
    with open(path, "w") as file:
        file.write(text)
