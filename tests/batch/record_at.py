"""What at's commands print."""

from __future__ import annotations

from hosts import JobHosts

from .atd import HOST, Atd
from .cases import write_case
from .daemon import wait_for
from .recorder import Recorder


def record(job_hosts: JobHosts) -> None:
    """Record all cases."""
    atd = Atd(job_hosts.make(name="login1", **HOST))
    atd.start()
    user = Recorder("at", atd.host)
    user.record("list-nothing", "atq")
    user.record("submit", "at", "-f", "job", "now")
    wait_for("a running job", lambda: "=" in user.run("atq").out)
    user.record("submit-quietly", "at", "-M", "-q", "b", "-f", "job", "now")
    user.record("submit-later", "at", "-f", "ends", "now", "+", "2", "hours")
    wait_for("two running jobs", lambda: user.run("atq").out.count("=") == 2)
    user.record("list-alive", "atq")
    user.record("show-running", "at", "-c", "1")
    user.record("show-waiting", "at", "-c", "3")
    user.record("show-unknown", "at", "-c", "99999")
    user.record("show-one-unknown-of-two", "at", "-c", "99999", "3")
    user.record("cancel-waiting", "atrm", "3")
    user.record("cancel-running", "atrm", "1")
    user.record("cancel-unknown", "atrm", "99999")
    user.record("list-one-running", "atq")
    user.record("submit-no-script", "at", "-f", "none", "now")
    user.record("submit-bad-time", "at", "-f", "job", "soon")
    record_race(user)
    wait_for("the running jobs alone", lambda: len(user.run("atq").out.splitlines()) == 1)
    atd.atd.stop()
    waiting = user.record("submit-atd-down", "at", "-f", "job", "now").err.split("job ")[1].split()[0]
    user.record("list-atd-down", "atq")
    user.record("cancel-atd-down", "atrm", waiting)
    user.host.write_file("/etc/at.deny", "alice\n", owner="root")
    for case, argv in {
        "submit-denied": ["at", "-f", "job", "now"],
        "list-denied": ["atq"],
        "cancel-denied": ["atrm", "2"],
    }.items():
        user.record(case, *argv)


def record_race(user: Recorder) -> None:
    """What atq says when a job ends while it looks."""
    user.host.write_file("quick", "#!/bin/sh\n", 0o755)
    user.run("sh", "-c", "(for i in $(seq 500); do at -M -f quick now; done) >/dev/null 2>&1 &")
    for _ in range(2000):
        seen = user.run("atq")
        if seen.exit_code != 0:
            write_case(user.system, "list-while-a-job-ends", seen)
            return
    raise RuntimeError("atq was never disturbed")
