"""Records numbers.tsv: what a live redis-server 7.0.15 makes of numeric text. Usage: record_numbers.py PORT

Rows: kind, input, [second input,] answer; an empty answer is a refusal.
  score        ZADD to a skiplist, then ZSCORE
  integer      INCRBY on an absent key
  incrbyfloat  SET the first, INCRBYFLOAT the second
"""
import pathlib
import random
import sys

from wire import Server

random.seed(7)
server = Server(int(sys.argv[1]))
server("CONFIG", "SET", "zset-max-listpack-entries", "0")

EDGES = """1 0 -0 0.1 -0.0 1e20 3.0e-5 inf +inf -inf INF Infinity -iNfInItY infinit infinityx nan -nan nan(1) 0x10 0X1P3
0x 0x.8 0x1p 0x. 0x1.p1 0x1p+ 0xg -0x0p9 1e400 -1e400 1e-400 5e-324 2e-324 3e-324 1e-330 0e-999 .5 5. . e5 1e 1e+ 1e5 1E-5 +1 + -
--1 +-1 1_0 1,5 1d 1f 0x1.fffffffffffffp1023 0x1p1024 0x1p-1075 0x1.8p-1075 0x1.00000000000008p0 0x1.00000000000018p0
0x1.000000000000080000000000000001p0 0x123456789abcdef0123456789 9007199254740993 1e16 1e17 99999999999999999
123456789012345678 4503599627370497 4503599627370495.5 1e4000 1e-4950 1e-4951 3.6e-4951 1.189731495357231765e4932
1.2e4932 1e9999999999999999999999 1e-9999999999999999999999 0x1p99999999999999999999 0x1p-99999999999999999999
0.000000000000000005 0.000000000000000015 0.000000000000000025 -0.000000000000000001 1e-17 1e-18 9.9999999999999999999
0.99999999999999999999 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 01 -01 00 007.50 1.0 2.50""".split()


def texts():
    yield from EDGES
    yield from ["", " 1", "1 ", "1" * 400, "0." + "1" * 300, "0." + "0" * 30 + "1"]
    for _ in range(90):
        yield repr(random.uniform(-10, 10))
        yield "%de%d" % (random.randrange(-(10**6), 10**6), random.randrange(-330, 310))
        yield "%.*f" % (random.randrange(0, 20), random.uniform(-(10 ** random.randrange(0, 19)), 10**6))
        yield float(random.uniform(-1, 1) * 2.0 ** random.randrange(-1070, 1000)).hex()
        yield repr((random.randrange(1 << 53) | 1) * 2.0 ** random.randrange(-80, 10))
    for k in range(1, 64, 3):
        yield repr(2.0**-k)


def shown(answer):
    return "" if isinstance(answer, Exception) else answer.decode() if isinstance(answer, bytes) else str(answer)


rows = []
for text in texts():
    _, added, score = server.pipe([("DEL", "k"), ("ZADD", "k", text, "m"), ("ZSCORE", "k", "m")])
    rows.append(("score", text, shown(added if isinstance(added, Exception) else score)))
    rows.append(("integer", text, shown(server.pipe([("DEL", "k"), ("INCRBY", "k", text)])[1])))
    for other in random.sample(EDGES, 1) + [repr(random.uniform(-1, 1))]:
        rows.append(("incrbyfloat", other, text, shown(server.pipe([("SET", "k", other), ("INCRBYFLOAT", "k", text)])[1])))

rows = [row for row in rows if len("\t".join(row)) < 300 or random.random() < 0.1]
path = pathlib.Path(__file__).with_name("numbers.tsv")
path.write_text("".join("\t".join(row) + "\n" for row in rows))
print(len(rows), "rows")
