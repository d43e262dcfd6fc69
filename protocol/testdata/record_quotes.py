"""Records splits.tsv and monitor.txt: how a live redis-server 7.0.15 splits inline commands and quotes what it shows.
Usage: record_quotes.py PORT

splits.tsv, rows: line in hex, its words in hex or ! if it is refused. monitor.txt: all bytes but NUL as MONITOR
prints them.
"""
import pathlib
import random
import sys

from wire import Server

random.seed(3)
port = int(sys.argv[1])
here = pathlib.Path(__file__)

LINES = [
    r'a b c', r'  a   b ', r'"a b" c', r"'a b' c", r'a"b c"', r"a'b c'", r'"a"b', r"'a'b", r'"a" "b"', r'"a""b"', r'"', r"'", r'"a',
    r"'a", r'"\n\r\t\b\a\\\"\q"', r"'\n\''", r"'\\'", r'"\x41\x4g\xzz\x4"', r'"\x', r'"\x4', '"\\', "'\\", r'\n a\b', r'"\x00"', r'""', r"''",
    r'a "" b', '\ta\tb', '\x0ba\x0bb\x0cc', 'a\x0b"b"', '"a"\x0bb', '"a"\x0cb', "\x00", "a\x00b", "a \x00 b", '"a\x00b" c', '"a"\x00b', "'a\x00'",
    '"\\\x00"', '"\\', 'a\rb', '"a\rb"', "", " ", '"\'"', "'\"'", '\\"a b', '\\"a\\" b"c d"', "\xff\x80", 'x"\\xff"',
]
for _ in range(600):
    LINES.append("".join(random.choice("  ab\"\"''\\\\xn41\t\x0b\x00") for _ in range(random.randrange(1, 12))))

rows = []
server = Server(port)
for line in LINES:
    if "\x00" in line:
        continue  # The server would go on waiting for the end of the line.
    line = line.encode("latin1")
    server.socket.sendall(b'EVAL "return ARGV" 0 ' + line + b"\nPING\n")
    answer = server.read()
    if isinstance(answer, Exception):
        assert "unbalanced quotes" in str(answer), (line, answer)
        server = Server(port)
        rows.append((line.hex(), "!"))
    else:
        assert server.read() == b"PONG"
        rows.append((line.hex(), " ".join(word.hex() or "-" for word in answer)))
here.with_name("splits.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))

watcher = Server(port)
assert watcher("MONITOR") == b"OK"
server("ECHO", bytes(range(1, 256)))
line = watcher.read()
here.with_name("monitor.txt").write_bytes(line[line.index(b'"ECHO"') + 7 :] + b"\n")
print(len(rows), "lines", sum(row[1] == "!" for row in rows), "refused")
