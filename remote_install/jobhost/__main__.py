"""Reads the request, calls the verb, prints replies."""

import errno
import os
import pkgutil
import signal
import sys
from typing import List

from . import aes
from .verbs import VERBS
from .wire import MARK, RSYNC, Client, Refusal, to_text

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
        request = client.hear(FIRST)
        if isinstance(request.get("gate"), dict):  # what the gate in front of this program allows: the client is told
            client.say("gate", **request["gate"])
        if aes.is_missing():
            client.say("slow aes")
        verb(request, client, wrapper)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _of_the_disk(error)
    except (ValueError, TypeError) as error:
        raise Refusal(2, "the request is not in order: %s" % error)


def _of_the_disk(error: OSError) -> Refusal:
    """5, as of an install, where the disk takes nothing; 4 where we may not, or something else is wrong."""
    name = os.fsencode(error.filename) if isinstance(error.filename, (str, bytes)) else b""
    what = "%s: %s" % (to_text(name), error.strerror) if name else "%s" % error.strerror
    code = 5 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else 4
    return Refusal(code, what, "Look at the disk and the permissions of the run root there.")


if __name__ == "__main__":
    sys.exit(main())
