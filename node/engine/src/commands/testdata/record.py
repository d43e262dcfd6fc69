#!/usr/bin/env python3
"""Fills in what a live redis-server answers to the commands of golden scripts (see ../testing.rs for their notation).

usage: record.py SCRIPT...      needs redis-server 7.0.15 in the PATH; rewrites the scripts in place

Commands (`> ...`), comments (`# ...`) and blank lines stay; replies and events are replaced.
"""
import socket, subprocess, sys, tempfile, time

ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def read_reply(f):
    """One reply's bytes."""
    head = f.readline()
    kind, rest = head[:1], head[1:-2]
    out = head
    if kind in b"$=" and rest != b"-1":
        out += f.read(int(rest) + 2)
    elif kind in b"*~>%" and rest != b"-1":
        for _ in range(int(rest) * (2 if kind == b"%" else 1)):
            out += read_reply(f)
    return out


def shown(data):
    text = data.replace(b"\r\n", b"\0\0LINE\0\0")
    text = "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in text)
    return text.replace("\\x00\\x00LINE\\x00\\x00", "¶")


def split(line):
    """Words as redis-cli reads them."""
    words, at = [], 0
    while at < len(line):
        if line[at:at + 1] == b" ":
            at += 1
            continue
        word, quote = b"", None
        while at < len(line):
            c = line[at:at + 1]
            if quote is None:
                if c == b" ":
                    break
                if c in b"\"'":
                    quote = c
                else:
                    word += c
            elif c == quote:
                quote = None
            elif quote == b'"' and line[at:at + 2] == b"\\x":
                word += bytes([int(line[at + 2:at + 4], 16)])
                at += 3
            elif quote == b'"' and c == b"\\":
                at += 1
                word += ESCAPES.get(line[at:at + 1], line[at:at + 1])
            else:
                word += c
            at += 1
        words.append(word)
    return words


class Link:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.file = self.sock.makefile("rb")

    def __call__(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.sock.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return read_reply(self.file)


class Events:
    """Keyspace events, read from a subscription; a message of our own tells where to stop."""

    def __init__(self, port):
        self.link = Link(port)
        self.link("PSUBSCRIBE", "__keyevent@*__:*")
        self.link("SUBSCRIBE", "mark")

    def since(self, admin):
        admin("PUBLISH", "mark", "x")
        while True:
            parts = read_reply(self.link.file).split(b"\r\n")
            if parts[2] == b"message":
                return
            yield parts[6].split(b":", 1)[1].decode() + " " + shown(parts[8])


def record(path, port):
    client, admin, events = Link(port), Link(port), Events(port)
    out = []
    for line in open(path, encoding="utf-8").read().split("\n"):
        if line.startswith("> "):
            out.append(line)
            reply = shown(client(*split(line[2:].encode())))
            if not line.startswith("> HELLO"):
                out.append(reply)
            out += ["! " + e for e in events.since(admin)]
        elif line == "" or line.startswith("#"):
            out.append(line)
    open(path, "w", encoding="utf-8").write("\n".join(out))


def main():
    for n, path in enumerate(sys.argv[1:]):
        port = 21000 + (time.time_ns() // 1000 + n) % 8000
        with tempfile.TemporaryDirectory() as d:
            options = ["--port", port, "--save", "", "--dir", d, "--loglevel", "warning"]
            server = subprocess.Popen(["redis-server", *map(str, options)], stdout=subprocess.DEVNULL)
            try:
                for _ in range(100):
                    try:
                        Link(port)
                        break
                    except OSError:
                        time.sleep(0.05)
                record(path, port)
            finally:
                server.terminate()
                server.wait()


main()
