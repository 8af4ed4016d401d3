"""The commands: the words that each of them takes."""

from __future__ import annotations

from remote_install.cli import options

TYPE_CHECKING = False  # typing's own, without the import of typing: that takes longer than all of ours
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Make = Callable[[str, str, str], argparse.ArgumentParser]


def add(command: Make, documents: tuple[str, ...]) -> None:
    """Add them all. command: makes the parser of one, from its name, what it does, and its usage. documents: the
    commands that print a document with --json."""
    _add_run(command)
    _add_install(command)
    _add_submit(command)
    _add_looks(command)
    _add_kill(command)
    _add_known(command)
    _add_logs(command)
    _add_fetch(command)
    _add_clean(command)
    _add_copies(command)
    _add_check(command)
    _add_gate(command)
    _add_settings(command, documents)
    _add_ci(command)
    command("demo", "show it all on throw-away job hosts on this machine", "")


def _add_run(command: Make) -> None:
    p = command(
        "run",
        "install, submit, follow the log, fetch",
        "RUN [-p PLATFORM] [--name N] [--time-limit T] [--fetch PATH]... [--timeout T] "
        "[--on-cancel kill|leave] [option...] [-- COMMAND...]",
    )
    options.run(p)
    options.platforms(p, "the platform or group to run on; wins over run.yaml")
    options.name(p)
    options.job(p)
    options.adopt(p)
    options.again(p)
    options.dry_run(p)
    p.add_argument("--exit-with-job-code", action="store_true", help="exit as the job did; 125 for any error of ours")
    p.add_argument("--fetch", action="append", default=[], metavar="PATH", help="bring PATH back; repeats")
    options.timeout(p)
    options.on_cancel(p)
    options.reports(p)


def _add_install(command: Make) -> None:
    p = command(
        "install",
        "the pre-run install step: the run directory to each install target",
        "RUN -p PLATFORM... [--adopt] [--dry-run]",
    )
    options.run(p)
    options.platforms(p, "where to install; repeats")
    options.adopt(p)
    options.dry_run(p)


def _add_submit(command: Make) -> None:
    p = command(
        "submit",
        "see to it that jobs are submitted",
        "RUN [JOB...] [-p PLATFORM] [--name N] [--again] [--adopt | --no-install] [--parsable] [-- COMMAND...]",
    )
    options.run(p)
    p.add_argument("jobs", nargs="*", metavar="JOB", help="jobs of run.yaml; all of them if none is given")
    options.platforms(p, "the platform or group to run on; wins over run.yaml")
    options.name(p)
    options.job(p)
    options.adopt(p)
    options.again(p)
    options.dry_run(p)
    p.add_argument("--no-install", action="store_true", help="the run directory is there already")
    p.add_argument("--parsable", action="store_true", help="print the id of each job that is submitted, and no more")


def _add_looks(command: Make) -> None:
    for name, summary in (("poll", "one look: the states now"), ("wait", "wait until all jobs have ended")):
        p = command(
            name, summary, "RUN [JOB...] [-p PLATFORM]..." + (" [--timeout T] [--junit FILE]" if name == "wait" else "")
        )
        options.run(p)
        p.add_argument("jobs", nargs="*", metavar="JOB", help="job names; all jobs if none is given")
        options.platforms(p, "ask there, also for jobs that nothing is known of here; repeats")
        if name == "wait":
            options.timeout(p)
            options.reports(p)
        else:
            p.add_argument("--snakemake", action="store_true", help="print just `running`, `success` or `failed`")


def _add_kill(command: Make) -> None:
    p = command("kill", "end jobs: TERM, then KILL", "RUN [JOB...] [-p PLATFORM]... [--grace T]")
    options.run(p)
    p.add_argument("jobs", nargs="*", metavar="JOB", help="job names; all jobs if none is given")
    options.platforms(p, "ask there, also for jobs that nothing is known of here; repeats")
    options.dry_run(p)
    p.add_argument(
        "--grace", type=options.seconds, default=10.0, metavar="T", help="time from TERM to KILL; default: 10s"
    )


def _add_known(command: Make) -> None:
    options.run(command("list", "what is known here, without asking anybody", "RUN"))
    options.run(command("active", "is a driver alive, and where? exit 0 alive, 1 not, 4 cannot tell", "RUN"))


def _add_logs(command: Make) -> None:
    p = command("logs", "print a job's output", "RUN JOB [-f] [-p PLATFORM] [--err]")
    options.run(p)
    p.add_argument("job", metavar="JOB")
    options.platforms(p, "ask there, also when nothing is known of the job here")
    p.add_argument("-f", "--follow", action="store_true", help="go on until it has ended")
    p.add_argument("--err", action="store_true", help="its errors instead of its output")


def _add_fetch(command: Make) -> None:
    p = command("fetch", "bring job logs and paths back", "RUN [PATH...] [-p PLATFORM]...")
    options.run(p)
    p.add_argument("paths", nargs="*", metavar="PATH", help="relative to the run directory")
    options.platforms(p, "from there; else from where the jobs are; repeats")
    options.dry_run(p)


def _add_clean(command: Make) -> None:
    p = command(
        "clean",
        "remove the run directory on its install targets, and what symlink_dirs made for it",
        "RUN [-p PLATFORM]... [--run-id ID] [--force] [--dry-run]",
    )
    options.run(p)
    options.platforms(p, "there; else wherever it was installed from here; repeats")
    p.add_argument("--force", action="store_true", help="also while jobs or a driver are alive; they are not ended")
    options.dry_run(p)


def _add_check(command: Make) -> None:
    p = command(
        "check",
        "diagnose platforms: can jobs run there? Each failure comes with its remedy; nothing is changed there, but our "
        "program is sent where it is missing",
        "[PLATFORM...]",
    )
    p.add_argument("platforms", nargs="*", metavar="PLATFORM", help="a platform or group; default: all of hosts.yaml")


def _add_gate(command: Make) -> None:
    p = command(
        "gate",
        "the forced command for a restricted key: put it on a host, or print the line for a key",
        "--install -p PLATFORM | --write FOLDER | --print-key-line KEY.pub --root DIR --allow WORDS [option...] "
        "| --check COMMAND ...",
    )
    p.add_argument("--install", action="store_true", help="send the gate and the program that it admits")
    options.platforms(p, "where to put it; repeats")
    p.add_argument("--write", metavar="FOLDER", help="write the two into a folder of this machine")
    p.add_argument("--print-key-line", metavar="KEY", help="print the line of authorized_keys for that key")
    p.add_argument("--check", metavar="COMMAND", help="what a gate on this machine would say to a command")
    p.add_argument("--root", metavar="DIR", help="the folder below which all of it happens")
    p.add_argument("--allow", metavar="WORDS", help="install,submit,poll,kill,logs,fetch,clean,check,push,pull")
    p.add_argument("--runner", action="append", default=[], metavar="NAME", help="a job runner for submit; repeats")
    p.add_argument("--forward", action="append", default=[], metavar="NAME", help="a variable to forward; repeats")
    p.add_argument("--rrsync", metavar="PATH", help="where rrsync is there")
    p.add_argument("--program", metavar="PATH", help="where the job host program is there; default: beside the gate")
    p.add_argument("--log", metavar="FILE", help="the audit log there; default: ~/.remote-install/gate.log")
    p.add_argument("--key", metavar="NAME", help="what the key is called in the audit log")
    p.add_argument("--log-only", action="store_true", help="refuse nothing, write down what would be refused")
    p.add_argument("--gate", default=".remote-install/gate.py", metavar="PATH", help="where the gate is there")
    p.add_argument("--python", default="python3", metavar="PATH", help="the Python there; default: python3")


def _add_copies(command: Make) -> None:
    p = command("push", "send files or folders to a job host", "SRC... PLATFORM:PATH")
    p.add_argument("sources", nargs="+", metavar="SRC", help="here; a trailing slash means what rsync means")
    p.add_argument("there", metavar="PLATFORM:PATH", help="a relative PATH starts in the run root")
    options.dry_run(p)
    p = command("pull", "get a file or folder from a job host", "PLATFORM:PATH DEST")
    p.add_argument("there", metavar="PLATFORM:PATH", help="a relative PATH starts in the run root")
    p.add_argument("target", metavar="DEST", help="here")
    options.dry_run(p)


def _add_settings(command: Make, documents: tuple[str, ...]) -> None:
    p = command("platforms", "the platforms and groups of hosts.yaml", "[--ansible]")
    p.add_argument("--ansible", action="store_true", help="as an Ansible inventory, in JSON")
    p = command(
        "schema",
        "the JSON Schema of hosts.yaml and run.yaml, for editors, or of what a command prints with --json",
        "[hosts.yaml | run.yaml | COMMAND]",
    )
    its = ("hosts.yaml", "run.yaml", *documents)
    p.add_argument("what", nargs="?", choices=its, metavar="FILE | COMMAND", help="just this one's")
    summary = "write a first hosts.yaml, from the hosts that ssh_config names"
    options.dry_run(command("init", summary, "[--dry-run]"))


def _add_ci(command: Make) -> None:
    summary = "run another of these commands, with a key that a CI system hands over"
    options.ci(command("ci", summary, "[option...] [-- COMMAND...]"))
