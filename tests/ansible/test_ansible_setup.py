"""playbooks/setup.yml: from a bare host to one that jobs run on, through a gate."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import playing
import pytest
import yaml
from hosts import JobHost, MakeHost
from hosts.settings import generate_key
from playing import Ansible, Played
from testinfra.host import get_host

pytestmark = [pytest.mark.ansible, pytest.mark.timeout(400)]  # a bare host is played on many times
SETUP = "remote_install.remote_install.setup"
DROP_INS = "Include /etc/ssh/sshd_config.d/*.conf"
PAGE = (playing.ROOT / "docs" / "ansible.md").read_text().partition("## Set up job hosts")[2].partition("\n## ")[0]
KEYS = "/home/worker/.ssh/authorized_keys"
GATE = "/usr/local/libexec/remote-install/gate.py"


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """remote-install as pip installs it."""
    folder, source = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):  # a copy, because pip leaves things in it
        shutil.copy(playing.ROOT / name, source)
    for name in ("transfer", "remote_install", "docs/man"):
        shutil.copytree(playing.ROOT / name, source / name)
    words = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(words, check=True, capture_output=True)
    return folder


@pytest.fixture
def bare(make_host: MakeHost) -> JobHost:
    """A host with no rsync and no user for jobs; root may log in with the key of the tests."""
    host = make_host(system="trixie-bare", sshd_config=[DROP_INS], system_size="256m")
    with open(f"{host.key}.pub") as key:
        host.write_file("/root/.ssh/authorized_keys", key.read(), 0o600, owner="root")
    host.run(["chmod", "700", "/root/.ssh"], user="root", check=True)
    host.run(["apt-get", "-q", "update"], user="root", check=True)  # as any Debian has done some day
    assert host.run(["sh", "-c", "command -v rsync"], user="root").returncode != 0
    return host


def public(key: str | Path) -> str:
    """The public half of a key, one line."""
    return Path(f"{key}.pub").read_text().strip()


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    """A key that is to be led to the gate."""
    generate_key(str(tmp_path / "ci"))
    return tmp_path / "ci"


@pytest.fixture
def ssh_args(bare: JobHost) -> Iterator[str]:
    """How root's connection is made: once for all plays, which otherwise make hundreds; it ends with the test."""
    path = f"{os.environ['XDG_RUNTIME_DIR']}/ansible"
    keeps = f"-o ControlMaster=auto -o ControlPersist=60 -o ControlPath={path}"
    yield f"-F /dev/null -i {bare.key} -o UserKnownHostsFile={bare.known_hosts} {keeps}"
    subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "box"], capture_output=True, check=False)


@pytest.fixture
def setting_up(tmp_path: Path, bare: JobHost, wheels: Path, gated: Path, ssh_args: str) -> Ansible:
    """Ansible with the inventory of the page, of the bare host and this machine."""
    ansible = playing.Ansible(tmp_path / "ansible", {"PYTHONPATH": ""})
    ansible.prepare()
    home = tmp_path / "user"
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    groups = yaml.safe_load(text)
    job_hosts, controllers = groups["job_hosts"], groups["controllers"]
    job_hosts["hosts"]["box"]["ansible_host"] = bare.address
    job_hosts["vars"]["ansible_python_interpreter"] = "/usr/bin/python3"
    job_hosts["vars"]["ansible_ssh_args"] = ssh_args
    job_hosts["vars"]["job_host_authorized_keys"] = [public(bare.key)]
    job_hosts["vars"]["gate_keys"][0]["key"] = public(gated)
    controllers["hosts"]["localhost"]["ansible_python_interpreter"] = sys.executable
    ssh = {"identity": str(gated), "options": {"UserKnownHostsFile": str(home / ".ssh" / "known_hosts")}}
    controllers["vars"] = {
        "controller_venv": str(home / "venv"),
        "controller_hosts_file": str(home / "config" / "hosts.yaml"),
        "controller_known_hosts_file": str(home / ".ssh" / "known_hosts"),
        "controller_pip_environment": {"PIP_FIND_LINKS": str(wheels)},
        "controller_defaults": {"ssh": {**controllers["vars"]["controller_defaults"]["ssh"], **ssh}},
    }
    (ansible.folder / "inventory.yml").write_text(yaml.safe_dump(groups, allow_unicode=True))
    return ansible


def set_up(ansible: Ansible, *words: str) -> Played:
    done = ansible.play(SETUP, "-i", "inventory.yml", *words)
    assert done.code == 0, done.talk
    return done


def differences(played: Played) -> list[tuple[str, list[str]]]:
    """What --diff showed of files, by task: the lines that went and came. Of a file with two such tasks the second
    finds in check mode what was there before the first."""
    each = [(one.task, result) for one in played.told for result in [one.result, *one.result.get("results", [])]]
    shown = [(task, result["diff"]) for task, result in each if "diff" in result]
    files = [(task, one) for task, found in shown for one in (found if isinstance(found, list) else [found])]
    found = [(task, changes(one)) for task, one in files if isinstance(one.get("after"), str)]
    return [(task, lines) for task, lines in found if lines]  # of a file that is not there yet nothing is shown


def changes(difference: dict[str, str]) -> list[str]:
    before, after = (difference[name].splitlines() for name in ("before", "after"))
    return [line for line in difflib.ndiff(before, after) if line[0] in "+-"]


def test_a_bare_host_becomes_a_gated_job_host(setting_up: Ansible, bare: JobHost, tmp_path: Path, gated: Path) -> None:
    foretold = set_up(setting_up, "--check", "--diff")
    assert bare.run(["sh", "-c", f"command -v rsync || getent passwd worker || ls {GATE}"], user="root").returncode != 0
    assert not (tmp_path / "user").exists()

    real = set_up(setting_up, "--diff")
    assert real.changed == foretold.changed
    assert ("box", "Install rsync") in real.changed
    assert ("box", "Make the user") in real.changed
    assert ("box", "Lead his keys to the gate") in real.changed
    assert differences(real) == differences(foretold) != []

    assert set_up(setting_up).changed == []

    look_at(bare)
    run_there(tmp_path)
    only_the_gate_is_open(bare, gated)
    a_key_is_led_anew(setting_up, bare, gated)


def look_at(bare: JobHost) -> None:
    """What the playbook has made, as its user sees it over ssh with the key that is not gated."""
    host = get_host(f"ssh://worker@{bare.name}?ssh_config={bare.ssh_config}&controlpersist=0")
    assert host.package("rsync").is_installed
    assert host.file("/usr/bin/rrsync").exists
    assert host.user().name == "worker"
    assert host.user().shell == "/bin/sh"
    assert host.file(".ssh/authorized_keys").mode == 0o600
    assert (host.file("remote-install-run").is_directory, host.file("remote-install-run").user) == (True, "worker")
    assert host.file("/etc/ssh/sshd_config.d/10-remote-install.conf").contains("Match User worker")
    of_user = bare.run(["/usr/sbin/sshd", "-T", "-C", f"user=worker,host=x,addr={bare.address}"], user="root").stdout
    assert "maxsessions 20" in of_user.splitlines()
    for path, mode in ((os.path.dirname(GATE), 0o755), (GATE, 0o644), (GATE.replace("gate.py", "jobhost.pyz"), 0o644)):
        assert (host.file(path).user, host.file(path).group, host.file(path).mode) == ("root", "root", mode)
    assert host.run(f"test -w {os.path.dirname(GATE)} || test -w {GATE}").rc == 1


def run_there(folder: Path) -> None:
    """The main job, by the remote-install that the playbook has installed, with the hosts.yaml that it has written."""
    commands = [shlex.split(line) for line in re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)]
    playbook = ["ansible-playbook", "-i", "inventory.yml", SETUP]
    assert commands[:2] == [[*playbook, "--check", "--diff"], playbook]
    (folder / "forecast").mkdir()
    (folder / "forecast" / "model").write_text("42\n")
    (folder / "forecast" / "train.sh").write_text("#!/bin/sh\nid -un; cat model; echo $SITE\n")
    (folder / "forecast" / "train.sh").chmod(0o755)
    hosts = str(folder / "user" / "config" / "hosts.yaml")
    done = subprocess.run(
        [str(folder / "user" / "venv" / "bin" / commands[2][0]), *commands[2][1:]],
        cwd=folder, env={**os.environ, "REMOTE_INSTALL_HOSTS": hosts}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "worker\n42\nlab\n"), done.stderr


def only_the_gate_is_open(bare: JobHost, gated: Path) -> None:
    """To the gated key: it is refused what is no call of ours, and the audit log names it."""
    options = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={bare.known_hosts}"]
    words = ["ssh", *options, "-i", str(gated), f"worker@{bare.address}", "id"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (126, ""), done.stderr
    log = [json.loads(line) for line in bare.read("/home/worker/.remote-install/gate.log").splitlines()]
    assert {one["key"] for one in log} == {"ci"}
    assert "submit" in {one.get("verb") for one in log if one["gate"] == "admitted"}
    assert [one["command"] for one in log if one["gate"] == "refused"] == ["id"]


def a_key_is_led_anew(setting_up: Ansible, bare: JobHost, gated: Path) -> None:
    """Another `allow` is another line; a line that goes around the gate is gone, and so is that of a former key."""
    mine, old, *_ = bare.read(KEYS).splitlines()
    former = old.replace(public(gated), "ssh-ed25519 AAAAformer")
    bare.write_file(KEYS, "\n".join([former, public(gated), "# by hand", mine, old, ""]), 0o600, owner="worker")
    words = ["--limit", "box", "-e", json.dumps({"gate_keys": [{"key": public(gated), "allow": ["poll"]}]})]
    foretold = set_up(setting_up, *words, "--check", "--diff")
    real = set_up(setting_up, *words, "--diff")
    assert real.changed == foretold.changed == [
        ("box", "Take away what leads keys elsewhere"), ("box", "Lead his keys to the gate")
    ]  # fmt: skip
    assert differences(real) == differences(foretold) != []
    *others, line = bare.read(KEYS).splitlines()
    assert others == ["# by hand", mine]
    assert line == (
        f'restrict,command="/usr/bin/python3 -I {GATE} --root /home/worker/remote-install-run --allow poll'
        f' --runner background" {public(gated)}'
    )
    open_to_all = {"job_host_authorized_keys": [public(gated)]}
    refused = setting_up.play(SETUP, "-i", "inventory.yml", "--limit", "box", "--check", "-e", json.dumps(open_to_all))
    assert "A key stands in gate_keys and in job_host_authorized_keys, or twice." in refused.talk
    assert set_up(setting_up, "--limit", "box", "-e", '{"gate_keys": []}').changed == [
        ("box", "Take away what leads keys elsewhere")
    ]
    assert bare.read(KEYS).splitlines() == ["# by hand", mine]


def test_the_molecule_scenario(setting_up: Ansible, bare: JobHost, wheels: Path, tmp_path: Path, ssh_args: str) -> None:
    home = tmp_path / "molecule"
    home.mkdir()
    setting_up.variables = {
        "CONTROLLER_HOME": str(home),
        "JOB_HOST": bare.address,
        "JOB_HOST_KEY": bare.key,
        "JOB_HOST_SSH_ARGS": ssh_args,
        "MOLECULE_EPHEMERAL_DIRECTORY": str(home / "ephemeral"),
        "PIP_FIND_LINKS": str(wheels),
        "PYTHONPATH": "",  # pip would take what lies here for what is installed
    }
    done = setting_up("molecule", "test", folder=setting_up.collection / "extensions", timeout=150)
    assert done.returncode == 0, done.stdout
    assert "idempotence" in done.stdout
    assert (home / "demo" / "log" / "job" / "verify" / "01" / "job.status").exists(), done.stdout
