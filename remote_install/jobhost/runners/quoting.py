"""Words for a POSIX shell, from anything."""


def quoted(word: bytes) -> bytes:
    """`word` as every POSIX shell reads it back unchanged: nothing is special in single quotes but their end.

    >>> quoted(b"it's $(id)")
    b"'it'\\\\''s $(id)'"
    """
    return b"'" + word.replace(b"'", b"'\\''") + b"'"
