"""A real Slurm: controller, node and login are one job host; clusters share munge's key and one accounting database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from hosts import JobHost

from .daemon import Daemon, listens, wait_for
from .slurm_conf import slurm_conf, slurmdbd_conf

# What a host for it must be asked for: MariaDB writes its log of 100 MB.
HOST = {"system": "bookworm-slurm", "system_size": "256m"}
# With qsub, qstat and qdel in front, as Torque has them, and no accounting.
TORQUE_HOST = {"system": "bookworm-torque"}
DIRECTORIES = """
install -d -o munge -g munge /run/munge /var/log/munge
install -d -o slurm -g slurm /run/slurm /var/log/slurm /var/lib/slurm/slurmctld
"""
DATABASE = "CREATE DATABASE IF NOT EXISTS slurm; GRANT ALL ON slurm.* TO slurm@localhost IDENTIFIED VIA unix_socket"


class Accounting:
    """slurmdbd and its MariaDB."""

    def __init__(self, host: JobHost) -> None:
        """Take the job host that they run on."""
        self.host = host
        mariadb = "mariadbd --user=mysql --skip-networking --innodb-flush-log-at-trx-commit=0 --innodb-log-file-size=8M"
        self.mariadb = Daemon(host, "mariadbd", mariadb)
        self.slurmdbd = Daemon(host, "slurmdbd", "setpriv --reuid=slurm --regid=slurm --clear-groups slurmdbd -D")

    def start(self) -> None:
        """Start both, if they do not run; munged must."""
        self.host.run(["install", "-d", "-o", "mysql", "/run/mysqld"], user="root", check=True)
        self.mariadb.start()
        wait_for("MariaDB", lambda: self.host.run(["mariadb-admin", "ping"], user="root").returncode == 0)
        self.host.run(["mariadb", "-e", DATABASE], user="root", check=True)
        conf = slurmdbd_conf(self.host.name, self.host.address)
        self.host.write_file("/etc/slurm/slurmdbd.conf", conf, 0o600, owner="root")
        self.host.run(["chown", "slurm:", "/etc/slurm/slurmdbd.conf"], user="root", check=True)
        self.slurmdbd.start()

    def add(self, cluster: str) -> None:
        """Let slurmdbd know a cluster."""
        add = ["sacctmgr", "-i", "add", "cluster", cluster]
        wait_for("slurmdbd", lambda: cluster in self.clusters() or self.host.run(add, user="root").returncode == 0)

    def wait_for_controller(self, cluster: str) -> None:
        """Wait until a cluster's controller has come, so that the cluster can be asked by its name."""
        wait_for(f"the controller of {cluster}", lambda: self.clusters()[cluster] != "0")

    def clusters(self) -> dict[str, str]:
        """Return the port of each cluster's controller; 0 while none has come."""
        rows = self.host.run(["sacctmgr", "-nP", "show", "cluster", "format=Cluster,ControlPort"], user="root").stdout
        return dict(row.split("|")[:2] for row in rows.splitlines())


class Slurm:
    """One cluster."""

    def __init__(self, host: JobHost, cluster: str = "c1", accounting: Accounting | None = None) -> None:
        """Take the job host, and the accounting, if there shall be one; it is started with the cluster on its host."""
        self.host = host
        self.cluster = cluster
        self.accounting = accounting
        self.munged = Daemon(host, "munged", "setpriv --reuid=munge --regid=munge --clear-groups munged --foreground")
        controller = "setpriv --reuid=slurm --regid=slurm --clear-groups slurmctld -D"
        self.slurmctld = Daemon(host, "slurmctld", controller)
        self.slurmd = Daemon(host, "slurmd", "slurmd -D")

    def start(self) -> None:
        """Start all daemons that do not run, and wait until a job can be submitted and its accounting seen."""
        self.host.run(["sh", "-ec", DIRECTORIES], user="root", check=True)
        self.write_conf({})
        # The other plugin wants cgroups mounted, with which a job host has nothing to do.
        self.host.write_file("/etc/slurm/cgroup.conf", "CgroupPlugin=cgroup/v1\n", owner="root")
        self.munged.start()
        wait_for("munged", lambda: self.host.run(["munge", "-n"]).returncode == 0)
        if self.accounting is not None:
            if self.accounting.host is self.host:
                self.accounting.start()
            self.accounting.add(self.cluster)
        self.slurmd.start()
        self.start_controller()
        if self.accounting is not None:
            self.accounting.wait_for_controller(self.cluster)

    def write_conf(self, changes: Mapping[str, str]) -> None:
        """Write slurm.conf, where everything of Slurm looks for it."""
        slurmdbd = self.accounting.host.address if self.accounting else ""
        text = slurm_conf(self.cluster, self.host.name, self.host.address, slurmdbd, changes)
        self.host.write_file("/etc/slurm/slurm.conf", text, owner="root")

    def start_controller(self) -> None:
        """Start the controller if it does not run, and wait until it answers and its node takes jobs."""
        self.slurmctld.start()
        # A client that is refused waits for seconds before it asks again.
        wait_for("slurmctld", lambda: listens(self.host, 6817))
        # The node, of which the controller knows only from before, is asked at once instead of some seconds later.
        self.host.run(["scontrol", "reconfigure"], user="root", check=True)
        states = ["sinfo", "--noheader", "--format=%T", "--partition=main"]
        wait_for("Slurm's node", lambda: self.host.run(states).stdout.strip() in ("idle", "mixed", "allocated"))

    @contextlib.contextmanager
    def configured(self, **changes: str) -> Iterator[None]:
        """Restart the controller with changes of slurm.conf, for a while: MinJobAge="2"."""
        self.restart(changes)
        try:
            yield
        finally:
            self.restart({})

    def forget(self) -> None:
        """Restart the controller without its memory: no job is known, ids start over."""
        self.slurmctld.stop()
        self.host.as_root("rm -rf /var/lib/slurm/slurmctld/*")
        self.start_controller()

    def restart(self, changes: Mapping[str, str]) -> None:
        """Restart the controller with changes of slurm.conf."""
        self.slurmctld.stop()
        self.write_conf(changes)
        self.start_controller()

    def cancel_all(self) -> None:
        """End all jobs at once, and wait until none is left in the queue; their records stay for MinJobAge."""
        mine = f"--user={self.host.user}"
        self.host.run(["scancel", mine, "--state=RUNNING", "--full", "--signal=KILL"])
        self.host.run(["scancel", mine], check=True)
        wait_for("an empty queue", lambda: not self.jobs())

    def jobs(self) -> list[str]:
        """Return the ids of all jobs that have not ended."""
        return self.host.run(["squeue", "--noheader", "--all", "--format=%i"], check=True).stdout.split()

    def daemons(self) -> list[Daemon]:
        """Return all daemons in the order in which they start."""
        accounting = [self.accounting.mariadb, self.accounting.slurmdbd] if self.accounting else []
        return [self.munged, *accounting, self.slurmctld, self.slurmd]

    def repair(self) -> None:
        """Let all daemons run again, and no job be left."""
        for daemon in self.daemons():
            daemon.thaw()
        if not all(daemon.pids() for daemon in self.daemons()):
            self.start()
        self.cancel_all()
