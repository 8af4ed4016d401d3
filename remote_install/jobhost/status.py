"""Reads the job status files, and judges from them and the job runner's answer what state a job is in."""

import os
import re
import signal
from typing import Dict, List, NamedTuple, Optional

from .files import read_regular
from .layout import JobDirectory
from .wire import to_text

QUEUED, RUNNING, GONE, NOT_ASKED = "queued", "running", "gone", "not asked"
ENDED = ("succeeded", "failed", "killed", "lost", "submit-failed")
NO_RECORD = "ended and left no exit record"
LOST_AFTER = 120.0  # seconds that an exit record may still take to be seen: NFS shows old data for a while
EXIT_LINE = re.compile(r"EXIT=([01]?[0-9]{1,2}|2[0-4][0-9]|25[0-5]) *")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
ASKED, TIME_LIMIT = "asked", "time limit"  # why a job was ended
GATE = re.compile(r"batch ([^ :]+):([^ :]*):(\S+)")  # what the job wrapper writes through the start gate
MAX_FILE = 16 * 1024
MAX_MESSAGES, MAX_MESSAGE = 50, 1000  # the last ones; bytes of each


class Answer(NamedTuple):
    """What the job runner says. NOT_ASKED means that it could not be asked: never taken as gone."""

    word: str
    reason: str = ""


class Facts(NamedTuple):
    """What the job status files say. Times are as they were written, in UTC."""

    submit: Dict[str, str]
    start: Optional[str]
    exit_code: Optional[int]
    started_at: Optional[str]
    finished_at: Optional[str]
    kill: Optional[str] = None
    reason: Optional[str] = None


class Verdict(NamedTuple):
    state: str
    exit_code: Optional[int] = None
    signal: Optional[str] = None
    reason: str = ""


def read(job: JobDirectory) -> Facts:
    """The job status files of one try; what is missing or not in order is None."""
    lines = _text(job.status).split("\n")
    keys = _keys(lines)
    first = lines[0] if len(lines) > 1 else ""  # a line without its end may be cut short
    found = EXIT_LINE.fullmatch(first) or EXIT_LINE.fullmatch(read_link(job.end) or "")
    return Facts(
        submit=_keys(_text(job.submit).split("\n")),
        start=read_link(job.start),
        exit_code=int(found.group(1)) if found else None,
        started_at=_time(keys.get("STARTED")),
        finished_at=_time(keys.get("FINISHED")) if found else None,
        kill=read_link(job.kill),
        reason=_text(job.reason).strip() if os.path.lexists(job.reason) else None,
    )


def messages(job: JobDirectory) -> List[str]:
    """What the job told of itself: the last MAX_MESSAGES, in the order in which it did."""
    try:
        names = os.listdir(job.messages)
    except OSError:
        return []
    numbers = sorted(int(name) for name in names if name.isdigit() and len(name) < 8)[-MAX_MESSAGES:]
    found = [_text(os.path.join(job.messages, b"%d" % number), MAX_MESSAGE) for number in numbers]
    return [" ".join(text.split()) for text in found]


def judge(facts: Facts, answer: Answer, gone_for: float) -> Verdict:
    """The state of a job. gone_for: seconds since the job runner first said gone without an exit record.

    >>> judge(Facts({}, "process h 1 2 b n", 3, None, None), Answer(GONE), 0.0)
    Verdict(state='failed', exit_code=3, signal=None, reason='exit 3')
    """
    if facts.exit_code is not None:
        ended = _ended(facts.exit_code)
        why = answer.reason if answer.word == GONE else ""  # else it is why it waits, or why it can't be asked
        told = facts.reason or why if facts.kill is None else facts.kill.replace(ASKED, "")
        return ended._replace(reason=told) if told and facts.exit_code else ended
    if "SUBMIT_FAILED" in facts.submit and not facts.start:
        return Verdict("submit-failed", reason=facts.submit["SUBMIT_FAILED"])
    if answer.word == RUNNING:
        return Verdict("running" if facts.start else "submitted", reason=answer.reason)
    if answer.word == QUEUED:
        return Verdict("submitted", reason=answer.reason)
    if answer.word == NOT_ASKED:
        return Verdict("unknown", reason=answer.reason)
    if not facts.start and not facts.submit:
        return Verdict("unknown", reason="its submission was interrupted: submit it again")
    why = answer.reason or NO_RECORD
    if gone_for < LOST_AFTER:
        left = LOST_AFTER - gone_for
        return Verdict("unknown", reason="%s; counts as lost in %.0f s if none comes" % (why, left))
    return Verdict("lost", reason=why)


def _ended(code: int) -> Verdict:
    if code == 0:
        return Verdict("succeeded", 0)
    name = signal_name(code - 128)
    if name:
        return Verdict("killed", code, name, "signal " + name)
    return Verdict("failed", code, None, "exit %d" % code)


def signal_name(number: int) -> Optional[str]:
    """A signal's name without SIG; None when there is no signal of that number.

    >>> signal_name(9), signal_name(36), signal_name(0), signal_name(72)
    ('KILL', 'RTMIN+2', None, None)
    """
    if signal.SIGRTMIN < number < signal.SIGRTMAX:
        return "RTMIN+%d" % (number - signal.SIGRTMIN)
    try:
        return signal.Signals(number).name[3:]
    except ValueError:
        return None


def read_link(path: bytes) -> Optional[str]:
    """The content of a symbolic link, None where there is none."""
    try:
        return to_text(os.readlink(path))
    except OSError:
        return None


def _text(path: bytes, limit: int = MAX_FILE) -> str:
    return to_text(read_regular(path, limit))


def _keys(lines: List[str]) -> Dict[str, str]:
    pairs = (line.partition("=") for line in lines[:-1])  # a last line without its end may be cut short
    return {key: value.rstrip() for key, equals, value in pairs if equals}


def _time(text: Optional[str]) -> Optional[str]:
    return text if text and TIME.fullmatch(text) else None
