"""Pure: push and pull argv, the table of exit codes, and what changed as rsync tells it."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, replace

from transfer import quiet, ssh
from transfer.command import Command, Outcome, last_words
from transfer.errors import (
    ConfigError,
    HostBusy,
    HostUnsuitable,
    NoisyStartUp,
    RefusedBySite,
    RemoteInstallError,
    TransferError,
    TransferInterrupted,
)
from transfer.platforms import Platform

# -s: every name goes over the connection, none through a shell there. Not -a: owners and groups are not ours to
# set, -p breaks setgid group directories; -E keeps the executable bit (measured).
# --modify-window=-1: the quick check compares whole seconds otherwise and misses changes (measured).
WINDOW = "--modify-window=-1"
ALWAYS = ("-s", "-rltE", WINDOW, "--timeout=60", "--out-format=%i %b %n")


MOST_MEMORY = 4 * 1024**3  # bytes that what comes may take: a list of names need not have an end (10 million: 1 GiB)
QUIET = os.path.abspath(quiet.__file__)
NAMED = ("--from0", "--files-from=-")
NAMED_LINE = ":"
NOWHERE = ".remote-install/nowhere/"


@dataclass(frozen=True)
class Changes:
    """What a transfer did. bytes_sent: file data that went over the connection. skipped: what is no file, folder or
    link, in rsync's words. deleted: how many names that are no folders."""

    files: int
    bytes_sent: int
    skipped: tuple[str, ...] = ()
    deleted: int = 0


def push(
    platform: Platform,
    host: str,
    sources: tuple[str, ...],
    target: str,
    options: tuple[str, ...] = (),
    cwd: str | None = None,
) -> Command:
    """`sources` here (a trailing slash means what rsync means) to the path `target` on `host`.

    cwd: what a relative source starts from; so a run directory's own path may be any bytes.
    """
    return _command(platform, options, (*map(_local, sources), _there(platform, host, target)), b"", cwd, pushes=True)


def pull(
    platform: Platform, host: str, source: str, target: str, options: tuple[str, ...] = (), cwd: str | None = None
) -> Command:
    """The path `source` on `host` (a trailing slash means what rsync means) into `target` here."""
    return _command(platform, options, (_there(platform, host, _literal(source)), _local(target)), cwd=cwd)


def _literal(path: str) -> str:
    r"""A path there as it is: rsync takes it for a pattern, and a backslash for an escape, where it holds one of *?[

    >>> print(_literal("data/[x]"), _literal(r"a\b"))
    data/\[x] a\b
    """
    return re.sub(r"([*?\[\\])", r"\\\1", path) if re.search(r"[*?\[]", path) else path


def _local(path: str) -> str:
    """A path here that rsync takes for nothing else: of `a:b` it would ask the host a (rsync(1), GENERAL)."""
    return path if path.startswith(("/", "./")) else f"./{path}"


def push_names(
    platform: Platform,
    host: str,
    source: str,
    target: str,
    names: tuple[bytes, ...],
    options: tuple[str, ...] = (),
    cwd: str | None = None,
) -> Command:
    """Just the `names` below `source` here, to the path `target` on `host`. The names go on stdin."""
    return _command(
        platform, (*NAMED, *options), (source, _there(platform, host, target)), _listing(names), cwd, pushes=True
    )


def pull_names(
    platform: Platform,
    host: str,
    source: str,
    target: str,
    names: tuple[bytes, ...],
    options: tuple[str, ...] = (),
    cwd: str | None = None,
) -> Command:
    """The `names` below the path `source` on `host`, into `target` here.

    The names go on stdin, each with ./ before it: rsync drops those that start with # or ; (measured).
    """
    return _command(platform, (*NAMED, *options), (_there(platform, host, source), target), _listing(names), cwd)


def remaining(program: tuple[str, ...], patterns: tuple[str, ...], folder: str) -> Command:
    """What lies in `folder` here and no pattern excludes is listed, and nothing is done.

    The target is never there, so that all is new. Each name stands behind NAMED_LINE: rsync says more on its output.
    """
    excluded = (f"--exclude={pattern}" for pattern in patterns)
    return Command(
        (*program, "-n", "-rlD", f"--out-format={NAMED_LINE}%n", *excluded, "--", "./", NOWHERE), b"", folder
    )


def _listing(names: tuple[bytes, ...]) -> bytes:
    return b"".join(b"./" + name + b"\0" for name in names)


def _command(
    platform: Platform,
    options: tuple[str, ...],
    ends: tuple[str, ...],
    stdin: bytes = b"",
    cwd: str | None = None,
    pushes: bool = False,
) -> Command:
    rsh = () if platform.local else ("-e", _rsh(platform))
    always: tuple[str, ...] = ALWAYS
    if platform.access == "rsync-only":  # rrsync refuses both (measured); a pull does not tell it the second
        always = tuple(option for option in ALWAYS if option != "-s" and not (pushes and option == WINDOW))
    argv = (*platform.rsync.command, *always, *options, *platform.rsync.options, *rsh, "--", *ends)
    return Command(argv, stdin, cwd, None if pushes else MOST_MEMORY)


def over(command: Command, platform: Platform, there: Platform) -> Command:
    """The same transfer, with ssh as `there` has it instead of `platform`."""
    at = command.argv.index("--") - 1
    before, rsh, after = command.argv[:at], command.argv[at], command.argv[at + 1 :]
    if before[-1:] != ("-e",) or platform is there:
        return command
    front = rsh[: -len(_rsh(platform))]  # what past_noise has put there
    return replace(command, argv=(*before, front + _rsh(there), *after))


def for_gate(command: Command) -> Command:
    """The same transfer as rrsync, behind a gate, takes it: without -s, and with a name to fetch where both can see it.

    A push without --modify-window, which rrsync refuses; a pull does not tell it the other side.

    >>> for_gate(Command(("rsync", "-s", *NAMED, "--", "h:/r/", "to/"), b"./a b\\0")).argv
    ('rsync', '-R', '--', 'h:/r/./a b', 'to/')
    """
    at = command.argv.index("--")
    options, ends = command.argv[:at], command.argv[at + 1 :]
    pushes = ":" in ends[-1].partition("/")[0]  # rsync(1): a colon before any slash is behind a host
    left_out = {"-s", WINDOW} if pushes else {"-s", *NAMED}
    kept = tuple(option for option in options if option not in left_out)
    if pushes or NAMED[1] not in options:
        return replace(command, argv=(*kept, "--", *ends))
    folder = ends[0].rstrip("/")
    names = [_literal(os.fsdecode(name[2:])) for name in (command.stdin or b"").split(b"\0") if name]
    sources = [f"{folder}/./{names[0]}", *(f":{folder.partition(':')[2]}/./{name}" for name in names[1:])]
    at = kept.index("-e") if "-e" in kept else len(kept)  # it stays the last
    return replace(command, argv=(*kept[:at], "-R", *kept[at:], "--", *sources, ends[-1]), stdin=b"")


def _rsh(platform: Platform) -> str:
    return " ".join(quoted(word) for word in ssh.connection(platform))


def past_noise(command: Command, words: tuple[str, ...], marker: str) -> Command | None:
    """The same transfer with a host whose start-up files print, by quiet.py in front of ssh.

    words: what there prints `marker` as a line and becomes rsync. None: --rsync-path is the user's already.
    """
    at = command.argv.index("--")  # before it stands -e and its value, behind it sources and target
    if command.argv[at - 2] != "-e":
        return None  # no host
    (*argv, dash_e, rsh), ends = command.argv[:at], command.argv[at:]
    if any(word.startswith("--rsync-path") for word in argv):
        return None
    front = " ".join(quoted(word) for word in (sys.executable, "-I", "-S", QUIET, marker))
    path = f"--rsync-path={' '.join(ssh.plain(words))}"
    return replace(command, argv=(*argv, path, dash_e, f"{front} {rsh}", *ends))


def quoted(word: str) -> str:
    """`word` as rsync -e reads it: it splits at blanks, and a quote is doubled inside quotes (rsync(1), --rsh).

    >>> quoted("a b"), quoted("it's"), quoted("plain")
    ("'a b'", "'it''s'", 'plain')
    """
    return word if re.fullmatch(r"[A-Za-z0-9_./:=@%+,-]+", word) else "'" + word.replace("'", "''") + "'"


def _there(platform: Platform, host: str, path: str) -> str:
    """A path there. A key that a forced command limits to rsync starts in rsync.root, and all paths are below it.

    Raises ConfigError for one that is not.
    """
    if platform.local:
        return path
    if platform.access == "rsync-only" and platform.rsync.root:
        below = os.path.relpath(path, platform.rsync.root)
        if below.startswith(".."):
            raise ConfigError(
                f"platform {platform.name}: {path} is not below rsync.root, {platform.rsync.root}",
                "Set run_root to a real path below it.",
            )
        path = below + ("/" if path.endswith("/") else "")
    return f"{_bracketed(host)}:{path}"


def _bracketed(host: str) -> str:
    user, at, name = host.rpartition("@")
    return f"{user}{at}[{name}]" if ":" in name else host


def changes(out: bytes) -> Changes:
    """Read the lines of --out-format: `<f` or `>f` is a file that was sent or received (rsync(1), --itemize-changes).

    >>> changes(b"cd+++++++++ 0 d/\\n<f+++++++++ 812 d/a\\n<f.st...... 10 b\\n")
    Changes(files=2, bytes_sent=822, skipped=(), deleted=0)
    """
    # A host can have rsync print lines of its choice: a number may be longer than Python reads.
    found = re.findall(rb"^[<>]f\S* (\d{1,18}) ", out, re.MULTILINE)
    skipped = re.findall(rb'^skipping non-regular file "(.*)"$', out, re.MULTILINE)
    deleted = len(re.findall(rb"^\*deleting .*[^/\n]$", out, re.MULTILINE))
    words = tuple(name.decode("utf-8", "replace") for name in skipped)
    return Changes(len(found), sum(map(int, found)), words, deleted)


def names(out: bytes) -> set[bytes]:
    """The names that `remaining` told; what rsync can't print it writes as \\#ooo (rsync(1), --8-bit-output).

    >>> names(b":./\\n:d/\\n:d/caf\\\\#351\\nskipping something\\n") == {b"d", b"d/caf\\xe9"}
    True
    """
    lines = (line[len(NAMED_LINE) :] for line in out.split(b"\n") if line.startswith(NAMED_LINE.encode()))
    plain = (re.sub(rb"\\#([0-7]{3})", lambda found: bytes([int(found[1], 8)]), line) for line in lines)
    return {name.rstrip(b"/") for name in plain} - {b"."}


def refusal(outcome: Outcome) -> RemoteInstallError | None:
    """Why `remaining` told no names, or not all."""
    code, words = outcome.exit_code, last_words(outcome.err)
    # Of a pattern that is too long it only says so, and goes on without it (measured).
    if code == 1 or (code == 0 and b"discarding over-long filter" in outcome.err):
        return ConfigError(f"run.yaml: rsync refuses a pattern of install.exclude: {words[:300]}", "Correct it.")
    if code == 24:
        hint = "Install again when nothing writes to the run directory."
        return TransferInterrupted(f"a file vanished here while it was looked at: {words}", hint)
    if code != 0:
        return TransferError(f"rsync can't list the run directory here ({code}): {words}", "Can all of it be read?")
    return None


# rsync's exit codes (rsync(1), EXIT VALUES) that have a remedy of their own.
REMEDIES = {
    11: "Is the disk there full, or the place read-only? Look with `df` and at the permissions of the run root.",
    23: "Some files could not be transferred: is a name misspelt, or not there any more?",
    3: "A path that rsync was asked to use is not there, or not ours.",
}
INTERRUPTED = {10, 12, 14, 30, 35}
# What the shells say of a command that they do not find: sh, bash, ksh, csh, zsh.
NO_RSYNC = re.compile(rb"rsync: +(command )?not found|command not found: rsync", re.IGNORECASE)
SAID_BY_SSH = re.compile(rb"^(ssh: |kex_exchange|.*Permission denied \(|Host key|.*timed out)", re.MULTILINE)


def noisy_start_up(host: str) -> NoisyStartUp:
    """The error for a host whose start-up files print."""
    return NoisyStartUp(
        f"{host}: a start-up file there prints, and rsync takes that for its own words",
        "Make it silent when there is no terminal, in .bashrc for instance: case $- in *i*) ;; *) return;; esac",
        host,
    )


def _refused_by_rrsync(said: bytes, host: str) -> RemoteInstallError | None:
    """What rrsync(1) says there, unless it is that another one is at work."""
    found = re.search(rb"rrsync error: (.*)$", said, re.MULTILINE)
    if found is None or b"Another instance" in found[1]:
        return None
    words = last_words(found[1][:1000])
    if re.search("No such file|does not exist", words):
        return TransferError(f"{host}: rrsync failed: {words}", REMEDIES[23], host)
    return RefusedBySite(f"{host}: its rrsync refuses this: {words}", "Ask the site what this key may do.", host)


def error_of(outcome: Outcome, host: str) -> RemoteInstallError | None:
    """None when the transfer is whole: exit code 0, or 24 (a file vanished here meanwhile), which is a warning.

    >>> error_of(Outcome(24, b"", b""), "h") is None
    True
    """
    code = outcome.exit_code
    if code in (0, 24):
        return None
    outcome = replace(outcome, err=ssh.past_sharing(outcome.err))
    words = last_words(outcome.err)
    refused = ssh.refused_by_gate(outcome.err, host) or _refused_by_rrsync(outcome.err, host)
    if refused is not None:
        return refused
    of_ssh = ssh.error_of(Outcome(255, b"", outcome.err), host)
    if code in (12, 127) and NO_RSYNC.search(outcome.err):
        return HostUnsuitable(f"{host}: there is no rsync on it", "Have rsync installed there.", host)
    if code == 2 and b"is your shell clean" in outcome.err:
        return noisy_start_up(host)
    if b"Another instance of rrsync is already accessing" in outcome.err:  # rrsync(1): one at a time in a folder
        return HostBusy(f"{host}: another rsync is at work in that folder", "Try again when it is done.", host)
    said_by_ssh = code == 255 or (code in INTERRUPTED and SAID_BY_SSH.search(outcome.err))
    if said_by_ssh and of_ssh is not None:
        return of_ssh
    if code == 14 and b"exec" in outcome.err:
        return ConfigError(f"rsync could not start ssh: {words}", "Look at ssh.command in hosts.yaml.", host)
    if code in INTERRUPTED or code < 0:
        return TransferInterrupted(f"{host}: the transfer broke (rsync {code}): {words}", "Try again.", host)
    hint = REMEDIES.get(code, "The words are rsync's own; -v shows the command.")
    return TransferError(f"{host}: rsync failed ({code}): {words}", hint, host)
