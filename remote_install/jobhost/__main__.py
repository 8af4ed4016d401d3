"""Reads the request, calls the verb, prints client."""

import pkgutil
import sys

from .verbs import VERBS
from .wire import Client, Refusal

FIRST = 60.0  # seconds that the first request may take


def main() -> int:
    """The program: its one argument is the verb. Ends with 0 whenever the last line was said."""
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
