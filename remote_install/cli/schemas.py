"""The JSON Schemas (draft 07) of what each command prints with --json; docs/schemas/ holds them as files."""

from __future__ import annotations

from typing import Any

from remote_install import findings, place
from remote_install.report import STATES
from transfer import errors

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
TEXTS: Schema = {"type": "array", "items": TEXT}
FLAG: Schema = {"type": "boolean"}
SIZE: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "number", "minimum": 0}
TIME: Schema = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
ERROR: Schema = {"anyOf": [{"$ref": "#/definitions/error"}, {"type": "null"}]}
DRY: Schema = {"const": True}
INTERRUPTED = (129, 130, 143)  # hang-up, Ctrl-C, TERM


def output_schema(command: str) -> Schema:
    """The schema of the document that `command` prints. A command that could not begin prints nothing but the error.

    >>> output_schema("fetch")["then"]
    {'anyOf': [{'required': ['run']}, {'required': ['dry_run']}]}
    """
    properties = DOCUMENTS[command]
    uses = ["job"] if "jobs" in properties else []
    whole = {"required": list(properties)}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"What `remote-install {command} --json` prints",
        "type": "object",
        "properties": {**properties, **({"dry_run": DRY} if command in SHORT + LONG else {}), "error": ERROR},
        "required": ["error"],
        "if": {"properties": {"error": {"type": "null"}}},
        "then": {"anyOf": [whole, {"required": ["dry_run"]}]} if command in SHORT else whole,
        "definitions": {name: DEFINITIONS[name]() for name in ("error", *uses)},
    }


def _object(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _exit_codes(error: type[errors.RemoteInstallError]) -> set[int]:
    return {error.exit_code}.union(*map(_exit_codes, error.__subclasses__()))


def _error() -> Schema:
    codes = sorted(_exit_codes(errors.RemoteInstallError) | set(INTERRUPTED))
    return _object({"code": {"enum": codes}, "message": TEXT, "hint": TEXT, "host": TEXT_OR_NULL})


def _job() -> Schema:
    return _object(
        {
            "job": TEXT,
            "try": {"type": ["integer", "null"], "minimum": 1},
            "state": {"enum": sorted(STATES)},
            "exit_code": {"type": ["integer", "null"], "minimum": 0, "maximum": 255},
            "signal": TEXT_OR_NULL,
            "reason": TEXT_OR_NULL,
            "platform": TEXT,
            "host": TEXT,
            "job_runner": TEXT,
            "job_id": TEXT_OR_NULL,
            "submitted_at": TIME,
            "started_at": TIME,
            "finished_at": TIME,
            "messages": TEXTS,
            "error": ERROR,
        }
    )


DEFINITIONS = {"error": _error, "job": _job}
JOBS = {"run": TEXT, "jobs": _list_of({"$ref": "#/definitions/job"})}
MODE: Schema = {"enum": [place.SSH, place.SHARED, place.RSYNC_ONLY, place.LOCAL]}
TARGET = {"install_target": TEXT, "platform": TEXT, "host": TEXT, "mode": MODE}
PLANNED = {  # only with --dry-run
    "dry_run": DRY,
    "asked": FLAG,
    "unfinished": FLAG,
    **dict.fromkeys(("send", "new", "change", "delete", "kept"), TEXTS),
    "links": {"type": "object", "additionalProperties": TEXT},
    "install_command": {"anyOf": [TEXTS, {"type": "null"}]},
    "commands": TEXTS,
}
INSTALLED = _object(
    {
        **TARGET,
        "files_sent": SIZE,
        "files_deleted": SIZE,
        "bytes_sent": SIZE,
        "seconds": SECONDS,
        "error": ERROR,
        **PLANNED,
    },
    optional=tuple(PLANNED),
)
CLEANED = _object(
    {
        **TARGET,
        "run_dir": TEXT_OR_NULL,
        "removed": FLAG,
        "files_removed": SIZE,
        "folders_elsewhere": TEXTS,
        "left": _list_of(_object({"path": TEXT, "why": TEXT})),
        "alive": TEXTS,
        "seconds": SECONDS,
        "error": ERROR,
    }
)
CHECK = {"check": {"enum": list(findings.NAMES)}, "ok": {"type": ["boolean", "null"]}, "detail": TEXT}
CHECKED = _object(
    {
        "platform": TEXT,
        "host": TEXT,
        "checks": _list_of(_object({**CHECK, "remedy": TEXT_OR_NULL, "seconds": SECONDS})),
        "error": ERROR,
    }
)
DRIVER = _object(
    {"host": TEXT, "pid": SIZE, "start": SIZE, "boot": TEXT, "pid_namespace": TEXT}
    | {"command": TEXT, "since": TEXT, "uuid": TEXT}
)
COPIED = {"platform": TEXT, "host": TEXT, "files": SIZE, "bytes": SIZE, "seconds": SECONDS}
PLATFORM = _object({"platform": TEXT, "hosts": TEXTS, "install_target": TEXT, "run_root": TEXT, "job_runner": TEXT})
GATE = _object({"host": TEXT, "path": TEXT, "python": TEXT, "rrsync": TEXT_OR_NULL})

# Command -> the keys of its document besides `error`.
DOCUMENTS: dict[str, Schema] = {
    **dict.fromkeys(("run", "submit", "poll", "wait", "kill", "list", "logs"), JOBS),
    "install": {"run": TEXT, "targets": _list_of(INSTALLED)},
    "clean": {"run": TEXT, "targets": _list_of(CLEANED)},
    "fetch": {"run": TEXT},
    "push": COPIED,
    "pull": COPIED,
    "active": {
        "run": TEXT,
        "active": {"type": ["boolean", "null"]},
        "driver": {"anyOf": [DRIVER, {"type": "null"}]},
        "reason": TEXT_OR_NULL,
    },
    "check": {"platforms": _list_of(CHECKED)},
    "gate": {
        "gates": {**_list_of(GATE), "type": ["array", "null"]},
        "written": {**TEXTS, "type": ["array", "null"]},
        "line": TEXT_OR_NULL,
        "admitted": {"type": ["boolean", "null"]},
        "verdict": TEXT_OR_NULL,
    },
    "platforms": {
        "platforms": _list_of(PLATFORM),
        "expressions": TEXTS,
        "groups": {"type": "object", "additionalProperties": TEXTS},
    },
    "init": {"hosts_file": TEXT, "platforms": TEXTS},
}
# What --dry-run prints: the same with `dry_run`, or nothing but that.
LONG, SHORT = ("install", "clean"), ("run", "submit", "kill", "fetch", "push", "pull")
