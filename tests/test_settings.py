"""One YAML file against a table of keys: whatever is in the file, values or every mistake with its place."""

from __future__ import annotations

import doctest
import multiprocessing
import os
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from transfer import wording
from transfer.errors import ConfigError
from transfer.keys import Key, Kind
from transfer.settings import read_settings

PLACE = {"text": Key("text"), "list": Key("texts", Kind.LIST)}
TABLE = Key(
    "a test's file",
    Kind.TABLE,
    keys={
        "text": Key("text"),
        "colour": Key("a choice", choices=("red", "green")),
        "word": Key("a word", pattern="[a-z]+", wanted="small letters"),
        "count": Key("a number", Kind.WHOLE, least=1, most=10),
        "wait": Key("seconds", Kind.SECONDS, least=0, most=60),
        "really": Key("yes or no", Kind.BOOLEAN),
        "list": Key("texts", Kind.LIST),
        "words": Key("patterned texts", Kind.LIST, item=Key("a word", pattern="[a-z]+", wanted="small letters")),
        "command": Key("a program", Kind.COMMAND),
        "map": Key("text to text", Kind.MAPPING),
        "folded": Key("text to text", Kind.MAPPING, any_case=True),
        "inner": Key("a table", Kind.TABLE, keys={"text": Key("text"), "depth": Key("a number", Kind.WHOLE)}),
        "places": Key("tables", Kind.MAPPING, item=Key("a place", Kind.TABLE, keys=PLACE)),
        "soon": Key("a time", Kind.DURATION, least=1, most=3600),
        "line": Key("to run", Kind.LINE_OR_LIST),
        "lines": Key("several lines", lines=True, empty=True),
        "runner": Key("who runs", Kind.NAME_OR_TABLE, keys={"name": Key("its name", pattern="[a-z]+"), "at": Key("b")}),
        "needs": Key("one", Kind.TABLE, keys={"it": Key("a text", required=True), "also": Key("another")}),
        "odd": Key("odd", refuse=lambda text: ("that is even", "Write odd.") if len(text) % 2 == 0 else None),
    },
)
CHAIN = "places:\n  p0: &p0 {text: x}\n" + "\n".join(f"  p{i + 1}: &p{i + 1} {{<<: *p{i}}}" for i in range(500))
WriteFile = Callable[..., str]


@pytest.fixture
def write(tmp_path: Any) -> WriteFile:
    def write_file(content: str | bytes) -> str:
        path = tmp_path / "f.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_file


def error_of(path: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_settings(path, TABLE)
    error = caught.value
    assert all(c.isprintable() or c == "\n" for c in error.message + error.hint)
    error.message.encode()
    return error


def mistakes_of(path: str) -> list[tuple[str, str]]:
    """(LINE:COLUMN, what is wrong) of each mistake, in the order shown; checks that each has its line and caret."""
    lines = error_of(path).message.split("\n")
    found = []
    for number, line in enumerate(lines):
        head = re.match(re.escape(path) + r":(\d+:\d+): (.*)", line)
        if head:
            found.append((head.group(1), head.group(2)))
            assert re.fullmatch(r" +\^", lines[number + 2]), lines
    assert found, lines
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # Text is what stands there, not what YAML 1.1 makes of it.
        ("text: 2:00:00", {"text": "2:00:00"}),
        ("text: no", {"text": "no"}),
        ("text: 010", {"text": "010"}),
        ("text: 1_000", {"text": "1_000"}),
        ("text: 2026-11-22", {"text": "2026-11-22"}),
        ("text: =", {"text": "="}),
        ("text: <<", {"text": "<<"}),
        ('text: "~"', {"text": "~"}),
        ("text: ''", {"text": ""}),
        ('text: "null"', {"text": "null"}),
        ("text: a\n  b", {"text": "a b"}),
        ("text: é日本", {"text": "é日本"}),
        ("map: {010: 22:22, no: yes}", {"map": {"010": "22:22", "no": "yes"}}),
        ("count: 10", {"count": 10}),
        ("wait: 0.5", {"wait": 0.5}),
        ("wait: 60", {"wait": 60.0}),
        ("really: true", {"really": True}),
        ("really: off", {"really": False}),
        ("colour: green", {"colour": "green"}),
        ("list: []", {"list": ()}),
        ("list: [a, 'b c', 010]", {"list": ("a", "b c", "010")}),
        ("list:\n- a\n- b\n", {"list": ("a", "b")}),
        ("command: ssh -F 'a b' c\\ d", {"command": ("ssh", "-F", "a b", "c d")}),
        ("command: [ssh, a b, '']", {"command": ("ssh", "a b", "")}),
        ("inner:", {"inner": {}}),
        ("places: {a: , b: {}}", {"places": {"a": {}, "b": {}}}),
        ("places: {a: {text: x}}", {"places": {"a": {"text": "x"}}}),
        ("odd: abc", {"odd": "abc"}),
        ("{}", {}),
        ("%YAML 1.1\n---\ntext: a\n...\n", {"text": "a"}),
        ("\ufefftext: a\r\ncount: 2\r\n", {"text": "a", "count": 2}),
        # Anchors, aliases and merges.
        ("text: &t a\nlist: [*t, *t]", {"text": "a", "list": ("a", "a")}),
        ("inner: &i {text: a}\nplaces: {x: *i}", {"inner": {"text": "a"}, "places": {"x": {"text": "a"}}}),
        ("places: {x: &x {text: y}, z: {<<: *x}}", {"places": {"x": {"text": "y"}, "z": {"text": "y"}}}),
        ("inner: {<<: {text: a, depth: 1}, depth: 2}", {"inner": {"text": "a", "depth": 2}}),
        ("inner: {depth: 2, <<: {text: a, depth: 1}}", {"inner": {"text": "a", "depth": 2}}),
        ("inner: {<<: [{text: a}, {text: b, depth: 1}]}", {"inner": {"text": "a", "depth": 1}}),
        ("inner: {<<: {<<: {text: a}}}", {"inner": {"text": "a"}}),
        ("inner: {<<: []}", {"inner": {}}),
        ("map: {<<: {a: 1}, b: 2}", {"map": {"a": "1", "b": "2"}}),
        ("map: {Ab: 1, aB: 2}", {"map": {"Ab": "1", "aB": "2"}}),
        ("folded: {<<: [{Ab: 1, C: 1}, {ab: 2}], c: 2}", {"folded": {"Ab": "1", "c": "2"}}),
        # A merge is shallow: the whole of `map` is the file's own.
        ("<<: {map: {a: 1}}\nmap: {b: 2}", {"map": {"b": "2"}}),
    ],
)
def test_good_files(write: WriteFile, content: str, expected: dict[str, Any]) -> None:
    values = read_settings(write(content), TABLE)
    assert values == expected
    assert [type(value) for value in values.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    ("content", "place", "phrase"),
    [
        # Kinds: what was expected, what was seen.
        ("text: [a]", "1:7", "text: expected text, saw a list"),
        ("text: {a: b}", "1:7", "text: expected text, saw a mapping"),
        ("text:", "1:6", "text: expected text, saw nothing"),
        ("text: ~", "1:7", "saw nothing (~)"),
        ("text: null", "1:7", "saw nothing (null)"),
        ("count: many", "1:8", "count: expected a whole number from 1 to 10, saw many"),
        ('count: "5"', "1:8", 'expected a whole number from 1 to 10, saw the text "5"'),
        ("count: 5.5", "1:8", "saw 5.5"),
        ("count: 010", "1:8", "saw 010"),
        ("count: 1:30", "1:8", "saw 1:30"),
        ("count: 0x5", "1:8", "saw 0x5"),
        ("count: ٣", "1:8", "saw ٣"),
        ("count: 0", "1:8", "saw 0"),
        ("count: 11", "1:8", "saw 11"),
        ("count: -1", "1:8", "saw -1"),
        ("count: " + "9" * 5000, "1:8", "saw 999"),
        ("wait: .inf", "1:7", "expected a number of seconds from 0 to 60, saw .inf"),
        ("wait: 30s", "1:7", "saw 30s"),
        ("wait: -0.5", "1:7", "saw -0.5"),
        ("really: maybe", "1:9", "expected true or false, saw maybe"),
        ('really: "true"', "1:9", 'saw the text "true"'),
        ("colour: blue", "1:9", "expected one of red, green, saw blue"),
        ("word: ABC", "1:7", "word: expected small letters, saw ABC"),
        ('word: "abc\\n"', "1:7", "\\n can't stand in this text"),
        ("list: a", "1:7", "list: expected a list, saw a"),
        ("list:", "1:6", "expected a list, saw nothing"),
        ("list: [a, [b]]", "1:11", "list: expected text, saw a list"),
        ("words: [a,\n  B]", "2:3", "words: expected small letters, saw B"),
        ("command: ssh 'x", "1:10", "command: no closing quotation"),
        ("command: ''", "1:10", "command: no program is named"),
        ("command: \"''\"", "1:10", "command: no program is named"),
        ("command: []", "1:10", "command: no program is named"),
        ("command: {a: b}", "1:10", "command: expected a program with its arguments, saw a mapping"),
        ("map: [a]", "1:6", "map: expected a mapping of names, saw a list"),
        ("map: {a: [b]}", "1:10", "map.a: expected text, saw a list"),
        ("inner: text", "1:8", "inner: expected a mapping, saw text"),
        ("inner:\n  depth: x", "2:10", "inner.depth: expected a whole number, saw x"),
        ("places: {a: {text: []}}", "1:20", "places.a.text: expected text, saw a list"),
        ("odd: ab", "1:6", "that is even"),
        ("soon: 1w", "1:7", "soon: expected a time such as 90, 90s, 30m, 2h, 1d or 2:00:00 from 1 to 3600 s, saw 1w"),
        ("soon: 0", "1:7", "soon: expected a time"),
        ("soon: [1]", "1:7", "soon: expected a time"),
        ("line: ''", "1:7", "line: nothing is to be run"),
        ("line: []", "1:7", "line: no program is named"),
        ("line: {a: b}", "1:7", "line: expected a shell line, or a list of arguments, saw a mapping"),
        ("lines: [a]", "1:8", "lines: expected text, saw a list"),
        ('lines: "a\\x07"', "1:8", "can't stand in this text"),
        ("runner: A", "1:9", "runner: expected text, saw A"),
        ("runner: [a]", "1:9", "runner: expected a name, or a mapping, saw a list"),
        ("runner: {nam: a}", "1:10", "`nam` is not a key of runner"),
        ("needs: {also: b}", "1:8", "needs: `it` is missing"),
        ("text: " + "x" * 16385, "1:7", "text: longer than 16384 characters"),
        # Names.
        ("\ufefftxet: a", "1:1", "`txet` is not a key of this file"),
        ("txet: a", "1:1", "`txet` is not a key of this file"),
        ("inner:\n  text: a\n  size: 1", "3:3", "`size` is not a key of inner"),
        ("text: a\ncount: 1\ntext: b", "3:1", "`text` is given twice: on line 1 and on line 3"),
        ("map: {a: 1, 'a': 2}", "1:13", "`a` is given twice"),
        ("folded:\n  Ab: 1\n  aB: 2", "3:3", "`aB` is given twice: on line 2 and on line 3"),
        ("map: {<<: {a: 1}, <<: {b: 2}}", "1:19", "`<<` is given twice"),
        ("{a: b}: c", "1:1", "a key: expected a name, saw a mapping"),
        ("~: c", "1:1", "a key: expected a name, saw nothing (~)"),
        ("map: {null: c}", "1:7", "a key: expected a name, saw nothing (null)"),
        ('map: {"a\\0": c}', "1:7", "a key: \\x00 can't stand in this text"),
        ('"<<": {text: a}', "1:1", "`<<` is not a key of this file"),
        # Characters that must not reach a terminal or a command line.
        ('text: "a\\e[31m"', "1:7", "text: \\x1b can't stand in this text"),
        ('text: "a\\0"', "1:7", "\\x00 can't stand in this text"),
        ('text: "\\ud800"', "1:7", "\\ud800 can't stand in this text"),
        ("text: |\n  a\n  b\n", "1:7", "\\n can't stand in this text"),
        ('"\\e[31m": a', "1:1", "\\x1b can't stand"),
        ("colour: r\u202eed", "1:9", "saw r\\u202eed"),
        # Anchors, aliases and merges used wrongly: shown where they are used.
        ("map: &m {a: b}\ntext: *m", "2:7", "text: expected text, saw a mapping"),
        ("text: &t abc\ncount: *t", "2:8", "count: expected a whole number from 1 to 10, saw abc"),
        ("map: &m {size: b}\ninner: *m", "1:10", "`size` is not a key of inner"),
        ("inner:\n  <<: 7", "2:7", "<<: expected a mapping or a list of mappings, saw 7"),
        ("inner: {<<: }", "1:12", "<<: expected a mapping or a list of mappings, saw nothing"),
        ("inner: {<<: [{text: a}, b]}", "1:25", "<<: expected a mapping or a list of mappings, saw b"),
        ("list: &l [a]\ninner: {<<: *l}", "1:11", "<<: expected a mapping or a list of mappings, saw a"),
        ("text: *nobody", "1:7", "this is not YAML: found undefined alias 'nobody'"),
        ("list: &l [a, *l]", "1:14", "the alias *l stands inside of what it names"),
        ("inner: &i {<<: *i}", "1:16", "the alias *i stands inside of what it names"),
        ("map: &m\n  a: {b: [*m]}", "2:11", "the alias *m stands inside of what it names"),
        ("text: !!str 010", "1:7", "tags such as !!str are not used here"),
        ("text: !!python/object/apply:os.system [id]", "1:7", "tags such as !!str are not used here"),
        (CHAIN, "3:16", "merges of merges, more than 20 deep"),
        # What is no YAML, or not one mapping.
        ("[a]", "1:1", "the file: expected a mapping, saw a list"),
        ("\n# only text\nhello", "3:1", "the file: expected a mapping, saw hello"),
        ("text: a\n---\ntext: b", "2:1", "a second document begins here"),
        ("inner:\n\ttext: a", "2:1", "a tab is used as indentation"),
        ("inner:\n  text: a\n \tdepth: 1", "3:2", "a tab is used as indentation"),
        ("text: a: b", "1:8", "this is not YAML: mapping values are not allowed here"),
        ("list: [a, b\ntext: c", "2:5", "this is not YAML: expected ',' or ']', but got ':'"),
        ("text: 'abc\n\n", "3:1", "this is not YAML: found unexpected end of stream"),
        ("text: @a", "1:7", "this is not YAML: found character '@' that cannot start any token"),
        ('text: "\\UFFFFFFFF"', "1:10", "this is not YAML: no such character"),
        ("[" * 1000, "1:21", "nested more than 20 deep"),
        ("text: a\x07b", "1:8", "the character \\x07 can't stand in a YAML file"),
        ("text: a\n\x1b[31m", "2:1", "the character \\x1b can't stand in a YAML file"),
        ("text: a\nc\x00", "2:2", "the character \\x00 can't stand in a YAML file"),
        (b"text: a\n# \xc3\xa9\xff\n", "2:4", "the byte \\xff is not UTF-8"),
        (b"text: a\r\ncolour: r\xe9d", "2:10", "the byte \\xe9 is not UTF-8"),
        ("text: a".encode("utf-16"), "1:1", "the byte \\xff is not UTF-8"),
    ],
)
def test_a_mistake_is_shown_at_its_place(write: WriteFile, content: str | bytes, place: str, phrase: str) -> None:
    found = mistakes_of(write(content))
    assert len(found) == 1, found
    assert found[0][0] == place
    assert phrase in found[0][1]


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("txet: a", "Did you mean `text`?"),
        ("zzz: a", "It can have: text, colour,"),
        ("colour: gren", "Did you mean `green`?"),
        ("depth: 1", "It belongs under `inner`."),
        ("needs: {}", "Add a line `it: ...`."),
        ("odd: ab", "Write odd."),
        ("list: a", "Write it in brackets: [a]."),
        ("map: {a: 1, a: 2}", "Keep one of them."),
        ("folded: {a: 1, A: 2}", "Keep one of them: case makes no difference here."),
        ('count: "5"', "Write digits only"),
        ("text: ~", "put it in quotes"),
        ("inner: a", "it can have: text, depth."),
        ("list: [a, b\ntext: c", "It came up while parsing a flow sequence from line 1, column 7."),
    ],
)
def test_a_mistake_has_its_remedy(write: WriteFile, content: str, hint: str) -> None:
    assert hint in error_of(write(content)).message.split("^", 1)[1]


def test_all_mistakes_are_shown_in_order_of_the_file(write: WriteFile) -> None:
    path = write("count: 99\ninner: {text: [], size: 1, text: b}\nsoon: no\nlist: [a, [b], {}]\ncolor: red\n")
    assert mistakes_of(path) == [
        ("1:8", "count: expected a whole number from 1 to 10, saw 99"),
        ("2:15", "inner.text: expected text, saw a list"),
        ("2:19", "`size` is not a key of inner"),
        ("2:28", "`text` is given twice: on line 2 and on line 2"),
        ("3:7", "soon: expected a time such as 90, 90s, 30m, 2h, 1d or 2:00:00 from 1 to 3600 s, saw no"),
        ("4:11", "list: expected text, saw a list"),
        ("4:16", "list: expected text, saw a mapping"),
        ("5:1", "`color` is not a key of this file"),
    ]


def test_the_line_and_the_caret(write: WriteFile) -> None:
    path = write("inner:\n  text: {}\n'日本\u202e': &a [")
    assert error_of(path).message.split("\n")[1:3] == ["    '日本\\u202e': &a [", " " * 22 + "^"]
    assert error_of(write("\ufefftxet: a")).message.split("\n")[1:3] == ["    txet: a", "    ^"]
    path = write("inner: {text: 日本, depth: x}")
    assert error_of(path).message == "\n".join(
        [
            f"{path}:1:26: inner.depth: expected a whole number, saw x",
            "    inner: {text: 日本, depth: x}",
            " " * 4 + " " * 27 + "^",
            "    Write digits only, such as 30: no quotes, no unit, no 0 in front.",
        ]
    )
    path = write("list: [" + "abc, " * 1000 + "{}]")
    line, caret = error_of(path).message.split("\n")[1:3]
    assert line.startswith("    ...")
    assert len(line) < 120
    assert line[caret.index("^")] == "{"


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("---\n", "is empty"),
        ("~", "is empty"),
        ("\ufeff", "is empty"),
        ("#" * (1024 * 1024 + 1), "is larger than 1 MiB"),
    ],
)
def test_files_without_a_place_to_show(write: WriteFile, content: str, phrase: str) -> None:
    path = write(content)
    error = error_of(path)
    assert error.message == f"{path} {phrase}"
    assert error.hint


def test_a_file_of_1_mib_is_read(write: WriteFile) -> None:
    assert read_settings(write("text: a\n#" + "x" * (1024 * 1024 - 9)), TABLE) == {"text": "a"}


def test_files_that_cannot_be_read(tmp_path: Any) -> None:
    for path in (tmp_path, tmp_path / "none.yaml", f"{tmp_path}/nul\0"):
        assert "can't be read: " in error_of(str(path)).message
    assert "No such file" in error_of(str(tmp_path / "none.yaml")).message
    assert "\\x1b[31m" in error_of(str(tmp_path / "\x1b[31m")).message


def test_a_file_without_permission(write: WriteFile) -> None:
    path = write("text: a")
    os.chmod(path, 0)
    os.chmod(os.path.dirname(path), 0o755)

    def read() -> None:
        os.chdir(os.path.dirname(path))
        if os.geteuid() == 0:  # root reads everything
            os.setuid(65534)
        assert error_of("f.yaml").message == "f.yaml can't be read: Permission denied"

    child = multiprocessing.get_context("fork").Process(target=read)
    child.start()
    child.join()
    assert child.exitcode == 0


def bomb(first: str, line: str) -> str:
    """Ten lines, each of nine aliases of the one before."""
    names = "abcdefghijk"
    lines = [line.format(name=name, aliases=",".join([f"*{last}"] * 9)) for last, name in zip(names, names[1:])]
    return "\n".join([first, *lines])


BOMBS = {
    "lists": bomb("a: &a [x,x,x,x,x,x,x,x,x]", "{name}: &{name} [{aliases}]"),
    "texts": bomb("list: &a [x,x,x,x,x,x,x,x,x]", "list: &{name} [{aliases}]"),
    "merges": bomb("places:\n  a: &a {text: x}", "  {name}: &{name} {{<<: [{aliases}]}}"),
    "wide": "map: &m {" + ", ".join(f"a{i}: b" for i in range(1000)) + "}\nplaces: {p: {<<: [" + "*m, " * 1000 + "]}}",
    "chain": CHAIN,
}


@pytest.mark.parametrize("name", BOMBS)
def test_alias_bombs_take_no_time(write: WriteFile, name: str) -> None:
    path = write(BOMBS[name])
    start = time.process_time()
    error = error_of(path)
    assert time.process_time() - start < 1
    assert len(error.message) < 1_000_000


def test_many_aliases_of_one_table_are_no_bomb(write: WriteFile) -> None:
    content = "places:\n  p: &p {list: [" + "x, " * 100 + "]}\n"
    path = write(content + "".join(f"  p{i}: *p\n" for i in range(2000)))
    assert len(read_settings(path, TABLE)["places"]) == 2001


def test_a_mistake_met_by_many_aliases_is_shown_once(write: WriteFile) -> None:
    path = write("places:\n  p: &p {txt: x}\n  q: *p\n  r: {<<: *p}\n")
    assert mistakes_of(path) == [("2:10", "`txt` is not a key of places.p")]


def test_examples() -> None:
    result = doctest.testmod(wording)
    assert result.attempted
    assert not result.failed
