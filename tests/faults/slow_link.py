"""A way to a host on which every byte takes its time: a ProxyCommand of ssh. Arguments: host, port, seconds one way."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import sys
import threading
import time
from typing import Callable


def carry(read: Callable[[], bytes], write: Callable[[bytes], object], seconds: float) -> threading.Thread:
    """Pass on what is read, that much later; an end too."""
    late: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def deliver() -> None:
        while True:
            due, data = late.get()
            time.sleep(max(0.0, due - time.monotonic()))
            write(data)
            if not data:
                return

    def listen() -> None:
        while data := read():
            late.put((time.monotonic() + seconds, data))
        late.put((time.monotonic() + seconds, b""))

    threading.Thread(target=listen, daemon=True).start()
    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    return thread


def main(host: str, port: str, seconds: str) -> None:
    """Connect, and carry until the other side ends."""
    there = socket.create_connection((host, int(port)))

    def send(data: bytes) -> None:
        with contextlib.suppress(OSError):
            there.sendall(data) if data else there.shutdown(socket.SHUT_WR)

    carry(lambda: os.read(0, 65536), send, float(seconds))
    carry(lambda: there.recv(65536), lambda data: os.write(1, data), float(seconds)).join()


if __name__ == "__main__":
    main(*sys.argv[1:])
