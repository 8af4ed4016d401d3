"""Through the gate all commands work, each one only where --allow names it, and nothing else does."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import JobHosts, MakeHost

from remote_install import gating
from remote_install.gate import REFUSED

from .client import Client, Done
from .gated import ALL, FORCED, KEY_OPTIONS, LOG, PLATFORM, ROOT, Site

RUN_YAML = (
    "fetch: [results/]\njobs:\n  train: {platform: hpc, command: 'mkdir -p results; echo made >results/r; echo out'}\n"
)


@pytest.fixture(scope="module")
def site(job_hosts: JobHosts) -> Iterator[Site]:
    """A host of which a key is admitted to the gate alone."""
    host = job_hosts.make(key_options=KEY_OPTIONS)
    site = Site(host)
    site.prepare()
    yield site
    job_hosts.close_host(host)


@pytest.fixture
def user(site: Site, tmp_path: Path) -> Iterator[Client]:
    client = Client(tmp_path, site.host)
    client.prepare(PLATFORM)
    client.write("a", "x\n")
    client.write("odd [name]", "x\n")
    client.write("run.yaml", RUN_YAML)
    site.allow()
    yield client
    client.wait_for_logouts()
    site.host.run(["sh", "-c", f"rm -rf {ROOT}/* .remote-install/gate.log*"], check=True)


def succeeds(user: Client, *words: str) -> Done:
    done = user(*words)
    assert done.code == 0, (words, done.err)
    return done


def test_every_command_works_through_the_gate(user: Client, site: Site) -> None:
    done = succeeds(user, "run", "demo")
    assert done.out == b"out\n"
    assert (user.run_directory / "results/r").read_text() == "made\n"
    assert (user.run_directory / "log/job/train/01/job.out").read_text() == "out\n"
    user.write("b", "y\n")
    succeeds(user, "install", "demo", "-p", "hpc", "--dry-run")
    succeeds(user, "install", "demo", "-p", "hpc")
    assert site.host.read(f"{ROOT}/runs/demo/b") == "y\n"
    assert site.host.read(f"{ROOT}/runs/demo/odd [name]") == "x\n"
    succeeds(user, "submit", "demo", "-p", "hpc", "--name", "long", "--", "sleep", "60")
    assert user("poll", "demo", "--json").code == 0
    succeeds(user, "kill", "demo", "long")
    assert user("wait", "demo", "long").code == 1
    assert succeeds(user, "logs", "demo", "train", "-f").out == b"out\n"
    succeeds(user, "fetch", "demo", "odd [name]", "results")
    succeeds(user, "fetch", "demo", "--dry-run")
    succeeds(user, "check", "hpc")
    succeeds(user, "push", "demo/a", "hpc:files/copy")
    succeeds(user, "push", "demo/a", f"hpc:{ROOT}/runs/files/other copy")
    assert site.host.run(["ls", f"{ROOT}/runs/files"]).stdout == "copy\nother copy\n"
    succeeds(user, "pull", "hpc:files/other copy", f"{user.folder}/got")
    assert (user.folder / "got").read_text() == "x\n"
    assert b"train 01 succeeded" in user("list", "demo").out
    assert user("active", "demo").code == 1
    succeeds(user, "clean", "demo")
    assert site.host.run(["ls", f"{ROOT}/runs"]).stdout == "files\n"


def test_sshd_can_force_it_for_every_key_of_an_account(make_host: MakeHost, tmp_path: Path) -> None:
    lines = ["Match User alice", "DisableForwarding yes", "PermitTTY no", f"ForceCommand sh {FORCED}"]
    site = Site(make_host(sshd_config=lines))
    site.prepare()
    user = Client(tmp_path, site.host)
    user.prepare(PLATFORM)
    user.write("run.yaml", RUN_YAML)
    assert succeeds(user, "run", "demo").out == b"out\n"
    assert site.ssh("true").returncode == REFUSED
    assert site.log()[-1]["gate"] == "refused"


COMMANDS = {
    "install": ["install", "demo", "-p", "hpc"],
    "submit": ["submit", "demo", "--no-install"],
    "poll": ["wait", "demo"],
    "kill": ["kill", "demo"],
    "logs": ["logs", "demo", "train"],
    "fetch": ["fetch", "demo"],
    "clean": ["clean", "demo"],
    "check": ["check", "hpc"],
    "push": ["push", "demo/a", f"hpc:{ROOT}/runs/copy"],
    "pull": ["pull", f"hpc:{ROOT}/runs/demo/a", "."],
}


def test_each_verb_that_is_not_allowed_is_refused(user: Client, site: Site) -> None:
    """And only that one: all others were allowed. The reason is told, and written down."""
    succeeds(user, "run", "demo")
    for word, command in COMMANDS.items():
        left = [other for other in ALL.split(",") if other != word and not (word == "submit" and other == "push")]
        site.allow(",".join(left))
        done = user(*command)
        assert done.code == 6, (word, done.err)
        why = f"{word} is not allowed for this key"
        assert why in done.err + done.out.decode(), word
        refused = site.log()[-1]
        assert (refused["gate"], refused["key"], why in refused["why"]) == ("refused", "laptop", True), refused
    assert site.host.read(f"{ROOT}/runs/demo/a") == "x\n"


def test_a_runner_that_is_not_allowed_is_refused(user: Client, site: Site) -> None:
    succeeds(user, "install", "demo", "-p", "hpc")
    site.allow(runner="slurm")
    done = user("submit", "demo", "--no-install")
    assert (done.code, "job runner background is not allowed" in done.err) == (6, True), done.err
    user.write("run.yaml", "install: {command: touch made}\n")
    done = user("install", "demo", "-p", "hpc")
    assert (done.code, "install.command runs on this host itself" in done.err) == (6, True), done.err


def test_a_run_root_elsewhere_is_refused(user: Client) -> None:
    path = user.folder / "hosts.yaml"
    path.write_text(path.read_text().replace(PLATFORM, ""))
    done = user("install", "demo", "-p", "hpc")
    assert (done.code, f"remote-install-run does not lie below {ROOT}" in done.err) == (6, True), done.err


def test_what_is_no_command_of_ours_is_refused_and_written_down(site: Site, user: Client) -> None:
    host = site.host
    assert host.run(["sh", "-c", f": >{ROOT}/here"]).returncode == 0
    for words in (["id"], ["scp", "-t", ROOT], ["rsync", "--server", "--daemon", "."], ["sh", "-c", "id"], ["true;id"]):
        done = site.ssh(*words)
        assert (done.returncode, done.stdout) == (126, b""), words
        assert done.stderr.startswith(b"remote-install gate: "), done.stderr
        assert site.log()[-1]["command"] == " ".join(words)
        assert site.log()[-1]["gate"] == "refused"
    login = site.ssh()
    assert (login.returncode, b"admits no login" in login.stderr) == (126, True)
    before = len(site.log())
    for program in ("scp", "sftp"):
        argv = [program, "-F", host.ssh_config, "-o", "BatchMode=yes", f"{host.name}:{ROOT}/here", str(user.folder)]
        done = subprocess.run(argv, capture_output=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode != 0
        assert not (user.folder / "here").exists()
    assert [line["gate"] for line in site.log()[before:]] == ["refused", "refused"]


def test_nothing_is_forwarded(site: Site, user: Client) -> None:  # noqa: ARG001
    done = site.ssh("-W", "127.0.0.1:22", options=("-o", "ExitOnForwardFailure=yes"))
    assert done.returncode != 0
    done = site.ssh(options=("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22"))
    assert b"remote port forwarding failed" in done.stderr
    assert done.returncode != 0


def test_a_gate_that_was_installed_admits_the_key_whose_line_was_printed(make_host: MakeHost, tmp_path: Path) -> None:
    host = make_host()
    client = Client(tmp_path, host)
    client.prepare(PLATFORM)
    client.write("run.yaml", RUN_YAML)
    host.run(["mkdir", ROOT], check=True)
    (gate,) = succeeds(client, "gate", "--install", "-p", "hpc", "--json").json["gates"]
    assert gate["path"] == "/home/alice/.remote-install/gate.py"
    what = ["--root", ROOT, "--allow", "install,submit,poll,logs,fetch", "--runner", "background"]
    line = succeeds(client, "gate", "--print-key-line", f"{host.key}.pub", *what).out.decode()
    assert line.startswith('restrict,command="python3 -I .remote-install/gate.py --root /home/alice/box ')
    host.write_file(".ssh/authorized_keys", line, mode=0o600)
    client.hang_up()
    assert succeeds(client, "run", "demo").out == b"out\n"
    assert client("gate", "--install", "-p", "hpc").code == 6


def test_what_is_written_into_a_folder_is_what_would_be_sent(user: Client) -> None:
    """Also over what is there already."""
    for _ in range(2):
        done = succeeds(user, "gate", "--write", "a/b")
        assert done.out == b"a/b/gate.py\na/b/jobhost.pyz\n"
        assert {path.name: path.read_bytes() for path in (user.folder / "a/b").iterdir()} == gating.files()
        assert {path.stat().st_mode & 0o777 for path in (user.folder / "a/b").iterdir()} == {0o644}
    done = user("gate", "--write", "hosts.yaml")
    assert (done.code, "hosts.yaml" in done.err) == (5, True), done.err


@pytest.mark.parametrize("root", ["/a b", "/a'b", '/a"b', "/a\nb", "/a$b", "a"])
def test_a_root_that_a_shell_would_take_for_something_else_is_refused(user: Client, root: str) -> None:
    done = user("gate", "--print-key-line", f"{user.host.key}.pub", "--root", root, "--allow", "poll")
    assert (done.code, done.out) == (2, b"")


def test_only_a_public_key_has_a_line(user: Client) -> None:
    done = user("gate", "--print-key-line", user.host.key, "--root", ROOT, "--allow", "poll")
    assert (done.code, done.out) == (3, b"")


def test_check_tells_what_a_gate_would_say(user: Client) -> None:
    what = ["--root", str(user.folder), "--allow", "fetch"]
    done = user("gate", *what, "--check", f"rsync --server --sender -ltrRe.iLsfxCIvu . {user.folder}/demo/./a")
    assert (done.code, done.out) == (0, b"admitted: rsync fetch\n"), done.err
    done = user("gate", *what, "--check", "sh -c id")
    assert (done.code, done.out[:9]) == (6, b"refused: "), done.err


def test_log_only_refuses_nothing_and_tells_what_it_would_refuse(site: Site, user: Client) -> None:
    site.allow("poll", "--log-only")
    succeeds(user, "install", "demo", "-p", "hpc")
    assert site.ssh("id", "-un").stdout == b"alice\n"
    whys = [line["why"] for line in site.log() if line["gate"] == "would refuse"]
    assert whys[0].startswith("install is not allowed")
    assert whys[-1] == "this is no command of remote-install: id -un"


def test_what_can_not_be_written_down_is_not_admitted(site: Site, user: Client) -> None:
    succeeds(user, "install", "demo", "-p", "hpc")
    site.host.run(["sh", "-c", "rm .remote-install/gate.log && mkdir .remote-install/gate.log"], check=True)
    done = user("poll", "demo", "job", "-p", "hpc")
    site.host.run(["rmdir", ".remote-install/gate.log"], check=True)
    assert (done.code, "the audit log can't be written" in done.err) == (6, True), done.err


def test_a_submitted_job_is_kept_under_its_hash(site: Site, user: Client) -> None:
    succeeds(user, "run", "demo")
    (line,) = (line for line in site.log() if line.get("verb") == "submit")
    assert (line["run"], line["job"], line["key"]) == ("demo", ["train"], "laptop")
    (name,) = line["sha256"]
    kept = site.host.read(f"{LOG}.jobs/{name}.json")
    assert hashlib.sha256(kept.encode()).hexdigest() == name
    assert "echo made" in " ".join(json.loads(kept)["argv"])
