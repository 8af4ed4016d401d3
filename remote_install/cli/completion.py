"""The completion of bash, made from the parser: a script that starts no program when a key is pressed."""

from __future__ import annotations

import argparse

SCRIPT = """\
# Completion of remote-install for bash: eval "$(remote-install completion)"
_remote_install() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command= at
    COMPREPLY=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${{COMP_WORDS[at]}} in
            --) return ;;  # the job's own words
            --hosts) ((at++)) ;;
            -*) ;;
            *) [[ $command ]] || command=${{COMP_WORDS[at]}} ;;
        esac
    done
    case $command:$before in
{values}
    esac
    case $command:$word in
        :-*) COMPREPLY=($(compgen -W "{top}" -- "$word")) ;;
        :*) COMPREPLY=($(compgen -W "{commands}" -- "$word")) ;;
{options}
    esac
}}
complete -o default -F _remote_install remote-install
"""


def script(parser: argparse.ArgumentParser) -> str:
    """The script for all that `parser` takes. What is no word of ours is completed as a file name."""
    commands = subcommands(parser)
    values, options = [], []
    for name, its in commands.items():
        for action in its._actions:
            for choice in action.option_strings if action.nargs != 0 else ():
                words = " ".join(map(str, action.choices or ()))
                reply = f'COMPREPLY=($(compgen -W "{words}" -- "$word")); ' if words else ""
                values.append(f"        {name}:{choice}) {reply}return ;;")
        options.append(f'        {name}:-*) COMPREPLY=($(compgen -W "{" ".join(long_options(its))}" -- "$word")) ;;')
    shown = " ".join(name for name in commands if name != "completion")
    top = " ".join(long_options(parser))
    return SCRIPT.format(values="\n".join(values), options="\n".join(options), commands=shown, top=top)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of `parser`, by name."""
    (found,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(found.choices)


def long_options(parser: argparse.ArgumentParser) -> list[str]:
    """Its options, without the short forms of those that have a long one."""
    found: list[str] = []
    for action in parser._actions:
        longs = [option for option in action.option_strings if option.startswith("--")]
        found += longs or action.option_strings
    return found
