"""clean: what is ours goes, wherever it lies there; what is not stays, and how jobs have ended is known for ever."""

from __future__ import annotations

import json
import time
from pathlib import Path

from hosts import MakeHost

from .client import Client
from .test_dry_runs import everything

FAILS = ("sh", "-c", "echo said; exit 3")


def lies(client: Client, path: str) -> bool:
    return client.host.run(["test", "-e", path]).returncode == 0


def runs(client: Client) -> list[str]:
    """What lies in the run root."""
    return client.host.run(["ls", "-A", "remote-install-run"], check=True).stdout.split()


def wait_for_its_end(client: Client, job: str = "job") -> None:
    record = f"{client.there}/log/job/{job}/01/job.status"
    client.host.run(["sh", "-c", f"until grep -q EXIT= {record}; do sleep 0.05; done"], check=True, timeout=20)


def test_the_run_goes_and_how_its_jobs_have_ended_is_still_told(client: Client) -> None:
    hosts = client.folder / "hosts.yaml"
    hosts.write_text(hosts.read_text() + "    symlink_dirs: {work: ~/scratch, log/job: ~/scratch}\n")
    client.write("data", "d")
    client.host.write_file("remote-install-run/theirs/file", "x")
    assert client("submit", "demo", "-p", "hpc", "--", *FAILS).code in (0, 1)
    wait_for_its_end(client)
    logins = client.host.calls()
    done = client("clean", "demo")
    assert done.code == 0, done.err
    assert client.host.calls() - logins == 1
    assert f"removed {client.there} on hpc ({client.host.name}): " in done.out.decode()
    assert f"with {client.host.home}/scratch/remote-install-run/demo/work" in done.out.decode()
    assert "job 01 failed (exit 3)" in done.err
    assert runs(client) == ["theirs"]
    assert not lies(client, "scratch/remote-install-run/demo")
    told = client("poll", "demo", "--json")
    assert (told.code, told.job["state"], told.job["exit_code"]) == (1, "failed", 3)
    again = client("clean", "demo")
    assert (again.code, again.err) == (0, "")
    assert "nothing to remove" in again.out.decode()
    assert client("run", "demo", "-p", "hpc", "--json", "--", "true").job["state"] == "succeeded"


def test_the_next_try_has_another_number_and_logs_that_are_here_stay(client: Client) -> None:
    assert client("run", "demo", "-p", "hpc", "--", *FAILS).code == 1
    assert client("clean", "demo").code == 0
    assert client("run", "demo", "-p", "hpc", "--json", "--", "echo", "anew").job["try"] == 2
    logs = client.run_directory / "log/job/job"
    assert [(logs / name / "job.out").read_text() for name in ("01", "02")] == ["said\n", "anew\n"]


def test_a_live_job_keeps_its_run_unless_it_is_forced(client: Client) -> None:
    client.write("data", "d")
    assert client("submit", "demo", "-p", "hpc", "--", "sleep", "60").code == 0
    for more in ([], ["--dry-run"]):
        done = client("clean", "demo", *more)
        assert done.code == 9, done.err
        assert "job job 01 is running" in done.err
        assert "remote-install kill RUN" in done.err
    assert lies(client, f"{client.there}/data")
    assert client("poll", "demo", "--json").job["state"] == "running"
    done = client("clean", "demo", "--force", "--json")
    assert done.code == 0, done.err
    (target,) = done.json["targets"]
    assert (target["removed"], target["alive"], target["run_dir"]) == (True, ["job job 01 is running"], client.there)
    assert runs(client) == []
    told = client("poll", "demo", "--json")
    assert (told.code, told.job["state"]) == (7, "unknown")


def test_a_driver_keeps_its_run_unless_it_is_forced(client: Client) -> None:
    driver = client.start("run", "demo", "-p", "hpc", "--", "sh", "-c", "echo begun; sleep 60")
    assert driver.stdout is not None
    assert driver.stdout.readline() == b"begun\n"
    done = client("clean", "demo")
    assert done.code == 9
    assert f"driven already, by process {driver.pid}" in done.err
    driver.terminate()
    driver.communicate(timeout=20)
    assert client("kill", "demo").code == 0
    assert client("clean", "demo").code == 0
    assert runs(client) == []


def test_another_checkouts_run_is_refused_and_one_that_knows_nothing_names_it(client: Client, tmp_path: Path) -> None:
    assert client("run", "demo", "-p", "hpc", "--", "true").code == 0
    other = Client(tmp_path / "other", client.host, client.mark)
    other.prepare()
    assert other("install", "demo", "-p", "hpc", "--run-id", "elsewhere").code == 0
    for more in ([], ["--force"]):
        done = other("clean", "demo", "-p", "hpc", *more)
        assert done.code == 9, done.err
        assert "another run directory" in done.err
        assert str(client.run_directory) in done.err
    stage = Client(tmp_path / "stage", client.host, client.mark)
    stage.prepare()
    assert stage("clean", "demo").code == 2
    assert stage("clean", "demo", "-p", "hpc").code == 0
    assert runs(client) == ["elsewhere"]


def test_a_run_in_another_stays_and_takes_the_empty_folders_above_with_it(client: Client, tmp_path: Path) -> None:
    nested = Client(tmp_path / "nested", client.host, client.mark)
    nested.prepare()
    nested.write("inner", "i")
    client.write("outer", "o")
    assert nested("install", "demo", "-p", "hpc", "--run-id", "demo/deep/src").code == 0
    assert client("install", "demo", "-p", "hpc").code == 0
    done = client("clean", "demo")
    assert done.code == 0, done.err
    assert f"left: {client.there}/deep/src: another run is installed there" in done.out.decode()
    assert client.host.read(f"{client.there}/deep/src/inner") == "i"
    assert not lies(client, f"{client.there}/outer")
    assert nested("clean", "demo", "--run-id", "demo/deep/src").code == 0
    assert runs(client) == []


JOB = """
mkdir -p closed/deep locked && touch closed/deep/f locked/f && chmod 0 closed/deep closed && chmod 500 locked
ln -s / root; ln -s .. up; ln -s ~/precious near; mkfifo pipe
python3 -c 'import os
for n in range(2000):
    os.mkdir("d"); os.chdir("d")'
"""


def test_whatever_a_job_has_left_goes_and_what_it_leads_to_stays(client: Client) -> None:
    client.host.write_file("precious/file", "p")
    assert client("run", "demo", "-p", "hpc", "--", "sh", "-c", JOB).code == 0
    mode = client.host.run(["stat", "-c", "%a", "precious", "."], check=True).stdout
    done = client("clean", "demo")
    assert done.code == 0, done.err
    assert runs(client) == []
    assert client.host.read(f"{client.host.home}/precious/file") == "p"
    assert client.host.run(["stat", "-c", "%a", "precious", "."], check=True).stdout == mode


def test_another_users_files_and_what_is_mounted_stay_and_it_goes_on_when_they_are_gone(client: Client) -> None:
    client.host.write_file("precious/file", "p")
    client.write("data", "d")
    assert client("run", "demo", "-p", "hpc", "--", "mkdir", "mounted").code == 0
    as_root = "touch theirs && mount --bind /home/alice/precious mounted"
    client.host.run(["sh", "-c", f"cd {client.there} && {as_root}"], user="root", check=True)
    try:
        done = client("clean", "demo")
        assert done.code == 5, done.err
        assert f"{client.there}/theirs: it belongs to another user" in done.err
        assert f"{client.there}/mounted: something is mounted there" in done.err
        assert not lies(client, f"{client.there}/data")
        assert client("submit", "demo", "-p", "hpc", "--no-install", "--", "true").code == 9
    finally:
        client.host.run(["umount", f"{client.there}/mounted"], user="root", check=True)
    client.host.run(["rm", f"{client.there}/theirs"], user="root", check=True)
    assert client("clean", "demo").code == 0
    assert runs(client) == []
    assert client.host.read(f"{client.host.home}/precious/file") == "p"


HOSTILE = """
import os
os.chdir(os.environ["REMOTE_INSTALL_RUN_DIR"])
targets = [os.path.expanduser("~/precious"), "/", "..", "../.."]
print("begun", flush=True)
while True:
    for target in targets:
        for name in ("a", "a/b"):
            try:
                os.makedirs(name, exist_ok=True)
                open(name + "/f", "w").close()
                os.rename(name, "away")
                os.symlink(target, name)
                os.unlink(name)
                os.rename("away", name)
            except OSError:
                pass
"""


def test_a_job_that_swaps_folders_for_links_while_they_go_leads_nowhere(client: Client) -> None:
    client.host.write_file("precious/a/b/f", "p")
    client.host.write_file("remote-install-run/theirs/f", "x")
    assert client("submit", "demo", "-p", "hpc", "--", "python3", "-c", HOSTILE).code == 0
    until = time.monotonic() + 4
    while time.monotonic() < until:
        done = client("clean", "demo", "-p", "hpc", "--force")
        assert done.code in (0, 5, 9), done.err
        assert client.host.read(f"{client.host.home}/precious/a/b/f") == "p"
        assert client.host.read(f"{client.host.home}/remote-install-run/theirs/f") == "x"


def test_a_dry_run_tells_what_would_go_and_nothing_does(client: Client) -> None:
    client.write("data", "d")
    assert client("run", "demo", "-p", "hpc", "--", "true").code == 0
    before = everything(client)[0]
    done = client("clean", "demo", "--dry-run")
    assert done.code == 0, done.err
    assert f"would remove {client.there} on hpc" in done.out.decode()
    (line,) = [line[2:] for line in done.out.decode().splitlines() if line.startswith("$ ")]
    assert everything(client)[0] == before
    assert f"$ {line}\n" in client("clean", "demo", "-v").err


def test_a_host_without_our_program_is_not_given_it_by_a_dry_run(make_host: MakeHost, tmp_path: Path) -> None:
    client = Client(tmp_path, make_host())
    client.prepare()
    done = client("clean", "demo", "-p", "hpc", "--dry-run")
    assert done.code == 0, done.err
    assert "a dry run does not send it" in done.err
    assert not lies(client, ".remote-install")


def test_one_host_that_can_not_be_reached_does_not_keep_the_other_from_going(client: Client) -> None:
    path = client.folder / "hosts.yaml"
    path.write_text(
        path.read_text()
        + f"  gone:\n    hosts: [no-such-host.invalid]\n    ssh: {{command: ssh -F {client.host.ssh_config}}}\n"
    )
    assert client("install", "demo", "-p", "hpc").code == 0
    done = client("clean", "demo", "-p", "gone", "-p", "hpc", "--json")
    assert done.code == 4
    assert [target["removed"] for target in done.json["targets"]] == [False, True]
    assert json.loads(done.out)["error"]["host"] == "no-such-host.invalid"
    assert runs(client) == []


def test_a_clean_that_was_killed_and_typed_again_goes_on(client: Client) -> None:
    """tests/jobhost/test_cleaning.py has every moment of it on the host."""
    assert client("run", "demo", "-p", "hpc", "--", *FAILS).code == 1
    before = client.host.calls()
    process = client.start("clean", "demo")
    until = time.monotonic() + 20
    while client.host.calls() == before and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    until = time.monotonic() + 20
    while client.leftovers() and time.monotonic() < until:
        time.sleep(0.05)
    done = client("clean", "demo")
    assert done.code == 0, done.err
    assert runs(client) == []
    assert client("poll", "demo", "--json").job["exit_code"] == 3


def test_in_the_run_directory_itself_only_what_we_made_goes(client: Client) -> None:
    hosts, scratch = client.folder / "hosts.yaml", client.folder / "scratch"
    hosts.write_text(hosts.read_text() + f"  localhost:\n    symlink_dirs: {{work: {scratch}, log/job: {scratch}}}\n")
    for name in ("data", "deep/er/data", "log/mine"):
        client.write(name, name)
    (client.run_directory / "link").symlink_to("data")
    made = "echo w >work/f; echo r >result"
    assert client("run", "demo", "-p", "localhost", "--", "sh", "-c", made).code == 0
    assert (scratch / "remote-install-run/demo/work/f").read_text() == "w\n"
    # Where it is sent to as well, the link to this machine's own disk is not.
    assert client("install", "demo", "-p", "hpc").code == 0
    assert not lies(client, f"{client.there}/work")
    told = client("clean", "demo", "-p", "localhost", "--dry-run").out.decode()
    assert f"would remove what we made in {client.run_directory} on localhost" in told
    assert (scratch / "remote-install-run/demo/work/f").exists()
    (line,) = [line for line in told.splitlines() if line.startswith("would")]
    assert int(line.rpartition(": ")[2].split()[0]) > 12
    done = client("clean", "demo", "-p", "localhost", "--json")
    assert done.code == 0, done.err
    (target,) = done.json["targets"]
    assert (target["mode"], target["removed"], target["run_dir"]) == ("local", True, str(client.run_directory))
    left = {str(path.relative_to(client.run_directory)) for path in client.run_directory.rglob("*")}
    assert left == {"data", "deep", "deep/er", "deep/er/data", "link", "log", "log/mine", "result"}
    assert list(scratch.rglob("*")) == [scratch / "remote-install-run"]
    assert lies(client, f"{client.there}/data")
