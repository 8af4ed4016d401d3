"""Certificates that are valid for hours only, as docs/certificates.md tells of them: what happens when one is over."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hosts import JobHost, MakeHost

from .client import Client

AUTHORITY = "/etc/ssh/user_ca.pub"
VALID, OVER = "-5m:+1h", "-2h:-1h"
# A job that ends when it is told to.
UNTIL_TOLD = ("sh", "-c", "echo begun; while [ ! -e told ]; do sleep 0.1; done; echo ended")


class Member:
    """A user of a site that admits certificates alone."""

    def __init__(self, folder: Path, host: JobHost) -> None:
        self.key, self._authority = str(folder / "id"), str(folder / "ca")
        for path in (self.key, self._authority):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        host.write_file(AUTHORITY, Path(f"{self._authority}.pub").read_text(), owner="root")

    def fetch_certificate(self, valid: str = VALID) -> None:
        """What a site's own command does each morning."""
        names = ["-I", "alice", "-n", "alice", "-V", valid]
        subprocess.run(["ssh-keygen", "-q", "-s", self._authority, *names, f"{self.key}.pub"], check=True)


@pytest.fixture
def user(tmp_path: Path, make_host: MakeHost) -> Client:
    host = make_host(sshd_config=(f"TrustedUserCAKeys {AUTHORITY}", "AuthorizedKeysFile none"))
    return Client(tmp_path, host)


@pytest.fixture
def member(user: Client, tmp_path: Path) -> Member:
    member = Member(tmp_path, user.host)
    user.run_directory.mkdir()
    (tmp_path / "hosts.yaml").write_text(
        f"platforms:\n  hpc:\n    hosts: [{user.host.name}]\n"
        f"    ssh: {{command: ssh -F {user.host.ssh_config}, identity: {member.key}, connect_timeout: 5}}\n"
        "    polling: {max: 1}\n"
    )
    return member


def begun(user: Client) -> None:
    until = time.monotonic() + 20
    while "begun" not in user.host.run(["sh", "-c", f"cat {user.there}/log/job/job/01/job.out"]).stdout:
        assert time.monotonic() < until
        time.sleep(0.05)


def tell_the_job(user: Client) -> None:
    user.host.run(["touch", f"{user.there}/told"], check=True)


def test_a_job_outlives_the_certificate_and_a_new_one_finds_its_end(user: Client, member: Member) -> None:
    member.fetch_certificate()
    assert user("submit", "demo", "-p", "hpc", "--", *UNTIL_TOLD).code == 0
    user.hang_up()
    member.fetch_certificate(OVER)
    tell_the_job(user)
    refused = user("poll", "demo")
    assert refused.code == 4
    assert b"unknown" in refused.out  # and not gone
    assert "Permission denied" in refused.err
    member.fetch_certificate()
    assert user("wait", "demo").code == 0
    assert user("logs", "demo", "job").out == b"begun\nended\n"


def test_a_run_goes_on_over_its_connection_when_the_certificate_is_over(user: Client, member: Member) -> None:
    member.fetch_certificate()
    run = user.start("run", "demo", "-p", "hpc", "--", *UNTIL_TOLD)
    begun(user)
    member.fetch_certificate(OVER)
    tell_the_job(user)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert out == b"begun\nended\n"


def test_a_run_that_loses_its_connection_then_is_taken_up_by_the_same_command(user: Client, member: Member) -> None:
    member.fetch_certificate()
    run = user.start("run", "demo", "-p", "hpc", "--", *UNTIL_TOLD)
    begun(user)
    member.fetch_certificate(OVER)
    user.host.kill_sessions()
    _, err = run.communicate(timeout=60)
    assert run.returncode == 4, err
    assert b"Permission denied" in err
    member.fetch_certificate()
    tell_the_job(user)
    again = user("run", "demo", "-p", "hpc", "--", *UNTIL_TOLD)
    assert again.code == 0, again.err
    assert "found again, not started again" in again.err
    assert again.out == b"begun\nended\n"
