"""Who has got into the user's home, as each of his jobs has, comes no further through the roles: no key of his choice
lets anybody in, and root follows no link of his."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from box import SETUP, differences, public, set_up
from hosts import JobHost, MakeHost
from hosts.settings import generate_key
from playing import COLLECTION, Ansible, Played

pytestmark = [pytest.mark.ansible, pytest.mark.timeout(400)]  # a bare host is played on many times
MAKE_RUN_ROOT = (COLLECTION / "roles" / "job_host" / "files" / "make_run_root.sh").read_text()
HOME = "/home/worker"


def play(ansible: Ansible, *words: str, **variables: Any) -> Played:
    return set_up(ansible, "--limit", "box", "-e", json.dumps(variables), *words)


def as_worker(bare: JobHost, script: str) -> None:
    """As a job of his would: a shell line in his home."""
    bare.run(["sh", "-c", f"cd {HOME} && {script}"], user="worker", check=True)


def lets_in(bare: JobHost, key: Path) -> str:
    """How far a key gets there: no (not in), gate, all."""
    alone = ["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes"]
    words = ["ssh", *alone, "-o", f"UserKnownHostsFile={bare.known_hosts}", "-i", str(key)]
    done = subprocess.run(
        [*words, f"worker@{bare.address}", "id", "-un"], capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode == 255:
        assert "Permission denied" in done.stderr
        return "no"
    assert (done.returncode, done.stdout) in ((0, "worker\n"), (126, "")), done.stderr
    return "all" if done.returncode == 0 else "gate"


def what_is_not_his(bare: JobHost) -> str:
    script = "find /root /srv -path /root/.ansible -prune -o -printf '%p %u %m %T@\\n'; cat /root/.ssh/authorized_keys"
    return bare.run(["sh", "-c", script], user="root", check=True).stdout


def test_only_keys_of_the_variables_let_in(setting_up: Ansible, bare: JobHost, gated: Path, tmp_path: Path) -> None:
    mine, stranger = Path(bare.key), tmp_path / "stranger"
    generate_key(str(stranger))
    play(setting_up)
    ungated = f"{public(stranger)}\n{public(gated)}"
    as_worker(bare, f"mkdir -p -m 700 .ssh && echo '{ungated}' | tee .ssh/authorized_keys >.ssh/authorized_keys2")
    assert [lets_in(bare, key) for key in (mine, gated, stranger)] == ["all", "gate", "no"]

    played = play(setting_up, job_host_other_key_files=[".ssh/authorized_keys"])
    assert played.changed == [("box", "Set what sshd is to do for him"), ("box", "Reload sshd")]
    assert [lets_in(bare, key) for key in (mine, gated, stranger)] == ["all", "gate", "all"]

    nobody: dict[str, Any] = {"job_host_authorized_keys": [], "gate_keys": []}
    foretold = play(setting_up, "--check", "--diff", **nobody)
    real = play(setting_up, "--diff", **nobody)
    assert real.changed == foretold.changed
    assert differences(real) == differences(foretold) != []
    assert [lets_in(bare, key) for key in (mine, gated, stranger)] == ["no", "no", "no"]
    assert play(setting_up, **nobody).changed == []


def test_root_follows_no_link_of_a_job(setting_up: Ansible, bare: JobHost, tmp_path: Path) -> None:
    another = tmp_path / "another"
    generate_key(str(another))
    bare.run(["mkdir", "-m", "755", "/srv/private"], user="root", check=True)
    play(setting_up)
    before = what_is_not_his(bare)
    as_worker(bare, "rm -rf .ssh remote-install-run && ln -s /root/.ssh .ssh && ln -s /srv/private remote-install-run")
    keys = json.dumps({"job_host_authorized_keys": [public(bare.key), public(another)]})
    played = setting_up.play(SETUP, "-i", "inventory.yml", "--limit", "box", "-e", keys)
    assert what_is_not_his(bare) == before
    assert (
        "worker can't write to the run root /home/worker/remote-install-run." in played["Make the run root"]["stderr"]
    )
    assert lets_in(bare, another) == "all"

    as_worker(bare, "rm remote-install-run")
    assert play(setting_up).changed == [("box", "Allow his keys"), ("box", "Make the run root")]
    assert what_is_not_his(bare) == before
    assert lets_in(bare, another) == "no"


def test_ansible_does_not_lock_itself_out(setting_up: Ansible, bare: JobHost) -> None:
    himself = {"ansible_user": bare.user, "job_host_user": bare.user, "job_host_authorized_keys": []}
    played = setting_up.play(SETUP, "-i", "inventory.yml", "--limit", "box", "-e", json.dumps(himself))
    assert "Ansible logs in as alice, and would be locked out" in played["See that it can do so the next time"]["msg"]


@pytest.fixture
def host(make_host: MakeHost) -> JobHost:
    made = make_host()
    script = "mkdir -p /srv/bob && chown nobody /srv/bob && ln -s /srv /home/alice/link"
    made.run(["sh", "-c", script], user="root", check=True)
    return made


def make_run_root(host: JobHost, path: str, foretell: str = "False") -> subprocess.CompletedProcess[str]:
    words = ["/bin/sh", "-c", MAKE_RUN_ROOT, "make_run_root.sh", host.user, path, foretell]
    return host.run(words, user="root")


def owner(host: JobHost, path: str) -> str:
    """Owner, group and mode; nothing where there is nothing."""
    return host.run(["stat", "-c", "%U:%G %a", path], user="root").stdout.strip()


def test_a_run_root_is_made_once_where_the_user_may(host: JobHost) -> None:
    path = "/home/alice/deep/runs"
    assert (make_run_root(host, path, "True").stdout, owner(host, path)) == ("made\n", "")
    assert (make_run_root(host, path).stdout, owner(host, path)) == ("made\n", "alice:alice 700")
    assert make_run_root(host, path).stdout == make_run_root(host, path, "True").stdout == ""


def test_root_makes_it_only_where_nobody_else_can_write(host: JobHost) -> None:
    assert (make_run_root(host, "/srv/a/runs").stdout, owner(host, "/srv/a/runs")) == ("made\n", "alice:alice 700")
    assert owner(host, "/srv/a") == "root:root 755"
    for path in ("/srv/bob/runs", "/home/alice/link/runs"):
        done = make_run_root(host, path)
        assert done.returncode != 0
        assert "Make it by hand." in done.stderr
        assert owner(host, path) == ""
