"""What is sent to a host that admits only rsync, and what of it is believed; its jobs are in tests/conformance."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest
from hosts import MakeHost

from remote_install import mirror
from remote_install.jobhost.killing import NOT_STARTED
from remote_install.talk import Talk
from transfer.platforms import Platform, load_platforms

from .client import Client


@pytest.fixture
def site(client: Client) -> Client:
    with open(client.folder / "hosts.yaml", "a") as file:
        home = client.host.home
        file.write(f"    access: rsync-only\n    rsync: {{root: {home}}}\n    run_root: {home}/remote-install-run\n")
    return client


def platform(site: Client, more: str = "") -> Platform:
    with open(site.folder / "hosts.yaml", "a") as file:
        file.write(more)
    return load_platforms(str(site.folder / "hosts.yaml")).get("hpc")


def here(site: Client, name: str) -> Path:
    return site.run_directory / "log/job/job/01" / name


def there(site: Client, name: str) -> str:
    return f"{site.there}/log/job/job/01/{name}"


def request(site: Client, **job: object) -> dict[str, Any]:
    wheres = {"here": str(site.run_directory), "there": site.there}
    return {"run": "demo", "mirror": wheres, "seconds": 0, "jobs": [{"job": "job", **job}]}


def test_what_is_excluded_below_a_folder_is_not_sent(site: Client) -> None:
    site.write("run.yaml", 'install: {exclude: [data/raw/, "*.key"]}\n')
    for name in ("data/a", "data/raw/b", "data/c.key", "data/.git/config"):
        site.write(name, "x\n")
    (site.run_directory / "empty").mkdir()
    done = site("install", "demo", "-p", "hpc")
    assert done.code == 0, done.err
    found = site.host.run(["sh", "-c", f"cd {site.there} && find . -path ./.remote-install -prune -o -print"]).stdout
    assert sorted(found.split()) == [".", "./data", "./data/a", "./empty", "./run.yaml"]


def test_a_key_that_starts_at_the_root_can_install(client: Client) -> None:
    """It may not set the times of all folders on the way."""
    with open(client.folder / "hosts.yaml", "a") as file:
        file.write(f"    access: rsync-only\n    run_root: {client.host.home}/remote-install-run\n")
    client.write("a", "x\n")
    done = client("install", "demo", "-p", "hpc")
    assert done.code == 0, done.err
    assert client.host.read(f"{client.there}/a") == "x\n"


@pytest.mark.parametrize("access", ["ssh", "rsync-only"])
def test_results_come_where_no_job_was_ever_started(client: Client, access: str) -> None:
    with open(client.folder / "hosts.yaml", "a") as file:
        file.write(f"    access: {access}\n    run_root: {client.host.home}/remote-install-run\n")
    assert client("install", "demo", "-p", "hpc").code == 0
    client.host.write_file(f"{client.there}/results/r", "made\n")
    done = client("fetch", "demo", "results", "-p", "hpc")
    assert done.code == 0, done.err
    assert (client.run_directory / "results/r").read_text() == "made\n"
    assert client("fetch", "demo", "-p", "hpc").code == 0
    done = client("fetch", "demo", "no-such", "-p", "hpc")
    assert (done.code, "no-such" in done.err) == (5, True), done.err


def test_a_file_takes_the_place_of_a_folder_but_not_of_what_a_job_put_there(site: Client) -> None:
    for name in ("a/b/c", "a/d", "e/f"):
        site.write(name, "x\n")
    assert site("install", "demo", "-p", "hpc").code == 0
    site.host.write_file(f"{site.there}/e/made", "y\n")
    shutil.rmtree(site.run_directory / "a")
    site.write("a", "file\n")
    assert site("install", "demo", "-p", "hpc").code == 0
    assert site.host.read(f"{site.there}/a") == "file\n"
    shutil.rmtree(site.run_directory / "e")
    site.write("e", "file\n")
    done = site("install", "demo", "-p", "hpc")
    assert (done.code, site.host.read(f"{site.there}/e/made")) == (5, "y\n")


def test_a_folder_in_which_another_rsync_is_at_work_is_waited_for(tmp_path: Path, make_host: MakeHost) -> None:
    """rrsync lets one process at a time into it."""
    host = make_host(key_options='restrict,command="rrsync /home/alice/box"')
    host.run(["mkdir", "box"], check=True)
    site = Client(tmp_path, host)
    site.prepare("    access: rsync-only\n    rsync: {root: /home/alice/box}\n    run_root: /home/alice/box/runs\n")
    site.write("a", "x\n")
    host.run(["sh", "-c", "flock box sh -c ': >held; sleep 6; : >free' >/dev/null 2>&1 &"], check=True)
    host.run(["sh", "-c", "until [ -e held ]; do sleep 0.05; done"], check=True)
    done = site("install", "demo", "-p", "hpc")
    assert (done.code, host.run(["ls", "free"]).stdout) == (0, "free\n"), done.err
    assert done.err.count("another rsync is at work in that folder; waiting") == 1
    assert host.read("/home/alice/box/runs/demo/a") == "x\n"


@pytest.mark.timeout(600)  # making the system
def test_the_rrsync_of_debian_11_admits_all_that_is_asked(tmp_path: Path, make_host: MakeHost) -> None:
    """It is another program, in Perl, with options of its own to refuse. From install to clean, what it was asked."""
    forced = "echo $SSH_ORIGINAL_COMMAND >>~/asked; exec rrsync /home/alice/box"
    host = make_host(system="bullseye", key_options=f'restrict,command="{forced}"')
    host.run(["mkdir", "box"], check=True)
    site = Client(tmp_path, host)
    site.prepare("    access: rsync-only\n    rsync: {root: /home/alice/box}\n    run_root: /home/alice/box/runs\n")
    for name in ("a", "data/b [1]", "gone"):
        site.write(name, "x\n")
    assert site("install", "demo", "-p", "hpc").code == 0
    host.write_file("box/runs/demo/results/r", "made\n")
    host.write_file("box/runs/demo/log/job/job/01/job.status", "EXIT=0\n\n")
    (site.run_directory / "gone").unlink()
    (target,) = site("install", "demo", "-p", "hpc", "--json").json["targets"]
    assert (target["error"], target["files_deleted"]) == (None, 1)
    assert site("poll", "demo", "job", "-p", "hpc").code == 0
    assert site("fetch", "demo", "results", "-p", "hpc").code == 0
    assert (site.run_directory / "results/r").read_text() == "made\n"
    assert site("clean", "demo", "-p", "hpc").code == 0
    assert host.run(["ls", "box/runs"], check=True).stdout == ""
    assert {line[:14] for line in host.read("/home/alice/asked").splitlines()} == {"rsync --server"}


def test_what_a_job_has_written_there_is_not_replaced_by_what_is_known_here(site: Client) -> None:
    site.write("log/notes", "x\n")
    site.write("log/job/job/01/job.status", "\n\n")
    site.host.write_file(there(site, "job.status"), "EXIT=3\n\n")
    done = site("install", "demo", "-p", "hpc")
    assert done.code == 0, done.err
    assert site.host.read(f"{site.there}/log/notes") == "x\n"
    assert site.host.read(there(site, "job.status")) == "EXIT=3\n\n"


def test_an_exit_record_that_changes_neither_size_nor_time_is_seen(site: Client) -> None:
    for code in (" ", "7"):
        site.host.write_file(there(site, "job.status"), f"EXIT={code}\n")
        site.host.run(["touch", "-d", "2026-01-01 12:00:00", there(site, "job.status")], check=True)
        mirror.pull(platform(site), request(site), Talk())
        assert here(site, "job.status").read_text() == f"EXIT={code}\n"


def test_a_job_whose_end_is_seen_has_printed_all(site: Client) -> None:
    """It ends while the output that it has by then is on its way."""
    found = platform(site)
    slow = replace(found, rsync=replace(found.rsync, options=("--bwlimit=500",)))
    site.host.write_file(there(site, "job.status"), "EXIT= \n")
    site.host.run(["sh", "-c", f"head -c 1000000 /dev/urandom >{there(site, 'job.out')}"], check=True)
    ends = f"cd {there(site, '')}; sleep 1; echo last >>job.out; echo EXIT=0 1<>job.status"
    site.host.run(["sh", "-c", f"({ends}) >/dev/null 2>&1 &"], check=True)
    seen = []

    def look(*_words: object) -> None:
        seen.append((here(site, "job.status").read_text(), here(site, "job.out").read_bytes()[-5:]))

    fields = request(site, out=0)
    mirror.call(slow, "watch", lambda: fields, lambda _reply: None, Talk(), look)
    ((status, end),) = seen
    assert status != "EXIT=0\n" or end == b"last\n"


def test_a_job_that_was_killed_before_it_started_leaves_no_secrets_there(site: Client) -> None:
    for name in ("job", "job.secrets"):
        site.host.write_file(there(site, name), "x\n")
    one = {"reply": "job", "job": "job", "try": 1, "state": "killed"}

    def killed(verb: str, _fields: object, heard: Callable[[dict[str, Any]], None]) -> None:
        if verb == "kill":
            here(site, "").mkdir(parents=True, exist_ok=True)
            here(site, "job.start").symlink_to(NOT_STARTED)
        heard(one)

    told: list[dict[str, Any]] = []
    secret = platform(site, "    secrets: [API_KEY]\n")
    mirror.call(secret, "kill", lambda: request(site), told.append, Talk(), killed)
    assert told == [one]
    found = site.host.run(["ls", there(site, "")], check=True).stdout.split()
    assert found == ["job", "job.end", "job.start"]


@pytest.fixture
def installed(site: Client) -> Client:
    """A run there with a link of a hostile job to the home directory, another run inside it and one beside it."""
    site.write("a", "x\n")
    assert site("install", "demo", "-p", "hpc").code == 0
    assert site("install", "demo", "-p", "hpc", "--run-id", "demo/inside", "--adopt").code == 0
    site.host.write_file(there(site, "job.status"), "EXIT=0\n\n")
    site.host.write_file(f"{site.host.home}/remote-install-run/beside/b", "y\n")
    site.host.run(["ln", "-s", site.host.home, f"{site.there}/way"], check=True)
    return site


def found_there(site: Client) -> list[str]:
    script = f"cd {site.host.home}/remote-install-run && find . -type f -o -type l | sort"
    return site.host.run(["sh", "-c", script], check=True).stdout.split()


def test_clean_removes_what_is_of_this_run_and_follows_no_link(installed: Client) -> None:
    before = found_there(installed)
    dry = installed("clean", "demo", "--dry-run", "--json")
    assert (dry.code, found_there(installed)) == (0, before), dry.err
    (would,) = dry.json["targets"]
    done = installed("clean", "demo", "--json")
    assert done.code == 0, done.err
    (target,) = done.json["targets"]
    left = ["./beside/b", *(name for name in before if name.startswith("./demo/inside/"))]
    assert found_there(installed) == left
    assert (target["mode"], target["removed"], would["removed"]) == ("rsync-only", True, False)
    assert target["files_removed"] == len(before) - len(left)
    assert target["left"] == [{"path": "inside", "why": "another run"}]
    again = installed("clean", "demo", "-p", "hpc")
    assert again.code == 9
    assert "is no run directory that an install of ours has made" in again.err


def test_clean_of_a_nested_run_takes_the_folders_that_nothing_is_left_in(installed: Client) -> None:
    for run_id in ("demo", "demo/inside"):
        assert installed("clean", "demo", "-p", "hpc", "--run-id", run_id).code == 0
    assert found_there(installed) == ["./beside/b"]
    assert installed.host.run(["ls", "remote-install-run"], check=True).stdout == "beside\n"
    gone = installed("clean", "demo", "-p", "hpc")
    assert gone.code == 0, gone.err
    assert "nothing to remove" in gone.out.decode()


def test_clean_refuses_while_it_is_not_known_that_a_job_has_ended(installed: Client) -> None:
    installed.host.write_file(there(installed, "job.status"), "EXIT= \n\n")
    installed.host.run(["ln", "-s", "batch slurm:c9:12", there(installed, "job.start")], check=True)
    before = found_there(installed)
    done = installed("clean", "demo")
    assert done.code == 9
    assert "it can't be told whether it is alive" in done.err
    assert found_there(installed) == before
    assert installed("clean", "demo", "--force").code == 0
    assert there(installed, "job.status") not in found_there(installed)


def test_clean_of_another_runs_directory_is_refused(installed: Client) -> None:
    (installed.run_directory / ".remote-install/uuid").write_text("f" * 32 + "\n")
    done = installed("clean", "demo", "-p", "hpc")
    assert done.code == 9
    assert "holds another run directory under this run id" in done.err


def test_a_clean_that_broke_off_is_made_again(installed: Client) -> None:
    """What is left then is whose it is; a job can't be submitted."""
    everything = f"cd {installed.there} && rm -rf a log way inside .remote-install/manifest .remote-install/.gitignore"
    installed.host.run(["sh", "-c", everything], check=True)
    assert installed("clean", "demo", "-p", "hpc").code == 0
    assert found_there(installed) == ["./beside/b"]


def test_a_fetch_leaves_alone_what_was_submitted_from_here(site: Client) -> None:
    site.write("log/job/job/01/job.submit", "JOB_ID=12\n")
    site.host.write_file(there(site, "job.submit"), "JOB_ID=13\nTAG=another job of mine\n")
    site.host.write_file(there(site, "job.out"), "out\n")
    done = site("fetch", "demo", "-p", "hpc")
    assert done.code == 0, done.err
    assert here(site, "job.out").read_text() == "out\n"
    assert here(site, "job.submit").read_text() == "JOB_ID=12\n"


@pytest.mark.parametrize("link", ["log", "log/job"])
def test_nothing_is_mirrored_behind_a_link(site: Client, tmp_path: Path, link: str) -> None:
    """A run directory may come from a stranger."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (site.run_directory / link).parent.mkdir(exist_ok=True)
    (site.run_directory / link).symlink_to(elsewhere)
    site.host.write_file(there(site, "job.status"), "EXIT=0\n\n")
    done = site("poll", "demo", "job", "-p", "hpc")
    assert (done.code, list(elsewhere.iterdir())) == (9, [])
    assert "is a link" in done.err


def test_a_link_there_in_the_place_of_our_record_is_not_followed_here(site: Client) -> None:
    pipe = site.folder / "pipe"
    os.mkfifo(pipe)
    site.host.run(["mkdir", "-p", f"{site.there}/.remote-install"], check=True)
    site.host.run(["ln", "-s", str(pipe), f"{site.there}/.remote-install/manifest"], check=True)
    assert site("install", "demo", "-p", "hpc", timeout=20).code == 0


@pytest.mark.parametrize("record", ['{"entries": [[1, "f", false, "x"]]}', "[" * 100_000, '{"entries": 7}', "7"])
def test_a_manifest_there_that_is_not_in_order_says_nothing(site: Client, record: str) -> None:
    site.write("a", "x\n")
    site.host.write_file(f"{site.there}/.remote-install/manifest", record)
    done = site("install", "demo", "-p", "hpc")
    assert done.code == 0, done.err
    assert site.host.read(f"{site.there}/a") == "x\n"


@pytest.mark.parametrize("record", ["", "{", "[]"])
def test_a_damaged_record_of_whose_it_is_does_not_make_it_ours(site: Client, record: str) -> None:
    site.host.write_file(f"{site.there}/.remote-install/uuid", record)
    done = site("install", "demo", "-p", "hpc")
    assert (done.code, "record is damaged" in done.err) == (9, True)
    assert site("install", "demo", "-p", "hpc", "--adopt").code == 0
