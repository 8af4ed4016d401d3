"""An install is known to be whole, or known not to be; what it did not bring it does not delete."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from remote_install.jobhost import manifest

from .client import Client, Done

OURS = "-path ./.remote-install -prune -o -path ./log/job -prune -o"


def install(client: Client, *words: str) -> Done:
    return client("install", "demo", "-p", "hpc", "--json", *words)


def sent(done: Done) -> tuple[int, int]:
    (target,) = done.json["targets"]
    return target["files_sent"], target["files_deleted"]


def listing(client: Client) -> dict[str, str]:
    """Names and content hashes of what lies in the run directory on the host, but for what is ours."""
    line = f"cd '{client.there}' && find . {OURS} -type f -exec sha256sum {{}} +"
    out = client.host.run(["sh", "-c", line], check=True).stdout
    return {name.strip(): value for value, name in (row.split(" ", 1) for row in out.splitlines())}


def here(client: Client) -> dict[str, str]:
    found = {}
    for folder, folders, names in os.walk(client.run_directory):
        folders[:] = [name for name in folders if name not in (".remote-install", "log")]
        for name in names:
            path = Path(folder, name)
            value = hashlib.sha256(path.read_bytes()).hexdigest()
            found["./" + str(path.relative_to(client.run_directory))] = value
    return found


def test_what_is_deleted_here_disappears_there_and_what_jobs_made_stays(client: Client) -> None:
    for name in ("keep", "old", "gone/deep/file", "mixed/ours"):
        client.write(name, name)
    assert sent(install(client)) == (4, 0)
    client.host.write_file(f"{client.there}/mixed/theirs", "a job's")
    client.host.write_file(f"{client.there}/output", "a job's")
    for name in ("old", "gone/deep/file", "mixed/ours"):
        (client.run_directory / name).unlink()
    (client.run_directory / "gone/deep").rmdir()
    (client.run_directory / "gone").rmdir()
    (client.run_directory / "mixed").rmdir()
    files, deleted = sent(install(client))
    assert files == 0
    assert deleted >= 3
    assert set(listing(client)) == {"./keep", "./mixed/theirs", "./output"}
    assert not client.host.testinfra.file(f"{client.there}/gone").exists


def test_a_file_that_a_job_has_changed_is_not_deleted(client: Client) -> None:
    client.write("notes", "from here")
    install(client)
    client.host.write_file(f"{client.there}/notes", "a job's findings")
    (client.run_directory / "notes").unlink()
    done = install(client)
    assert sent(done) == (0, 0)
    assert "notes is gone here, but was changed there" in done.err
    assert client.host.read(f"{client.there}/notes") == "a job's findings"


def test_what_a_job_has_changed_is_brought_back_to_what_is_here(client: Client) -> None:
    client.write("data", "right")
    install(client)
    client.host.write_file(f"{client.there}/data", "wrong")
    assert sent(install(client)) == (1, 0)
    assert listing(client) == here(client)


def test_same_size_and_time_with_other_content_is_sent(client: Client) -> None:
    client.write("data", "one")
    os.utime(client.run_directory / "data", ns=(10**18, 10**18))
    install(client)
    client.write("data", "two")
    os.utime(client.run_directory / "data", ns=(10**18, 10**18))
    assert sent(install(client)) == (1, 0)
    assert listing(client) == here(client)


def test_a_fresh_checkout_with_new_times_sends_nothing(client: Client) -> None:
    client.write("data", "one")
    client.write("run.sh", "#!/bin/sh\n", 0o755)
    install(client)
    for name in ("data", "run.sh"):
        os.utime(client.run_directory / name)
    logins = client.host.calls()
    assert sent(install(client)) == (0, 0)
    assert client.host.calls() - logins == 1


def test_files_that_are_older_than_a_moment_are_installed_the_first_time(client: Client) -> None:
    client.write("data", "one")
    time.sleep(manifest.SETTLED / 10**9 + 0.1)  # from then on a hash is kept, and nobody can set a ctime back
    assert sent(install(client)) == (1, 0)
    assert (client.run_directory / ".remote-install/hashes").exists()


def test_a_mode_alone_is_changed_without_sending(client: Client) -> None:
    client.write("run.sh", "#!/bin/sh\n", 0o644)
    install(client)
    (client.run_directory / "run.sh").chmod(0o755)
    assert sent(install(client)) == (0, 0)
    assert client.host.testinfra.file(f"{client.there}/run.sh").mode == 0o755
    (client.run_directory / "run.sh").chmod(0o644)
    install(client)
    assert client.host.testinfra.file(f"{client.there}/run.sh").mode == 0o644


def test_a_folder_becomes_a_file_a_link_a_folder_again(client: Client) -> None:
    client.write("thing/inside", "x")
    install(client)
    for change in ("file", "link", "folder"):
        client.host.testinfra.check_output(f"test -d {client.there}")
        path = client.run_directory / "thing"
        if change == "file":
            (path / "inside").unlink()
            path.rmdir()
            path.write_text("now a file")
        elif change == "link":
            path.unlink()
            path.symlink_to("elsewhere")
        else:
            path.unlink()
            client.write("thing/inside", "x")
        assert install(client).code == 0
        there = client.host.testinfra.file(f"{client.there}/thing")
        assert (there.is_directory, there.is_symlink) == (change == "folder", change == "link")


@pytest.mark.parametrize("change", ["file over a job's folder", "folder over a job's file"])
def test_what_a_job_made_is_not_replaced_by_another_kind_and_nothing_moves(client: Client, change: str) -> None:
    client.write("a", "old")
    install(client)
    client.write("a", "new")
    if change.startswith("file"):
        client.host.write_file(f"{client.there}/thing/output", "a job's")
        client.write("thing", "ours")
    else:
        client.host.write_file(f"{client.there}/thing", "a job's")
        client.write("thing/inside", "ours")
    done = install(client)
    assert done.code == 9
    assert "thing is to be installed, but a f" in done.err
    assert client.host.read(f"{client.there}/a") == "old"
    assert client("submit", "demo", "-p", "hpc", "--no-install", "--", "true").code == 0


def test_another_run_directory_under_the_same_id_is_refused_unless_adopted(client: Client, tmp_path: Path) -> None:
    client.write("a", "first")
    install(client)
    other = Client(tmp_path / "other", client.host)
    other.prepare()
    other.write("b", "second")
    refused = install(other)
    assert refused.code == 9
    assert str(client.run_directory) in refused.err
    assert "--adopt" in refused.err
    assert set(listing(client)) == {"./a"}
    assert install(other, "--adopt").code == 0
    assert set(listing(client)) == {"./b"}
    assert install(client).code == 9


def many_files(client: Client, count: int, seed: int) -> None:
    """Files of random content: those of another seed are all different."""
    source = random.Random(seed)
    for number in range(count):
        client.write(f"data/{number % 7}/{number}", source.randbytes(20_000))


def check_no_file_is_torn(client: Client, versions: list[dict[str, str]]) -> None:
    for name, value in listing(client).items():
        assert value in [version.get(name) for version in versions], name


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["killed here", "killed there", "link cut"])
def test_an_interrupted_install_is_known_and_finished_by_the_next(client: Client, fault: str) -> None:
    many_files(client, 200, 1)
    assert install(client).code == 0
    old = here(client)
    many_files(client, 200, 2)
    new = here(client)
    mark = f"{client.there}/.remote-install/unfinished"
    unfinished = 0
    for seconds in (0.0, 0.05, 0.1, 0.2):
        process = client.start("install", "demo", "-p", "hpc", "--json")
        client.host.run(["sh", "-c", f"timeout 10 sh -c 'until test -e {mark}; do sleep 0.01; done'"])
        time.sleep(seconds)
        if fault == "killed here":
            process.send_signal(signal.SIGKILL)
        elif fault == "killed there":
            client.host.stop_sshd()
            client.host.kill_sessions()
        else:
            client.host.cut()
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        client.host.repair()
        check_no_file_is_torn(client, [old, new])
        if client.host.testinfra.file(mark).exists:
            unfinished += 1
            refused = client("submit", "demo", "-p", "hpc", "--no-install", "--", "true")
            assert refused.code == 9
            assert "not installed whole" in refused.err
    assert unfinished > 0
    if fault == "link cut":
        client.host.kill_sessions()  # the host can't know yet that they are dead, and one may hold the lock
    done = install(client)
    assert done.code == 0, done.err
    assert listing(client) == new
    assert client("submit", "demo", "-p", "hpc", "--no-install", "--", "true").code == 0
    assert install(client).json["targets"][0]["files_sent"] == 0


def test_a_full_disk_leaves_the_old_files_and_is_known(client: Client) -> None:
    many_files(client, 20, 1)
    assert install(client).code == 0
    old = here(client)
    many_files(client, 20, 2)
    client.host.fill()
    failed = install(client)
    assert failed.code == 5, failed.err
    client.host.unfill()
    assert listing(client) == old
    assert install(client).code == 0
    assert listing(client) == here(client)


def test_two_installs_at_once_one_waits_and_the_result_is_one_of_the_two(client: Client, tmp_path: Path) -> None:
    other = Client(tmp_path / "other", client.host)
    other.prepare()
    many_files(client, 300, 1)
    many_files(other, 300, 2)
    for round_ in range(3):
        both = [one.start("install", "demo", "-p", "hpc", "--adopt") for one in (client, other)]
        errs = [process.communicate(timeout=60)[1].decode() for process in both]
        assert [process.returncode for process in both] == [0, 0], errs
        assert listing(client) in (here(client), here(other)), round_
        client.write("round", str(round_))


def test_a_file_that_changes_while_it_is_installed_is_noticed(client: Client) -> None:
    many_files(client, 50, 1)
    client.write("growing", b"x" * 1_000_000)
    process = client.start("install", "demo", "-p", "hpc", "--json")
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        with open(client.run_directory / "growing", "ab") as file:
            file.write(b"y")
    process.communicate(timeout=30)
    if process.returncode == 5:
        assert client("submit", "demo", "-p", "hpc", "--no-install", "--", "true").code == 9
    assert install(client).code == 0
    assert listing(client) == here(client)


def test_what_can_not_be_read_or_is_no_file_is_told(client: Client) -> None:
    client.write("a", "a")
    os.mkfifo(client.run_directory / "pipe")
    done = install(client)
    assert done.code == 0
    assert "pipe is not installed" in done.err
    (client.run_directory / "gone").symlink_to("a")
    assert install(client).code == 0
    assert set(listing(client)) == {"./a"}


def test_two_install_targets_that_are_one_are_told_and_hold_the_run_directory_once(client: Client) -> None:
    hosts = client.folder / "hosts.yaml"
    hosts.write_text(hosts.read_text() + hosts.read_text().replace("platforms:\n  hpc:", "  gpu:"))
    client.write("a", "x\n")
    for sent in ([0, 1], [0, 0]):
        done = client("install", "demo", "-p", "hpc", "-p", "gpu", "--json")
        assert done.code == 0, done.err
        assert sorted(target["files_sent"] for target in done.json["targets"]) == sent
        assert "install targets hpc and gpu are one and the same folder: write `install_target: hpc`" in done.err
    assert "one and the same" not in client("install", "demo", "-p", "hpc").err
