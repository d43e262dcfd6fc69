"""Records dumps.tsv: DUMP payloads of a live redis-server 7.0.15. Usage: record_dumps.py PORT

Start the server with --enable-debug-command yes. Rows: type, OBJECT ENCODING, whether compressed, payload in hex,
content in hex words: the value | elements | members in order | fields and values by field | members and scores |
for streams: length, last id, entries and groups as XINFO STREAM FULL tells them, flattened.
"""
import pathlib
import random
import sys

from wire import Server

random.seed(11)
server = Server(int(sys.argv[1]))
rows = []


def config(**directives):
    for name, value in directives.items():
        answer = server("CONFIG", "SET", name.replace("_", "-"), value)
        assert answer == b"OK", (name, answer)


def flat(answer):
    if isinstance(answer, list):
        return [word for part in answer for word in flat(part)]
    return [b"nil" if answer is None else b"%d" % answer if isinstance(answer, int) else answer]


def by_first(words):
    return flat(sorted([words[i], words[i + 1]] for i in range(0, len(words), 2)))


def content(kind):
    return {
        b"string": lambda: [server("GET", "k")],
        b"list": lambda: server("LRANGE", "k", 0, -1),
        b"set": lambda: sorted(server("SMEMBERS", "k")),
        b"hash": lambda: by_first(server("HGETALL", "k")),
        b"zset": lambda: server("ZRANGE", "k", 0, -1, "WITHSCORES"),
        b"stream": lambda: flat(server("XINFO", "STREAM", "k", "FULL", "COUNT", 0)),
    }[kind]()


def record(*commands, compress=("no",)):
    server("DEL", "k")
    for words in commands:
        answer = server(*words)
        assert not isinstance(answer, Exception), (words, answer)
    kind = server("TYPE", "k")
    for wanted in compress:
        config(rdbcompression=wanted)
        words = b" ".join(word.hex().encode() or b"-" for word in content(kind))
        payload, encoding = server("DUMP", "k"), server("OBJECT", "ENCODING", "k")
        rows.append((kind.decode(), encoding.decode(), wanted, payload.hex(), words.decode()))


BOTH = ("no", "yes")
INTS = [0, 12, 127, 128, -1, 4095, -4096, -4097, 32767, -32769, 8388607, -8388609, 2**31 - 1, -(2**31) - 1, 2**63 - 1, -(2**63)]
TEXTS = ["", "a", "abc", "x" * 63, "x" * 64, "012", "-0", " 1", "1.5", "y" * 200, b"\x00\xff\r\n"]

for value in INTS + TEXTS + [2**31, 2**64, "inf", "12345678901", "123456789012"]:
    record(("SET", "k", value))
record(("SET", "k", "ab" * 8200), compress=("yes",))
record(("SET", "k", "the quick brown fox jumps over the lazy dog; " * 20), compress=BOTH)
record(("SET", "k", "x" * 20), ("SET", "k", "x" * 21), compress=BOTH)

record(("RPUSH", "k", *INTS, *TEXTS), compress=BOTH)
record(("RPUSH", "k", "z" * 5000, "short", "z" * 9000), compress=("yes",))
config(list_max_listpack_size=3)
record(("RPUSH", "k", *range(10)))
server("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "100b")
record(("RPUSH", "k", "a", "b" * 150, "c", "d" * 99, "e" * 100, 7), compress=BOTH)
server("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0")
config(list_max_listpack_size=-2)

record(("SADD", "k", 3, 1, -2))
record(("SADD", "k", 3, 1, -2, 70000))
record(("SADD", "k", *INTS))
record(("SADD", "k", *INTS, *TEXTS), compress=BOTH)

SCORES = [0, 1, -1, 0.5, 0.1, 3.5e-7, 1e20, 2**53, "inf", "-inf", 4503599627370497, 128, -5000]
record(("ZADD", "k", *flat([[str(s), "m%d" % i] for i, s in enumerate(SCORES)])), compress=BOTH)
record(("ZADD", "k", 1, 5, 1, -7, 1, "b", 1, "a"))
config(zset_max_listpack_entries=2)
record(("ZADD", "k", *flat([[str(s), "m%d" % i] for i, s in enumerate(SCORES)])))
record(("ZADD", "k", "-0", "zero", "-0", "y" * 100, 1.5, 77), compress=BOTH)
config(zset_max_listpack_entries=128)

record(("HSET", "k", "f", "v"))
record(("HSET", "k", *flat([[t, i] for t, i in zip(TEXTS[:9] + INTS, INTS + TEXTS[:9])])), compress=BOTH)
record(("HSET", "k", "f", "long " * 40, "g", 5), compress=BOTH)
config(hash_max_listpack_entries=3)
record(("HSET", "k", *flat([["field%d" % i, i * 1000] for i in range(20)])))
config(hash_max_listpack_entries=512)

config(stream_node_max_entries=4)
record(("XADD", "k", "5-1", "a", "1", "b", "two"))
adds = [("XADD", "k", "%d-%d" % (1000 + i // 3, i), *(("a", i, "b", "x") if i % 5 else ("c", "y" * i))) for i in range(23)]
record(*adds, compress=BOTH)
record(*adds, ("XDEL", "k", "1000-0", "1003-10", "1007-21"), ("XTRIM", "k", "MAXLEN", 15))
groups = [
    ("XGROUP", "CREATE", "k", "g1", "0"),
    ("XGROUP", "CREATE", "k", "g2", "1003-9"),
    ("XGROUP", "CREATE", "k", "g3", "$", "ENTRIESREAD", 3),
    ("XGROUP", "CREATECONSUMER", "k", "g3", "idle"),
    ("XREADGROUP", "GROUP", "g1", "alice", "COUNT", 5, "STREAMS", "k", ">"),
    ("XREADGROUP", "GROUP", "g1", "bob", "COUNT", 3, "STREAMS", "k", ">"),
    ("XREADGROUP", "GROUP", "g1", "bob", "COUNT", 3, "STREAMS", "k", "0"),
    ("XACK", "k", "g1", "1000-1"),
    ("XREADGROUP", "GROUP", "g2", "alice", "NOACK", "COUNT", 3, "STREAMS", "k", ">"),
]
record(*adds, *groups, compress=BOTH)
record(("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM"))
record(("XADD", "k", "7-7", "a", "b"), ("XDEL", "k", "7-7"))
config(stream_node_max_entries=100)

path = pathlib.Path(__file__).with_name("dumps.tsv")
path.write_text("".join("\t".join(row) + "\n" for row in rows))
print(len(rows), "rows", path.stat().st_size, "bytes")
