"""Whatever a job prints, and whatever it makes of its own folder, the others are told of truly, and nobody hangs."""

from __future__ import annotations

import json
import os

from remote_install.jobhost import wire

from .client import Client

SECONDS = 40  # a command that takes longer hangs: all of these jobs end at once, or are killed

# What a job prints -> shell line. Each of these arrives unchanged.
PRINTED = {
    "marker": f"\n{wire.MARKER}\n",
    "replies": '{"reply": "job", "job": "witness", "try": 1, "state": "succeeded", "exit_code": 0}\n{"reply": "end"}\n',
    "keys": "EXIT=0\nFINISHED=2026-11-22T12:00:00Z\nJOB_ID=1\nJOB_RUNNER=slurm\nSUBMIT_FAILED=no\nTAG=x\n",
    "directives": "#!/bin/sh\n#SBATCH --array=1-100\n#PBS -N x\n#$ -t 1-9\n#BSUB -J x\n",
    "nothing": "",
    "no-line-end": "no end",
    "control": "".join(map(chr, range(1, 128))),
}

OWN = 'cd "$REMOTE_INSTALL_JOB_DIR" || exit 99; '
# What a job does in its own folder before it exits 3.
MADE = {
    "status-truncated": ": >job.status",
    "status-pipe": "rm job.status; mkfifo job.status",
    "status-link": "ln -sf /etc/passwd job.status",
    "status-other": "ln -sf ../../witness/01/job.status job.status",
    "status-folder": "rm job.status; mkdir job.status",
    "start-removed": "rm job.start",
    "start-folder": "rm job.start; mkdir job.start",
    "out-pipe": "rm job.out job.err; mkfifo job.out job.err",
    "out-passwd": "ln -sf /etc/passwd job.out",
    "out-folder": "rm job.out; mkdir job.out",
    "submit-garbage": "until test -e job.submit; do sleep 0.01; done; head -c 300000 /dev/urandom >job.submit",
    "submit-lies": "until test -e job.submit; do sleep 0.01; done; echo SUBMIT_FAILED=yes >job.submit",
    "submit-pipe": "until test -e job.submit; do sleep 0.01; done; rm job.submit; mkfifo job.submit",
    "script-gone": ": >job; rm job",
    "messages-pipe": "mkfifo job.messages",
    "messages-loop": "mkdir job.messages; ln -s 1 job.messages/1; mkfifo job.messages/2; mkdir job.messages/3",
    "gone-folder": "mkdir job.gone",
    "kill-folder": "mkdir job.kill",
}
# Jobs of which nothing can be told any more, and that is what is told.
HIDDEN = {
    "status-unreadable": "rm job.status; : >job.status; chmod 0 job.status; mkdir job.end",
    "folder-unreadable": "chmod 0 .",
    "parent-unreadable": "chmod 0 ..",
    "folder-gone": 'rm -rf "$REMOTE_INSTALL_JOB_DIR"',
    "folder-swapped": 'cd ..; mv 01 xx; ln -s "../witness/01" 01',
}


def yaml_of(lines: dict[str, list[str]]) -> str:
    entries = [f"  {name}: {{platform: hpc, command: {json.dumps(argv)}}}\n" for name, argv in lines.items()]
    return "jobs:\n" + "".join(entries)


def wait_for(client: Client, condition: str) -> None:
    line = f"cd '{client.there}' && until {condition}; do sleep 0.05; done"
    client.host.run(["sh", "-c", line], check=True, timeout=30)


WITNESS = {"witness": ["sh", "-c", "until test -e go; do sleep 0.05; done; exit 7"]}


def test_output_that_looks_like_our_own_words_is_shown_unchanged(client: Client) -> None:
    printed = {name: text.encode() for name, text in PRINTED.items()}
    printed["bytes"] = bytes(range(256)) * 3 + b"\0\0"
    for name, data in printed.items():
        client.write(f"printed/{name}", data)
    client.write(
        "here.sh", "#!/bin/sh\ncat <<'END'\n#SBATCH --time=1\nEXIT=0\nEND\n#SBATCH --array=1-9\nexit 3\n", 0o755
    )
    lines = {name: ["cat", f"printed/{name}"] for name in printed}
    client.write("run.yaml", yaml_of({**lines, "here": ["./here.sh"]}))
    assert client("submit", "demo").code in (0, 1)
    done = client("wait", "demo", "--json", timeout=SECONDS)
    told = {job["job"]: (job["state"], job["exit_code"]) for job in done.json["jobs"]}
    assert told.pop("here") == ("failed", 3)
    assert told == dict.fromkeys(printed, ("succeeded", 0))
    assert client("fetch", "demo").code == 0
    for name, data in printed.items():
        assert client("logs", "demo", name).out == data, name
        assert (client.run_directory / "log/job" / name / "01/job.out").read_bytes() == data, name
    assert client("logs", "demo", "here").out == b"#SBATCH --time=1\nEXIT=0\n"


def test_what_a_job_makes_of_its_own_folder_changes_nothing_for_the_others(client: Client) -> None:
    lines = {name: ["sh", "-c", f"{OWN}{line}; exit 3"] for name, line in MADE.items()}
    client.write("run.yaml", yaml_of({**lines, **WITNESS}))
    assert client("submit", "demo", timeout=SECONDS).code in (0, 1)
    wait_for(client, "test $(ps x | grep -c 'log/job/[^w][^ ]*/01/job ') -le 1")
    before = client.host.read(f"{client.there}/log/job/witness/01/job.status")
    done = client("poll", "demo", "--json", timeout=SECONDS)
    told = {job["job"]: (job["state"], job["exit_code"]) for job in done.json["jobs"]}
    assert told.pop("witness") == ("running", None)
    assert told == dict.fromkeys(MADE, ("failed", 3))
    for name in ("out-pipe", "out-passwd", "out-folder"):
        logs = client("logs", "demo", name, timeout=SECONDS)
        assert (logs.code, logs.out) == (0, b""), name
    followed = client("logs", "demo", "out-pipe", "-f", timeout=SECONDS)
    assert (followed.code, followed.out) == (0, b"")
    fetched = client("fetch", "demo", timeout=SECONDS)
    assert fetched.code == 0, fetched.err
    assert not os.path.lexists(client.run_directory / "log/job/out-passwd/01/job.out")
    assert client.host.read(f"{client.there}/log/job/witness/01/job.status") == before
    client.host.run(["touch", f"{client.there}/go"], check=True)
    assert client("wait", "demo", "witness", "--json", timeout=SECONDS).job["exit_code"] == 7
    assert client("kill", "demo", "--json", timeout=SECONDS).code == 0


def test_a_job_that_hides_its_folder_is_told_as_an_error_of_its_own(client: Client) -> None:
    lines = {name: ["sh", "-c", f"{OWN}{line}; exit 3"] for name, line in HIDDEN.items()}
    client.write("run.yaml", yaml_of({**lines, **WITNESS}))
    try:
        assert client("submit", "demo", timeout=SECONDS).code in (0, 7)
        wait_for(client, "test $(ps x | grep -c 'log/job/[^w][^ ]*/01/job ') -le 1")
        for verb in ("poll", "wait", "kill"):
            if verb == "wait":
                client.host.run(["touch", f"{client.there}/go"], check=True)
            done = client(verb, "demo", "--json", timeout=SECONDS)
            told = {job["job"]: job for job in done.json["jobs"]}
            witness = told.pop("witness")
            assert witness["state"] == ("running" if verb == "poll" else "failed"), (verb, done.err)
            assert {name: job["state"] for name, job in told.items()} == dict.fromkeys(HIDDEN, "unknown"), verb
            assert {job["error"]["code"] for job in told.values()} == {7}, verb
        client.write("run.yaml", yaml_of({**lines, "another": ["sh", "-c", "exit 5"]}))
        again = client("submit", "demo", "--json", timeout=SECONDS)
        states = {job["job"]: job["error"] for job in again.json["jobs"]}
        assert states["another"] is None, again.err
        assert client("wait", "demo", "another", "--json", timeout=SECONDS).job["exit_code"] == 5
    finally:
        client.host.run(["chmod", "-R", "u+rwX", client.there], user="root")


def test_nothing_of_ours_is_written_behind_a_link_that_a_job_has_made(client: Client) -> None:
    line = "mkdir ~/elsewhere; mv ../demo/.remote-install ~/kept; ln -s ~/elsewhere .remote-install"
    assert client("run", "demo", "-p", "hpc", "--", "sh", "-c", line).code == 0
    for words in (["install", "demo", "-p", "hpc"], ["submit", "demo", "-p", "hpc", "--no-install", "--", "true"]):
        done = client(*words)
        assert done.code == 9
        assert ".remote-install is a link" in done.err
    assert client.host.run(["ls", "-A", "elsewhere"], check=True).stdout == ""
