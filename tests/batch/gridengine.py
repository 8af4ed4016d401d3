"""A real Grid Engine: master, execution daemon and login are one job host."""

from __future__ import annotations

from hosts import JobHost

from .daemon import Daemon, wait_for

# Its database writes logs of 10 MB.
HOST = {"system": "bookworm-gridengine", "system_size": "128m"}
SLOTS = 200
CELL = "/var/lib/gridengine/default/common"

# The package has made a database in which there are no hosts and no queues, for a machine of another name.
START = f"""
hostname >{CELL}/act_qmaster
mkdir -p /run/gridengine
chown sgeadmin {CELL}/act_qmaster /run/gridengine
"""
# Run as sgeadmin, who may change everything: this host submits, and runs jobs in one queue, which are started within a
# second. Each running job needs a group id of its own. load_thresholds: this machine may have a lot to do.
CONFIGURE = f"""
change() {{ sed "$@" >/run/gridengine/new; }}
here=$(hostname)
qconf -as "$here" && qconf -ah "$here"
qconf -sconf global | change -e '/^#/d' -e 's/^load_report_time .*/load_report_time 00:00:01/' \\
    -e 's/^gid_range .*/gid_range 50000-51000/' -e 's/flush_time=[0-9:]*/flush_time=00:00:00/'
cp /run/gridengine/new /run/gridengine/global && qconf -Mconf /run/gridengine/global
qconf -ssconf | change -e 's/^schedule_interval .*/schedule_interval 0:0:1/' \\
    -e 's/^flush_submit_sec .*/flush_submit_sec 1/' -e 's/^flush_finish_sec .*/flush_finish_sec 1/'
qconf -Msconf /run/gridengine/new
qconf -sq | change -e 's/^qname .*/qname main.q/' -e "s/^hostlist .*/hostlist $here/" -e 's/^slots .*/slots {SLOTS}/' \\
    -e 's/^pe_list .*/pe_list NONE/' -e 's/^load_thresholds .*/load_thresholds NONE/' -e 's/^rerun .*/rerun FALSE/'
qconf -Aq /run/gridengine/new
"""


class GridEngine:
    """One cell of one host, with a queue named main.q."""

    def __init__(self, host: JobHost) -> None:
        """Take the job host."""
        self.host = host
        self.qmaster = Daemon(host, "sge_qmaster", "sge_qmaster", r"/usr/lib/gridengine/sge_qmaster")
        self.execd = Daemon(host, "sge_execd", "sge_execd", r"/usr/lib/gridengine/sge_execd")

    def start(self) -> None:
        """Start both daemons, if they do not run, and wait until the queue takes jobs."""
        self.host.run(["sh", "-ec", START], user="root", check=True)
        self.start_qmaster()
        if "main.q" not in self.ask("qconf", "-sql"):
            self.host.run(["bash", "-ec", CONFIGURE], user="sgeadmin", check=True)
        self.execd.start()
        wait_for("Grid Engine's queue", self.takes_jobs)

    def takes_jobs(self) -> bool:
        """Tell whether the queue is in order; an error, as a job leaves it that was being started when its host went
        down, is cleared first, as an administrator does it (qmod(1))."""
        told = self.ask("qstat", "-f").rstrip()
        if told.endswith("E"):
            self.ask("qmod", "-cq", "main.q")
        return told.endswith("lx-amd64")

    def start_qmaster(self) -> None:
        """Start the master, if it does not run, and wait until it answers."""
        self.qmaster.start()
        wait_for("sge_qmaster", lambda: self.ask("qconf", "-sh"))

    def ask(self, *argv: str) -> str:
        """Return what a command says to the administrator, "" if it fails."""
        done = self.host.run(argv, user="sgeadmin")
        return done.stdout if done.returncode == 0 else ""

    def repair(self) -> None:
        """Let both daemons run again, and no job be left."""
        for daemon in (self.qmaster, self.execd):
            daemon.thaw()
        if not (self.qmaster.pids() and self.execd.pids()):
            self.start()
        # By force: an execution daemon that has lost its master looks for it again only every half minute.
        self.host.run(["qdel", "-f", "-u", self.host.user], user="sgeadmin")
        self.host.run(["sh", "-c", "kill -KILL -1"])
        wait_for("an empty queue", lambda: not self.jobs() and self.takes_jobs())

    def jobs(self) -> list[str]:
        """Return the ids of all jobs that have not ended."""
        return [line.split()[0] for line in self.host.run(["qstat", "-u", "*"], check=True).stdout.splitlines()[2:]]
