"""The configuration files of a Slurm cluster whose controller and only node are one job host."""

from __future__ import annotations

from collections.abc import Mapping

CPUS = 256
# For tests: jobs start at once, nothing is measured or bound, all processes stay in the host's own namespaces.
SETTINGS = {
    "SlurmUser": "slurm",
    "StateSaveLocation": "/var/lib/slurm/slurmctld",
    "SlurmctldLogFile": "/var/log/slurm/slurmctld.log",
    "SlurmctldPidFile": "/run/slurmctld.pid",
    "SlurmdSpoolDir": "/var/lib/slurm/slurmd",
    "SlurmdLogFile": "/var/log/slurm/slurmd.log",
    "SlurmdPidFile": "/run/slurmd.pid",
    "SlurmdParameters": "config_overrides",  # believe in more CPUs than there are
    "ProctrackType": "proctrack/linuxproc",
    "TaskPlugin": "task/none",
    "MpiDefault": "none",
    "SwitchType": "switch/none",
    "JobAcctGatherType": "jobacct_gather/none",
    "SelectType": "select/cons_tres",
    "SelectTypeParameters": "CR_CPU",
    "SchedulerType": "sched/backfill",
    "SchedulerParameters": "batch_sched_delay=0,sched_min_interval=10000,bf_interval=1",
    "PriorityType": "priority/basic",
    "PreemptType": "preempt/partition_prio",
    "PreemptMode": "REQUEUE",
    "ReturnToService": "2",
    "MinJobAge": "300",
    "MaxJobCount": "20000",
    "KillWait": "5",
    "SlurmctldTimeout": "30",
    "SlurmdTimeout": "30",
}
PARTITIONS = """\
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""


def slurm_conf(cluster: str, host: str, address: str, slurmdbd: str, changes: Mapping[str, str]) -> str:
    """Return slurm.conf.

    host, address: of the job host. slurmdbd: the address where it listens, "" for no accounting. changes: win over all.
    """
    accounting = {
        "AccountingStorageType": f"accounting_storage/{'slurmdbd' if slurmdbd else 'none'}",
        "AccountingStorageHost": slurmdbd,
    }
    settings = {
        "ClusterName": cluster,
        "SlurmctldHost": f"{host}({address})",
        **SETTINGS,
        **accounting,
        **changes,
    }
    lines = [f"{name}={value}" for name, value in settings.items() if value]
    lines.append(f"NodeName={host} NodeAddr={address} CPUs={CPUS} RealMemory=4000 State=UNKNOWN")
    return "\n".join(lines) + "\n" + PARTITIONS


def slurmdbd_conf(host: str, address: str) -> str:
    """Return slurmdbd.conf for the host on which slurmdbd and MariaDB run."""
    return f"""\
DbdHost={host}
DbdAddr={address}
SlurmUser=slurm
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm
LogFile=/var/log/slurm/slurmdbd.log
PidFile=/run/slurm/slurmdbd.pid
"""
