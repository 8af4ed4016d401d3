#!/usr/bin/python3
"""A hostile rsync on a job host: speaks protocol 30 as a sender, and sends what nobody has asked for.

Standard library only: it is written to the test host, and started there in place of rsync. What it sends stands in
entries.json beside it: rows of name, kind (a key of MODES), and where a link leads. All files have the same content,
so it need not know which one a number means that the client asks for.
"""

import hashlib
import json
import os
import struct
import sys
import time

PROTOCOL = 30
SAME_NAME, LONG_NAME, EXTENDED = 0x20, 0x40, 0x04
MODES = {"file": 0o100755, "folder": 0o040755, "link": 0o120777, "pipe": 0o010644, "device": 0o020666}
TRANSFER, BASIS, XNAME = 0x8000, 0x0800, 0x1000
DONE = -1
ENTRIES = "entries.json"


class Wire:
    """Both directions; data goes in frames once the greetings are over (io.c: MPLEX_BASE is 7)."""

    def __init__(self):
        self.framed, self.unread, self.unsent = False, b"", b""
        self.last_in, self.last_out = [-1, 1], [-1, 1]

    def raw(self, size):
        data = b""
        while len(data) < size:
            more = os.read(0, size - len(data))
            if not more:
                sys.exit(0)
            data += more
        return data

    def read(self, size):
        if not self.framed:
            return self.raw(size)
        while len(self.unread) < size:
            (head,) = struct.unpack("<I", self.raw(4))
            data = self.raw(head & 0xFFFFFF)
            self.unread += data if head >> 24 == 7 else b""
        data, self.unread = self.unread[:size], self.unread[size:]
        return data

    def byte(self):
        return self.read(1)[0]

    def integer(self):
        return struct.unpack("<i", self.read(4))[0]

    def write(self, data):
        self.unsent += data
        if not self.framed or len(self.unsent) > 16384:
            self.flush()

    def flush(self):
        data, self.unsent = self.unsent, b""
        while data:
            piece, data = data[:16384], data[16384:]
            send((struct.pack("<I", (7 << 24) + len(piece)) if self.framed else b"") + piece)

    def say(self, text, kind=2):
        """A message of the server (rsync.h: 2 is MSG_INFO, 3 MSG_ERROR): the client prints it."""
        self.flush()
        send(struct.pack("<I", ((7 + kind) << 24) + len(text)) + text)

    def number(self):
        """io.c: read_ndx."""
        first = self.byte()
        if first == 0:
            return DONE
        side = 0
        if first == 0xFF:
            side, first = 1, self.byte()
        if first != 0xFE:
            found = first + self.last_in[side]
        else:
            high, low = self.read(2)
            if high & 0x80:
                found = (low) | (self.byte() << 8) | (self.byte() << 16) | ((high & 0x7F) << 24)
            else:
                found = (high << 8) + low + self.last_in[side]
        self.last_in[side] = found
        return -found if side else found

    def put_number(self, value):
        """io.c: write_ndx, for what is not negative, and DONE."""
        if value == DONE:
            self.write(b"\0")
            return
        step, self.last_out[0] = value - self.last_out[0], value
        if 0 < step < 0xFE:
            self.write(bytes([step]))
        elif 0 <= step <= 0x7FFF:
            self.write(b"\xfe" + bytes([step >> 8, step & 0xFF]))
        else:
            four = struct.pack("<I", value)
            self.write(b"\xfe" + bytes([four[3] | 0x80, four[0], four[1], four[2]]))


def send(data):
    while data:
        data = data[os.write(1, data) :]


def varint(value):
    return varlong(value, 1)


def varlong(value, least):
    """io.c: write_varint and write_varlong; how many bytes follow stands in the first bits of the first byte."""
    data = struct.pack("<q", value)
    size = 8
    while size > least and data[size - 1] == 0:
        size -= 1
    bit = 1 << (7 - size + least)
    if data[size - 1] >= bit:
        size += 1
        head = ~(bit - 1) & 0xFF
    elif size > least:
        head = data[size - 1] | (~(bit * 2 - 1) & 0xFF)
    else:
        head = data[size - 1]
    return bytes([head]) + data[: size - 1]


def arguments(wire):
    """The words of the client; those of -s come on stdin, and end with an empty one."""
    words = sys.argv[1:]
    if any(word.startswith("-") and not word.startswith("--") and "s" in word.split("e.")[0] for word in words):
        words, word = [], b""
        while True:
            one = wire.raw(1)
            if one != b"\0":
                word += one
            elif word:
                words.append(os.fsdecode(word))
                word = b""
            else:
                break
    return words


def greet(wire, words):
    send(struct.pack("<i", PROTOCOL))
    wire.raw(4)
    send(b"\0" + struct.pack("<i", 1))  # no compatibility flags; the seed
    wire.framed = True
    while True:  # filters
        size = wire.integer()
        if size == 0:
            break
        wire.read(size)
    if "--files-from=-" in words:  # before protocol 31 the names come without frames
        last = b"x"
        while True:
            one = wire.raw(1)
            if one == last == b"\0":
                break
            last = one


def put_entry(wire, name, kind, content, hashes):
    name = os.fsencode(name)
    flags = LONG_NAME | EXTENDED
    wire.write(struct.pack("<H", flags) + varint(len(name)) + name)
    wire.write(varlong(len(content) if kind == "file" else 0, 3) + varlong(1700000000, 4))
    wire.write(struct.pack("<i", MODES[kind]))
    if kind == "link":
        wire.write(varint(len(content)) + content)
    if hashes and kind == "file":
        wire.write(b"x" * 16)


def serve(wire, content, most):
    phase = 0
    while True:
        number = wire.number()
        if number == DONE:
            phase += 1
            if phase > 2:
                break
            wire.put_number(DONE)
            wire.flush()
            continue
        (flags,) = struct.unpack("<H", wire.read(2))
        extra = wire.read(1) if flags & BASIS else b""
        if flags & XNAME:
            size = wire.byte()
            size = (size & 0x7F) * 256 + wire.byte() if size & 0x80 else size
            wire.read(size)
        wire.put_number(number)
        wire.write(struct.pack("<H", flags & ~XNAME) + extra)
        if not flags & TRANSFER:
            continue
        if most == 0:
            sys.exit(1)
        most -= 1
        count, _block, length, _rest = (wire.integer() for _ in range(4))
        wire.read(count * (4 + length))
        wire.write(struct.pack("<iiii", 0, 0, 0, 0))  # no blocks of the client's file are used
        wire.write(struct.pack("<i", len(content)) + content + struct.pack("<i", 0) + hashlib.md5(content).digest())
        wire.flush()
    wire.put_number(DONE)
    wire.write(varlong(1, 3) * 5)
    wire.flush()
    wire.number()


def main():
    with open(os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), ENTRIES)) as file:
        plan = json.load(file)
    wire = Wire()
    words = arguments(wire)
    greet(wire, words)
    for text in plan.get("said", []):
        wire.say(os.fsencode(text))
    content = plan.get("content", "evil\n").encode()
    if plan.get("hang"):
        time.sleep(1000)
    hashes = any(word.startswith("-") and not word.startswith("--") and "c" in word.split("e.")[0] for word in words)
    for name, kind, target in plan["entries"]:
        put_entry(wire, name, kind, os.fsencode(target) if kind == "link" else content, hashes)
    number = 0
    while plan.get("endless"):
        number += 1
        put_entry(wire, f"results/{number:0200d}", "file", b"", hashes)
    wire.write(b"\0")
    wire.flush()
    serve(wire, content, plan.get("most", -1))


if __name__ == "__main__":
    main()
