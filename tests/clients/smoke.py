"""What applications do with redis-py, in short. Usage: smoke.py PORT. Prints one line per check."""

import asyncio
import sys
import threading
import time

import redis
import redis.asyncio

PORT = int(sys.argv[1])
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, socket_timeout=10, **options)


@check
def strings_and_bytes(r):
    assert r.set("k", b"\x00\xff\r\n") is True
    assert r.get("k") == b"\x00\xff\r\n"
    assert r.get("missing") is None
    assert r.set("k", "v", nx=True) is None
    assert r.set("k", "v", ex=100, get=True) == b"\x00\xff\r\n"
    assert 95 <= r.ttl("k") <= 100
    assert r.incrbyfloat("f", 0.5) == 0.5


@check
def collections(r):
    assert r.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert r.hgetall("h") == {b"a": b"1", b"b": b"2"}
    assert r.rpush("l", 1, 2, 3) == 3
    assert r.lrange("l", 0, -1) == [b"1", b"2", b"3"]
    assert r.sadd("s", "x", "y") == 2
    assert r.smembers("s") == {b"x", b"y"}
    assert r.zadd("z", {"a": 1.5, "b": 2}) == 2
    assert r.zrange("z", 0, -1, withscores=True) == [(b"a", 1.5), (b"b", 2.0)]
    assert r.zadd("z", {"a": 3}, xx=True, ch=True) == 1
    assert r.zpopmin("z") == [(b"b", 2.0)]


@check
def pipelines(r):
    with r.pipeline(transaction=False) as p:
        for i in range(1000):
            p.set(f"p:{i}", i)
            p.get(f"p:{i}")
        replies = p.execute()
    assert replies[1::2] == [str(i).encode() for i in range(1000)]
    with r.pipeline(transaction=False) as p:
        p.set("str", "v").lpush("str", 1).get("str")
        replies = p.execute(raise_on_error=False)
    assert isinstance(replies[1], redis.ResponseError) and replies[2] == b"v"


@check
def transactions(r):
    with r.pipeline() as p:
        p.incr("n").incr("n").get("n")
        assert p.execute() == [1, 2, b"2"]

    def double(p):
        value = int(p.get("n"))
        p.multi()
        p.set("n", value * 2)

    assert r.transaction(double, "n") == [True]
    with r.pipeline() as p:
        p.watch("n")
        connect().set("n", 7)
        p.multi()
        p.set("n", 8)
        try:
            p.execute()
            raise AssertionError("EXEC went through although the key had changed")
        except redis.WatchError:
            pass
    assert r.get("n") == b"7"


@check
def publish_and_subscribe(r):
    subscriber = connect().pubsub()
    subscriber.subscribe("news")
    subscriber.psubscribe("n*")
    assert [subscriber.get_message(timeout=5)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert r.publish("news", "hello") == 2
    got = sorted(subscriber.get_message(timeout=5)["type"] for _ in range(2))
    assert got == ["message", "pmessage"]
    assert r.pubsub_numsub("news") == [(b"news", 1)]
    subscriber.unsubscribe()
    subscriber.punsubscribe()
    subscriber.close()


@check
def blocking(r):
    pushed = threading.Timer(0.05, lambda: connect().rpush("q", "job"))
    pushed.start()
    assert r.blpop("q", timeout=5) == (b"q", b"job")
    began = time.monotonic()
    assert r.blpop("q", timeout=0.1) is None
    assert 0.08 <= time.monotonic() - began < 3
    threading.Timer(0.05, lambda: connect().zadd("bz", {"m": 1})).start()
    assert r.bzpopmin("bz", timeout=5) == (b"bz", b"m", 1.0)


@check
def iteration(r):
    r.mset({f"scan:{i}": i for i in range(500)})
    assert len(set(r.scan_iter("scan:*", count=17))) == 500
    r.sadd("big", *range(1000))
    assert len(set(r.sscan_iter("big"))) == 1000
    r.hset("bigh", mapping={f"f{i}": i for i in range(600)})
    assert len(dict(r.hscan_iter("bigh"))) == 600
    r.zadd("bigz", {f"m{i}": i for i in range(600)})
    assert len(dict(r.zscan_iter("bigz"))) == 600


@check
def errors(r):
    r.set("str", "v")
    for bad in (lambda: r.lpush("str", 1), lambda: r.incr("str"), lambda: r.execute_command("NOSUCH")):
        try:
            bad()
            raise AssertionError("no error")
        except redis.ResponseError:
            pass


@check
def resp3(_):
    r = connect(protocol=3)
    r.delete("h3", "s3", "z3")
    r.hset("h3", mapping={"a": 1})
    assert r.hgetall("h3") == {b"a": b"1"}
    r.sadd("s3", "x")
    assert r.smembers("s3") == {b"x"}
    r.zadd("z3", {"a": 1.5})
    assert r.zscore("z3", "a") == 1.5
    assert r.get("missing") is None
    subscriber = r.pubsub()
    subscriber.subscribe("three")
    assert subscriber.get_message(timeout=5)["type"] == "subscribe"
    r.publish("three", "x")
    assert subscriber.get_message(timeout=5)["data"] == b"x"


@check
def databases_and_info(r):
    other = connect(db=5)
    other.set("k5", 1)
    assert r.exists("k5") == 0
    other.flushdb()
    info = r.info()
    assert info["redis_version"] and info["connected_clients"] >= 1
    assert r.client_setname("smoke") and r.client_getname() in ("smoke", b"smoke")
    assert any(c["name"] == "smoke" for c in r.client_list())
    assert "maxmemory" in r.config_get("maxmem*")
    assert r.dbsize() >= 0


@check
def locks(r):
    try:
        with r.lock("lock", timeout=5):
            assert r.lock("lock", timeout=5, blocking=False).acquire() is False
        assert r.exists("lock") == 0
    except redis.ResponseError as e:
        raise AssertionError(f"locks release by script: {e}")


@check
def asynchronous(_):
    async def run():
        r = redis.asyncio.Redis(host="127.0.0.1", port=PORT)
        await asyncio.gather(*(r.set(f"a:{i}", i) for i in range(50)))
        values = await asyncio.gather(*(r.get(f"a:{i}") for i in range(50)))
        assert values == [str(i).encode() for i in range(50)]
        await r.aclose()

    asyncio.run(run())


for function in CHECKS:
    try:
        client = connect()
        client.flushall()
        function(client)
        print("ok", function.__name__)
    except Exception as e:  # every kind of failure is one line
        print("FAILED", function.__name__, type(e).__name__, str(e).replace("\n", " ")[:300])
print("ok all done")
