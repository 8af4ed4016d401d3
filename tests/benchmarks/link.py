"""A long way to a host, in this user's own process: each byte takes its time, and no more a second than the line holds.

Arguments: host, port, seconds one way, bytes a second (0: any). Prints the port on 127.0.0.1 at which the way begins,
and ends with its standard input. All connections share the line; what is on the way is kept, however much that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

CHUNK = 256 * 1024


class Line:
    """One direction of the line."""

    def __init__(self, seconds: float, rate: float) -> None:
        self._seconds, self._rate, self._free = seconds, rate, 0.0

    def due(self, now: float, size: int) -> float:
        """When the last of `size` bytes, given to the line now, comes out at the other end.

        >>> line = Line(0.5, 100.0)
        >>> line.due(0.0, 100), line.due(0.0, 100), line.due(9.0, 0)
        (1.5, 2.5, 9.5)
        """
        self._free = max(self._free, now) + (size / self._rate if self._rate else 0.0)
        return self._free + self._seconds


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
    """Pass on what is read, when it is due; an end too."""
    late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    clock = asyncio.get_running_loop().time

    async def deliver() -> None:
        data = b"more"
        while data:
            due, data = await late.get()
            await asyncio.sleep(max(0.0, due - clock()))
            if data:
                writer.write(data)
        with contextlib.suppress(OSError):
            writer.write_eof()

    delivering = asyncio.create_task(deliver())
    data = b"more"
    while data:
        try:
            data = await reader.read(CHUNK)
        except OSError:
            data = b""
        late.put_nowait((line.due(clock(), len(data)), data))
    await delivering


async def serve(host: str, port: int, seconds: float, rate: float) -> None:
    """Carry connections until standard input ends."""
    there, back = Line(seconds, rate), Line(seconds, rate)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port, limit=CHUNK)
        except OSError:
            writer.close()
            return
        with contextlib.suppress(asyncio.CancelledError):  # the way ends
            await asyncio.gather(carry(reader, far_writer, there), carry(far_reader, writer, back))
        writer.close()
        far_writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0, limit=CHUNK)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


def main(words: list[str] | None = None) -> None:
    host, port, seconds, rate = words or sys.argv[1:]
    asyncio.run(serve(host, int(port), float(seconds), float(rate)))


if __name__ == "__main__":
    main()
