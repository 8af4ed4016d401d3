"""One daemon of a batch system on a job host: started, stopped, frozen and thawed, as root of that host does it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from hosts import JobHost

# Its output goes to a file, and it has a session of its own: it stays when who started it has gone.
START = 'exec setsid sh -c "exec $1" >>"/var/log/$2.out" 2>&1 </dev/null &'


class Daemon:
    """A daemon that can be told from all other processes of its host by how its arguments begin."""

    def __init__(
        self, host: JobHost, name: str, line: str, pattern: str = "", *, pid_file: str = "", stop_signal: str = "TERM"
    ) -> None:
        """Take the shell line that starts it, and how it is told from others.

        pattern: what its arguments match; if not given, a program of that name. pid_file: where it writes its pid, for
        one whose children look like itself.
        """
        self.host = host
        self.name = name
        self.line = line
        self.pid_file = pid_file
        self.stop_signal = stop_signal
        self.pattern = re.compile(pattern or rf"(/\S*/)?{re.escape(name)}( |$)")

    def pids(self) -> list[int]:
        """Return the pids on the host of its processes."""
        pids = [pid for pid, _, args, _ in self.host.all_processes() if self.pattern.match(args)]
        return [pid for pid in pids if pid in self.written_pids()] if self.pid_file else pids

    def written_pids(self) -> list[int]:
        """Return what its pid file says."""
        try:
            return [int(word) for word in self.host.read(self.pid_file).split()]
        except FileNotFoundError:
            return []

    def start(self) -> None:
        """Start it if it does not run; it may not listen yet."""
        if not self.pids():
            self.host.run(["sh", "-c", START, "start", self.line, self.name], user="root", check=True)

    def stop(self) -> None:
        """End it in good order, and wait for that."""
        self.thaw()
        self.end(self.stop_signal)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.end("KILL")

    def freeze(self) -> None:
        """Stop its processes: connections to it are accepted, by the kernel, and nobody answers."""
        self.signal("STOP")

    def thaw(self) -> None:
        """Undo `freeze`."""
        self.signal("CONT")

    def repair(self) -> None:
        """Undo what was done to it: it runs again."""
        self.thaw()
        self.start()

    def end(self, signal: str) -> None:
        """Send a signal that ends it, and wait until it has ended."""
        pids = self.pids()
        self.signal(signal)
        self.host.wait_until_gone(pids, 30)

    def signal(self, name: str) -> None:
        """Send a signal to its processes; it may have none."""
        pids = " ".join(map(str, self.pids()))
        self.host.as_root(f"kill -{name} $1 2>/dev/null || true", argument=pids)


def listens(host: JobHost, port: int) -> bool:
    """Tell whether a process of the host listens on a TCP port; nobody connects to find out."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in host.read(f"/proc/1/net/{name}").splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def wait_for(what: str, condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `condition()` is true; `what` is said when it does not become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.05)
