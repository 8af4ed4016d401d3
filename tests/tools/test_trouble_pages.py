"""docs/check.md and docs/certificates.md: what they show of hosts that refuse and of those that are down comes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from end_to_end.test_certificates import AUTHORITY, OVER, Member
from hosts import MakeHost, MakeHosts
from reading import plain

from . import pages
from .follower import Follower

SLURM = ("sbatch", "squeue", "scancel")


def test_what_keeps_jobs_from_running_is_told_as_the_page_shows(tmp_path: Path, make_hosts: MakeHosts) -> None:
    """Two login nodes that have no Slurm and let nobody write to /scratch, and one of them is down."""
    up, down = make_hosts(2)
    up.as_root(f"cd /usr/bin && rm -f {' '.join(SLURM)}; mkdir /scratch")
    (shown,) = pages.blocks(pages.section("check.md"), "console")
    reader = Follower(tmp_path, up)
    platform = "{hosts: [login1, login2], job_runner: slurm, run_root: /scratch/$USER/runs, ssh: {connect_timeout: 1}}"
    reader.know(f"platforms:\n  hpc: {platform}\n", {"login1": up, "login2": down})
    down.drop()
    line, wanted = pages.typed(shown)[0]
    code, said = reader.type(line)
    assert code == int(pages.typed(shown)[1][1])
    assert sorted(alike(said)) == sorted(alike(wanted)), said  # who is known first is told first


def alike(shown: str) -> list[str]:
    """Without names, versions and sizes; what a table makes wide is narrow again."""
    shown = re.sub(r"it calls itself \S+", "it calls itself HOST", shown)
    shown = re.sub(r"jobhost-\w+\.pyz", "jobhost.pyz", shown)
    shown = re.sub(r"\d[\d.]* ([kMG]B|there|here|s)\b|\d+(\.\d+)+", "N", shown)
    return plain(shown)


def test_a_certificate_that_is_over(tmp_path: Path, make_host: MakeHost) -> None:
    host = make_host(sshd_config=(f"TrustedUserCAKeys {AUTHORITY}", "AuthorizedKeysFile none"))
    member = Member(tmp_path, host)
    (settings,) = pages.blocks(pages.section("certificates.md").partition("\n## ")[0], "yaml")
    text = pages.section("certificates.md", "When it is over")
    refused, again = pages.blocks(text, "console")
    (until,) = pages.blocks(text, "sh")
    reader = Follower(tmp_path, host)
    reader.know(settings.replace("~/.ssh/site_key", member.key), {"login1": host})
    # The page's key is the only one that this user has.
    reader.ssh_config.write_text(re.sub(r".*IdentityFile.*\n", "", reader.ssh_config.read_text()))
    reader.write_run("forecast", {"train.sh": "#!/bin/sh\nuntil [ -e told ]; do sleep 0.1; done\n"})
    member.fetch_certificate()
    (line,) = (line for line, _ in pages.typed(again))
    assert reader.type(line.replace(" run ", " submit "))[0] == 0
    reader.hang_up()
    member.fetch_certificate(OVER)
    reader.sees(refused.replace("slurm", "background").replace("@login1", f"@{host.address}"), code=4)
    member.fetch_certificate()
    host.run(["touch", "remote-install-run/forecast/told"], check=True)
    code, said = reader.type(line)
    assert code == 0, said
    assert set(plain(pages.typed(again)[0][1])) <= set(plain(said)), said
    code, said = reader.type(until.replace("~/.ssh/site_key", shlex.quote(member.key)))
    assert (code, bool(re.match(r" +Valid: from \S+ to ", said))) == (0, True), said
