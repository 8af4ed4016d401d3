"""The demo, as root here and as an ordinary user on a test host: the main job, for real, and nothing left of it."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from end_to_end.client import Client

ROOT = str(Path(__file__).parents[1])


def test_the_demo_shows_output_and_results_and_leaves_nothing(tmp_path: Path, job_host) -> None:  # type: ignore[no-untyped-def]
    client = Client(tmp_path, job_host)
    before = set(os.listdir("/tmp"))
    done = client("demo")
    assert done.code == 0, done.err
    assert b"epoch 3: mean" in done.out
    assert "installed 2 files" in done.err
    assert "fetched 6 files" in done.err
    assert "tomorrow: " in done.err
    assert "broken 01 failed (exit 3) on cloudy" in done.out.decode()
    assert client.leftovers() == []
    assert [name for name in set(os.listdir("/tmp")) - before if name.startswith("remote-install")] == []


def test_an_ordinary_user_can_run_it(make_host) -> None:  # type: ignore[no-untyped-def]
    packages = sysconfig.get_path("purelib")
    host = make_host(shared={ROOT: "/srv/remote-install", packages: "/srv/packages"})
    done = host.run(
        ["python3", "-m", "remote_install", "demo"],
        env={"PYTHONPATH": "/srv/remote-install:/srv/packages", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 3: mean" in done.stdout
    assert [process for process in host.processes() if "sshd" in process.args] == []


def test_what_is_missing_is_named(tmp_path: Path, job_host, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    client = Client(tmp_path, job_host)
    only_python = tmp_path / "bin"
    only_python.mkdir()
    (only_python / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(only_python))
    done = client("demo")
    assert done.code == 4
    assert "apt-get install" in done.err
