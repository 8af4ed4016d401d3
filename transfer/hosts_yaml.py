"""The keys of hosts.yaml, and what is refused under them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import Any

from transfer.keys import Key, Kind, Misfit, Refusal
from transfer.refused_options import refuse_rsync_option, refuse_ssh_option
from transfer.wording import nearest, shown

HOST = r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*"
LOCALHOST = "localhost"
HOST_IN_WORDS = "letters, digits and _ . : @ -, with a letter, a digit or _ first"
JOB_RUNNERS = ("background", "at", "slurm", "pbs", "sge", "lsf")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
_NAME_IN_WORDS = "letters, digits and . _ + -, with a letter or digit first"
_NO_CONTROL = r"[^\x00-\x1f\x7f-\x9f]+"
_PLAIN_WORD = r"(?!-)[A-Za-z0-9_./+-]+"  # a shell on the job host reads it again
# No blank, and nothing that ssh refuses in a user's name itself: older ones pass it to a shell (ProxyCommand).
_USER = r"""(?!-)[^\s\x00-\x1f\x7f-\x9f'"`;&<>|(){}]+"""
_JUMP = r"[A-Za-z0-9_\[][A-Za-z0-9_.:@,/\[\]-]*"
_RELATIVE = r"(?!/)(?!(.*/)?\.\.?(/|$))[^\x00-\x1f\x7f-\x9f]+"


def refuse_platform_name(name: str) -> Refusal:
    """Why a name that is spelled right can't be a platform's."""
    if not is_expression(name):
        return None
    try:
        re.compile(name[1:-1])
    except re.error as error:
        return f"{shown(name)} is no regular expression: {error}", "Correct it; what is between the slashes counts."
    return None


def is_expression(name: str) -> bool:
    """Is a platform's name a regular expression?

    >>> is_expression("/desktop[0-9]+/"), is_expression("desktop1")
    (True, False)
    """
    return len(name) > 1 and name.startswith("/") and name.endswith("/")


def _refuse_hosts(hosts: tuple[str, ...]) -> Refusal:
    if not hosts:
        return "no host is named", "Name one, or remove the key: then it is the platform's name."
    if len(hosts) > 1 and LOCALHOST in (str(host).lower() for host in hosts):
        return "localhost is this machine, no host of a pool", "Give it a platform of its own."
    return None


def _refuse_symlink_dirs(folders: dict[str, str]) -> Refusal:
    plain = [posixpath.normpath(path) for path in folders]
    for path in plain:
        inside = [other for other in plain if other.startswith(f"{path}/")]
        if plain.count(path) > 1:
            return f"{shown(path)} is given twice", "Remove one."
        if inside:
            return f"{shown(inside[0])} lies in {shown(path)}, which leads elsewhere itself", "Remove one."
        if path.split("/")[0] in (".remote-install", ".git"):
            return f"{shown(path)} can't lead elsewhere", "Name another path."
    return None


def _refuse_variable(name: str) -> Refusal:
    if name.startswith("REMOTE_INSTALL_") or name.startswith("_ri_"):
        return f"{name} is set by us in every job", "Give the variable another name."
    return None


def _refuse_job_runner(value: Any) -> Refusal:
    given = {"name": value} if isinstance(value, str) else value
    name = given.get("name")
    if name is not None and name not in JOB_RUNNERS and "file" not in given:
        hint = nearest(name, JOB_RUNNERS) or f"There are {', '.join(JOB_RUNNERS)}."
        return f"{shown(name)} is no job runner", f"{hint} A site's own needs its `file:`."
    if name in JOB_RUNNERS and "file" in given:
        return f"{name} is a job runner that comes with us", "Give your own another name."
    if "cluster" in given and name is not None and name != "slurm" and "file" not in given:
        return f"{name} has no clusters", "Remove `cluster`."
    return None


VARIABLE = Key("name", pattern="[A-Za-z_][A-Za-z0-9_]*", wanted="a variable's name", refuse=_refuse_variable)
# With the PATH of this machine the job wrapper would not find its tools, and the job be lost.
_SECRET = Key(
    "name",
    pattern=f"(?!PATH$){VARIABLE.pattern}",
    wanted="a variable's name (PATH belongs under `environment`)",
    refuse=_refuse_variable,
)
ENVIRONMENT = Key("variables of the job", Kind.MAPPING, name=VARIABLE, item=Key("value", lines=True))
_DIRECTIVE = Key("directive", pattern=r"[^\s\x00-\x1f=]+", wanted="an option of the job runner, without its value")
DIRECTIVES = Key(
    "job runner directives, each with its value", Kind.MAPPING, name=_DIRECTIVE, item=Key("value", empty=True)
)

_SSH = {
    "command": Key("program and arguments", Kind.COMMAND),
    "user": Key("user there", pattern=_USER, wanted="a user's name (no blanks, no quotes, no - first)"),
    "port": Key("port of the ssh server", Kind.WHOLE, least=1, most=65535),
    "identity": Key("private key file", pattern=_NO_CONTROL, wanted="a path"),
    "jump": Key("jump hosts, with commas between", pattern=_JUMP, wanted="hosts as ssh -J takes them (no - first)"),
    "connect_timeout": Key("seconds until a host counts as down", Kind.WHOLE, least=1, most=3600),
    "multiplex": Key("share one connection", Kind.BOOLEAN),
    "max_connections": Key("connections at once", Kind.WHOLE, least=1, most=1000),
    "rate": Key("new connections a minute", Kind.WHOLE, least=1, most=100_000),
    "options": Key(
        "as in ssh_config",
        Kind.MAPPING,
        any_case=True,
        name=Key("option", pattern="[A-Za-z][A-Za-z0-9]*", wanted="letters and digits", refuse=refuse_ssh_option),
    ),
}
_RSYNC = {
    "command": Key("program and arguments", Kind.COMMAND),
    "options": Key("further options", Kind.LIST, item=Key("option", refuse=refuse_rsync_option)),
    "root": Key("where an rsync-restricted key starts", pattern="/" + _NO_CONTROL, wanted="an absolute path"),
}
_RETRY = {
    "attempts": Key("calls in all, the first included", Kind.WHOLE, least=1, most=100),
    "max_wait": Key("seconds between two calls at most", Kind.SECONDS, least=0, most=3600),
}
_POLLING = {
    "first": Key("seconds until the second look", Kind.SECONDS, least=0, most=86_400),
    "max": Key("seconds between two looks at most", Kind.SECONDS, least=1, most=86_400),
}
_JOB_RUNNER = {
    "name": Key("which one", pattern=_NAME, wanted=_NAME_IN_WORDS),
    "cluster": Key("cluster of slurm", pattern=_NAME, wanted=_NAME_IN_WORDS),
    "file": Key("a site's own, as a file beside hosts.yaml", pattern=_NO_CONTROL, wanted="a path"),
}
_HOST_KEY = Key("what ssh is given", pattern=HOST, wanted=HOST_IN_WORDS)
_PLATFORM_NAME = Key("name", pattern=f"{HOST}|/.*/", wanted=HOST_IN_WORDS, refuse=refuse_platform_name)
_SELECT = Key("which is tried first", choices=("in-order", "random"))
_PLATFORM = {
    "hosts": Key("default: the platform's name", Kind.LIST, item=_HOST_KEY, refuse=_refuse_hosts),
    "select": _SELECT,
    "install_target": Key("one filesystem; default: the platform's name", pattern=_NAME, wanted=_NAME_IN_WORDS),
    "run_root": Key("home of run directories there", pattern=_NO_CONTROL, wanted="a path"),
    "job_runner": Key("what starts a job", Kind.NAME_OR_TABLE, keys=_JOB_RUNNER, refuse=_refuse_job_runner),
    "filesystem": Key("is it the one here?", choices=("auto", "shared", "separate")),
    "access": Key("what ssh may do there", choices=("ssh", "rsync-only")),
    "submit_from": Key("where the job runner is called", choices=("auto", "host", "here")),
    "python": Key(
        "python on the job host",
        pattern=_PLAIN_WORD,
        wanted="a name or path of letters, digits and _ . / + - (no ~, no - first)",
    ),
    "shell": Key("runs shell lines and init_script in the job", Kind.COMMAND),
    "ssh": Key("how ssh reaches the hosts", Kind.TABLE, keys=_SSH),
    "rsync": Key("how rsync is called", Kind.TABLE, keys=_RSYNC),
    "retry": Key("calls that fail and may pass later", Kind.TABLE, keys=_RETRY),
    "symlink_dirs": Key(
        "relative path -> the folder there that it leads to",
        Kind.MAPPING,
        name=Key("path", pattern=_RELATIVE, wanted="a path inside of the run directory"),
        item=Key("folder", pattern=_NO_CONTROL, wanted="a path"),
        refuse=_refuse_symlink_dirs,
    ),
    "environment": ENVIRONMENT,
    "secrets": Key("variables of this machine that the job gets, never shown", Kind.LIST, item=_SECRET),
    "forward": Key("variables of this machine that the job runner's commands see", Kind.LIST, item=VARIABLE),
    "init_script": Key("shell lines in the job, before the command", lines=True, empty=True),
    "directives": DIRECTIVES,
    "polling": Key("how often jobs are looked at", Kind.TABLE, keys=_POLLING),
}
_GROUP = {
    "platforms": Key("their names", Kind.LIST, required=True),
    "select": _SELECT,
}
_GROUP_NAME = Key("name", pattern=HOST, wanted=HOST_IN_WORDS)


def _check(values: dict[str, Any]) -> Iterator[Misfit]:
    """What does not fit together: expressions that name hosts, groups of what is no platform."""
    platforms = values.get("platforms") or {}
    for name, given in platforms.items():
        if is_expression(name) and "hosts" in (given or {}):
            where = f"platforms.{shown(name)}.hosts"
            yield where, "a platform whose name is an expression has no hosts", "Remove it: it is the name asked for."
    for name, group in (values.get("groups") or {}).items():
        where = f"groups.{shown(name)}"
        if name in platforms:
            yield where, f"{shown(name)} is a platform already", "Give the group another name."
        if not group["platforms"]:
            yield f"{where}.platforms", "no platform is named", "Name one, or remove the group."
        for number, member in enumerate(group["platforms"]):
            if not match(member, platforms):
                hint = nearest(member, [known for known in platforms if not is_expression(known)])
                yield f"{where}.platforms[{number}]", f"there is no platform {shown(member)}", hint


def match(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that a platform's name means: itself, else the last expression that matches all of it.

    >>> match("desktop7", ["/desk.*/", "/desktop[0-9]/", "desktop8"])
    '/desktop[0-9]/'
    """
    known = list(names)
    if name in known:
        return name
    found = [one for one in known if is_expression(one) and re.fullmatch(one[1:-1], name)]
    return found[-1] if found and re.fullmatch(HOST, name) else None


HOSTS_YAML = Key(
    "hosts.yaml",
    Kind.TABLE,
    keys={
        "defaults": Key("what every platform starts from", Kind.TABLE, keys=_PLATFORM),
        "platforms": Key(
            "the places where jobs run",
            Kind.MAPPING,
            name=_PLATFORM_NAME,
            item=Key("a platform", Kind.TABLE, keys=_PLATFORM),
        ),
        "groups": Key(
            "platforms to choose from",
            Kind.MAPPING,
            name=_GROUP_NAME,
            item=Key("a group", Kind.TABLE, keys=_GROUP),
        ),
        # So that the file itself can be an inventory: Ansible looks for this key, we look away.
        "plugin": Key("the inventory plugin that Ansible reads this file with"),
    },
    check=_check,
)
