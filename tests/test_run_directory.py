"""What is ours in a run directory here: it may come from a stranger, and a run may take days."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from remote_install import source
from remote_install.durable import write_through
from remote_install.jobhost.manifest import Seen
from remote_install.run_directory import SEEN, STALE, RunDirectory, open_run
from transfer.platforms import Platform


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    folder = tmp_path / "demo"
    folder.mkdir()
    return open_run(str(folder))


def make_old(run: RunDirectory, token: str) -> None:
    os.utime(os.path.join(run.path, SEEN, token), times=(time.time() - 2 * STALE,) * 2)


def tokens(run: RunDirectory) -> set[str]:
    return set(os.listdir(os.path.join(run.path, SEEN))) - {".gitignore"}


def test_the_token_of_a_process_that_lives_for_days_stays(run: RunDirectory) -> None:
    token = run.token
    make_old(run, token)
    assert run.token == token  # as each call does
    other = open_run(run.path).token
    assert tokens(run) == {token, other}


def test_a_token_that_was_swept_away_is_made_again(run: RunDirectory) -> None:
    token = run.token
    make_old(run, token)
    other = open_run(run.path).token
    assert tokens(run) == {other}
    assert run.token == token
    assert tokens(run) == {token, other}
    assert Path(run.path, SEEN, token).read_text() == token


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["hashes", "fetched", "installed"])
def test_a_pipe_in_the_place_of_a_file_of_ours_holds_nobody(run: RunDirectory, name: str) -> None:
    run.own_folder(".remote-install")
    os.mkfifo(os.path.join(run.path, ".remote-install", name))
    assert source.scan(run, ("rsync",), lambda _text: None).entries == {}
    assert (run.fetched(), run.installed()) == ((), ())


def test_two_threads_that_ask_for_the_token_at_once_make_it_once(run: RunDirectory) -> None:
    """As a look at jobs on two platforms does."""
    at_once = threading.Barrier(2)

    def ask(_number: int) -> str:
        at_once.wait()
        return run.token

    with ThreadPoolExecutor(2) as pool:
        for _ in range(200):
            assert len(set(pool.map(ask, range(2)))) == 1
            os.unlink(os.path.join(run.path, SEEN, run.token))


def test_of_what_two_keep_at_once_nothing_is_forgotten(run: RunDirectory) -> None:
    """As two installs to different platforms do, typed at once."""
    at_once = threading.Barrier(4)

    def keep(name: str) -> None:
        at_once.wait()
        run.remember_installed((name,))

    for number in range(10):
        with ThreadPoolExecutor(4) as pool:
            names = [f"{number}-{letter}" for letter in "abcd"]
            list(pool.map(keep, names))
        assert set(names) <= set(run.installed())


def test_targets_side_by_side_share_a_look_and_one_that_begins_anew_gets_another(run: RunDirectory) -> None:
    first, second = Platform("a", ("a",), "a"), Platform("b", ("b",), "b")
    scans = source.Scans(run)
    seen = scans.content(first, lambda _text: None)
    Path(run.path, "new").touch()
    assert scans.content(second, lambda _text: None) is seen
    again = scans.content(second, lambda _text: None)
    assert set(again.entries) == {b"new"}
    assert scans.content(first, lambda _text: None) is again


def test_hashes_are_written_down_again_only_when_they_differ(run: RunDirectory) -> None:
    Path(run.path, "data").write_text("data")
    run.own_folder(".remote-install")
    os.utime(Path(run.path, "data"), (1, 1))
    first = source.scan(run, ("rsync",), lambda _text: None)
    assert first.cache is None  # it is too new to be remembered, as nothing was
    settled = replace(first, cache={b"data": Seen(4, 1, 1, 1, "hash")})
    source.remember(run, settled)
    written = Path(run.path, source.HASHES)
    assert written.exists()
    written.unlink()
    source.remember(run, replace(settled, cache=None))
    assert not written.exists()


def test_a_file_that_only_we_may_read_was_never_anybody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[int] = []
    narrow = os.fchmod

    def fchmod(file: int, mode: int) -> None:
        first.append(os.fstat(file).st_mode & 0o777)
        narrow(file, mode)

    monkeypatch.setattr(os, "fchmod", fchmod)
    before = os.umask(0)
    try:
        write_through(f"{tmp_path}/key", b"secret", durable=False, mode=0o600)
        write_through(f"{tmp_path}/program", b"true", durable=False, mode=0o700)
        write_through(f"{tmp_path}/other", b"", durable=False)
    finally:
        os.umask(before)
    assert first == [0o600, 0o700]
    assert [os.stat(tmp_path / name).st_mode & 0o777 for name in ("key", "program", "other")] == [0o600, 0o700, 0o666]
