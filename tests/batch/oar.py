"""A real OAR: server, node and login are one job host."""

from __future__ import annotations

import subprocess

from hosts import JobHost

from .daemon import Daemon, listens, wait_for

# PostgreSQL writes its log of 16 MB, more than once.
HOST = {"system": "bookworm-oar", "system_size": "256m"}
RESOURCES = 64

# No cpusets: they would need cgroups. No look at the nodes every five minutes. A database of a test may be lost. What
# the server does every ten or five seconds it does every second.
CONFIGURE = r"""
sed -i -e 's/^DB_BASE_PASSWD=.*/DB_BASE_PASSWD=test/' -e 's/^DB_BASE_PASSWD_RO=.*/DB_BASE_PASSWD_RO=test/' \
    -e "s/^SERVER_HOSTNAME=.*/SERVER_HOSTNAME=$(hostname)/" -e 's/^FINAUD_FREQUENCY=.*/FINAUD_FREQUENCY=0/' \
    -e 's/^JOB_RESOURCE_MANAGER_PROPERTY_DB_FIELD/#&/' -e 's/^LOG_LEVEL=.*/LOG_LEVEL=3/' \
    -e 's/^#SCHEDULER_MIN_TIME_BETWEEN_2_CALLS=.*/SCHEDULER_MIN_TIME_BETWEEN_2_CALLS=1/' /etc/oar/oar.conf
sed -i 's/^my $read_commands_timeout = .*/my $read_commands_timeout = 1;/' /usr/lib/oar/Almighty
chown oar: /etc/oar/oar.conf
install -d -o oar /run/oar
touch /var/log/oar.log
chown oar: /var/log/oar.log
install -d -o postgres -g postgres /run/postgresql /var/log/postgresql
echo 'fsync = off' >/etc/postgresql/15/main/conf.d/test.conf
"""
POSTGRES = (
    "setpriv --reuid=postgres --regid=postgres --init-groups /usr/lib/postgresql/15/bin/postgres"
    " -D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/main/postgresql.conf -c ssl=off"
)
# What oarnodesetting would do, in a hundredth of its time. All resources are this host's.
CREATE = f"""
oar-database --create -y --db-is-local
psql -q -h 127.0.0.1 -U oar -d oar <<END
INSERT INTO resources (network_address, state) SELECT '$(hostname)', 'Alive' FROM generate_series(1, {RESOURCES});
END
"""


class Oar:
    """One server with one node."""

    def __init__(self, host: JobHost) -> None:
        """Take the job host."""
        self.host = host
        # The fast way down does not wait for clients.
        self.postgres = Daemon(host, "postgres", POSTGRES, r"/usr/lib/postgresql/15/bin/postgres ", stop_signal="INT")
        # OAR logs in on the node by ssh, to a server of its own.
        sshd = "/usr/sbin/sshd -D -f /etc/oar/sshd_config"
        self.sshd = Daemon(host, "oar-sshd", sshd, rf"(sshd: )?{sshd}")
        self.server = Daemon(
            host, "oar-server", "/usr/sbin/Almighty", r"(/usr/bin/perl /usr/lib/oar/|/usr/sbin/)?Almighty"
        )

    def start(self) -> None:
        """Start all daemons that do not run, and wait until jobs can be submitted."""
        self.host.run(["sh", "-ec", CONFIGURE], user="root", check=True)
        self.start_postgres()
        if self.query("SELECT 1").returncode != 0:
            self.host.run(["sh", "-ec", CREATE], user="root", env={"PGPASSWORD": "test"}, check=True)
        self.sshd.start()
        wait_for("OAR's sshd", lambda: listens(self.host, 6667))
        self.start_server()

    def start_postgres(self) -> None:
        """Start the database, if it does not run, and wait until it answers."""
        if not self.postgres.pids():
            # After a crash of the host its pid may be another's.
            self.host.run(["rm", "-f", "/var/lib/postgresql/15/main/postmaster.pid"], user="root", check=True)
        self.postgres.start()
        wait_for("PostgreSQL", lambda: self.host.run(["pg_isready", "-q", "-h", "127.0.0.1"]).returncode == 0)

    def start_server(self) -> None:
        """Start the server, if it does not run, and wait until it listens."""
        self.server.start()
        wait_for("OAR's server", lambda: listens(self.host, 6666))

    def query(self, statement: str) -> subprocess.CompletedProcess[str]:
        """Ask OAR's database."""
        argv = ["psql", "-q", "-h", "127.0.0.1", "-U", "oar", "-d", "oar", "-A", "-t", "-c", statement]
        return self.host.run(argv, user="root", env={"PGPASSWORD": "test"})

    def repair(self) -> None:
        """Let all daemons run again, and no job be left."""
        daemons = (self.postgres, self.sshd, self.server)
        for daemon in daemons:
            daemon.thaw()
        if not all(daemon.pids() for daemon in daemons):
            self.start()
        jobs = self.jobs()
        if jobs:
            self.host.run(["oardel", *jobs])
            self.host.run(["sh", "-c", "kill -KILL -1"])
            wait_for("an empty queue", lambda: not self.jobs())

    def jobs(self) -> list[str]:
        """Return the ids of all jobs that have not ended."""
        statement = "SELECT job_id FROM jobs WHERE state NOT IN ('Terminated', 'Error')"
        return self.query(statement).stdout.split()
