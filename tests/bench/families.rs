//! One or more commands of every family, so that none is slow unnoticed: CPU per operation at pipeline depth 16.

use crate::load::{self, Run, fill};
use crate::options::Options;
use crate::report::{Report, SpeedBar};
use crate::speed::{pairs, row, words};
use harness::client::encode;
use harness::{Kind, Server, process};
use std::time::Instant;

const DEPTH: usize = 16;
/// No command may need more than Redis.
const BAR: f64 = 1.0;
/// Elements of the large collections, and keys of the small ones.
const MANY: usize = 100_000;
const KEYS: usize = 1000;
/// Elements of small collections.
const FEW: usize = 20;

/// What is there beforehand: how often, and the request; `__i__` counts.
const DATA: [(usize, &str); 14] = [
    (KEYS, "SET s:__i__ __value__"),
    (KEYS, "SET n:__i__ 10"),
    (KEYS, "SETBIT bits:__i__ 4000 1"),
    (KEYS, "HSET h:__i__{ f:__i__:# __value__}"),
    (MANY, "HSET hash __i__ __value__"),
    (MANY, "RPUSH list element:__i__"),
    (KEYS, "RPUSH l:__i__{ element:#}"),
    (KEYS, "SADD set:__i__{ member:#}"),
    (KEYS, "SADD ints:__i__{ 1000#}"),
    (MANY, "SADD members __i__"),
    (KEYS, "ZADD z:__i__{ # member:#}"),
    (MANY, "ZADD zset __i__ member:__i__"),
    (MANY, "GEOADD places 13.__i__ 38.__i__ place:__i__"),
    (MANY, "PFADD hll element:__i__"),
];

/// The commands; `__rand_int__` is below [`KEYS`].
const COMMANDS: [&str; 62] = [
    "PING",
    "ECHO __value__",
    "EXISTS s:__rand_int__",
    "TYPE s:__rand_int__",
    "TTL s:__rand_int__",
    "EXPIRE s:__rand_int__ 10000",
    "OBJECT ENCODING s:__rand_int__",
    "SCAN 0 COUNT 100",
    "DUMP h:__rand_int__",
    "SORT l:__rand_int__ ALPHA",
    "COPY l:__rand_int__ copy:__rand_int__ REPLACE",
    "GETRANGE s:__rand_int__ 5 20",
    "SETRANGE s:__rand_int__ 5 text",
    "STRLEN s:__rand_int__",
    "GETSET s:__rand_int__ __value__",
    "SET s:__rand_int__ __value__ EX 1000",
    "SET s:__rand_int__ __value__ GET",
    "INCRBYFLOAT n:__rand_int__ 0.5",
    "GETBIT bits:__rand_int__ 4000",
    "SETBIT bits:__rand_int__ 100 1",
    "BITCOUNT bits:__rand_int__",
    "BITFIELD bits:__rand_int__ INCRBY u8 16 1",
    "HGET hash __rand_int__",
    "HMGET h:__rand_int__ f:__rand_int__:1 f:__rand_int__:2",
    "HGETALL h:__rand_int__",
    "HINCRBY h:__rand_int__ counter 1",
    "HKEYS h:__rand_int__",
    "HSCAN hash 0 COUNT 20",
    "RPUSH growing __value__",
    "LPUSH growing2 __value__",
    "LPOP growing",
    "RPOP growing2",
    "LMOVE list list LEFT RIGHT",
    "RPOPLPUSH list list",
    "LRANGE list 0 99",
    "LRANGE l:__rand_int__ 0 -1",
    "LINDEX list 50000",
    "LSET l:__rand_int__ 7 another",
    "LPOS l:__rand_int__ element:12",
    "SISMEMBER members __rand_int__",
    "SMISMEMBER set:__rand_int__ member:1 member:2",
    "SMEMBERS set:__rand_int__",
    "SINTER set:__rand_int__ set:000000000001",
    "SUNION ints:__rand_int__ ints:000000000001",
    "SDIFFSTORE target set:__rand_int__ ints:000000000001",
    "SRANDMEMBER members",
    "SSCAN members 0 COUNT 20",
    "ZSCORE zset member:__rand_int__",
    "ZRANK zset member:__rand_int__",
    "ZINCRBY zset 1 member:__rand_int__",
    "ZRANGE zset 50000 50099",
    "ZRANGE z:__rand_int__ 0 -1 WITHSCORES",
    "ZRANGEBYSCORE zset 50000 50100 LIMIT 0 20",
    "ZCOUNT zset 1000 90000",
    "ZUNIONSTORE target 2 z:__rand_int__ z:000000000001",
    "ZINTER 2 z:__rand_int__ z:000000000001",
    "ZSCAN zset 0 COUNT 20",
    "PFADD hll element:__rand_int__",
    "PFCOUNT hll",
    "GEOPOS places place:__rand_int__",
    "GEODIST places place:__rand_int__ place:000000000001",
    "GEOSEARCH places FROMLONLAT 13.5 38.5 BYRADIUS 1 km COUNT 10",
];

/// Measures what was asked for.
pub fn run(options: &Options, report: &mut Report) {
    if !options.wants("families") {
        return;
    }
    let (redis, ours) = (options.start(Kind::Redis), options.start(Kind::Everwrite));
    for server in [&redis, &ours] {
        for (count, request) in DATA {
            fill(&mut server.client(), count, |i| words(&filled(request, i)));
        }
    }
    for command in COMMANDS {
        let words = words(command);
        let probe = load::run(&redis, &words, DEPTH, KEYS, 5_000);
        let seconds = (options.run.as_secs_f64() / 4.0).min(1.0);
        let count = ((probe.rate * seconds) as usize).max(5_000) / DEPTH * DEPTH;
        let pairs =
            pairs(options.rounds, [&redis, &ours], |server| load::run(server, &words, DEPTH, KEYS, count));
        report.add_speed(row(command, DEPTH, &pairs, Some(SpeedBar::Cpu(BAR))));
    }
    for (name, conversation) in CONVERSATIONS {
        let pairs =
            pairs(options.rounds, [&redis, &ours], |server| conversation(server, options.scaled(20_000)));
        report.add_speed(row(name, DEPTH, &pairs, Some(SpeedBar::Cpu(BAR))));
    }
}

/// A request of [`DATA`]: `__i__` is the number, what is in braces is repeated and `#` counts within it.
fn filled(request: &str, i: usize) -> String {
    let request = request.replace("__i__", &format!("{i:012}"));
    match request.split_once('{') {
        Some((head, tail)) => {
            let tail = tail.trim_end_matches('}');
            (0..FEW).fold(head.to_owned(), |all, n| all + &tail.replace('#', &n.to_string()))
        }
        None => request,
    }
}

/// What takes more than requests on one connection each.
const CONVERSATIONS: [(&str, fn(&Server, usize) -> Run); 3] = [
    ("MULTI SET INCR EXEC", transactions),
    ("PUBLISH to 50 subscribers", fan_out),
    ("BLPOP, then LPUSH", hand_over),
];

/// CPU per `count` of what `work` does.
fn timed(server: &Server, count: usize, work: impl FnOnce()) -> Run {
    let cpu = || process::cpu_nanos(server.pid()).expect("CPU time");
    let (before, began) = (cpu(), Instant::now());
    work();
    let seconds = began.elapsed().as_secs_f64();
    let mean = seconds * 1000.0 / count as f64;
    Run {
        cpu_ns: (cpu() - before) as f64 / count as f64,
        rate: count as f64 / seconds,
        p50_ms: mean,
        p99_ms: mean,
    }
}

/// Batches of four transactions.
fn transactions(server: &Server, count: usize) -> Run {
    let mut client = server.client();
    let mut wire = Vec::new();
    for _ in 0..DEPTH / 4 {
        for request in ["MULTI", "SET t:1 value", "INCR t:2", "EXEC"] {
            encode(&mut wire, &words(request));
        }
    }
    timed(server, count, || {
        for _ in 0..count * 4 / DEPTH {
            client.send_raw(&wire).expect("sent");
            (0..DEPTH).for_each(|_| drop(client.receive().expect("a reply")));
        }
    })
}

/// Per message published.
fn fan_out(server: &Server, count: usize) -> Run {
    const SUBSCRIBERS: usize = 50;
    let count = count / 10;
    let mut publisher = server.client();
    let mut subscribers: Vec<_> = (0..SUBSCRIBERS).map(|_| server.client()).collect();
    for subscriber in &mut subscribers {
        subscriber.cmd("SUBSCRIBE news").expect("subscribed");
    }
    let mut wire = Vec::new();
    (0..DEPTH).for_each(|_| encode(&mut wire, &words("PUBLISH news __value__")));
    timed(server, count, || {
        for _ in 0..count / DEPTH {
            publisher.send_raw(&wire).expect("sent");
            (0..DEPTH).for_each(|_| drop(publisher.receive().expect("a reply")));
            for subscriber in &mut subscribers {
                (0..DEPTH).for_each(|_| drop(subscriber.receive().expect("a message")));
            }
        }
    })
}

/// One client waits, another one serves it.
fn hand_over(server: &Server, count: usize) -> Run {
    let (mut waiting, mut pushing) = (server.client(), server.client());
    timed(server, count, || {
        for _ in 0..count {
            waiting.send(&["BLPOP", "queue", "0"]).expect("sent");
            pushing.cmd("LPUSH queue job").expect("pushed");
            waiting.receive().expect("popped");
        }
    })
}
