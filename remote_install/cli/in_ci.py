"""The command ci: another command of ours, with a key and host keys that a CI system hands over in variables."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping

from remote_install.cli import ci_keys
from remote_install.cli.context import Context
from remote_install.durable import write_through
from transfer import mux
from transfer.errors import ConfigError, UsageError

VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")


def ci_command(context: Context) -> int:
    """Returns what the command within returns."""
    from remote_install.cli import main

    asked = context.arguments
    environ = dict(os.environ)
    held = {name: value for name, value in environ.items() if name not in (asked.key, asked.known_hosts)}
    words = context.argv or words_of(asked.line, held)
    if words[0] == "ci":
        raise UsageError(
            "ci is given another command of remote-install", "For instance run: remote-install ci -- run …"
        )
    with with_key(asked.key, asked.known_hosts, environ) as (added, fingerprint):
        context.out.tell(f"the key is {fingerprint}")
        for name in (asked.key, asked.known_hosts):
            os.environ.pop(name, None)
        os.environ.update(added)
        return main(words)


def words_of(name: str, environ: Mapping[str, str]) -> list[str]:
    """The words of the command line in variable `name`, split as a shell does. No shell reads it: in what stands in
    front of `--`, $NAME and ${NAME} become what variables hold, within their word, and all else is as it stands.

    >>> words_of("LINE", {"LINE": "run . --run-id 'ci/$ID' -- echo '$ID'", "ID": "7; a b"})
    ['run', '.', '--run-id', 'ci/7; a b', '--', 'echo', '$ID']
    """
    try:
        words = shlex.split(environ.get(name, ""), comments=False)
    except ValueError as error:
        raise UsageError(f"${name} can't be split into words: {error}", "Quotes must be closed.") from None
    if not words:
        raise UsageError(
            "which command is to be run? It goes behind `--`, or into the variable that --line names",
            "For instance: remote-install ci -- run . -p hpc -- ./train.sh",
        )
    end = words.index("--") if "--" in words else len(words)
    return [*(_filled(word, environ) for word in words[:end]), *words[end:]]


def _filled(word: str, environ: Mapping[str, str]) -> str:
    def held(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in environ:
            raise UsageError(f"${name} is not set", "Behind `--` variables are left to the job.")
        return environ[name]

    return VARIABLE.sub(held, word)


@contextlib.contextmanager
def with_key(key: str, hosts: str, environ: Mapping[str, str]) -> Iterator[tuple[dict[str, str], str]]:
    """Variables by which ssh uses the key and the host keys that the variables `key` and `hosts` hold, in this block,
    and the key's fingerprint. All lies in folders that only we may look into, and that are gone afterwards.

    Raises ConfigError when ssh can use none.
    """
    text = ci_keys.repaired(key, ci_keys.value(key, environ))
    known = ci_keys.known_hosts(hosts, ci_keys.value(hosts, environ))
    ssh = shutil.which("ssh", path=environ.get("PATH"))
    if ssh is None:
        raise ConfigError("this machine has no ssh", "Install it: apt-get install -y openssh-client rsync")
    with contextlib.ExitStack() as made:
        # Where the CI system removes things after the job: also what a SIGKILL has left.
        folder = _folder(made, environ.get("RUNNER_TEMP") or None)
        _put(f"{folder}/key", text)
        fingerprint = ci_keys.check_key(key, f"{folder}/key")
        _put(f"{folder}/known_hosts", known)
        ci_keys.check_known_hosts(hosts, f"{folder}/known_hosts")
        _put(f"{folder}/ssh_config", ssh_config(folder))
        os.mkdir(f"{folder}/bin", 0o700)
        line = shlex.join([ssh, "-F", f"{folder}/ssh_config"])
        _put(f"{folder}/bin/ssh", f'#!/bin/sh\nexec {line} "$@"\n', 0o700)
        # Connections are kept in a place of their own, with a path that is short enough: nobody else goes over them.
        kept = _folder(made, "/tmp")
        made.callback(_hang_up, kept)
        path = f"{folder}/bin{os.pathsep}{environ.get('PATH', os.defpath)}"
        yield {"PATH": path, "XDG_RUNTIME_DIR": kept}, fingerprint


def _folder(made: contextlib.ExitStack, where: str | None) -> str:
    return made.enter_context(tempfile.TemporaryDirectory(prefix="ri-", dir=where))


def _hang_up(folder: str) -> None:
    """End the connections that are kept in `folder`: they were let in with the key."""
    for where, _, names in os.walk(folder):
        for path in (os.path.join(where, name) for name in names):
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                mux.end(path)


def ssh_config(folder: str) -> str:
    """Our key and our host keys come first, for jump hosts too; all else is as this machine has it."""
    return (
        f'IdentityFile "{folder}/key"\n'
        "IdentitiesOnly yes\n"
        f'UserKnownHostsFile "{folder}/known_hosts"\n'
        "Include ~/.ssh/config\n"
        "Include /etc/ssh/ssh_config\n"
    )


def _put(path: str, text: str, mode: int = 0o600) -> None:
    write_through(path, text.encode("utf-8", "surrogateescape"), durable=False, mode=mode)
