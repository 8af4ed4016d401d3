"""What `check` has found out about a host, as rows of a table; pure. remote_install/check.py asks for the facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from remote_install.conversation import error_of
from transfer.errors import ConfigError, HostUnsuitable, RefusedByGate, RefusedBySite, RemoteInstallError, TransferError
from transfer.platforms import Platform
from transfer.wording import amount, visible

NAMES = (
    *("settings", "reach", "host key", "auth", "rsync", "python", "program", "job runner", "filesystem", "clock"),
    *("run root", "disk"),
)
LEAST_PYTHON = (3, 6)
LEAST_RSYNC = (3, 1, 3)  # older ones refuse --modify-window=-1 (see transfer/rsync.py)
CAREFUL_RSYNC = (3, 2, 5)  # older ones write what a host sends, asked for or not
CARELESS = "The one here is old: `pull` only from hosts that you trust, unless CVE-2022-29154 is mended in it."
LEAST_ROOM, LEAST_FILES = 1024 * 1024, 16  # with fewer bytes or files than these a disk is full
LITTLE_ROOM, LITTLE_FILES, SHARE = 10 * 10**9, 10_000, 0.05  # below both a number and a share it is nearly full
CLOCK_OFF = 5.0  # seconds; all that is told of jobs is told by the clock there
LONGEST = 300  # characters of a word of a host

Fact = Mapping[str, Any]
Told = tuple[str, str]  # detail, and the remedy of what may be borne; "" where nothing is to be done


@dataclass(frozen=True)
class Check:
    """A row. ok: None where it was not made. seconds: that it took; rows made by one call stand under the first.

    error: why it failed. A remedy without one is a warning.
    """

    check: str
    ok: bool | None
    detail: str = ""
    remedy: str = ""
    seconds: float = 0.0
    error: RemoteInstallError | None = None

    def as_json(self) -> dict[str, Any]:
        """The row of `check --json`."""
        return {
            "check": self.check,
            "ok": self.ok,
            "detail": self.detail,
            "remedy": self.remedy or None,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Checked:
    """All rows of one host."""

    platform: str
    host: str
    checks: tuple[Check, ...]

    @property
    def error(self) -> RemoteInstallError | None:
        """The worst of its errors, by exit code; of equal ones the first."""
        errors = [row.error for row in self.checks if row.error]
        return max(errors, key=lambda error: error.exit_code, default=None)

    def as_json(self) -> dict[str, Any]:
        """The entry of `check --json`."""
        return {
            "platform": self.platform,
            "host": self.host,
            "checks": [row.as_json() for row in self.checks],
            "error": self.error.as_json() if self.error else None,
        }


class Rows:
    """The rows of one host as they are made, in whatever order."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.host = platform, platform.hosts[0]
        self._rows: dict[str, Check] = {}
        self._stopped_by = ""

    def add(self, name: str, detail: str = "", remedy: str = "", seconds: float = 0.0) -> None:
        """It is in order; with a remedy it is a warning."""
        self._rows[name] = Check(name, True, detail, remedy, seconds)

    def fail(self, name: str, error: RemoteInstallError, seconds: float = 0.0) -> None:
        """It failed. Its detail does not repeat the host."""
        error = _of_site(error)
        detail = visible(error.message.removeprefix(f"{self.host}: "))
        self._rows[name] = Check(name, False, detail, visible(error.hint), seconds, error)

    def judge(self, name: str, told: Callable[[], Told], seconds: float = 0.0) -> None:
        """As `told` returns or raises; it may raise ValueError for what is no answer."""
        try:
            detail, remedy = told()
        except RemoteInstallError as error:
            self.fail(name, error, seconds)
        except ValueError as error:
            hint = "Does something there print into the output of python3?"
            self.fail(name, HostUnsuitable(f"{self.host}: its answer is garbage: {error}", hint, self.host), seconds)
        else:
            self.add(name, detail, remedy, seconds)

    def pass_over(self, names: Iterable[str], why: str) -> None:
        """They are not made, and need not be."""
        for name in names:
            self._rows[name] = Check(name, None, why)

    def failed(self, *names: str) -> bool:
        """Did any of them?"""
        return any(name in self._rows and self._rows[name].ok is False for name in names)

    def stop(self, name: str, error: RemoteInstallError, seconds: float = 0.0) -> None:
        """It failed, and so those that are not there yet can't be made."""
        self.fail(name, error, seconds)
        self._stopped_by = name

    def done(self) -> Checked:
        """All rows."""
        why = f"not made, because {self._stopped_by} failed"
        rows = (self._rows.get(name) or Check(name, None, why) for name in NAMES)
        return Checked(self.platform.name, self.host, tuple(rows))


def _of_site(error: RemoteInstallError) -> RemoteInstallError:
    """What rrsync(1) says there, to which the site has limited a key, is no matter of Python or of the network."""
    if isinstance(error, RefusedByGate) or not re.search("rrsync|SSH_ORIGINAL_COMMAND", error.message):
        return error
    hint = "This key may do nothing but rsync: set `access: rsync-only`, and rsync.root and run_root, in hosts.yaml. "
    return RefusedBySite(error.message, hint + "To send files it must be allowed to write (no -ro).", error.host)


def word(fact: Fact, name: str) -> str:
    """A text that a host tells. Raises ValueError when it is none."""
    value = fact.get(name)
    if not isinstance(value, str):
        raise ValueError(f"no {name}")
    return visible(value[:LONGEST])


def number(fact: Fact, name: str) -> int | float:
    """A number that a host tells, from 0. Raises ValueError when it is none."""
    value: Any = fact.get(name)
    if type(value) not in (int, float) or not 0 <= value < 2**80:
        raise ValueError(f"no {name}")
    return value  # type: ignore[no-any-return]


def run_root(fact: Fact, host: str) -> Told:
    """Is it there, or can it be made? Raises TransferError, or ConfigError where it can't be told where it is."""
    if "code" in fact:
        raise error_of(dict(fact), host)
    path, above, why = word(fact, "path"), word(fact, "above"), word(fact, "why")
    if why and fact.get("full") is not True:
        what = f"{path} can't be written to" if path == above else f"{path} can't be made in {above}"
        hint = "Set run_root in hosts.yaml to a folder that you may write to there."
        raise TransferError(f"{host}: {what}: {why}", hint, host)
    return path if path == above else f"{path}, which the first install makes", ""


def disk(fact: Fact, host: str) -> Told:
    """Is there room? Raises TransferError when there is none."""
    above, why = word(fact, "above"), word(fact, "why")
    free, size = number(fact, "free"), number(fact, "size")
    free_files, files = number(fact, "free_files"), number(fact, "files")
    counted = f"{amount(int(free))} of {amount(int(size))} free"
    if files:
        counted += f", room for {int(free_files)} more files"
    remedy = f"Remove what is not needed any more, with `clean` for instance, or set run_root: `df {above}` there."
    if files and free_files < LEAST_FILES:
        raise TransferError(f"{host}: no more files can be made on the disk of {above}: {counted}", remedy, host)
    if free < LEAST_ROOM:
        raise TransferError(f"{host}: the disk of {above} is full: {counted}", remedy, host)
    if fact.get("full") is True:
        quota = f"Is your quota used up? {remedy}"
        raise TransferError(f"{host}: nothing more can be written to {above}: {why}: {counted}", quota, host)
    little = free < min(LITTLE_ROOM, SHARE * size) or (files and free_files < min(LITTLE_FILES, SHARE * files))
    return counted, f"That is little. {remedy}" if little else ""


def rsync_versions(here: str, there: object, host: str) -> Told:
    """Can these two work together? Raises ConfigError for the one here, HostUnsuitable for the one there.

    there: its version, "" where it does not tell, None where there is none.

    >>> rsync_versions("3.2.7", "3.1.3", "h")
    ('3.1.3 there, 3.2.7 here', '')
    """
    if there is None:
        raise HostUnsuitable(f"{host}: there is no rsync on it", "Have rsync installed there.", host)
    if not isinstance(there, str):
        raise HostUnsuitable(f"{host}: its answer is garbage: no version of rsync", "", host)
    least, shown = ".".join(map(str, LEAST_RSYNC)), visible(there[:LONGEST])
    if is_older(here, LEAST_RSYNC):
        hint = "Install it, or name another with rsync.command in hosts.yaml."
        raise ConfigError(f"rsync on this machine is {here}, and {least} or newer is needed", hint)
    if is_older(there, LEAST_RSYNC):
        hint = "Have one installed there; one that PATH does not lead to is named by rsync.command in hosts.yaml: "
        hint += "`rsync --rsync-path=/PATH/rsync`."
        raise HostUnsuitable(f"{host}: rsync there is {shown}, and {least} or newer is needed", hint, host)
    detail = ", ".join(f"{version} {where}" for version, where in ((shown, "there"), (here, "here")) if version)
    return detail, CARELESS if is_older(here, CAREFUL_RSYNC) else ""


def is_older(version: str, least: tuple[int, ...]) -> bool:
    """Is a version older than `least`? One that can't be read is not.

    >>> is_older("3.1.2", (3, 1, 3)), is_older("3.4.0pre1", (3, 1, 3)), is_older("3.1", (3, 1, 3)), is_older("", (3,))
    (True, False, True, False)
    """
    found = re.match(r"\d{1,9}(\.\d{1,9})*", version)
    return found is not None and tuple(map(int, found.group().split("."))) < least


def job_runner(fact: Fact, platform: Platform, host: str) -> Told:
    """Can it be used? Raises JobRunnerError, or ConfigError."""
    if "code" in fact:
        raise error_of(dict(fact), host)
    runner = platform.job_runner
    name = f"{runner.name}, cluster {runner.cluster}," if runner.cluster else runner.name
    told = "background: it can tell processes from each other" if runner.name == "background" else f"{name} answers"
    return told, word(fact, "warning")


def filesystem(platform: Platform, program: str, same: bool) -> Told:
    """What is known of it. same: is the file `program` there the one of that path here?"""
    auto = platform.filesystem == "auto"
    told = "auto: found out with each run directory" if auto else f"{platform.filesystem}, as hosts.yaml says"
    return told + (f"; {program.rpartition('/')[0]} there is the one here" if same else ""), ""


def clock(there: int | float, began: float, ended: float) -> Told:
    """How far is it off? All times: seconds since 1970. there: told at some moment between the two others here.

    >>> clock(1000.0, 1000.0, 1000.2), clock(1100.0, 1000.0, 1001.0)[0]
    (('off by less than 0.2 s', ''), '100 s ahead of the one here')
    """
    off, unsure = there - (began + ended) / 2, (ended - began) / 2
    if abs(off) <= CLOCK_OFF + unsure:
        return f"off by less than {max(0.1, abs(off) + unsure):.1f} s", ""
    remedy = "Have both set by NTP: when jobs started and ended is told by the clock there."
    return f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the one here", remedy
