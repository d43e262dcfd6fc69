"""What applications do with pymemcache. Usage: smoke_memcached.py PORT. Prints "ok NAME" or "FAILED NAME: why"."""

import pickle
import sys
import time

from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheIllegalInputError
from pymemcache.serde import pickle_serde

PORT = int(sys.argv[1])
ADDRESS = ("127.0.0.1", PORT)
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def connect(**options):
    options.setdefault("timeout", 10)
    return Client(ADDRESS, **options)


def retry(function):
    """Until the server listens."""
    for _ in range(200):
        try:
            return function()
        except OSError:
            time.sleep(0.05)
    return function()


@check
def set_and_get():
    client = connect()
    assert client.set("k", "v")
    assert client.get("k") == b"v"
    assert client.get("none") is None
    assert client.get("none", 7) == 7
    assert client.set("k", "w", noreply=False)
    assert client.get("k") == b"w"


@check
def many_at_once():
    client = connect()
    values = {f"k{n}": str(n) * n for n in range(1, 200)}
    assert client.set_many(values, noreply=False) == []
    assert client.get_many(list(values)) == {k: v.encode() for k, v in values.items()}
    assert client.delete_many(list(values), noreply=False)
    assert client.get_many(list(values)) == {}


@check
def conditions():
    client = connect(default_noreply=False)
    assert client.add("k", "1") and not client.add("k", "2")
    assert client.replace("k", "3") and not client.replace("l", "4")
    assert client.append("k", "5") and client.prepend("k", "0")
    assert client.get("k") == b"035"
    assert not client.append("l", "x")
    assert client.delete("k") and not client.delete("k")


@check
def unique_numbers():
    client = connect(default_noreply=False)
    client.set("k", "1")
    value, unique = client.gets("k")
    assert value == b"1"
    assert client.cas("k", "2", unique) is True
    assert client.cas("k", "3", unique) is False
    assert client.cas("none", "3", unique) is None
    assert client.get("k") == b"2"
    assert set(client.gets_many(["k", "none"])) == {"k"}


@check
def numbers():
    client = connect(default_noreply=False)
    assert client.incr("n", 1) is None
    client.set("n", "10")
    assert client.incr("n", 5) == 15
    assert client.decr("n", 20) == 0
    client.set("n", "abc")
    try:
        client.incr("n", 1)
        raise AssertionError("a word was counted")
    except MemcacheClientError:
        pass


@check
def expiry():
    client = connect(default_noreply=False)
    client.set("k", "v", expire=1)
    client.set("l", "v", expire=int(time.time()) + 100)
    assert client.get("l") == b"v"
    assert client.touch("l", 200) and not client.touch("none", 1)
    deadline = time.time() + 20
    while client.get("k") is not None:
        assert time.time() < deadline
        time.sleep(0.05)


@check
def objects_with_flags():
    client = connect(serde=pickle_serde, default_noreply=False)
    for value in [1, "text", b"bytes", {"a": [1, 2]}, None, 2**70]:
        client.set("k", value)
        assert client.get("k") == value, value
    plain = connect()
    client.set("k", {"a": 1})
    assert pickle.loads(plain.get("k")) == {"a": 1}


@check
def large_values():
    client = connect(default_noreply=False)
    for size in [0, 1, 1000, 100_000, 1_000_000]:
        client.set("k", b"x" * size)
        assert len(client.get("k")) == size


@check
def refused_keys():
    client = connect(default_noreply=False)
    for key in ["has space", "x" * 251, "line\nend"]:
        try:
            client.set(key, "v")
            raise AssertionError(key)
        except MemcacheIllegalInputError:
            pass
    assert client.set("x" * 250, "v")


@check
def the_server():
    client = connect(default_noreply=False)
    assert client.version()
    stats = client.stats()
    assert stats[b"cmd_get"] > 0 and stats[b"curr_items"] >= 0 and stats[b"pid"] > 0
    assert client.set("k", "v") and client.flush_all() and client.get("k") is None
    assert client.stats("settings")
    assert client.raw_command("mn") == b"MN"
    client.quit()


@check
def pools_and_rings():
    pool = PooledClient(ADDRESS, max_pool_size=4, default_noreply=False)
    assert pool.set("k", "v") and pool.get("k") == b"v"
    ring = HashClient([ADDRESS], default_noreply=False)
    assert ring.set("k", "w") and ring.get("k") == b"w"


def main():
    retry(lambda: connect().flush_all(noreply=False))
    for function in CHECKS:
        try:
            connect().flush_all(noreply=False)
            function()
            print("ok", function.__name__)
        except Exception as error:
            print(f"FAILED {function.__name__}: {type(error).__name__} {error}")
    print("ok all done")


main()
