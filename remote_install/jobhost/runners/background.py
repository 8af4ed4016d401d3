"""The job runner of hosts without one: a process in a session of its own."""

import os
import subprocess
from typing import Dict

from ..layout import JobDirectory
from ..processes import Here, Table, parse_identity
from ..status import GONE, NOT_ASKED, RUNNING, Answer, Facts
from ..wire import to_bytes, to_text

NAME = "background"
OF_THE_LOGIN = ("SSH_CLIENT", "SSH_CONNECTION", "SSH_ORIGINAL_COMMAND", "SSH_TTY", "SSH_AUTH_SOCK")


def submit(job: JobDirectory, tag: str, secrets: Dict[str, str]) -> str:
    """Start the job wrapper and return its process id. Raises OSError when no process can be made.

    tag: shown by ps, so that a person sees whose process it is. secrets: variables that only the job's processes see.
    """
    process = subprocess.Popen(
        ["/bin/sh", job.script, tag],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(secrets),
        start_new_session=True,
    )
    process.returncode = 0  # it outlives us: no warning that nobody waited for it
    return str(process.pid)


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


def _environment(secrets: Dict[str, str]) -> Dict[bytes, bytes]:
    kept = {name: value for name, value in os.environb.items() if to_text(name) not in OF_THE_LOGIN}
    kept.update({to_bytes(name): to_bytes(value) for name, value in secrets.items()})
    return kept
