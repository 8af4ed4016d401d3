"""Every error message in the code, as a pattern: its constant words, with `…` for what varies.

Told from the source alone, so that no message has to be provoked to be known.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer import errors

ROOT = Path(__file__).parents[1]
VARIES = "…"
EITHER = (ast.IfExp, ast.BoolOp)


@dataclass(frozen=True)
class Site:
    """A place in the code that makes an error. code: None where it varies. hint: "" where none is given."""

    code: int | None
    message: str
    hint: str
    where: str


@dataclass(frozen=True)
class Maker:
    """What is called to make an error: which argument is its code, its message and its hint."""

    message: int
    hint: int
    code: int | None  # the exit code itself
    code_at: int | None = None  # else the argument that is it
    names: tuple[str, ...] = ("message", "hint")


def classes(of: type[errors.RemoteInstallError] = errors.RemoteInstallError) -> Iterator[tuple[str, Maker]]:
    yield of.__name__, Maker(0, 1, of.exit_code)
    for below in of.__subclasses__():
        yield from classes(below)


MAKERS = {
    **dict(classes()),
    **dict.fromkeys(("Refusal", "Unsure", "refusal"), Maker(1, 2, None, 0)),
    **dict.fromkeys(("Mistake", "Stop"), Maker(1, 2, 3)),
    "ArgumentTypeError": Maker(0, 1, 2),
}
del MAKERS["RemoteInstallError"]


def sites() -> set[Site]:
    """All that can be told from the code. A function that hands its own arguments on as message is a maker too."""
    found: set[Site] = set()
    for folder in ("remote_install", "transfer"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found |= _Module.of(path).sites()
    return found


class _Module:
    of: Callable[[Path], _Module]

    def __init__(self, path: Path) -> None:
        self.where = str(path.relative_to(ROOT))
        self.tree = ast.parse(path.read_text())
        self.above: dict[ast.AST, ast.AST] = {}
        for node in ast.walk(self.tree):
            for below in ast.iter_child_nodes(node):
                self.above[below] = node
        self.makers = dict(MAKERS)
        self.calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        self.values: dict[tuple[ast.FunctionDef | None, str], list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                for target, value in (pair for one in node.targets for pair in _pairs(one, node.value)):
                    if isinstance(target, ast.Name):
                        self.values.setdefault((self._function(node), target.id), []).append(value)

    def sites(self) -> set[Site]:
        while (more := self._helpers()).keys() - self.makers.keys():
            self.makers = {**more, **self.makers}
        told = {site for call, maker in self._makers_called() for site in self._called(call, maker)}
        return told | {site for node in ast.walk(self.tree) for site in self._refused(node)}

    def _makers_called(self) -> Iterator[tuple[ast.Call, Maker]]:
        for call in self.calls:
            if maker := self.makers.get(_name(call.func)):
                yield call, maker

    def _helpers(self) -> dict[str, Maker]:
        """The functions whose own parameter is the message that they make an error of."""
        found = {}
        for call, maker in self._makers_called():
            message, function = _argument(call, maker.message, "message"), self._function(call)
            if function is None or not isinstance(message, ast.Name):
                continue
            names = [one.arg for one in function.args.args if one.arg not in ("self", "cls")]
            if message.id not in names:
                continue
            hint, code = _argument(call, maker.hint, "hint"), self._code(call, maker)
            hint_at = names.index(hint.id) if isinstance(hint, ast.Name) and hint.id in names else 99
            found[function.name] = Maker(names.index(message.id), hint_at, code)
        return found

    def _called(self, node: ast.Call, maker: Maker) -> Iterator[Site]:
        message, hint = _argument(node, maker.message, "message"), _argument(node, maker.hint, "hint")
        hints = self._texts(hint, node) if hint is not None else {""}
        for text in self._texts(message, node) if message is not None else ():
            yield from (Site(self._code(node, maker), text, one, f"{self.where}:{node.lineno}") for one in hints)

    def _refused(self, node: ast.AST) -> Iterator[Site]:
        """What stands wrong in hosts.yaml or run.yaml is told as a pair, or with its place as three."""
        if not isinstance(node, (ast.Return, ast.Yield)) or not isinstance(node.value, ast.Tuple):
            return
        function, pair = self._function(node), node.value.elts[-2:]
        if function and re.match("_?refuse_|_check", function.name) and len(node.value.elts) in (2, 3):
            for text in self._texts(pair[0], node):
                yield from (Site(3, text, hint, f"{self.where}:{node.lineno}") for hint in self._texts(pair[1], node))

    def _code(self, call: ast.Call, maker: Maker) -> int | None:
        if maker.code_at is None:
            return maker.code
        code = _argument(call, maker.code_at, "code")
        return code.value if isinstance(code, ast.Constant) and isinstance(code.value, int) else None

    def _function(self, node: ast.AST) -> ast.FunctionDef | None:
        while node in self.above:
            node = self.above[node]
            if isinstance(node, ast.FunctionDef):
                return node
        return None

    def _texts(self, node: ast.expr, at: ast.AST, deep: int = 0) -> set[str]:
        """What the expression may be, with `…` for what can't be told."""
        if isinstance(node, ast.Constant):
            return {node.value} if isinstance(node.value, str) else set()
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, at, deep)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return self._joined(_filled(node), at, deep)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._texts(node.left, at, deep), self._texts(node.right, at, deep)
            return {_tidy(one + other) for one in left for other in right}
        if isinstance(node, ast.IfExp):
            return self._texts(node.body, at, deep) | self._texts(node.orelse, at, deep)
        if isinstance(node, ast.Name) and deep < 5:
            return self._assigned(node.id, at, deep) or {VARIES}
        if isinstance(node, ast.Call) and deep < 5:
            return self._returned(_name(node.func), deep) or {VARIES}
        return {VARIES}

    def _returned(self, name: str, deep: int) -> set[str]:
        """What a function of the module, or one that it imports, returns, where that is a text."""
        for module in (self, *(_Module.of(path) for path in self._imported(name))):
            every = [one for one in ast.walk(module.tree) if isinstance(one, ast.FunctionDef) and one.name == name]
            functions = [one for one in every if one in module.tree.body] or every  # not a method of that name
            returns = [one for function in functions for one in ast.walk(function) if isinstance(one, ast.Return)]
            values = [one.value for one in returns if one.value is not None]
            if values:
                return {text for one in values for text in module._texts(one, one, deep + 1)}
        return set()

    def _imported(self, name: str) -> Iterator[Path]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and name in {one.name for one in node.names} and node.module:
                here = (ROOT / self.where).parent if node.level else ROOT
                path = here.joinpath(*node.module.split(".")).with_suffix(".py")
                if path.is_file():
                    yield path

    def _joined(self, parts: Sequence[ast.expr], at: ast.AST, deep: int) -> set[str]:
        """What constant parts and values give, one after the other. A value is told where it is one of a few words."""
        texts = [
            self._texts(part.value if isinstance(part, ast.FormattedValue) else part, at, deep + 1) for part in parts
        ]
        few = [told if len(told) <= 3 and VARIES not in told else {VARIES} for told in texts]
        return {_tidy("".join(combined)) for combined in itertools.product(*few)}

    def _assigned(self, name: str, at: ast.AST, deep: int) -> set[str]:
        """What a name of the function, else of the module, is set to."""
        for scope in (self._function(at), None):
            values = self.values.get((scope, name), ())
            if values:
                return {text for value in values for text in self._texts(value, at, deep + 1)}
        return set()


_Module.of = functools.cache(_Module)


def _filled(node: ast.BinOp) -> list[ast.expr]:
    """The parts of `"... %s ..." % values`."""
    text = node.left.value if isinstance(node.left, ast.Constant) else ""
    if not isinstance(text, str) or not text:
        return [ast.Constant(VARIES)]
    values = iter(node.right.elts if isinstance(node.right, ast.Tuple) else [node.right])
    parts: list[ast.expr] = []
    for piece in re.split(r"(%[-+.0-9]*[a-z])", text):
        parts.append(next(values, ast.Constant(VARIES)) if piece.startswith("%") else ast.Constant(piece))
    return parts


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        yield from zip(target.elts, value.elts)
    else:
        yield target, value


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _argument(call: ast.Call, at: int, name: str) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[at] if at < len(call.args) and not isinstance(call.args[0], ast.Starred) else None


def _tidy(text: str) -> str:
    text = " ".join(text.split()) if "\n" in text else text
    return re.sub(rf"{VARIES}( ?{VARIES})+", VARIES, text)


@functools.cache
def patterns() -> dict[tuple[int | None, str], set[str]]:
    """Exit code and message -> the remedies that are constant. Messages that are all words of others are not here.

    A host, path or platform in front is left out: messages are looked for by their words.
    """
    found: dict[tuple[int | None, str], set[str]] = {}
    for site in sites():
        message = re.sub(rf"^{VARIES}: (?=.*[a-z])", "", site.message)
        if re.search("[a-zA-Z]", message):
            found.setdefault((site.code, message), set()).add("" if VARIES in site.hint else site.hint)
    return found
