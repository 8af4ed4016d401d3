"""Words and file names that programs, shells and protocols stumble over."""

from __future__ import annotations

AWKWARD = [
    b"",
    b" ",
    b"\t two  words\t",
    b"-",
    b"--",
    b"-n",
    b"-rf",
    b"--fetch",
    b"--rsync-path=touch pwned",
    b"-oProxyCommand=touch pwned",
    b"'",
    b"'\\''",
    b'"quoted"',
    b"$(touch pwned)",
    b"`touch pwned`",
    b"; touch pwned #",
    b"&& touch pwned",
    b"| touch pwned",
    b"> pwned",
    b"$HOME ${HOME} $$ $? $@ $*",
    b"~",
    b"~root",
    b"*",
    b"?",
    b"[a-z]",
    b"{a,b}",
    b"!!",
    b"%s%n%d",
    b"\\",
    b"\\n\\0\\x41",
    b"a\\",
    b"#comment",
    b";semicolon",
    b"...",
    b"..x",
    b"\n",
    b"first\nsecond\n",
    b"\r\n",
    b"\x01\x1b[31m\x7f",
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",  # a surrogate, as some programs write it
    b"\xef\xbb\xbfmark",
    b"\xf4\x90\x80\x80",
    "grüße 日本 🎉".encode(),
    "e\u0301 \u202e\u2028\u0085".encode(),
    b"EOF",
    b'{"reply": "end"}',
    b"EXIT=0",
]


def without(data: bytes, *unwanted: bytes) -> bytes:
    """`data`, but for some bytes."""
    for one in unwanted:
        data = data.replace(one, b"")
    return data


NAMES = [
    *(without(word, b"/") for word in AWKWARD if without(word, b"/").strip(b".") != b""),
    *(b"n" * 255, b"\xff" * 255, b"\n" * 255, "日".encode() * 85),
    *(
        b" leading",
        b"trailing ",
        b".hidden",
        b"....",
        b".gitignore",
        b".rsync-filter",
        b".remote-install",
        b"log",
        b"job",
    ),
    *(b"log", b"job", b"core", b"CVS", b"#x#", b"x~", b"x.orig"),
    *(b".~tmp~", b"a.part-1", b".n.AbCdEf", b"run.yaml", b"c:d", b"host:path", b"::", b"[1]:2", b"a=b", b"+ x", b"- *"),
]
