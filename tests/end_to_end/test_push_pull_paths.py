"""push and pull: what PLATFORM:PATH and SRC mean, whatever they are made of."""

from __future__ import annotations

import os

import pytest

from .client import Client


@pytest.fixture
def small(client: Client) -> Client:
    """A user with a small folder to send."""
    (client.folder / "some").mkdir()
    (client.folder / "some/file").write_text("text\n")
    return client


@pytest.mark.parametrize(
    ("source", "path", "arrives"),
    [
        ("some", "up", "remote-install-run/up/some/file"),
        ("some/", "up", "remote-install-run/up/file"),
        ("some/", "up/", "remote-install-run/up/file"),
        ("some/file", "up/", "remote-install-run/up/file"),
        ("some/file", "other", "remote-install-run/other"),
        ("some/file", "", "remote-install-run/file"),
        ("some/", "de/ep/er", "remote-install-run/de/ep/er/file"),
        ("some/", "./up", "remote-install-run/up/file"),
        ("some/", "/home/alice/elsewhere", "elsewhere/file"),
        ("some/", "~/in home", "in home/file"),
    ],
)
def test_a_path_starts_in_the_run_root_and_slashes_mean_what_rsync_means(
    small: Client, source: str, path: str, arrives: str
) -> None:
    pushed = small("push", source, f"hpc:{path}")
    assert pushed.code == 0, pushed.err
    assert small.host.run(["cat", arrives], check=True).stdout == "text\n"
    small.host.run(["rm", "-rf", "elsewhere", "in home"], check=True)


@pytest.mark.parametrize("path", ["x:y", "-rf", "$(touch pwned)", "it's `id`", "a\nb", "#é 日", "-", "\udcff", "%s;&|"])
def test_any_path_is_taken_literally(small: Client, path: str) -> None:
    """But for patterns (*, ?, [): what is pulled by them, rsync itself says."""
    for words in (["push", "some/", f"hpc:{path}"], ["pull", f"hpc:{path}/", "back"], ["pull", f"hpc:{path}", "whole"]):
        done = small(*words)
        assert done.code == 0, done.err
    assert small.host.run(["ls", "-A", "remote-install-run"]).stdout == small.host.run(["printf", "%s\n", path]).stdout
    assert (small.folder / "back/file").read_text() == "text\n"
    assert (small.folder / "whole" / path / "file").read_text() == "text\n"


def test_any_source_is_a_path_here_and_several_are_sent_at_once(small: Client) -> None:
    names = ["a:b", "hpc:x", "-rf", "$(touch pwned)", "*", "\udcff", "new\nline", "::mod", "rsync:"]
    for name in names:
        (small.folder / name).write_text(name, errors="surrogateescape")
    done = small("push", *(f"./{name}" if name.startswith("-") else name for name in names), "hpc:all")
    assert done.code == 0, done.err
    arrived = small.host.run(["sh", "-c", "cd remote-install-run/all && printf '%s\\0' *"], check=True).stdout
    assert set(arrived.split("\0")[:-1]) == set(names)
    for name in set(names) - {"*"}:
        assert small("pull", f"hpc:all/{name}", "one").code == 0
        assert (small.folder / "one").read_text(errors="surrogateescape") == name


def test_what_was_there_before_stays(small: Client) -> None:
    small.host.write_file("remote-install-run/up/theirs", "kept\n")
    assert small("push", "some/", "hpc:up").code == 0
    assert small.host.run(["cat", "remote-install-run/up/theirs"]).stdout == "kept\n"
    (small.folder / "back").mkdir()
    (small.folder / "back/mine").write_text("kept\n")
    assert small("pull", "hpc:up/", "back").code == 0
    assert sorted(os.listdir(small.folder / "back")) == ["file", "mine", "theirs"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["push", "some", "up"], 2),
        (["push", "missing", "hpc:up"], 2),
        (["push", "some", "hpd:up"], 3),
        (["pull", "hpc:missing", "back"], 5),
        (["pull", "hpc:some", "no/such/folder/back"], 2),
        (["pull", "back"], 2),
        (["push", "", "hpc:up"], 2),
        (["push", "/dev/full", "hpc:up"], 2),
        (["pull", "hpc:", ""], 2),
    ],
)
def test_mistakes_are_told_and_nothing_is_made(small: Client, words: list[str], code: int) -> None:
    before = sorted(os.listdir(small.folder))
    done = small(*words)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert sorted(os.listdir(small.folder)) == before


def test_what_is_no_file_is_not_replaced_by_one(small: Client) -> None:
    """As root that would take /dev/null away from the whole machine."""
    assert small("push", "some/file", "hpc:file").code == 0
    os.mkfifo(small.folder / "pipe")
    for words in (["pull", "hpc:file", "pipe"], ["pull", "hpc:file", "pipe", "--dry-run"]):
        done = small(*words)
        assert (done.code, "it is no file or folder" in done.err) == (2, True), done.err
    assert (small.folder / "pipe").is_fifo()


def test_what_is_no_file_is_told_when_it_is_passed_over(small: Client) -> None:
    os.mkfifo(small.folder / "some/pipe")
    pushed = small("push", "some", "hpc:up")
    assert pushed.code == 0
    assert "some/pipe was passed over" in pushed.err
    assert "null was passed over" in small("pull", "hpc:/dev/null", "back").err
    done = small("push", "some/pipe", "hpc:up")
    assert (done.code, "some/pipe: it is no file, folder or link" in done.err) == (2, True), done.err
