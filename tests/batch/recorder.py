"""Types commands on a job host and writes down what they do."""

from __future__ import annotations

from hosts import JobHost

from .cases import Case, write_case

# Tags look like this: run uuid, job, try. Longer than what commands show of a name unless they are told otherwise.
TAG = "0123456789abcdef0123456789abcdef.train.01"


class Recorder:
    """A user of one batch system on one job host."""

    def __init__(self, system: str, host: JobHost) -> None:
        """Take the name under which cases are filed, and the host."""
        self.system = system
        self.host = host
        host.write_file("job", "#!/bin/sh\nsleep 300\n", 0o755)
        host.write_file("ends", "#!/bin/sh\nexit 3\n", 0o755)
        host.write_file("stubborn", "#!/bin/sh\ntrap '' TERM\nsleep 300 &\nwait\nwait\n", 0o755)

    def record(self, case: str, *argv: str, user: str = "") -> Case:
        """Run a command as the user, or another one, and write down what it did."""
        made = self.run(*argv, user=user)
        write_case(self.system, case, made)
        return made

    def run(self, *argv: str, user: str = "") -> Case:
        """Run a command, and write down nothing."""
        # Every shell sets PWD, and oarsub believes it.
        done = self.host.run(argv, user=user or self.host.user, env={"PWD": self.host.home}, timeout=150)
        return Case(argv, done.returncode, done.stdout, done.stderr)
