"""The output of several jobs on one screen: whole lines, each with its job's name before it."""

from __future__ import annotations

from typing import Callable

LONGEST = 64 * 1024  # bytes of a line that is held back until its end comes


class Prefixed:
    """Takes what jobs write in pieces; gives lines to `show` as job, stream and data."""

    def __init__(self, show: Callable[[str, str, bytes], None], named: bool = True) -> None:
        """named: is the job's name put there?"""
        self._show, self._named = show, named
        self._rest: dict[tuple[str, str], bytes] = {}

    def __call__(self, job: str, stream: str, data: bytes) -> None:
        """Show the whole lines that there are now.

        >>> lines = Prefixed(lambda job, stream, data: print(data))
        >>> lines("a", "out", b"one\\ntw")
        b'a| one\\n'
        >>> lines.end("a")
        b'a| tw\\n'
        """
        data = self._rest.pop((job, stream), b"") + data
        *whole, rest = data.split(b"\n")
        if len(rest) > LONGEST:
            whole, rest = [*whole, rest], b""
        if whole:
            head = job.encode() + b"| " if self._named else b""
            self._show(job, stream, b"".join(head + line + b"\n" for line in whole))
        if rest:
            self._rest[(job, stream)] = rest

    def end(self, job: str) -> None:
        """The job has ended: what it wrote without a newline at the end is shown with one."""
        for stream in ("out", "err"):
            if (job, stream) in self._rest:
                self(job, stream, b"\n")

    def end_all(self) -> None:
        for job in {job for job, _stream in self._rest}:
            self.end(job)
