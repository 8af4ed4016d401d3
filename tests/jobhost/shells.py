"""The shells that may be /bin/sh of a job host, and one try of a job that one of them runs."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
import subprocess
import time

from remote_install.jobhost import layout, submission
from remote_install.jobhost.layout import JobDirectory

WRAPPER = pkgutil.get_data("remote_install.jobhost", "job.sh") or b""
LIMIT = pkgutil.get_data("remote_install.jobhost", "limit.sh") or b""
MESSAGE = pkgutil.get_data("remote_install.jobhost", "message.sh") or b""
SHELLS = {
    "dash": ("dash",),
    "bash": ("bash",),
    "bash as sh": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
    "ksh": ("ksh93",),
    "mksh": ("mksh",),
    "zsh": ("zsh", "--emulate", "sh"),
}


class Try:
    """One try of a job in a run directory, started by a shell as the background job runner does it."""

    def __init__(
        self, shell: tuple[str, ...], run: bytes, *argv: str, limit: int | None = None, name: str = "a", gate: str = ""
    ) -> None:
        self._shell = shell
        self.run = run
        self.job: JobDirectory = layout.job_directory(run, name, 1)
        os.makedirs(self.job.path, exist_ok=True)
        about = submission.Script("demo", run, name, self.job, list(argv), limit or 0, gate)
        submission.write(self.job.script, submission.script(about, WRAPPER))
        submission.write(self.job.limit, LIMIT)

    def start(self, **environ: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._shell, self.job.script, "tag"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **environ},
            start_new_session=True,
        )

    def finish(self, **environ: str) -> int:
        """Run it to its end; what the shell says about signals is no matter."""
        with self.start(**environ) as process:
            try:
                return process.wait(timeout=20)
            finally:
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)

    def read(self, path: bytes) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def wait_for(self, path: bytes) -> None:
        until = time.monotonic() + 10
        while not os.path.exists(path) and time.monotonic() < until:
            time.sleep(0.01)
        assert os.path.exists(path), path
