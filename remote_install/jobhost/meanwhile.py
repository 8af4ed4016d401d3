"""A thread beside a block, for as long as the block takes."""

import contextlib
import threading
from typing import Callable, Iterator


@contextlib.contextmanager
def meanwhile(beat: Callable[[threading.Event], object]) -> Iterator[None]:
    """In this block `beat` runs in a thread of its own; the event that it is given is set at the end."""
    over = threading.Event()
    thread = threading.Thread(target=beat, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
