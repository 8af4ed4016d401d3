"""docs/pools.md, docs/jump-hosts.md and docs/connections.md: their settings are taken over as they stand, and work."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import kept
import pytest
from hosts import JobHost, MakeHost

from . import pages
from .follower import Follower

TRAIN = {"train.sh": "#!/bin/sh\nhostname\n", "data": "1\n"}
RUN = "remote-install run forecast -p hpc -- ./train.sh"


@pytest.fixture
def reader(tmp_path: Path, job_host: JobHost) -> Iterator[Follower]:
    """A user whose run directory is new on the shared job host."""
    user = Follower(tmp_path, job_host)
    user.write_run("forecast", TRAIN)
    yield user
    job_host.run(["sh", "-c", "kill -9 -1; rm -rf remote-install-run"])


# A host that is down: nobody listens there.
DOWN = "Host login1\n    HostName 127.0.0.1\n    Port 1\n"


def as_here(text: str) -> str:
    """What a page shows, on hosts that have no Slurm, of which one is down in that way."""
    text = text.replace("job_runner: slurm", "job_runner: background").replace("slurm ", "background ")
    return text.replace("host login1 port 22", "host 127.0.0.1 port 1")


def test_a_pool_works_while_one_of_its_hosts_answers(reader: Follower) -> None:
    text = pages.section("pools.md", "A pool: hosts of one filesystem")
    (pool,) = pages.blocks(text, "yaml")
    (shown,) = pages.blocks(text, "console")
    reader.know(as_here(pool), {"login2": reader.host, "login3": reader.host}, DOWN)
    reader.sees(as_here(shown))
    failed = reader.folder / "cache/remote-install/failed"
    assert os.listdir(failed) == ["login1"]
    code, said = reader.type("remote-install wait forecast -q")
    assert (code, "login1" in said) == (0, False), said


def test_a_job_goes_to_the_first_platform_of_a_group_that_answers(reader: Follower) -> None:
    text = pages.section("pools.md", "A group: platforms to choose from")
    (group,) = pages.blocks(text, "yaml")
    (shown,) = pages.blocks(text, "console")
    reader.know(as_here(group), {"gpu1": reader.host}, DOWN)
    reader.sees(as_here(shown))


def test_a_name_that_matches_is_a_platform(reader: Follower) -> None:
    text = pages.section("pools.md", "Names that match")
    (yaml,) = pages.blocks(text, "yaml")
    name = re.findall(r"`-p (\w+)`", text)[0]
    reader.know(yaml, {name: reader.host})
    assert reader.type(RUN.replace("hpc", name))[0] == 0
    assert reader.host.run(["ls", "/var/tmp/runs"]).stdout == "forecast\n"
    assert reader.type(RUN.replace("hpc", "desktop"))[0] == 3
    reader.host.run(["rm", "-r", "/var/tmp/runs"], check=True)


# --- docs/jump-hosts.md


@pytest.mark.parametrize("number", [0, 1])
def test_a_host_behind_another_is_reached(tmp_path: Path, make_host: MakeHost, number: int) -> None:
    """By ssh_config of the page, or by its hosts.yaml. The host admits nobody who comes from elsewhere."""
    gate = make_host()
    inner = make_host(sshd_config=(f"AllowUsers alice@{gate.address}",))
    gate.as_root(f"echo '{inner.address} login1.inner.example.org' >>/etc/hosts")
    text = pages.section("jump-hosts.md", "Jump hosts")
    (in_ssh_config,), (in_hosts_yaml,) = pages.blocks(text, "text"), pages.blocks(text, "yaml")
    reader = Follower(tmp_path, inner)
    reader.write_run("forecast", TRAIN)
    known = tmp_path / "known_hosts"
    keys = [Path(inner.known_hosts).read_text().replace(inner.address, "login1.inner.example.org")]
    known.write_text("".join([*keys, Path(gate.known_hosts).read_text()]))
    always = (
        f"Host *.example.org login1\n    IdentityFile {inner.key}\n    UserKnownHostsFile {known}\n    User alice\n"
    )
    reader.know(
        in_hosts_yaml if number else "platforms:\n  hpc: {hosts: [login1]}\n",
        {"gate.example.org": gate},
        ("" if number else in_ssh_config) + always,
    )
    (check,) = pages.lines(pages.section("jump-hosts.md", "When it does not work"))
    code, said = reader.type(check)
    assert (code, "FAILED" in said) == (0, False), said
    code, said = reader.type(RUN)
    assert (code, inner.name in said.splitlines()) == (0, True), said
    assert gate.connections() > 0


CODE = "424242"  # as /etc/shadow has it:
HASHED = "$6$saltsalt$W.skksjg2cJBmeMMsKcLE/mlzdg8wyz79nOXnsXxh3XGk5AZzNtqkv4IqT.3na.aiFtOWPTqLdYNbWnWhGJ2i/"
ASKS = ("PasswordAuthentication yes", "AuthenticationMethods publickey,password")


def test_a_host_that_asks_for_a_code_is_used_over_the_connection_of_who_has_answered(
    tmp_path: Path, make_host: MakeHost
) -> None:
    host = make_host(sshd_config=ASKS)
    host.as_root(f"sed -i 's|^alice:[^:]*|alice:{HASHED}|' /etc/shadow")
    (kept_open,) = pages.blocks(pages.section("jump-hosts.md", "One-time codes and passwords"), "text")
    reader = Follower(tmp_path, host)
    reader.write_run("forecast", TRAIN)
    # A socket's path is short.
    mine = kept_open.replace("~/.ssh", reader.runtime)
    assert mine != kept_open
    reader.know("platforms:\n  hpc: {hosts: [login1]}\n", {"login1": host}, mine)
    code, said = reader.type(RUN)
    assert (code, "login1: alice@" in said, "accepts no key" in said) == (4, True, True), said
    reader.put("answer", f"echo {CODE} #")
    reader.variables = {"SSH_ASKPASS": f"{tmp_path}/bin/answer", "SSH_ASKPASS_REQUIRE": "force"}
    code, said = reader.type("ssh login1 true")
    assert code == 0, said
    reader.variables = {}
    code, said = reader.type(RUN)
    assert (code, host.name in said.splitlines()) == (0, True), said
    assert reader.type("ssh -O exit login1")[0] == 0
    code, said = reader.type("remote-install install forecast -p hpc")
    assert (code, "accepts no key" in said) == (4, True), said


# --- docs/connections.md


def test_a_connection_is_kept_as_the_settings_say_and_left_when_its_folder_is_removed(reader: Follower) -> None:
    (settings,) = pages.blocks(pages.section("connections.md", "Settings"), "yaml")
    (remove,) = pages.blocks(pages.section("connections.md", "What is kept, and where"), "sh")
    reader.know(settings, {"hpc": reader.host})
    before = reader.host.connections()
    for _ in range(2):
        assert reader.type("remote-install install forecast -p hpc")[0] == 0
    assert reader.host.connections() == before + 1
    (master,) = kept.in_use(reader.runtime)
    assert "ControlPersist=10m" in master
    assert reader.type(remove) == (0, "")
    assert reader.type("remote-install install forecast -p hpc")[0] == 0
    assert reader.host.connections() == before + 2
