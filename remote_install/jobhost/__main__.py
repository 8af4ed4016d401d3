"""Reads the request, calls the verb, prints replies."""

import os
import pkgutil
import signal
import sys
from typing import List

from .verbs import VERBS
from .wire import MARK, RSYNC, Client, Refusal

FIRST = 60.0  # seconds that the first request may take


def main() -> int:
    """The program: its one argument is the verb. Ends with 0 whenever the last line was said."""
    if sys.argv[1:2] == [RSYNC]:
        return _become_rsync(sys.argv[2:])
    try:
        client = Client()
        try:
            _serve(client)
        except Refusal as refusal:
            client.refuse(refusal)
        client.end()
    except (BrokenPipeError, KeyboardInterrupt):
        return 1  # nobody listens any more
    return 0


def _become_rsync(arguments: List[str]) -> int:
    """For a client that passes over all that start-up files here print, up to the marker line."""
    os.write(sys.stdout.fileno(), MARK)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python has them ignored, also in what it becomes
    try:
        os.execvp("rsync", ["rsync", *arguments])
    except FileNotFoundError:
        sys.stderr.write("rsync: command not found\n")
    return 127


def _serve(client: Client) -> None:
    verb = VERBS.get(sys.argv[1] if len(sys.argv) == 2 else "")
    if verb is None:
        raise Refusal(2, "the verbs are: %s" % ", ".join(sorted(VERBS)))
    wrapper = pkgutil.get_data(__package__, "job.sh")
    assert wrapper is not None
    try:
        verb(client.hear(FIRST), client, wrapper)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refusal(4, "%s on this host" % error, "Look at the disk and the permissions of the run root there.")
    except (ValueError, TypeError) as error:
        raise Refusal(2, "the request is not in order: %s" % error)


if __name__ == "__main__":
    sys.exit(main())
