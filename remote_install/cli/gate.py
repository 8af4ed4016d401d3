"""The command gate: puts it on a host or into a folder, writes the line for a key, tells what it would say."""

from __future__ import annotations

from remote_install import gate, gating
from remote_install.cli.context import Context
from transfer.errors import UsageError
from transfer.wording import visible


def gate_command(context: Context) -> int:
    """One of --install, --write, --print-key-line and --check."""
    arguments = context.arguments
    named = (arguments.write, arguments.print_key_line, arguments.check)
    if arguments.install + sum(one is not None for one in named) != 1:
        raise UsageError("say what is wanted: --install, --write FOLDER, --print-key-line KEY.pub or --check COMMAND")
    if arguments.install:
        return _install(context)
    if arguments.write is not None:
        return _write(context)
    if not arguments.root or not arguments.allow:
        raise UsageError(
            "name the folder with --root and what is allowed with --allow", f"The words: {', '.join(gate.WORDS)}."
        )
    return _print_key_line(context) if arguments.print_key_line is not None else _check(context)


def _install(context: Context) -> int:
    if not context.platforms:
        raise UsageError("name where to put the gate with -p PLATFORM")
    done = []
    for platform in context.platforms:
        one = gating.install(platform, context.out.talk)
        done.append(one)
        context.out.result(f"{one.host}: {one.path} (Python {one.python})")
        if not one.rrsync:
            context.out.tell(
                f"{one.host}: there is no rrsync, so the gate admits no rsync: it comes with rsync 3.2.5 and newer"
            )
    _document(context, gates=[one.as_json() for one in done])
    return 0


def _write(context: Context) -> int:
    paths = gating.write(context.arguments.write)
    for path in paths:
        context.out.result(visible(path))
    _document(context, written=paths)
    return 0


def options(context: Context) -> list[str]:
    """The options of the gate as they were typed."""
    arguments = context.arguments
    found = ["--root", arguments.root, "--allow", arguments.allow]
    for name in ("runner", "forward"):
        for value in getattr(arguments, name):
            found += [f"--{name}", value]
    for name in ("rrsync", "program", "log", "key"):
        if getattr(arguments, name):
            found += [f"--{name}", getattr(arguments, name)]
    return [*found, *(["--log-only"] if arguments.log_only else [])]


def _print_key_line(context: Context) -> int:
    arguments = context.arguments
    try:
        gate.check_words(tuple(arguments.allow.split(",")))
    except gate.Refused as refused:
        raise UsageError(str(refused)) from None
    if not arguments.root.startswith("/"):
        raise UsageError(f"--root {arguments.root} is not absolute", "Write the path out as it is on the host.")
    line = gating.key_line(arguments.print_key_line, options(context), arguments.gate, arguments.python)
    context.out.result(line)
    _document(context, line=line)
    return 0


def _check(context: Context) -> int:
    """What a gate on this machine would say to a command; 6 for no."""
    try:
        settings = gate.gate_of(gate.parser().parse_args(options(context)))
        verdict, code = f"admitted: {gate.admit(context.arguments.check, settings).verb}", 0
    except gate.Refused as refused:
        verdict, code = f"refused: {refused}", 6
    context.out.result(verdict)
    _document(context, admitted=code == 0, verdict=verdict)
    return code


def _document(context: Context, **told: object) -> None:
    """The same keys for each use; what was not asked for is null."""
    nothing = dict.fromkeys(("gates", "written", "line", "admitted", "verdict"))
    context.out.document({**nothing, **told, "error": None})
