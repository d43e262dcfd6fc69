"""Records globs.tsv: which names a live redis-server 7.0.15 matches with which patterns. Usage: record_globs.py PORT

Rows: pattern in hex, name in hex, 1 or 0. Asked of KEYS, which passes the name's length along.
"""
import pathlib
import random
import sys

from wire import Server

random.seed(5)
server = Server(int(sys.argv[1]))

PATTERNS = r"""* ** ? a a* *a *a* a?c [abc] [^a] [a-c] [c-a] [^a-c] [a-] [-a] [a-c-e] [ab [^ [ [] []] [^]] [^]a] [a\]b] [\-] [a\-c]
\ \\ \* \? \[a] a\ [\ [a\ [a-\ [a-\]] [\a-c] h[ae]llo h*llo h[^e]llo **a** *? ?* *?* a**b *a*b*c [a][b] [^^] [a^] [!a]
[]-a] [a-[:alpha:]] x[*]y x[?]y [z-a] [a-z][0-9] *[0-9] *[ab *\* [-] [--a] [a--]""".split() + ["", "a b", "[ ]", "[a-\xff]"]
NAMES = ["", "a", "b", "c", "d", "abc", "aXc", "ac", "ab", "aab", "-", "]", "[", "^", "\\", "*", "?", "[a]", "a\\", "hello",
         "hallo", "hxllo", "hllo", "x*y", "x?y", "z5", "!", "a]", "]a", "aabbc", "[abc", "a-c", "A", "\xff", "\x00", "a\x00b"]
pairs = [(p, n) for p in PATTERNS for n in NAMES]
for _ in range(3000):
    pattern = "".join(random.choice("**??[[]]^--\\\\abcd") for _ in range(random.randrange(1, 9)))
    pairs.append((pattern, "".join(random.choice("ab[]^-\\cd") for _ in range(random.randrange(0, 5)))))

rows = []
server("FLUSHALL")
for pattern, name in pairs:
    pattern, name = pattern.encode("latin1"), name.encode("latin1")
    _, keys, _ = server.pipe([("SET", name, 1), ("KEYS", pattern), ("DEL", name)])
    rows.append("%s\t%s\t%d\n" % (pattern.hex(), name.hex(), name in keys))
rows = sorted(set(rows))
# Of the random pairs that do not match, a fifth says as much as all.
rows = [row for row in rows if row.endswith("1\n") or random.random() < 0.4]
path = pathlib.Path(__file__).with_name("globs.tsv")
path.write_text("".join(rows))
print(len(rows), "rows", path.stat().st_size, "bytes")
