"""The Python API: what the commands do, as methods of a run directory. Nothing is printed; errors are those of
transfer.errors. Any thread may call any method; a signal is the caller's own affair."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from remote_install import contact, fetch, install, jobs, known, record
from remote_install.admission import check_jobs
from remote_install.asked import Asked, take
from remote_install.dry_run import Planned, plan_each
from remote_install.install import Installed
from remote_install.inventory import inventory_of
from remote_install.jobhost.layout import JOB_NAME
from remote_install.report import Report
from remote_install.run_directory import open_run
from remote_install.talk import Talk
from remote_install.wanted import Wanted, secrets
from remote_install.watch import Viewer, watch
from transfer.errors import RemoteInstallError, TimedOutHere, UsageError
from transfer.hosts_file import find_hosts_file
from transfer.platforms import Platform, load_platforms


@dataclass(frozen=True)
class Job:
    """A job to be submitted. command: a shell line, or an argument list. platform: a platform or a group.
    time_limit: seconds. directives: for the job runner. retries: new tries after a failure, made by `watch`.

    Raises UsageError for a name that no job can have.
    """

    name: str
    command: str | Sequence[str]
    platform: str
    time_limit: float | None = None
    directives: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0

    def __post_init__(self) -> None:
        if not JOB_NAME.fullmatch(self.name):
            raise UsageError(f"{self.name!r} can't be a job's name: up to 64 letters, digits and . _ + -")
        if not self.command:
            raise UsageError(f"job {self.name} has no command")


class RunDirectory:
    """A run directory here, and what is done with it on job hosts. Where a method takes names of jobs, none means all
    that were submitted from here."""

    def __init__(self, path: str, run_id: str | None = None, hosts: str | None = None) -> None:
        """run_id: its name on every job host. hosts: the hosts.yaml; both default to what the commands take.

        Raises UsageError where there is no run directory, ConfigError when hosts.yaml or run.yaml is wrong.
        """
        self._run = open_run(os.fspath(path), run_id)
        self._platforms = load_platforms(find_hosts_file(hosts, os.environ))
        self._wanted: dict[str, Wanted] = {}

    @property
    def path(self) -> str:
        return self._run.path

    @property
    def run_id(self) -> str:
        return self._run.run_id

    def jobs(self) -> list[Job]:
        """The jobs of run.yaml that name their platform."""
        found = [one for one in self._run.settings.jobs.values() if one.platform is not None]
        return [
            Job(one.name, one.command, str(one.platform), one.time_limit, one.directives, one.environment, one.retries)
            for one in found
        ]

    def install(self, *platforms: str, adopt: bool = False) -> list[Installed]:
        """Bring the run directory to the install target of each platform, side by side. adopt: take over what another
        run directory left there. Raises WouldDoHarm while a driver is alive, and the worst error of the targets."""
        talk = Talk()
        done = install.install_each(self._run, self._undriven(platforms, talk), talk, adopt)
        _raise_worst([one.error for one in done])
        return done

    def plan(self, *platforms: str, adopt: bool = False) -> list[Planned]:
        """What `install` with the same arguments would do now; nothing is changed, here or there. Raises as it does."""
        talk = Talk()
        planned = plan_each(self._run, self._undriven(platforms, talk), talk, adopt)
        _raise_worst([one.error for one in planned])
        return planned

    def submit(self, *wanted: Job, again: bool = False) -> list[Report]:
        """See to it that the jobs are submitted where the run directory was installed; found again is not started
        again, unless `again`. Raises the worst error of the jobs."""
        known = [self._as_wanted(job) for job in wanted]
        asked = take(self._run, known, again)
        reports = jobs.submit(self._run, asked, known, Talk())
        self._wanted.update({job.name: job for job in known})
        return self._told(asked, reports)

    def poll(self, *names: str, shown: bool = True) -> list[Report]:
        """The states now. shown: does an end count as shown to the user, so that the next submission is a new try?

        Raises the worst error of the jobs.
        """
        asked = self._asked(names)
        return self._told(asked, jobs.poll(self._run, asked, Talk()), shown=shown)

    def known(self) -> list[Report]:
        """What is known here of every job, as it was last told; nobody is asked."""
        return known.known(self._run)

    def watch(
        self,
        *names: str,
        timeout: float | None = None,
        on_change: Callable[[Report], None] | None = None,
        on_output: Callable[[str, str, bytes], None] | None = None,
    ) -> list[Report]:
        """Wait until the jobs have ended. timeout: seconds. on_change: given each new state. on_output: given the
        job, "out" or "err", and what it wrote. One of them is called at a time, maybe in another thread.

        Raises TimedOutHere when time is over, and the worst error of the jobs.
        """
        streams = ("out", "err") if on_output else ()
        viewer = Viewer(report=on_change or _nothing, output=on_output or _nothing, streams=streams)
        asked = self._asked(names)
        return self._told(asked, watch(self._run, asked, Talk(), timeout, viewer, self._wanted), to_the_end=True)

    def kill(self, *names: str, grace: float = 10.0) -> list[Report]:
        """End the jobs: TERM, and KILL after `grace` seconds. Raises the worst error of the jobs."""
        asked = self._asked(names)
        return self._told(asked, jobs.kill(self._run, asked, grace, Talk()))

    def fetch(self, *paths: str) -> int:
        """Bring job logs, what run.yaml names, and `paths` back. Returns how many files came: those that differed.

        Raises HostError, TransferError, UsageError.
        """
        wanted = (*self._run.settings.fetch, *(fetch.checked(path) for path in paths))
        self._run.remember_fetched(wanted)
        once = {one.platform.install_target: one.platform for one in self._asked(())}
        return sum(fetch.fetch(self._run, platform, wanted, Talk()).files for platform in once.values())

    def _undriven(self, names: Sequence[str], talk: Talk) -> list[Platform]:
        """The platforms of that name, a group being all of its own. Raises WouldDoHarm while a driver is alive."""
        contact.refuse_if_driven(self._run, self._platforms.of_host, talk)
        return [one for name in names for one in self._platforms.candidates(name)]

    def _as_wanted(self, job: Job) -> Wanted:
        candidates = self._platforms.candidates(job.platform)
        for platform in candidates:
            secrets(platform, os.environ)
            check_jobs(platform)
        command = job.command if isinstance(job.command, str) else tuple(job.command)
        limit = job.time_limit
        return Wanted(job.name, command, candidates, job.environment, job.retries, limit, job.directives)

    def _asked(self, names: Sequence[str]) -> list[Asked]:
        tokens = {token.job: token for token in record.tokens(self._run)}
        unknown = [name for name in names if name not in tokens]
        if unknown or not tokens:
            raise UsageError(f"nothing is known here of job {unknown[0]}" if unknown else "no job is known here")
        known = [tokens[name] for name in names or sorted(tokens)]
        return [Asked(token.job, self._platforms.get(token.platform), token) for token in known]

    def _told(
        self, asked: list[Asked], reports: list[Report], to_the_end: bool = False, shown: bool = True
    ) -> list[Report]:
        """The reports; shown: they count as shown from now on. Raises the worst of their errors, and TimedOutHere."""
        _raise_worst([one.error for one in reports])
        late = ", ".join(one.job for one in reports if not one.ended)
        if late and to_the_end:
            raise TimedOutHere(f"not ended in time: {late}", "They go on; watch again to see their end.")
        if shown:
            jobs.acknowledge(self._run, reports, asked)
        return reports


def ansible_inventory(hosts: str | None = None) -> dict[str, Any]:
    """hosts.yaml as an Ansible inventory, as `remote-install platforms --ansible` prints it. hosts: the hosts.yaml.

    Raises ConfigError.
    """
    return inventory_of(load_platforms(find_hosts_file(hosts, os.environ)))


def _nothing(*_told: object) -> None:
    pass


def _raise_worst(errors: list[RemoteInstallError | None]) -> None:
    found = sorted((error for error in errors if error), key=lambda error: error.exit_code)
    if found:
        raise found[-1]
