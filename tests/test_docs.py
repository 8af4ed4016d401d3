"""The reference pages of docs/ name what the code has, all of it, and nothing that it has not."""

from __future__ import annotations

import argparse
import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import error_messages
import pytest

from remote_install.cli import arguments, signals
from remote_install.jobhost import layout, wire
from remote_install.jobhost.verbs import VERBS
from remote_install.report import KEYS, STATES
from remote_install.run_settings import JobSettings
from remote_install.run_yaml import RUN_YAML
from transfer import errors, rsync, ssh
from transfer.hosts_yaml import HOSTS_YAML
from transfer.keys import Key, Kind
from transfer.platforms import Platform

DOCS = Path(__file__).parents[1] / "docs"
EVERYWHERE = {"-h, --help", "--hosts", "--json", "-v, --verbose", "-q, --quiet"}


def page(name: str) -> str:
    return (DOCS / name).read_text()


def rows(text: str) -> Iterator[list[str]]:
    """The cells of all table rows but headings."""
    for line in text.splitlines():
        if line.startswith("|") and not set(line) <= set("|- "):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def first_words(text: str) -> dict[str, list[str]]:
    """What stands in code in the first cell of a row -> the other cells."""
    return {cells[0].strip("`"): cells[1:] for cells in rows(text) if cells[0].startswith("`")}


def keys_below(table: Key, path: str = "") -> Iterator[tuple[str, Key]]:
    """Every key of a settings file; what stands under a name that the file chooses has that name left out."""
    for name, key in table.keys.items():
        where = f"{path}{name}"
        yield where, key
        if key.kind in (Kind.TABLE, Kind.NAME_OR_TABLE):
            yield from keys_below(key, f"{where}.")
        elif key.kind is Kind.MAPPING and key.item and key.item.keys:
            yield from keys_below(key.item, f"{where}.")


def test_every_key_of_hosts_yaml_is_explained_and_no_other() -> None:
    top = {name: key for name, key in keys_below(HOSTS_YAML) if not name.startswith(("defaults.", "platforms."))}
    platform = dict(keys_below(HOSTS_YAML.keys["defaults"]))
    told = first_words(page("hosts-yaml.md"))
    assert set(told) == {*top, *platform}
    for name, key in {**top, **platform}.items():
        for choice in key.choices:
            assert f"`{choice}`" in told[name][0], f"{name}: {choice}"


def test_every_key_of_run_yaml_is_explained_and_no_other() -> None:
    assert set(first_words(page("run-yaml.md"))) == {name for name, _ in keys_below(RUN_YAML)}


def default_of(path: str, of: Any) -> str | None:
    """What a key is where the file does not set it, as the page has it; None where the page has it in words."""
    for name in path.split("."):
        of = getattr(of, name)
    if isinstance(of, bool):
        return f"`{str(of).lower()}`"
    if isinstance(of, float):
        return f"`{of:g}`"
    if isinstance(of, tuple):
        return f"`{of[0]}`" if len(of) == 1 else "none"
    return f"`{of}`" if isinstance(of, (str, int)) and of != "" else None


@pytest.mark.parametrize("name", [name for name, _ in keys_below(HOSTS_YAML.keys["defaults"])])
def test_the_defaults_of_hosts_yaml_are_those_of_the_code(name: str) -> None:
    if name in ("hosts", "install_target", "ssh", "rsync", "retry", "polling", "job_runner"):
        return  # the platform's name; tables
    wanted = default_of(name, Platform("p", ("p",), "p"))
    told = first_words(page("hosts-yaml.md"))[name][1]
    assert told == wanted if wanted else told in ("none", "ssh_config")


def test_the_defaults_of_run_yaml_are_those_of_the_code() -> None:
    told = first_words(page("run-yaml.md"))
    assert told["jobs.retries"][1] == default_of("retries", JobSettings("j", "c"))


def commands() -> dict[str, argparse.ArgumentParser]:
    (found,) = (a for a in arguments.parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {", ".join(action.option_strings) for action in parser._actions if action.option_strings}


def section(command: str) -> str:
    text = page("commands.md")
    return re.split(r"^## ", text, flags=re.MULTILINE)[headings().index(command) + 1]


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", page("commands.md"), re.MULTILINE)


def options_told(text: str) -> set[str]:
    """The options in the first cells, without their values."""
    cells = [cells[0] for cells in rows(text) if cells[0].startswith("`-")]
    return {re.sub(r" [A-Z=]+$", "", cell.replace("`", "")) for cell in cells}


def test_every_command_has_a_section_and_no_other_has() -> None:
    assert sorted(headings()) == sorted(commands())


@pytest.mark.parametrize("command", commands())
def test_every_option_of_a_command_is_explained_and_no_other(command: str) -> None:
    assert options_told(section(command)) == options_of(commands()[command]) - EVERYWHERE
    assert f"$ remote-install {command}" in section(command)


def test_the_options_of_every_command_are_explained() -> None:
    above = page("commands.md").partition("\n## ")[0]
    assert options_told(above) == options_of(arguments.parser())


def exit_codes(error: type[errors.RemoteInstallError]) -> set[int]:
    return {error.exit_code}.union(*map(exit_codes, error.__subclasses__()))


def test_every_exit_code_is_explained_and_no_other() -> None:
    told = {int(cells[0]) for cells in rows(page("exit-codes.md")) if cells[0].isdigit()}
    assert told == {0, 141, arguments.OURS} | {128 + number for number in signals.ENDING} | exit_codes(
        errors.RemoteInstallError
    )


def test_every_file_of_a_job_directory_is_explained_and_no_other() -> None:
    job = layout.job_directory(b"/r", "j", 1)
    paths = [getattr(job, name) for name, value in vars(layout.JobDirectory).items() if isinstance(value, property)]
    wanted = {path[len(job.path) + 1 :].decode() for path in paths}
    text = page("files.md").partition("## In a job directory")[2].partition("\n## ")[0]
    told = {name.strip("`/") for cells in rows(text) if "`" in cells[0] for name in cells[0].split(", ")}
    assert told == wanted


def test_every_key_of_a_job_in_json_is_explained() -> None:
    told = {name.strip("`") for words in first_words(page("json.md")) for name in words.split(", ")}
    assert told == set(KEYS)


def test_every_variable_that_a_job_sees_is_explained() -> None:
    source = (DOCS.parent / "remote_install/jobhost/submission.py").read_text()
    wanted = set(re.findall(r"REMOTE_INSTALL_[A-Z_]+", source))
    assert set(first_words(page("inside-a-job.md"))) == wanted
    assert wanted


def calls_in_jobhost() -> Iterator[ast.Call]:
    for path in (DOCS.parent / "remote_install/jobhost").rglob("*.py"):
        yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def constants(values: list[ast.expr]) -> list[str]:
    return [one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def test_every_verb_reply_and_field_of_the_protocol_is_explained() -> None:
    text = page("protocol.md")
    chapter = text.partition("\n## Verbs")[2].partition("\n## ")[0]
    assert set(first_words(chapter.split("\n\n")[1])) == set(VERBS)
    said, asked = {wire.LAST, "would", "root", "rsync", "runner"}, set()
    for call in calls_in_jobhost():
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in ("say", "say_soon", "offer"):
            said |= set(constants(call.args[:1]))
        elif name in ("text", "number", "strings"):
            asked |= set(constants(call.args[1:2]))
        elif name == "get" and ast.unparse(call.func).split(".")[0] in (
            "request",
            "wanted",
            "seen",
            "mirror",
            "polling",
        ):
            asked |= set(constants(call.args[:1]))
    assert [name for name in sorted(said) if f"`{name}`" not in text and f'"{name}"' not in text] == []
    fields = {"a secret's name", "a directive"}  # not of a request: values that are checked like one
    assert [name for name in sorted(asked - fields) if f"`{name}`" not in text] == []
    assert f"\n{wire.MARKER}\n" in text
    assert f"| protocol | {wire.PROTOCOL} |" in text


def test_every_state_is_explained() -> None:
    assert set(STATES) <= set(first_words(page("states.md")))


def messages_told() -> dict[tuple[int | None, str], str]:
    """The rows of errors.md: exit code and message -> what to do."""
    found = {}
    for chapter in re.split(r"^## ", page("errors.md"), flags=re.MULTILINE)[1:]:
        for cells in rows(chapter):
            for one in re.findall(r"`` (.+?) ``|`([^`]+)`", cells[0]):
                found[(int(chapter[0]), ("".join(one)).replace("\\|", "|"))] = cells[1]
    return found


def words_alone(text: str) -> str:
    return " ".join(text.replace("`", "").replace("\\|", "|").split())


# What is made of parts that can't be told from the source; the page has it in words of its own.
IN_OTHER_WORDS = {(9, "… in …")}


def test_every_error_message_is_told_with_its_remedy_under_its_exit_code() -> None:
    told, wanted = messages_told(), error_messages.patterns()
    missing = wanted.keys() - told.keys() - IN_OTHER_WORDS
    rows_to_add = [f"## {code}: | `{message}` | {' / '.join(wanted[(code, message)])} |" for code, message in missing]
    assert rows_to_add == []
    assert [key for key, remedy in told.items() if not remedy] == []


def test_no_error_message_is_told_that_the_code_does_not_have() -> None:
    told = messages_told().keys() - error_messages.patterns().keys()
    of_others = r"[a-z]+: …|… (key exchange method|cipher|MAC) …|… reset|job … is … in …|No … host key is known|\d+"
    words_of_ssh = [pattern for pattern, _, _ in ssh.TABLE]
    odd = {message for _, message in told if not re.fullmatch(of_others, message)}
    assert {message for message in odd if not any(re.search(one, message, re.IGNORECASE) for one in words_of_ssh)} == {
        "the connection ended without a word (ssh: …)"
    }


def test_every_remedy_that_the_code_gives_is_on_the_page_of_errors() -> None:
    text = words_alone(page("errors.md"))
    given = {hint for hints in error_messages.patterns().values() for hint in hints}
    given |= {hint for _, _, hint in ssh.TABLE} | set(rsync.REMEDIES.values())
    assert [hint for hint in sorted(given) if words_alone(hint) not in text] == []


def test_every_package_that_is_needed_has_its_reason_and_no_other_has() -> None:
    setup = configparser.ConfigParser()
    setup.read(DOCS.parent / "setup.cfg")
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    wanted = {
        re.split("[ <>=]", line)[0] for text in lists for line in text.splitlines() if line.strip("# ")[:1].islower()
    }
    debian = set(re.findall(r"\|\| echo ([\w+-]+)$", (DOCS.parent / "dev").read_text(), re.MULTILINE))
    told = {name for words in first_words(page("dependencies.md")) for name in words.replace("`", "").split(", ")}
    assert told == (wanted - {""}) | debian
    assert debian


def test_every_page_is_found_from_the_first() -> None:
    listed = re.findall(r"^[a-z][a-z-]*$", page("index.md"), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "index")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_every_link_to_a_file_leads_to_one(name: str) -> None:
    root = DOCS.parent
    for target in re.findall(r"\]\(([^)#:]+)\)", (root / name).read_text()):
        assert (root / target).is_file(), target
    for target in re.findall(r"`((?:remote_install|transfer|tests|docs)/[^` *]+)`", (root / name).read_text()):
        assert (root / target).exists(), target


def test_every_test_that_holds_a_promise_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+)`", page("security.md"))
    assert named
    assert [path for path in named if not (DOCS.parent / path).is_file()] == []


def test_every_link_has_words() -> None:
    """Sphinx would fill them in, but where the repository is looked at they would not be seen."""
    for path in DOCS.glob("*.md"):
        assert "[](" not in path.read_text(), path.name
