"""Words of users and files as they can stand in a message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def visible(text: str, but: str = "") -> str:
    r"""The text with what a terminal would obey or hide written as an escape. but: characters that stay as they are.

    >>> print(visible("a\x1b[31m\u202eb"))
    a\x1b[31m\u202eb
    >>> visible("a\nb\rc", but="\n") == "a\n" + r"b\rc"
    True
    """
    rest = text
    for letter in but:
        rest = rest.replace(letter, "")
    if rest.isprintable():  # nearly all is, and a build may print millions of lines
        return text
    return "".join(c if c.isprintable() or c in but else c.encode("unicode_escape").decode() for c in text)


def told(value: object, longest: int = 300) -> str:
    r"""What a host tells, as it can stand in a message: visible, at most `longest` letters; "" for what is no text.

    >>> told("a" * 301) == "a" * 300, told("\x1b" * 300) == "\\x1b" * 75, told(7), told(None)
    (True, True, '', '')
    """
    return visible(value[:longest])[:longest] if isinstance(value, str) else ""


def shown(text: str) -> str:
    """The text as it can stand in a message: visible, and not endless.

    >>> shown("a" * 61) == "a" * 60 + "..."
    True
    """
    return visible(text[:60]) + ("..." if len(text) > 60 else "")


def amount(size: int) -> str:
    """Bytes for a reader.

    >>> amount(812), amount(12_345_678)
    ('812 bytes', '12.3 MB')
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} byte{'' if size == 1 else 's'}"


def nearest(word: str, words: Iterable[str], alike: float = 0.6) -> str:
    """A sentence that offers the most similar of the words, "" if none is. alike: 0 to 1, as difflib counts.

    >>> nearest("prot", ["user", "port"])
    'Did you mean `port`?'
    """
    close = difflib.get_close_matches(word, words, n=1, cutoff=alike)
    return f"Did you mean `{shown(close[0])}`?" if close else ""
