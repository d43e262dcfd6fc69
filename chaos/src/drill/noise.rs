//! Requests of which nobody keeps account: all types, on the same few keys, overwriting and deleting each other. What is
//! left of them must be the same at all nodes.

use chaos::rng::Rng;

/// Keys, members and fields that there are.
const KEYS: u64 = 12;

/// Requests; `K` is a key, `M` a member, `N` a small number, `T` milliseconds that are soon over.
const REQUESTS: &[&str] = &[
    "SET K M",
    "SET K N",
    "SET K M NX",
    "SET K M XX GET",
    "SET K M KEEPTTL",
    "SETNX K M",
    "GETSET K M",
    "GETDEL K",
    "APPEND K M",
    "SETRANGE K N M",
    "SETBIT K N 1",
    "BITFIELD K INCRBY u8 #1 N",
    "BITFIELD K SET u4 #3 N",
    "INCR K",
    "INCRBY K N",
    "INCRBYFLOAT K 0.5",
    "MSET K M K M",
    "MSETNX K M K M",
    "DEL K",
    "DEL K",
    "UNLINK K",
    "RENAME K K",
    "RENAMENX K K",
    "COPY K K REPLACE",
    "PERSIST K",
    "EXPIRE K 100000",
    "EXPIRE K 100001 GT",
    "HSET K M N M N",
    "HSET K M N",
    "HSETNX K M N",
    "HDEL K M",
    "HINCRBY K M N",
    "HINCRBYFLOAT K M 0.25",
    "SADD K M M",
    "SREM K M",
    "SPOP K",
    "SMOVE K K M",
    "SUNIONSTORE K K K",
    "SINTERSTORE K K K",
    "SDIFFSTORE K K K",
    "ZADD K N M N M",
    "ZADD K GT N M",
    "ZADD K NX N M",
    "ZADD K INCR N M",
    "ZREM K M",
    "ZINCRBY K N M",
    "ZPOPMIN K",
    "ZPOPMAX K",
    "ZREMRANGEBYRANK K 0 1",
    "ZREMRANGEBYSCORE K 0 N",
    "ZUNIONSTORE K 2 K K",
    "ZRANGESTORE K K 0 5",
    "RPUSH K M M",
    "LPUSH K M",
    "RPUSHX K M",
    "LPOP K",
    "RPOP K 2",
    "LINSERT K BEFORE M M",
    "LSET K 0 M",
    "LREM K 1 M",
    "LTRIM K 0 20",
    "LMOVE K K LEFT RIGHT",
    "RPOPLPUSH K K",
    "SORT K ALPHA STORE K",
    "XADD K * M N",
    "XADD K MAXLEN 10 * M N",
    "XTRIM K MAXLEN 5",
    "XGROUP CREATE K g $ MKSTREAM",
    "PFADD K M M",
    "PFMERGE K K K",
    "GEOADD K N N M",
    "BITOP OR K K K",
    "BITOP NOT K K",
    "RPUSH K M",
    "LPUSH K M",
    "HSET K M M",
    "SADD K M",
    "GETEX K EX 100000",
];

/// The same, of what is soon over.
const BRIEF: &[&str] = &["SET K M PX T", "PEXPIRE K T", "PEXPIRE K T NX", "PEXPIRE K T LT", "GETEX K PX T"];

/// A request. `calm`: none after which something expires soon.
pub fn request(rng: &mut Rng, calm: bool) -> Vec<String> {
    if rng.once_in(200) {
        return ["FLUSHDB"].map(str::to_owned).into();
    }
    let template = if !calm && rng.once_in(8) { *rng.pick(BRIEF) } else { *rng.pick(REQUESTS) };
    // Keys of one type mostly, so that requests find what they expect.
    let family = rng.below(2);
    let typed = !rng.once_in(3);
    let of = template.split(' ').next().map_or(0, family_of);
    template
        .split(' ')
        .map(|word| match word {
            "K" if typed => format!("noise:{of}:{family}"),
            "K" => format!("noise:any:{}", rng.below(KEYS / 2)),
            "M" => format!("m{}", rng.below(KEYS)),
            "N" => rng.below(20).to_string(),
            "T" => (20 + rng.below(800)).to_string(),
            word => word.to_owned(),
        })
        .collect()
}

/// Commands of one type share keys.
fn family_of(command: &str) -> u64 {
    match command.as_bytes() {
        [b'H', ..] => 1,
        b"SADD" | b"SREM" | b"SPOP" | b"SMOVE" | b"SUNIONSTORE" | b"SINTERSTORE" | b"SDIFFSTORE" => 2,
        [b'Z', ..] | b"GEOADD" => 3,
        b"LINSERT" | b"LSET" | b"LREM" | b"LTRIM" | b"LMOVE" | b"RPOPLPUSH" | b"RPUSH" | b"LPUSH"
        | b"LPOP" | b"RPOP" | b"RPUSHX" | b"SORT" => 4,
        [b'X', ..] => 5,
        [b'P', b'F', ..] => 6,
        _ => 0,
    }
}
