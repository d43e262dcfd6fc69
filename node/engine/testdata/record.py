"""Fills in the replies of golden scripts from a live redis-server 7.0.15. Usage: record.py PORT FILE...

A line that begins with `> ` is a command, quoted as for redis-cli; the line after it is the reply, which this program
writes: its bytes, with `¶` for CRLF and `\\xHH` for what is not printable. Other lines are comments and stay.
"""
import pathlib
import re
import socket
import sys


class Server:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def __call__(self, words):
        head = b"*%d\r\n" % len(words)
        self.socket.sendall(head + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self.read()

    def read(self):
        """One reply as its bytes."""
        line = self.file.readline()
        kind, count = line[:1], line[1:-2]
        if kind in b"$=" and count != b"-1":
            return line + self.file.read(int(count) + 2)
        parts = {b"*": 1, b"~": 1, b">": 1, b"%": 2}.get(kind, 0)
        return line + b"".join(self.read() for _ in range(parts * max(int(count), 0))) if parts else line


ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def unescaped(match):
    code = match[1]
    return bytes([int(code[1:], 16)]) if len(code) == 3 else ESCAPES.get(code, code)


def split(line):
    for quoted, single, bare in re.findall(rb'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|(\S+)', line):
        if bare:
            yield bare
        elif single:
            yield single.replace(b"\\'", b"'")
        else:
            yield re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", unescaped, quoted)


def shown(reply):
    parts = [re.sub(rb"[^ -\[\]-~]", lambda m: b"\\x%02x" % m[0][0], part) for part in reply.split(b"\r\n")]
    return "¶".join(part.decode() for part in parts)


def recorded(server, text):
    replied = False
    for line in text.splitlines():
        command = line.startswith("> ")
        if command or not replied or not line or line.startswith("# "):
            yield line
        replied = command and not line.startswith("> HELLO")
        if command:
            reply = server(list(split(line[2:].encode())))
            if replied:
                yield shown(reply)


for name in sys.argv[2:]:
    server = Server(int(sys.argv[1]))
    server([b"FLUSHALL"])
    path = pathlib.Path(name)
    path.write_text("\n".join(recorded(server, path.read_text())) + "\n")
