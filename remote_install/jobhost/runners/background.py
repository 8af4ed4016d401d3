"""The job runner of hosts without one: a process in a session of its own."""

import os
import re
from typing import Dict, List, Mapping, Optional

from .. import processes
from ..layout import JobDirectory
from ..processes import Here, Table, parse_identity
from ..status import GONE, NOT_ASKED, RUNNING, Answer, Facts
from ..wire import Refusal, to_bytes, to_text
from .words import Job

NAME = "background"
LOGIND = "/etc/systemd/logind.conf"
# The last is ours, in all that we start; a job of this machine must not see it.
OF_THE_LOGIN = (
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_ORIGINAL_COMMAND",
    "SSH_TTY",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS_REQUIRE",
)


class Background:
    """The runner as all are used: see batch.Batch."""

    name = NAME
    gate = ""  # the job wrapper goes through the start gate as the process that it is
    of_processes = True
    limit_here = True

    def __init__(self) -> None:
        self._here = processes.here()
        self._table: Optional[Table] = None
        self._environment: Dict[bytes, bytes] = {}  # of all that it starts; made for the first

    def refresh(self) -> None:
        """The processes are listed anew when they are needed next."""
        self._table = None

    def check(self, _seconds: float) -> str:
        """As batch.Batch.check: processes can be told from each other here, and may stay."""
        if processes.stat_fields(os.getpid()) is None:
            raise Refusal(7, "/proc does not show our own processes", "Have it mounted there.")
        return "systemd-logind there ends what a login leaves behind" if _ends_with_the_login() else ""

    def submit(self, job: JobDirectory, wanted: Job, secrets: Mapping[str, str]) -> Dict[str, str]:
        """What is to be written down of the submission. Raises OSError when no process can be made."""
        self._environment = self._environment or _environment()
        own = {to_bytes(name): to_bytes(value) for name, value in secrets.items()}
        pid = submit(job, wanted.tag, {**self._environment, **own})
        here, fields = self._here, processes.stat_fields(int(pid)) or ["?"] * 20
        identity = "process %s %s %s %s %s" % (here.host, pid, fields[19], here.boot, here.namespace)
        return {"JOB_ID": pid, "PROCESS": identity}

    def recover(self, _tag: str) -> Optional[Dict[str, str]]:
        """Nothing can be found by name; the start gate sees to it that only one goes on."""
        return None

    def ask(self, tries: List[Facts]) -> List[Answer]:
        """Which of the jobs are alive."""
        if self._table is None:
            self._table = Table()
        return [ask(facts, self._here, self._table) for facts in tries]

    def cancel(self, tries: List[Facts]) -> None:
        """Nothing waits here: what was submitted has a process."""

    def job_id(self, facts: Facts) -> str:
        return job_id(facts)


def submit(job: JobDirectory, tag: str, environment: Mapping[bytes, bytes]) -> str:
    """Start the job wrapper and return its process id. Raises OSError when no process can be made.

    tag: shown by ps, so that a person sees whose process it is. environment: with what only the job's processes see.
    """
    import subprocess  # a look needs none

    process = subprocess.Popen(
        ["/bin/sh", job.script, tag],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    process.returncode = 0  # it outlives us: no warning that nobody waited for it
    return str(process.pid)


def _ends_with_the_login() -> bool:
    """Does systemd-logind end the processes of who logs out (logind.conf(5), KillUserProcesses)?"""
    from . import commands

    if not os.path.isdir("/run/systemd/system") or os.path.exists("/var/lib/systemd/linger/" + commands.user()):
        return False
    word, more = b"", LOGIND + ".d"
    names = sorted(os.listdir(more)) if os.path.isdir(more) else []
    for path in [LOGIND, *(os.path.join(more, name) for name in names if name.endswith(".conf"))]:
        try:
            with open(path, "rb") as file:
                word = (re.findall(rb"^\s*KillUserProcesses\s*=\s*(\w+)", file.read(), re.MULTILINE) or [word])[-1]
        except OSError:
            pass
    return word.lower() in (b"yes", b"true", b"on", b"1")


def ask(facts: Facts, here: Here, table: Table) -> Answer:
    """Is the job alive? Only its own host can tell, and only in the pid namespace that it was started in."""
    identity = parse_identity(facts.start or "") or parse_identity(facts.submit.get("PROCESS", ""))
    if identity is None:
        return Answer(GONE)
    if identity.host != here.host:
        return Answer(NOT_ASKED, "it runs on %s, this is %s" % (identity.host, here.host))
    if identity.boot != here.boot:
        return Answer(GONE, "host rebooted")
    if identity.namespace != here.namespace:
        return Answer(NOT_ASKED, "it runs in another pid namespace of %s" % here.host)
    if not table.alive(identity):
        table.add(identity.pid)  # it may have been started since all were listed
    return Answer(RUNNING if table.alive(identity) else GONE)


def job_id(facts: Facts) -> str:
    """The process id of who went through the start gate, else of who was started last."""
    identity = parse_identity(facts.start or "")
    return str(identity.pid) if identity else facts.submit.get("JOB_ID", "")


def _environment() -> Dict[bytes, bytes]:
    return {name: value for name, value in os.environb.items() if to_text(name) not in OF_THE_LOGIN}
