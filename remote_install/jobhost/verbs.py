"""What the client may ask for: hello, check, resolve, install, submit, poll, watch, kill, clean.

What one verb alone needs it imports itself: half of a short call is Python's start.
"""

import contextlib
import os
import time
from typing import Any, Callable, Dict, Iterator, List, Tuple

from . import layout, links, sharing, status
from .files import open_regular
from .layout import JobDirectory
from .runners.choice import Runners
from .tries import Look, Looker, as_json, find
from .wire import PROTOCOL, Client, Json, Refusal, number, text, to_bytes, to_text

CHUNK = 64 * 1024  # bytes of job output in one reply
FIRST_WAIT, LONGEST_WAIT = 0.05, 0.4  # seconds between two looks of watch
MAX_SECONDS = 86400


def hello(request: Json, client: Client, _wrapper: bytes) -> None:
    """Where the run directory is here, and what this program can do."""
    import platform

    run_dir = _run_dir(request, client)
    client.say(
        "hello",
        protocol=PROTOCOL,
        verbs=sorted(VERBS),
        python=platform.python_version(),
        host=os.uname().nodename,
        run_dir=to_text(run_dir),
        exists=os.path.isdir(run_dir),
        jobs=os.path.isdir(os.path.join(run_dir, layout.JOBS)),
        links={to_text(path): to_text(link.far) for path, link in links.Links(run_dir).in_place().items()},
    )


def resolve(request: Json, client: Client, _wrapper: bytes) -> None:
    """The absolute path of `path`, which starts in the run root. make: with the folder that it lies in. line: the
    client measures that next, or says that it is done."""
    path = os.path.expanduser(to_bytes(text(request, "path", "[^\0]*")))
    full = path if os.path.isabs(path) else os.path.join(layout.run_root(text(request, "run_root")), path)
    if request.get("make") is True:
        os.makedirs(os.path.dirname(full.rstrip(b"/")) or b"/", exist_ok=True)
    client.say("path", path=to_text(full))
    if request.get("line") is True:
        from . import line

        with client.heartbeat():
            line.hear(client)


def check(request: Json, client: Client, _wrapper: bytes) -> None:
    """What can be told of this host."""
    from .checking import tell

    tell(request, client)


def submit(request: Json, client: Client, wrapper: bytes) -> None:
    """Start each job that is not started yet; a job that can't be is told as an error of its own."""
    from .submission import submit as submit_job
    from .target import why_unfinished

    run_dir = _run_dir(request, client)
    why = why_unfinished(run_dir)
    if why:
        raise Refusal(9, "run %s %s" % (request["run"], why), "Install it first: the same install command finishes it.")
    looker = _looker(request)
    with client.heartbeat():
        for wanted in _jobs(request):
            name = wanted.get("job")
            with _own_trouble(client, name):
                look = submit_job(request, run_dir, wanted, wrapper, looker)
                client.say("job", **as_json(str(name), look.seen, looker.runners), found=look.found)


def install(request: Json, client: Client, wrapper: bytes) -> None:
    """Bring the run directory here to what the client has."""
    from .installation import install as bring

    bring(request, client, wrapper)


def poll(request: Json, client: Client, _wrapper: bytes) -> None:
    """The state of each job now."""
    run_dir, looker = _run_dir(request, client), _looker(request)
    found = _found(request, run_dir, client)
    with client.heartbeat():
        looker.prepare([job for _, job, _ in found])
    for name, job, wanted in found:
        with _own_trouble(client, name):
            look = looker.look(job, _missed_for(wanted))
            client.say_soon("job", **as_json(name, look, looker.runners))


def kill(request: Json, client: Client, _wrapper: bytes) -> None:
    """End each job, TERM first, KILL after `grace` seconds; then the state of each."""
    from .killing import kill as kill_jobs

    run_dir, looker = _run_dir(request, client), _looker(request)
    grace: Any = request.get("grace")
    if type(grace) not in (int, float) or not 0 <= grace <= MAX_SECONDS:
        raise Refusal(2, "grace of the request is not in order")
    with client.heartbeat():
        found = _found(request, run_dir, client)
        records = "mirror" not in request
        missed = {job.path: _missed_for(wanted) for _, job, wanted in found}
        for (name, _, _), told in zip(found, kill_jobs([job for _, job, _ in found], looker, grace, missed, records)):
            with _own_trouble(client, name):
                if isinstance(told, Refusal):
                    raise told
                client.say("job", **as_json(name, told, looker.runners))


def clean(request: Json, client: Client, _wrapper: bytes) -> None:
    """Remove the run directory here, and what symlink_dirs made for it."""
    from . import cleaning

    cleaning.clean(request, client, _looker(request), lambda run_dir: _found(request, run_dir, client))


def watch(request: Json, client: Client, _wrapper: bytes) -> None:
    """Each change of state, and output from the offsets that were asked for, until all jobs have ended.

    seconds: ends after so many in any case. 0: what is there now.
    """
    run_dir, looker = _run_dir(request, client), _looker(request)
    seconds = request.get("seconds", 0)
    if type(seconds) not in (int, float) or not 0 <= seconds <= MAX_SECONDS:
        raise Refusal(2, "seconds of the request is not in order")
    until = time.monotonic() + seconds
    watched = [_Watched(name, job, wanted) for name, job, wanted in _found(request, run_dir, client)]
    wait = FIRST_WAIT
    with client.heartbeat():
        while True:
            looker.prepare([each.job for each in watched if not each.ended])
            news = [each.step(looker, client) for each in watched if not each.ended]
            if any(news):
                wait = FIRST_WAIT
            if time.monotonic() >= until or all(each.ended for each in watched):
                return
            client.rest(wait)
            wait = min(wait * 1.5, LONGEST_WAIT)
            looker.refresh()


class _Watched:
    """One job of a watch: what was told of it, and how far its output was sent."""

    def __init__(self, name: str, job: JobDirectory, wanted: Json) -> None:
        self.ended = False
        self._name, self.job, self._told = name, job, ""
        offsets = {stream: number(wanted, stream) for stream in ("out", "err")}
        self._offsets = {stream: offset for stream, offset in offsets.items() if offset is not None}
        self._missed_for = _missed_for(wanted)

    def step(self, looker: Looker, client: Client) -> bool:
        """Tell what is new; was there anything? The state is looked at before the output is read, and an end is
        told after it: by then all output has been."""
        if not os.path.isdir(self.job.path):
            self.ended = True
            client.say("missing", job=self._name)
            return True
        with _own_trouble(client, self._name):
            return self._look(looker, client)
        self.ended = True
        return True

    def _look(self, looker: Looker, client: Client) -> bool:
        look = looker.look(self.job, self._missed_for)
        self._missed_for = 0.0  # from now on the looker knows
        self.ended = look.verdict.state in status.ENDED
        news = False if self.ended else self._tell(look, client, looker)
        for stream in self._offsets:
            news = self._send_output(stream, client) or news
        return self._tell(look, client, looker) or news

    def _tell(self, look: Look, client: Client, looker: Looker) -> bool:
        if look.verdict.state == self._told:
            return False
        self._told = look.verdict.state
        client.say("job", **as_json(self._name, look, looker.runners))
        return True

    def _send_output(self, stream: str, client: Client) -> bool:
        import base64

        path = self.job.out if stream == "out" else self.job.err
        news = False
        try:
            with open_regular(path) as file:
                file.seek(self._offsets[stream])
                size = os.fstat(file.fileno()).st_size  # what comes later is for the next step: other jobs wait too
                while self._offsets[stream] < size:
                    data = file.read(min(CHUNK, size - self._offsets[stream]))
                    if not data:
                        break
                    encoded = base64.b64encode(data).decode("ascii")
                    client.say("output", job=self._name, stream=stream, offset=self._offsets[stream], data=encoded)
                    self._offsets[stream] += len(data)
                    news = True
        except FileNotFoundError:
            pass
        return news


def _looker(request: Json) -> Looker:
    polling = request.get("polling")
    pair: List[Any] = [polling.get("first"), polling.get("max")] if isinstance(polling, dict) else [1.0, 30.0]
    if not all(type(seconds) in (int, float) and 0 <= seconds <= MAX_SECONDS for seconds in pair):
        raise Refusal(2, "polling of the request is not in order")
    return Looker(Runners(request), float(pair[0]), float(pair[1]))


def _run_dir(request: Json, client: Client) -> bytes:
    run_dir, _ = sharing.find(request, client)
    links.refuse_planted(run_dir)
    return run_dir


def _jobs(request: Json) -> List[Json]:
    jobs = request.get("jobs")
    if isinstance(jobs, list) and all(isinstance(job, dict) for job in jobs):
        return jobs
    raise Refusal(2, "the request names no jobs")


def _found(request: Json, run_dir: bytes, client: Client) -> List[Tuple[str, JobDirectory, Json]]:
    """The tries that the request is about; jobs: null means all that are here. What is not here is told so."""
    if request.get("jobs") is None:
        wanted: List[Json] = [{"job": name} for name in layout.job_names(run_dir)]
    else:
        wanted = _jobs(request)
    found = []
    for each in wanted:
        with _own_trouble(client, each.get("job")):
            name = text(each, "job")
            token = None if each.get("token") is None else text(each, "token")
            job = find(run_dir, name, token, number(each, "try"))
            if job is None:
                client.say_soon("missing", job=name)
            else:
                found.append((name, job, each))
    return found


def _missed_for(wanted: Json) -> float:
    """For how many seconds the client has known the job gone without an exit record."""
    seconds: Any = wanted.get("missed_for", 0.0)
    return seconds if type(seconds) in (int, float) and seconds > 0 else 0.0


@contextlib.contextmanager
def _own_trouble(client: Client, name: object) -> Iterator[None]:
    """What goes wrong with one job is told as its error, and says nothing about the others."""
    try:
        yield
    except BrokenPipeError:
        raise
    except Refusal as refusal:
        _refuse_job(client, name, refusal)
    except OSError as error:
        why = "the job status files of %s can't be read: %s" % (name, error.strerror)
        _refuse_job(client, name, Refusal(7, why, "Look at its folder in log/job there."))


def _refuse_job(client: Client, name: object, refusal: Refusal) -> None:
    client.say("error", job=name, code=refusal.code, message=refusal.message, hint=refusal.hint)


VERBS: Dict[str, Callable[[Json, Client, bytes], None]] = {
    "check": check,
    "clean": clean,
    "hello": hello,
    "install": install,
    "kill": kill,
    "submit": submit,
    "poll": poll,
    "resolve": resolve,
    "watch": watch,
}
