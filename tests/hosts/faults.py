"""What can go wrong with a job host, made to happen, and undone."""

from __future__ import annotations

import time
from collections.abc import Iterable

from .inside import Inside
from .network import Network
from .settings import HostOptions

# Stale rules go first, so that it can be said twice.
DROP_ALL = """
table inet fault
delete table inet fault
table inet fault {
    chain in { type filter hook input priority 0; iifname "eth0" drop; }
    chain out { type filter hook output priority 0; oifname "eth0" drop; }
}
"""
DROP_NOTHING = "table inet fault\ndelete table inet fault\n"

# sshd writes its pid file when it listens.
START_SSHD = """
rm -f /run/sshd.pid
umask "$1"
/usr/sbin/sshd -E /var/log/sshd.log || { tail -n 3 /var/log/sshd.log >&2; exit 1; }
until [ -s /run/sshd.pid ]; do sleep 0.01; done
"""

# Only the listener: logins that are open go on, as on a real host.
STOP_SSHD = """
[ -s /run/sshd.pid ] || exit 0
read -r pid </run/sshd.pid
kill "$pid"
while [ -d "/proc/$pid" ]; do sleep 0.01; done
rm -f /run/sshd.pid
"""

# A boot has another id, an empty /tmp and /run, and counts pids from the start: so processes of the last boot meet
# their pids again, in other hands.
BOOT = """
cat /proc/sys/kernel/random/uuid >/run/boot_id
find /tmp -mindepth 1 -delete
find /run -mindepth 1 -maxdepth 1 ! -name boot_id ! -name sshd ! -name lock -exec rm -rf {} +
echo 1 >/proc/sys/kernel/ns_last_pid
"""

FILLER = "/home/.filler"


class Faults(Inside):
    """The faults of one host; each has its opposite, and `repair` undoes them all."""

    def __init__(self, pid: int, network: Network, number: int, options: HostOptions) -> None:
        """Take where the host hangs in the network, and how it was asked for."""
        super().__init__(pid)
        self.network = network
        self.number = number
        self.options = options
        self.faults: set[str] = set()

    def cut(self) -> None:
        """Pull the network cable."""
        self.faults.add("network")
        self.network.cut(self.number)

    def drop(self) -> None:
        """Lose all packets in both directions, silently: nothing is refused, nothing is answered."""
        self.faults.add("network")
        self.network.filter(self.pid, DROP_ALL)

    def heal(self) -> None:
        """Undo `cut` and `drop`."""
        self.network.filter(self.pid, DROP_NOTHING)
        self.network.heal(self.number, self.pid)
        self.faults.discard("network")

    def stop_sshd(self) -> None:
        """Stop sshd, so that new connections are refused; open ones go on."""
        self.faults.add("sshd")
        self.as_root(STOP_SSHD)

    def start_sshd(self) -> None:
        """Start sshd, with the configuration as it is now, and wait until it listens."""
        self.as_root(START_SSHD, argument=f"{self.options.umask:03o}")
        self.faults.discard("sshd")

    def kill_sessions(self) -> int:
        """Kill the sshd processes that serve open logins with SIGKILL; return how many logins that were."""
        pids = self.sessions()
        # A login has a process of root's that watches one of the user's; both go, none may report to the client.
        watchers = [pid for pid, owner, _, _ in self.all_processes() if pid in pids and owner == 0]
        if pids:
            self.as_root("kill -KILL $1 2>/dev/null || true", argument=" ".join(map(str, pids)))
            self.wait_until_gone(pids)
        return len(watchers)

    def fill(self) -> None:
        """Fill the disk that holds /home to the last byte."""
        if not self.options.own_home:
            raise RuntimeError("/home lies on this machine's disk, which is not to be filled")
        self.faults.add("disk")
        self.as_root(f"cat /dev/zero >>{FILLER} || true")

    def unfill(self) -> None:
        """Undo `fill`."""
        self.as_root(f"rm -f {FILLER}")
        self.faults.discard("disk")

    def freeze(self) -> None:
        """Stop all processes: connections are accepted, by the kernel, and nobody answers."""
        self.faults.add("frozen")
        # -1 means all in this pid namespace but process 1 and the caller; the kernel leaves no gap for a new one.
        self.as_root("kill -STOP -1 2>/dev/null || true")

    def thaw(self) -> None:
        """Undo `freeze`."""
        self.as_root("kill -CONT -1 2>/dev/null || true")
        self.faults.discard("frozen")

    def crash(self) -> None:
        """Cut the power: all processes end at once, and no peer hears of it; the disks keep what they have."""
        self.faults.update(("power", "network"))
        self.network.cut(self.number)
        # The cable went first, because the kernel closes the connections of a process that dies.
        self.as_root("kill -KILL -1 2>/dev/null || true")
        self.wait_until_gone(pid for pid, _, _, _ in self.all_processes() if pid != 1)

    def boot(self) -> None:
        """Undo `crash`: a new boot id, an empty /tmp, sshd."""
        self.as_root(BOOT)
        self.heal()
        self.start_sshd()
        self.faults -= {"power", "frozen"}

    def reboot(self) -> None:
        """Crash and boot."""
        self.crash()
        self.boot()

    def boot_id(self) -> str:
        """Return the host's boot id, without its newline."""
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def change_boot_id(self) -> str:
        """Let the host look as if it had been rebooted, and nothing else; return the new boot id."""
        self.as_root("cat /proc/sys/kernel/random/uuid >/run/boot_id")
        return self.boot_id()

    def repair(self) -> None:
        """Undo all faults."""
        if "power" in self.faults:
            self.boot()
        remedies = {"network": self.heal, "frozen": self.thaw, "disk": self.unfill, "sshd": self.start_sshd}
        for fault, remedy in remedies.items():
            if fault in self.faults:
                remedy()

    def wait_until_gone(self, pids: Iterable[int], seconds: float = 10) -> None:
        """Wait until processes that were killed have died: a signal is sent at once, but not obeyed at once."""
        doomed = set(pids)
        deadline = time.monotonic() + seconds
        while doomed.intersection(pid for pid, _, _, _ in self.all_processes()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"killed processes live on: {doomed}")
            time.sleep(0.002)

    def as_root(self, script: str, text: str = "", argument: str = "") -> None:
        """Run a shell script on the host as root."""
        self.run(["sh", "-c", script, "fault", argument], user="root", input=text, check=True, timeout=20)
