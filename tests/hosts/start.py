"""Starting process 1 of a job host, and hearing from it."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Iterator
from typing import IO

from .inside import NAMESPACES

INIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "init.sh")
UNSHARE = ["unshare", *NAMESPACES, "--fork", "--kill-child", "bash"]
START_SECONDS = 30.0


class Answers:
    """Lines from a host that is starting, waited for no longer than START_SECONDS in all."""

    def __init__(self, stream: IO[bytes], log: str) -> None:
        """Take the standard output of process 1, unbuffered, and the file its errors go to."""
        self.stream = stream
        self.log = log
        self.deadline = time.monotonic() + START_SECONDS

    def line(self) -> str:
        """Return the next line."""
        read = b""
        while not read.endswith(b"\n"):
            waited = select.select([self.stream], [], [], max(0.0, self.deadline - time.monotonic()))
            byte = self.stream.read(1) if waited[0] else b""
            if not byte:
                with open(self.log) as file:
                    raise RuntimeError(f"a job host did not start: {file.read().strip() or 'no error message'}")
            read += byte
        return read.decode().strip()


@contextlib.contextmanager
def start_init(environment: dict[str, str], directory: str) -> Iterator[tuple[subprocess.Popen[bytes], Answers]]:
    """Start process 1 of a host; it is ended if the block fails."""
    log = f"{directory}/log"
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            [*UNSHARE, INIT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            bufsize=0,
            # Ctrl-C at the terminal is for pytest, which then ends the hosts in good order.
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process, Answers(process.stdout, log)
        except BaseException:
            process.stdin.close()
            process.kill()
            process.wait()
            raise
