"""What is known here of a run's jobs, without asking anybody."""

from __future__ import annotations

from remote_install import record, report
from remote_install.record import Token
from remote_install.report import Report
from remote_install.run_directory import RunDirectory


def known(run: RunDirectory) -> list[Report]:
    """What is known here of every job, without asking anybody."""
    return [_known(run, token) for token in record.tokens(run)]


def _known(run: RunDirectory, token: Token) -> Report:
    fields = record.report(run, token) or {}
    host = fields.get("host")
    told = report.from_json(fields, token.platform, host if isinstance(host, str) else "?")
    return told or Report(token.job, None, "unknown", token.platform, "?", reason="no answer came yet: poll it")
