"""The install command: when it is due, and its run, which does not outlive the conversation that it belongs to.

What the command makes of files that were installed counts as in order: it is remembered as `altered`, so that the next
install of the same content neither brings these files back nor runs the command again. Where such a file changes once
more (a job wrote to it), only the command can bring it back: then all is brought to the source and the command runs.
It always starts from the source as it was installed, never from what an earlier run of it has left of that.
"""

import base64
import fcntl
import hashlib
import os
import signal
import struct
import subprocess
import termios
import time
from typing import Dict, List, NamedTuple, Optional, Set

from .manifest import Listing
from .processes import Table, stat_fields
from .runners.background import OF_THE_LOGIN
from .target import Altered, Manifest, Target
from .wire import Client, Refusal, to_bytes

PIECE = 3000  # bytes of output in one reply: as base64 it can be said without waiting
KEPT = 4096  # bytes of output of which the end is told with a failure
TICK, LAST_TICK = 0.1, 0.02  # seconds between two looks whether it has ended; the second once its output has
GRACE = 5.0  # seconds from TERM to KILL, and from KILL to giving up
HINT = "No job is submitted until it has succeeded; the same install runs it again."


class Build(NamedTuple):
    """argv: the install command, empty where there is none. key: it and the content as one digest, "" without it.

    due: must it run? settled: what stays as the command left it; empty when it is due.
    """

    argv: List[str]
    key: str
    due: bool
    settled: Altered


def decide(argv: List[str], content: str, manifest: Manifest, target: Target, listing: Listing) -> Build:
    """Must the install command run for this content? content: digest of what is to be installed."""
    if not argv:
        return Build([], "", False, {})
    key = key_of(content, argv)
    as_left = all(listing.look(target.run_dir, path) == entry for path, entry in manifest.altered.items())
    due = manifest.built != key or not as_left
    return Build(argv, key, due, {} if due else manifest.altered)


def key_of(content: str, argv: List[str]) -> str:
    value = hashlib.blake2b(content.encode("ascii", "replace"), digest_size=20)
    for word in argv:
        value.update(b"\0" + to_bytes(word))
    return value.hexdigest()


def run(argv: List[str], run_id: str, target: Target, client: Client) -> None:
    """Run the install command to its end in the run directory; what it prints goes to the client as it comes.

    Raises Refusal (1) when it fails; BrokenPipeError when the client goes away. Then nothing of its session is left.
    What it leaves in the background after its success is the user's own.
    """
    process = _start(argv, run_id, target)
    end = _Output(process)
    try:
        end.pass_on(client)
        if process.returncode != 0:
            raise Refusal(1, "the install command failed: %s%s" % (_how(process.returncode), end.words()), HINT)
    except BaseException:
        _end_session(process)
        raise
    finally:
        end.close()


def _start(argv: List[str], run_id: str, target: Target) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            [to_bytes(word) for word in argv],
            cwd=target.run_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(run_id, target.run_dir),
            start_new_session=True,
            # Were this program killed, the command would go on: then it holds the lock, until it ends.
            pass_fds=[] if target.lock is None else [target.lock],
        )
    except OSError as error:
        why = "the install command can't be started: %s: %s" % (argv[0], error.strerror)
        raise Refusal(1, why, "Look at `shell` in hosts.yaml.")


def _environment(run_id: str, run_dir: bytes) -> Dict[bytes, bytes]:
    kept = {name: value for name, value in os.environb.items() if os.fsdecode(name) not in OF_THE_LOGIN}
    kept.update({b"REMOTE_INSTALL_RUN": run_id.encode(), b"REMOTE_INSTALL_RUN_DIR": run_dir})
    return kept


class _Output:
    """What a process prints, passed on piece by piece: the next is read when the last was said, so none piles up."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self._process, self._file = process, process.stdout
        self._open = True
        self._unsaid, self._end = b"", b""

    def pass_on(self, client: Client) -> None:
        """Until the process itself has ended, and all that it had printed by then is said.

        The end of the output is not waited for: what it left in the background may hold it open for ever.
        """
        left: Optional[int] = None
        while left is None or left > 0 or self._unsaid:
            if self._unsaid and client.offer("output", data=base64.b64encode(self._unsaid).decode("ascii")):
                self._unsaid = b""
                continue
            wanted = self._file.fileno() if self._open and not self._unsaid else None
            if client.attend(TICK if self._open else LAST_TICK, wanted, to_say=bool(self._unsaid)):
                size = self._read(PIECE if left is None else min(PIECE, left))
                left = None if left is None else left - size if size else 0
            if left is None and self._process.poll() is not None:
                left = _readable(self._file.fileno())

    def _read(self, size: int) -> int:
        self._unsaid = os.read(self._file.fileno(), size)
        self._open = bool(self._unsaid)
        self._end = (self._end + self._unsaid)[-KEPT:]
        return len(self._unsaid)

    def words(self) -> str:
        """The end of what it printed, for a message."""
        lines = [line.strip() for line in self._end.decode("utf-8", "replace").splitlines() if line.strip()]
        return "".join(": " + " / ".join(lines[-4:])[-1000:] for _ in lines[:1])

    def close(self) -> None:
        self._file.close()


def _readable(descriptor: int) -> int:
    """How many bytes are in the pipe now."""
    (size,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))
    return int(size)


def _how(returncode: int) -> str:
    if returncode >= 0:
        return "exit %d" % returncode
    try:
        return "ended by signal %s" % signal.Signals(-returncode).name[3:]
    except ValueError:
        return "ended by signal %d" % -returncode


def _end_session(process: "subprocess.Popen[bytes]") -> None:
    """TERM to every process of the session, KILL after the grace: nothing goes on when the lock is free."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + GRACE
        told: Set[int] = set()
        empty = 0
        while time.monotonic() < until:
            process.poll()
            members = Table().members(process.pid)
            empty = 0 if members else empty + 1
            if empty == 2:  # one look misses a child that came after it began, of a parent that was gone before its end
                return
            for pid in members:
                if pid not in told:
                    told.add(pid)
                    _signal(pid, process.pid, number)
            time.sleep(LAST_TICK)


def _signal(pid: int, session: int, number: int) -> None:
    fields = stat_fields(pid)
    if fields is None or int(fields[3]) != session:
        return
    try:
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)  # one that was stopped hears nothing else
    except OSError:  # it has ended, or became another user's
        pass
