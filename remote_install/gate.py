#!/usr/bin/env python3
"""The gate: a forced command that lets an ssh key do what remote-install needs below one folder, and nothing else.

    command="/usr/bin/python3 -I GATE --root DIR --allow install,submit,poll ... --runner slurm",restrict KEY

One file that stands alone, on Python 3.6 and newer. It reads SSH_ORIGINAL_COMMAND, which no shell ever sees: a line
that it does not know is refused. rsync goes on through rrsync; the job host program is the one that lies beside the
gate, and each request to it is read here, and written anew, before the program has it. See docs/gate.md.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import re
import select
import signal
import subprocess
import sys
import syslog
import threading
import time
from typing import Any, Dict, Iterator, List, NamedTuple, NoReturn, Optional, Set, Tuple

PREFIX, REFUSED = "remote-install gate: ", 126
MARK = b"\nremote-install job host program, protocol 1\n"
WORDS = ("install", "submit", "poll", "kill", "logs", "fetch", "clean", "check", "push", "pull")
PROGRAM, LOG = "jobhost.pyz", "~/.remote-install/gate.log"
RRSYNC = ("/usr/bin/rrsync", "/usr/local/bin/rrsync")
LONGEST, MAX_LINE = 32 * 1024, 64 * 1024 * 1024  # bytes of a command line, and of a request
FIRST = 60.0  # seconds that the first request may take
SHOWN = 300  # characters of what a client has said that are written down, or told

# What a login here has set, and job runners need; a client can't choose any of it (sshd's AcceptEnv: LANG and LC_*).
KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|SLURM_CONF|LSF_(ENV|BIN|LIB|SERVER)DIR"
    r"|PBS_(CONF_FILE|EXEC|HOME|SERVER|DEFAULT)|SGE_(ROOT|CELL|CLUSTER_NAME|QMASTER_PORT|EXECD_PORT)"
)
# A line as a shell would read it, of which a shell would do nothing but split it.
WORD = re.compile(r"(?:[^\s\\!#$&;|<>(){}\"'`]|\\.)+")
PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
OURS = re.compile(r"(?:[A-Za-z0-9_./+-]*/)?\.remote-install/jobhost-[0-9a-f]{16}\.pyz")
# What our rsync asks for, and what `rsync.options` of hosts.yaml may add to it; rrsync has its own list behind this.
BUNDLE = re.compile(r"-[nlrtERvzW]*e[0-9]*\.[A-Za-z]*")
LONG = re.compile(
    r"--log-format=%i|--timeout=[0-9]+|--partial|--partial-dir=\.remote-install-partial|--safe-links|--stats"
    r"|--bwlimit=[0-9.]+[A-Za-z]*|--compress-choice=[a-z0-9]+|--compress-level=[0-9]+|--new-compress|--old-compress"
)
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*)*")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
VARIABLE = re.compile(rb"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")

ABOUT = ("run_root", "run", "seen")
JOBS = (*ABOUT, "runner", "forward", "polling", "jobs")
# The fields that a verb's first request may have; what stands elsewhere is not known to this gate, hence refused.
FIELDS = {
    "hello": ABOUT,
    "install": (*ABOUT, "uuid", "origin", "adopt", "digest", "command", "symlink_dirs", "dry_run"),
    "submit": (*JOBS, "uuid", "secrets"),
    "poll": JOBS,
    "watch": (*JOBS, "seconds"),
    "kill": (*JOBS, "grace"),
    "clean": (*JOBS, "uuid", "force", "dry_run"),
    "resolve": ("run_root", "path", "make", "line"),
    "check": ("run_root", "seconds", "facts", "runner", "forward", "clock"),
}
LATER = {
    "install": {"entries", "do", "digest", "filler"},
    "clean": {"do"},
    "check": {"clock"},
    "resolve": {"do", "filler"},
}
PLACES = (".remote-install", ".remote-install/staging", "log", "log/job")  # of a run directory, where the program works

Json = Dict[str, Any]


class Refused(Exception):
    """What the gate does not admit; its text is the reason."""


class Gate(NamedTuple):
    """What a key may do. root: its real path. forward: variables that a client may set for job runners' commands."""

    root: bytes
    given_root: bytes
    allow: Tuple[str, ...]
    runners: Tuple[str, ...]
    forward: Tuple[str, ...]
    program: str
    rrsync: str
    log: str
    key: str
    log_only: bool


class Call(NamedTuple):
    """An admitted command line. verb: of the job host program, or "rsync". argv: what is run. line: for rrsync."""

    verb: str
    argv: List[str]
    line: str = ""
    path: str = ""
    marked: bool = False


# --- the command line


def words_of(line: str) -> List[str]:
    """The words of a command line, as they stand there, escapes included. Raises Refused."""
    if len(line) > LONGEST:
        raise Refused("the command line is too long")
    if re.search(r"[\x00-\x1f\x7f]", line):
        raise Refused("there is a control character in the command line")
    words = line.split(" ") if "\\" not in line else re.findall(r"(?:[^ \\]|\\.)+", line)
    if " ".join(words) != line or not all(WORD.fullmatch(word) for word in words):
        raise Refused(not_ours(line))
    return words


def not_ours(line: str) -> str:
    """Why a line is refused that is none of ours."""
    if not line:
        return "this key admits no login: only the calls of remote-install"
    if line.endswith(" -I -"):
        return "programs are not taken from a client: `remote-install gate --install` renews the one here"
    return "this is no command of remote-install: %s" % shown(line)


def admit(line: str, gate: Gate) -> Call:
    """What a command line leads to. Raises Refused."""
    words = words_of(line)
    if words[:2] == ["rsync", "--server"]:
        return admit_rsync(words[2:], gate)
    if len(words) < 4 or words[1] != "-I" or not PLAIN.fullmatch(words[0]) or not OURS.fullmatch(words[2]):
        raise Refused(not_ours(line))
    if words[3:5] == ["rsync", "--server"]:
        return admit_rsync(words[5:], gate)._replace(marked=True)
    if len(words) != 4 or words[3] not in FIELDS:
        raise Refused("the job host program has no verb %s" % shown(" ".join(words[3:])))
    return Call(words[3], [sys.executable, "-I", gate.program, words[3]])


def admit_rsync(words: List[str], gate: Gate) -> Call:
    """words: behind `rsync --server`. What is sent to the staging area of a run is an install, all else a push; what
    is got from a point in a run directory, with the names below it, is a fetch, all else a pull. Raises Refused."""
    sends = words[:1] == ["--sender"]
    options, paths = split_rsync(words[1 if sends else 0 :])
    bundle = options[0] if options and BUNDLE.fullmatch(options[0]) else ""
    letters = bundle[1:].partition("e")[0]
    if not bundle or not all(LONG.fullmatch(option) for option in options[1:]):
        raise Refused("this option of rsync is not admitted (nor is -s): %s" % shown(" ".join(options)))
    if not paths or (len(paths) > 1 and not sends):
        raise Refused("rsync names no path, or too many")
    below = [below_root(unescaped(path), gate) for path in paths]
    staging = re.fullmatch("(%s)/\\.remote-install/staging/" % RUN_ID.pattern, below[0])
    if sends:
        verb = "fetch" if "R" in letters and all("/./" in path for path in below) else "pull"
    elif "n" in letters:
        verb = "check"
    else:
        verb = "install" if staging else "push"
    allowed(verb, gate)
    limits = ["-ro"] if sends else ["-wo", "-munge"] if verb == "install" else ["-wo"]
    line = ["rsync", "--server", *(["--sender"] if sends else []), *options, ".", *map(escaped, below)]
    return Call("rsync " + verb, [rrsync(gate), *limits, "-no-lock", os.fsdecode(gate.root)], " ".join(line), below[0])


def split_rsync(words: List[str]) -> Tuple[List[str], List[str]]:
    """Options and paths; a `.` stands between them. The value of --partial-dir comes as a word of its own."""
    at = words.index(".") if "." in words else len(words)
    options = " ".join(words[:at]).replace("--partial-dir ", "--partial-dir=").split(" ")
    return options, words[at + 1 :]


def below_root(path: str, gate: Gate) -> str:
    """A path as rrsync takes it, from the root on: rrsync sees to it that it stays there. Raises Refused."""
    roots = (os.fsdecode(gate.given_root), os.fsdecode(gate.root))
    above = next((root for root in roots if path == root or path.startswith(root + "/")), "")
    if not above:
        raise Refused("%s does not lie below %s" % (shown(path), os.fsdecode(gate.given_root)))
    return path[len(above) :].lstrip("/") or "."


def unescaped(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word)


def escaped(path: str) -> str:
    return re.sub(r"([^A-Za-z0-9_./+,:=@%*?\[\]~^-])", r"\\\1", path)


def rrsync(gate: Gate) -> str:
    """Its path. Raises Refused: without it nothing would keep rsync below the root."""
    found = next((path for path in ([gate.rrsync] if gate.rrsync else RRSYNC) if os.access(path, os.X_OK)), "")
    if not found:
        raise Refused("there is no rrsync here, so no rsync is admitted: it comes with rsync 3.2.5 and newer")
    return found


def allowed(word: str, gate: Gate) -> None:
    if word not in gate.allow:
        raise Refused("%s is not allowed for this key; allowed: %s" % (word, ", ".join(gate.allow)))


# --- the requests to the job host program


def admit_request(verb: str, request: Json, gate: Gate) -> Json:
    """The first request, as the program may have it. Raises Refused."""
    unknown = sorted(set(request) - set(FIELDS[verb]))
    if unknown:
        raise Refused("%s of a request is not known to this gate" % shown(", ".join(unknown)))
    for word in words_needed(verb, request):
        allowed(word, gate)
    root = below(absolute(request["run_root"], "run_root"), "run_root", gate)
    request = {**request, "run_root": to_text(root)}
    if "run" in FIELDS[verb]:
        check_run(root, request["run"], request, gate)
    if "seen" in request:  # nothing outside the root is looked at
        request["seen"] = {**request["seen"], "paths": []}
    if verb == "resolve":
        below(os.path.join(root, os.path.expanduser(to_bytes(request["path"]))), "path", gate)
    for path, folder in (request.get("symlink_dirs") or {}).items():
        below(absolute(folder, "symlink_dirs"), "symlink_dirs: %s" % shown(path), gate)
    if request.get("command") and not ("submit" in gate.allow and "background" in gate.runners):
        raise Refused("install.command runs on this host itself: that takes submit, and the job runner background")
    check_runner(verb, request, gate)
    return request


def words_needed(verb: str, request: Json) -> List[str]:
    """What --allow must name for a request; nothing for hello, which tells what it names."""
    if verb == "watch":
        return ["logs" if any("out" in job or "err" in job for job in request["jobs"]) else "poll"]
    if verb == "resolve":
        return ["push" if request.get("make") or request.get("line") else "pull"]
    return [] if verb == "hello" else [verb]


def check_runner(verb: str, request: Json, gate: Gate) -> None:
    runner = request.get("runner") or {"name": "background"}
    if runner.get("source"):
        raise Refused("a job runner of your own is code from a client: it is not taken")
    if verb == "submit" and runner["name"] not in gate.runners:
        raise Refused("job runner %s is not allowed for this key" % shown(str(runner["name"])))
    for name in request.get("forward") or {}:
        if name not in gate.forward:
            raise Refused("variable %s may not be forwarded with this key" % shown(name))


def check_run(root: bytes, run: str, request: Json, gate: Gate) -> None:
    """Neither the run directory nor a folder in it where the program works may lie behind a link out of the root."""
    if not RUN_ID.fullmatch(run):
        raise Refused("%s is no run id" % shown(run))
    run_dir = os.path.join(root, to_bytes(run))
    for place in (run_dir, *(os.path.join(run_dir, name.encode()) for name in PLACES)):
        if not is_below(os.path.realpath(place), gate.root):
            raise Refused("%s leads out of the root" % to_text(place))
    jobs = request.get("jobs")
    names = None if jobs is None else {to_bytes(job["job"]) for job in jobs}
    for link in links_of_jobs(os.path.join(run_dir, b"log/job"), names):
        if not is_below(os.path.realpath(link), gate.root):
            raise Refused("%s leads out of the root" % to_text(link))


def links_of_jobs(folder: bytes, names: Optional[Set[bytes]]) -> Iterator[bytes]:
    """The links among the folders of jobs and their tries, and of what a try keeps in a folder."""
    for job in listed(folder):
        if names is not None and job.name not in names:
            continue
        if job.is_symlink():
            yield job.path
        for one in listed(job.path):
            if one.is_symlink():
                yield one.path
            elif os.path.islink(os.path.join(one.path, b"job.messages")):
                yield os.path.join(one.path, b"job.messages")


def listed(folder: bytes) -> "List[os.DirEntry[bytes]]":
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def admit_message(verb: str, message: Json, gate: Gate) -> Json:
    """What a client says after its first request. Raises Refused."""
    unknown = sorted(set(message) - LATER.get(verb, set()))
    if unknown:
        raise Refused("%s of a message is not known to this gate" % shown(", ".join(unknown)))
    if "entries" in message:
        check_entries(message["entries"], gate)
    return message


def check_entries(rows: List[List[Any]], gate: Gate) -> None:
    """What an install brings lies in folders that it brings too, so never behind a link; none of it is ours."""
    kinds = {row[0]: row[1] for row in rows}
    for path, kind, _, content in rows:
        parts = path.split("/")
        if {"", ".", ".."} & set(parts):
            raise Refused("%s is no path of an install" % shown(path))
        if parts[0] == ".remote-install" or parts[:2] == ["log", "job"]:
            raise Refused("%s is no place for an install" % shown(path))
        if len(parts) > 1 and kinds.get(path.rpartition("/")[0]) != "d":
            raise Refused("%s would lie in no folder of this install" % shown(path))
        if kind == "l" and "submit" not in gate.allow and leads_out(parts, content):
            raise Refused("%s is a link out of the run directory: a key that may not submit makes none" % shown(path))


def leads_out(parts: List[str], target: str) -> bool:
    """Is a link's target not below the run directory? By its words alone: what it passes may be a link itself."""
    steps = target.split("/")
    rising = next((at for at, step in enumerate(steps) if step != ".."), len(steps))
    return target.startswith("/") or ".." in steps[rising:] or rising > len(parts) - 1


def absolute(value: str, name: str) -> bytes:
    """A path with ~ and variables, as the job host program expands it. Raises Refused for one that is not set."""
    path = os.path.expanduser(to_bytes(value))
    path = VARIABLE.sub(lambda found: os.environb.get(found.group(1) or found.group(2), found.group()), path)
    if b"$" in path:
        raise Refused("%s %s can't be expanded here" % (name, shown(value)))
    return os.path.normpath(os.path.join(os.path.expanduser(b"~"), path))


def below(path: bytes, name: str, gate: Gate) -> bytes:
    """The path itself, if it lies below the root, also once links are followed. Raises Refused."""
    if not is_below(os.path.realpath(path), gate.root):
        raise Refused("%s %s does not lie below %s" % (name, to_text(path), to_text(gate.given_root)))
    return path


def is_below(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def to_bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def to_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def shown(value: str) -> str:
    """A client's words, short and without what a terminal or a log would act on."""
    return "".join(letter if letter.isprintable() else "?" for letter in value[:SHOWN])


def parse(line: bytes) -> Json:
    """A request. Raises Refused."""
    try:
        request = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        raise Refused("a request is no JSON")
    if not isinstance(request, dict):
        raise Refused("a request is no JSON object")
    return request


def checked(verb: str, line: bytes, gate: Gate, first: bool) -> Json:
    """The request of a line as the program may have it. Raises Refused, also for what is in no order at all."""
    request = parse(line)
    try:
        return admit_request(verb, request, gate) if first else admit_message(verb, request, gate)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refused("a request is not in order")


# --- the audit


class Audit:
    """A line of JSON for each decision, to syslog and to a file: what can't be written down is not admitted."""

    def __init__(self, gate: Gate, line: str) -> None:
        self._gate = gate
        client = (os.environ.get("SSH_CONNECTION") or "-").split(" ")[0]
        self._about = {"key": gate.key, "client": shown(client), "command": shown(line)}

    def write(self, verdict: str, why: str = "", **fields: object) -> None:
        """Raises Refused."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        told = {"time": now, "gate": verdict, "why": why, "pid": os.getpid(), **self._about, **fields}
        data = json.dumps(told).encode("ascii")  # no line end and no escape of a terminal is left in it
        syslog.openlog("remote-install-gate", 0, syslog.LOG_AUTH)
        syslog.syslog(syslog.LOG_INFO if verdict == "admitted" else syslog.LOG_WARNING, data.decode("ascii"))
        try:
            self._append(data + b"\n")
        except OSError as error:
            raise Refused("the audit log can't be written: %s" % error.strerror)

    def _append(self, data: bytes) -> None:
        os.makedirs(os.path.dirname(self._gate.log), mode=0o700, exist_ok=True)
        with open_kept(self._gate.log, os.O_RDWR | os.O_APPEND) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # of a line that a full disk has cut
                data = b"\n" + data
            if os.write(descriptor, data) != len(data):
                raise OSError(0, "its disk is full")

    def keep_jobs(self, request: Json) -> List[str]:
        """What is submitted, each job as a file of its own beside the log: the names, which are hashes. Raises Refused.

        What is secret is left out.
        """
        names = []
        for job in request["jobs"]:
            told = {name: job.get(name) for name in ("job", "token", "argv", "directives", "time_limit")}
            data = json.dumps({"run": request["run"], **told}, sort_keys=True).encode("ascii")
            names.append(hashlib.sha256(data).hexdigest())
            try:
                self._keep(names[-1], data)
            except OSError as error:
                raise Refused("a job can't be kept: %s" % error.strerror)
        return names

    def _keep(self, name: str, data: bytes) -> None:
        folder = self._gate.log + ".jobs"
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = os.path.join(folder, name + ".json")
        if os.path.exists(path) and os.path.getsize(path) == len(data):
            return
        with open_kept(path, os.O_WRONLY | os.O_TRUNC) as descriptor:
            if os.write(descriptor, data) != len(data):
                raise OSError(0, "its disk is full")


@contextlib.contextmanager
def open_kept(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# --- what is done


def environment(**more: str) -> Dict[str, str]:
    """What is run sees of the login's environment only what it needs."""
    return {**{name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}, **more}


def as_started() -> None:
    """Python has these ignored, also in what it becomes."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def run_rsync(call: Call, audit: Audit) -> NoReturn:
    audit.write("admitted", verb=call.verb, run=shown(call.path), job=[])
    if call.marked:
        os.write(1, MARK)
    as_started()
    os.execve(call.argv[0], call.argv, environment(SSH_ORIGINAL_COMMAND=call.line))


class Requests:
    """The lines that the client says."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def next(self, seconds: Optional[float] = None) -> bytes:
        """A line with its end, b"" at the end of all. Raises Refused for one that is too long, or does not come."""
        searched = 0
        while self._unread.find(b"\n", searched) < 0:
            searched = len(self._unread)
            if seconds is not None and not select.select([0], [], [], seconds)[0]:
                raise Refused("no request came")
            data = os.read(0, 1024 * 1024)
            if not data:
                line, self._unread = self._unread, bytearray()
                return bytes(line)
            self._unread += data
            if len(self._unread) > MAX_LINE:
                raise Refused("a request is too long")
        line, _, self._unread = self._unread.partition(b"\n")
        return bytes(line) + b"\n"

    def first(self) -> bytes:
        line = b"\n"
        while line and not line.strip():
            line = self.next(FIRST)
        return line


def run_verb(call: Call, gate: Gate, audit: Audit) -> int:
    """The job host program, which hears nothing that was not read here before. Its exit code. Raises Refused."""
    try:
        os.stat(gate.program)
    except OSError:
        raise Refused("the job host program is not there: `remote-install gate --install` puts it there")
    requests = Requests()
    request = heard(call.verb, requests.first(), gate, audit, True)
    jobs = [shown(str(job.get("job"))) for job in request.get("jobs") or []]
    kept = audit.keep_jobs(request) if call.verb == "submit" else []
    audit.write("admitted", verb=call.verb, run=shown(str(request.get("run"))), job=jobs, sha256=kept)
    request["gate"] = {"allow": gate.allow, "runners": gate.runners, "root": to_text(gate.given_root)}
    program = subprocess.Popen(call.argv, stdin=subprocess.PIPE, env=environment(), cwd=os.path.expanduser("~"))
    refusals: List[Refused] = []

    def pump() -> None:
        assert program.stdin is not None
        try:
            line = json.dumps(request).encode("ascii") + b"\n"
            while line:
                program.stdin.write(line)
                program.stdin.flush()
                line = requests.next()
                if line.strip():
                    line = json.dumps(heard(call.verb, line, gate, audit, False)).encode("ascii") + b"\n"
            program.stdin.close()
        except OSError:
            pass  # it has ended
        except Refused as refused:
            refusals.append(refused)
            program.kill()

    threading.Thread(target=pump, daemon=True).start()
    code = program.wait()
    for refused in refusals:
        raise refused
    return code if code >= 0 else 128 - code


def heard(verb: str, line: bytes, gate: Gate, audit: Audit, first: bool) -> Json:
    """As `checked`; with --log-only what is refused is written down, and the program has it as it is."""
    try:
        return checked(verb, line, gate, first)
    except Refused as refused:
        if not gate.log_only:
            raise
        audit.write("would refuse", str(refused), verb=verb)
        return parse(line)


def serve(line: str, gate: Gate, audit: Audit) -> int:
    """Do what a command line asks for. Raises Refused."""
    try:
        call = admit(line, gate)
    except Refused as refused:
        words = [unescaped(word) for word in re.findall(r"(?:[^ \\]|\\.)+", line)]
        if not gate.log_only or not words:
            raise
        audit.write("would refuse", str(refused))
        as_started()
        os.execvp(words[0], words)
    if call.verb.startswith("rsync "):
        run_rsync(call, audit)
    return run_verb(call, gate, audit)


# --- settings


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused("its own options are wrong: %s" % message)


def parser() -> argparse.ArgumentParser:
    found = Parser(prog="gate.py", allow_abbrev=False, description=(__doc__ or "").partition("\n")[0])
    found.add_argument("--root", required=True, metavar="DIR", help="the folder below which all of it happens")
    found.add_argument("--allow", required=True, metavar="WORDS", help="of: " + ",".join(WORDS))
    found.add_argument("--runner", action="append", default=[], metavar="NAME", help="a job runner for submit; repeats")
    found.add_argument("--forward", action="append", default=[], metavar="NAME", help="a variable for job runners")
    found.add_argument("--rrsync", default="", metavar="PATH", help="default: " + " or ".join(RRSYNC))
    found.add_argument("--program", default="", metavar="PATH", help="default: %s beside the gate" % PROGRAM)
    found.add_argument("--log", default=LOG, metavar="FILE", help="the audit log; default: " + LOG)
    found.add_argument("--key", default="-", metavar="NAME", help="what the key is called in the audit log")
    found.add_argument("--log-only", action="store_true", help="refuse nothing, and write down what would be refused")
    found.add_argument("--check", metavar="COMMAND", help="say what would become of a command, and do nothing")
    found.add_argument("--about", action="store_true", help="print what is here, as JSON; alone")
    return found


def about() -> str:
    """What tells whether the gate and its program are those that were sent, and what they stand on."""
    here = os.path.dirname(os.path.realpath(__file__))
    hashes = {}
    for name in (os.path.basename(__file__), PROGRAM):
        with contextlib.suppress(OSError), open(os.path.join(here, name), "rb") as file:
            hashes[name] = hashlib.sha256(file.read()).hexdigest()
    found = [path for path in RRSYNC if os.access(path, os.X_OK)]
    python = "%d.%d.%d" % sys.version_info[:3]
    return json.dumps({"folder": here, "hashes": hashes, "rrsync": found, "python": python})


def gate_of(options: argparse.Namespace) -> Gate:
    """The settings of a gate, if they keep what it promises. Raises Refused."""
    allow, runners, forward = (
        tuple(word for value in values for word in value.split(",") if word)
        for values in ([options.allow], options.runner, options.forward)
    )
    here = os.path.dirname(os.path.realpath(__file__))
    program, log = options.program or os.path.join(here, PROGRAM), os.path.abspath(os.path.expanduser(options.log))
    given = os.path.normpath(os.fsencode(options.root))
    root = os.path.realpath(given)
    check_words(allow)
    if not os.path.isabs(given) or not os.path.isdir(root):
        raise Refused("--root %s is no folder here, or not absolute" % shown(options.root))
    home = os.path.realpath(os.fsencode(pwd.getpwuid(os.getuid()).pw_dir))
    for path in (home, *map(os.fsencode, (os.path.realpath(__file__), program, log, options.rrsync or RRSYNC[0]))):
        if is_below(os.path.realpath(path), root):
            raise Refused("--root %s holds %s, which no key may change" % (shown(options.root), to_text(path)))
    return Gate(root, given, allow, runners, forward, program, options.rrsync, log, options.key, options.log_only)


def check_words(allow: Tuple[str, ...]) -> None:
    """Raises Refused for what --allow can't name."""
    unknown = [word for word in allow if word not in WORDS]
    if unknown:
        raise Refused("--allow %s: the words are %s" % (shown(unknown[0]), ", ".join(WORDS)))
    if "push" in allow and "submit" not in allow:
        raise Refused("--allow push: who may push may write all that a job may, so it takes submit too")


def main(argv: List[str]) -> int:
    """What sshd runs: 126 for what is refused, else the exit code of what was run."""
    if argv == ["--about"]:
        print(about())
        return 0
    line = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    audit: Optional[Audit] = None
    try:
        options = parser().parse_args(argv)
        gate = gate_of(options)
        if options.check is not None:
            print("admitted: %s" % admit(options.check, gate).verb)
            return 0
        audit = Audit(gate, line)
        return serve(line, gate, audit)
    except Exception as refused:  # also what goes wrong in here admits nothing
        why = str(refused)
        if audit is not None:
            try:
                audit.write("refused", why)
            except Refused as unwritten:
                why = str(unwritten)
        sys.stderr.write("%s%s\n" % (PREFIX, shown(why)))
        return REFUSED


def end(code: int) -> NoReturn:
    """At once: a thread may still wait for what a client will never say."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main(sys.argv[1:]))
