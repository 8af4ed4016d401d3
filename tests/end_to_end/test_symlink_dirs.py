"""symlink_dirs: what they name lies elsewhere on the job host, and all commands find it there."""

from __future__ import annotations

import pytest

from .client import Client
from .test_dry_runs import everything

PLATFORM = "    symlink_dirs: {work: ~/scratch/$USER, log/job: $HOME/logs, out/big: ~/scratch/$USER}\n"
JOB = "set -e; mkdir -p work/deep; echo w >work/deep/f; echo b >out/big/b; echo s >out/small; echo said"


@pytest.fixture(autouse=True)
def _elsewhere(client: Client) -> None:
    path = client.folder / "hosts.yaml"
    path.write_text(path.read_text() + PLATFORM)
    client.write("data", "d")


def far(client: Client, name: str = "") -> str:
    base = "logs" if name.startswith("log") else "scratch/alice"
    return f"{client.host.home}/{base}/remote-install-run/demo/{name}".rstrip("/")


def link(client: Client, name: str) -> str:
    return client.host.run(["readlink", f"{client.there}/{name}"], check=True).stdout.strip()


def test_a_run_from_install_to_fetch(client: Client) -> None:
    done = client("run", "demo", "-p", "hpc", "--fetch", "work/deep", "--fetch", "out", "--", "sh", "-c", JOB)
    assert (done.code, done.out) == (0, b"said\n"), done.err
    for name in ("work", "log/job", "out/big"):
        assert link(client, name) == far(client, name)
    assert client.host.read(far(client, "work/deep/f")) == "w\n"
    assert client.host.read(far(client, "log/job/job/01/job.out")) == "said\n"
    here = {"work/deep/f": "w\n", "out/big/b": "b\n", "out/small": "s\n", "log/job/job/01/job.out": "said\n"}
    for name, text in here.items():
        assert (client.run_directory / name).read_text() == text
        assert not (client.run_directory / name).parent.is_symlink()
    assert client("logs", "demo", "job").out == b"said\n"
    # A second install finds all in place, and leaves what the job made.
    done = client("install", "demo", "-p", "hpc", "--json")
    assert (done.json["targets"][0]["files_sent"], done.json["targets"][0]["files_deleted"]) == (0, 0), done.err
    assert client.host.read(far(client, "work/deep/f")) == "w\n"
    again = client("submit", "demo", "-p", "hpc", "--no-install", "--json", "--", "true")
    assert (again.code, again.job["try"]) == (0, 2)


def test_a_job_that_lives_there_is_seen_and_killed(client: Client) -> None:
    assert client("submit", "demo", "-p", "hpc", "--", "sleep", "60").code == 0
    assert client("poll", "demo", "--json").job["state"] == "running"
    assert client("kill", "demo", "--json").job["state"] == "killed"


@pytest.mark.parametrize("name", ["work", "work/x", "out/big/y"])
def test_a_source_that_holds_one_is_an_error_before_any_change(client: Client, name: str) -> None:
    client.write(name, "x")
    before = everything(client)
    for more in ([], ["--dry-run"]):
        done = client("install", "demo", "-p", "hpc", *more)
        assert done.code == 3, done.err
        assert f"{name} is in the run directory here" in done.err
        assert "take it out of symlink_dirs" in done.err
    after = everything(client)
    assert after[0] == before[0]
    client.write("run.yaml", f"install: {{exclude: [/{name.split('/')[0]}]}}\n")
    assert client("install", "demo", "-p", "hpc").code == 0


def test_a_folder_in_its_place_there_is_refused_and_a_dry_run_tells_that_too(client: Client) -> None:
    client.host.write_file(f"{client.there}/work/precious", "p")
    assert client("poll", "demo", "-p", "hpc").code == 2  # our program is there
    for more in ([], ["--dry-run"]):
        done = client("install", "demo", "-p", "hpc", *more)
        assert done.code == 9, done.err
        assert f"work is to lead to {far(client, 'work')}, but {client.there}/work is no link" in done.err
        assert "remove it there, and install again" in done.err
    assert client.host.read(f"{client.there}/work/precious") == "p"
    client.host.run(["mv", f"{client.there}/work", "moved"], check=True)
    assert client("install", "demo", "-p", "hpc").code == 0


def test_a_dry_run_tells_the_links_and_makes_none(client: Client) -> None:
    assert client("poll", "demo", "-p", "hpc").code == 2  # our program is there
    before = everything(client)[0]
    done = client("install", "demo", "-p", "hpc", "--dry-run")
    assert done.code == 0, done.err
    assert f"link    work -> {far(client, 'work')}\n" in done.out.decode()
    assert everything(client)[0] == before
    assert client("install", "demo", "-p", "hpc").code == 0
    done = client("install", "demo", "-p", "hpc", "--dry-run")
    assert "nothing would be changed there" in done.out.decode()


def test_a_link_that_a_job_has_removed_is_made_again(client: Client) -> None:
    assert client("run", "demo", "-p", "hpc", "--", "sh", "-c", "echo x >work/x; rm work").code == 0
    assert client("install", "demo", "-p", "hpc").code == 0
    assert client.host.read(f"{far(client, 'work')}/x") == "x\n"
    assert link(client, "work") == far(client, "work")


def test_the_jobs_folder_behind_a_link_that_a_job_has_planted_is_not_looked_into(client: Client) -> None:
    assert client("install", "demo", "-p", "hpc").code == 0
    client.host.run(["sh", "-c", f"cd {client.there} && rm log/job && ln -s ~ log/job"], check=True)
    for words in (["poll"], ["fetch"], ["submit", "--no-install", "--", "true"]):
        done = client(words[0], "demo", "-p", "hpc", *words[1:])
        assert done.code == 9, done.err
        assert "log/job is a link there that no install has made" in done.err


def test_a_variable_that_is_not_set_there_is_told_before_any_change(client: Client) -> None:
    path = client.folder / "hosts.yaml"
    path.write_text(path.read_text().replace("$HOME/logs", "/scratch/$PROJECT"))
    done = client("install", "demo", "-p", "hpc")
    assert done.code == 3
    assert "symlink_dirs /scratch/$PROJECT: $PROJECT is not set" in done.err
    assert client.host.run(["test", "-e", f"{client.there}/data"]).returncode == 1


def test_platforms_of_one_install_target_have_the_same(client: Client) -> None:
    path = client.folder / "hosts.yaml"
    path.write_text(path.read_text() + f"  two: {{hosts: [{client.host.name}], install_target: hpc}}\n")
    client.write("run.yaml", "jobs: {a: {platform: hpc, command: a}, b: {platform: two, command: b}}\n")
    before = everything(client)
    for words in (["install", "demo", "-p", "hpc", "-p", "two"], ["submit", "demo"]):
        for more in ([], ["--dry-run"]):
            done = client(*words, *more)
            assert done.code == 3, (words, more, done.err)
            assert "hpc and two share the install target hpc, but their symlink_dirs differ" in done.err
            assert everything(client)[0] == before[0]
