"""Every error that a user may meet, as one tree:

RemoteInstallError      exit code
├── InstallCommandFailed  1  what run.yaml runs on each install target
├── UsageError            2  the command line
├── ConfigError           3  hosts.yaml or run.yaml
├── HostError             4  a host can't be reached or refuses us
│   ├── HostUnreachable      network, name, time-out: transient
│   │   └── HostCrowded         too many others log in just now: transient, and waited for
│   ├── ConnectionLost       in the middle of a call: transient
│   ├── NoAnswer             connected, and then silence: transient
│   ├── HostKeyError         the host is not who known_hosts says, or is not known
│   ├── LoginRefused         no key of ours is accepted
│   └── HostUnsuitable       reached, but it lacks what we need (python3, rsync) or answers garbage
│       └── NoisyStartUp     a start-up file there prints into what rsync says
├── TransferError         5  rsync failed
│   ├── TransferInterrupted  the connection broke under it: transient
│   └── HostBusy             another call has the place there: transient, and waited for
├── RefusedBySite         6  the site's rules
│   └── RefusedByGate        the gate of a host, in its words
├── JobRunnerError        7  the job runner failed or refused the job
├── TimedOutHere          8  we stopped waiting; jobs may still be running
└── WouldDoHarm           9  refused: live jobs, an active driver, another run's directory
"""

from __future__ import annotations


class RemoteInstallError(Exception):
    """A fact that stops what the user asked for, with its remedy.

    message: the fact. hint: the remedy, a sentence or more, "" if there is none.
    host: the host it happened on. transient: whether the same call may pass when it is made again.
    """

    exit_code = 1
    transient = False

    def __init__(self, message: str, hint: str = "", host: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.host = host

    def as_json(self) -> dict[str, object]:
        """The `error` object of the contract's JSON documents."""
        return {"code": self.exit_code, "message": self.message, "hint": self.hint, "host": self.host}


class InstallCommandFailed(RemoteInstallError):
    exit_code = 1


class UsageError(RemoteInstallError):
    exit_code = 2


class ConfigError(RemoteInstallError):
    exit_code = 3


class HostError(RemoteInstallError):
    exit_code = 4


class HostUnreachable(HostError):
    transient = True


class HostCrowded(HostUnreachable):
    pass


class ConnectionLost(HostError):
    transient = True


class NoAnswer(HostError):
    transient = True


class HostKeyError(HostError):
    pass


class LoginRefused(HostError):
    pass


class HostUnsuitable(HostError):
    pass


class NoisyStartUp(HostUnsuitable):
    pass


class TransferError(RemoteInstallError):
    exit_code = 5


class TransferInterrupted(TransferError):
    transient = True


class HostBusy(TransferError):
    transient = True


class RefusedBySite(RemoteInstallError):
    exit_code = 6


class RefusedByGate(RefusedBySite):
    pass


class JobRunnerError(RemoteInstallError):
    exit_code = 7


class TimedOutHere(RemoteInstallError):
    exit_code = 8


class WouldDoHarm(RemoteInstallError):
    exit_code = 9
