"""The command demo: the main job, for real, on two throw-away job hosts on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile

from remote_install import examples_folder
from remote_install.cli.context import Context
from remote_install.cli.throwaway import ThrowawayHost, throwaway_hosts

NAMES = ("sunny", "cloudy")


def demo(context: Context) -> int:
    """Shows each command before it is run; exits 0 when all went as it should."""
    say = context.out.tell
    with throwaway_hosts(NAMES) as (hosts, hosts_file), tempfile.TemporaryDirectory(prefix="remote-install-") as folder:
        run = os.path.join(folder, "forecast")
        shutil.copytree(os.path.join(examples_folder(), "forecast"), run)
        say(f"Two job hosts, each a real sshd on loopback: {_where(hosts)}\n")
        os.chdir(folder)
        code = _step(
            hosts_file,
            "The run directory goes there, the job runs, its output comes as it is written, and the results come back.",
            ["run", "forecast", "-p", "sunny", "--fetch", "results/", "--", "./train.sh", "--epochs", "3"],
        )
        if code == 0:
            with open("forecast/results/forecast.txt", encoding="utf-8") as file:
                say(f"Fetched, forecast/results/forecast.txt: {file.read().strip()}\n")
        failed = _step(
            hosts_file,
            "A job that fails, on the other host: its exit code is told.",
            ["run", "forecast", "-p", "cloudy", "--name", "broken", "--", "sh", "-c", "echo no data >&2; exit 3"],
        )
        known = _step(
            hosts_file, "Both, asked again: what the job hosts wrote down is the truth.", ["poll", "forecast"]
        )
    say("The job hosts are gone, and nothing of theirs is left on this machine.")
    return 0 if (code, failed, known) == (0, 1, 1) else 1


def _step(hosts_file: str, story: str, words: list[str]) -> int:
    from remote_install.cli import main

    line = shlex.join(["remote-install", *words])
    print(f"# {story}\n$ {line}", file=sys.stderr, flush=True)
    code = main(["--hosts", hosts_file, *words])
    print(f"[exit {code}]\n", file=sys.stderr, flush=True)
    return code


def _where(hosts: list[ThrowawayHost]) -> str:
    return ", ".join(f"{host.name} (port {host.port})" for host in hosts)
