"""The man page, made from the parser of the command line: python docs/man_page.py >docs/man/remote-install.1

A test compares them; WRITE_DOCS=1 writes the page anew.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Collection, Iterator

from remote_install import __version__
from remote_install.cli import arguments, completion

FILES = (
    ("$XDG_CONFIG_HOME/remote-install/hosts.yaml", "the platforms: ~/.config/remote-install/hosts.yaml by default"),
    ("/etc/remote-install/hosts.yaml", "the platforms of all users of this machine"),
    ("RUN/run.yaml", "what a run directory says of its jobs"),
    ("RUN/log/job/NAME/NN/", "job script, output, errors and status files of try NN of job NAME, on both sides"),
)
ENVIRONMENT = (
    ("REMOTE_INSTALL_HOSTS", "the hosts.yaml to use, where --hosts does not name one"),
    ("NO_COLOR", "if it is not empty, nothing is coloured"),
    ("TERM", "if it is dumb, nothing moves on the terminal"),
    ("CI, GITHUB_ACTIONS, GITLAB_CI", "if true, output is as that system reads it"),
)
SEE_ALSO = "ssh(1), rsync(1), ssh_config(5)"


def page() -> str:
    """The whole page, in roff."""
    return "\n".join([*_head(), *_commands(), *_tail(), ""])


def _head() -> Iterator[str]:
    parser = arguments.parser()
    yield f'.TH REMOTE\\-INSTALL 1 "" "remote\\-install {__version__}" "User Commands"'
    yield ".SH NAME"
    yield f"remote\\-install \\- {roff('run directories and jobs on other machines, by ssh and rsync')}"
    yield ".SH SYNOPSIS"
    yield roff("remote-install [--hosts FILE] [--json] [-v|-q] COMMAND ...")
    yield ".SH DESCRIPTION"
    yield roff(str(parser.description))
    yield roff("RUN is the path of a run directory, PLATFORM a platform or group of hosts.yaml, or localhost.")
    yield roff("All behind the first -- is the job's argument list, which no shell reads.")
    yield ".SH OPTIONS"
    yield roff("Of every command:")
    yield from _options(parser)


def _commands() -> Iterator[str]:
    yield ".SH COMMANDS"
    parser = arguments.parser()
    everywhere = {option for action in parser._actions for option in action.option_strings}
    for name, its in completion.subcommands(parser).items():
        yield f".SS {roff(name)}"
        if name == "completion":
            yield roff('The completion of bash: eval "$(remote-install completion)"')
            continue
        yield roff(str(its.usage))
        yield ".PP"
        yield roff(str(its.description))
        yield from _options(its, everywhere)


def _options(parser: argparse.ArgumentParser, but: Collection[str] = ()) -> Iterator[str]:
    """What a parser takes, but for options that all take."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or set(but) & set(action.option_strings):
            continue
        value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
        names = ", ".join(f"\\fB{roff(option)}\\fR" for option in action.option_strings)
        words = f"{names} \\fI{roff(str(value))}\\fR" if names and value else names or f"\\fI{roff(str(value))}\\fR"
        yield ".TP"
        yield words
        yield roff(str(action.help or "its name"))


def _tail() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    text = arguments.EPILOG.partition(": ")[2].replace("\n", " ")
    for code, what in re.findall(r"([0-9/]+) ([^,]+)", text):
        yield from (".TP", f"\\fB{code}\\fR", roff(what))
    for title, rows in (("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)):
        yield f".SH {title}"
        for name, what in rows:
            yield from (".TP", f"\\fI{roff(name)}\\fR", roff(what))
    yield ".SH SEE ALSO"
    yield roff(SEE_ALSO)


def roff(text: str) -> str:
    r"""Text that roff prints as it is.

    >>> print(roff(".a -b \\c"))
    \&.a \-b \ec
    """
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write(page())
