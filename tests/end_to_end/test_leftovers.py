"""After each command no process of ours but job wrappers is left on the host, and none here."""

from __future__ import annotations

from .client import Client

STEPS = [
    ["install", "demo", "-p", "hpc"],
    ["submit", "demo", "-p", "hpc", "--name", "long", "--", "sleep", "600"],
    ["submit", "demo", "-p", "hpc", "--name", "long", "--", "sleep", "600"],
    ["run", "demo", "-p", "hpc", "--fetch", "sub/", "--", "sh", "-c", "mkdir -p sub; echo x >sub/y"],
    ["run", "demo", "-p", "hpc", "--timeout", "1", "--name", "other", "--", "sleep", "600"],
    ["poll", "demo"],
    ["wait", "demo", "--timeout", "1"],
    ["logs", "demo", "job"],
    ["fetch", "demo", "sub/"],
    ["fetch", "demo", "missing/"],
]


def test_only_job_wrappers_and_their_commands_are_left(client: Client) -> None:
    codes = []
    for words in STEPS:
        codes.append(client(*words).code)
        assert client.leftovers() == [], words
        client.wait_for_logouts()
        args = [process.args for process in client.host.testinfra.process.filter(user=client.host.user)]
        ours = [line for line in args if not line.startswith(f"/bin/sh {client.there}/log/job/")]
        assert set(ours) <= {"sleep 600"}, words
    assert codes == [0, 0, 0, 0, 8, 0, 8, 0, 0, 5]


def test_one_file_of_ours_is_left_in_the_home_directory(client: Client) -> None:
    client("run", "demo", "-p", "hpc", "--", "true")
    client("run", "demo", "-p", "hpc", "--", "true")
    names = client.host.run(["find", ".", "-mindepth", "1", "-not", "-path", "./.ssh*"], check=True).stdout.split()
    programs = [name for name in names if name.startswith("./.remote-install/")]
    assert len(programs) == 1
    assert all(name.startswith(("./.remote-install", "./remote-install-run")) for name in names)
    top = {name.split("/")[3] for name in names if name.startswith("./remote-install-run/demo/")}
    assert top == {".remote-install", "log"}
