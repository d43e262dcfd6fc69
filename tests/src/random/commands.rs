//! The data commands as grammars, and the arguments that fill them.

use super::rng::Rng;
use crate::golden::View;

/// One line per command. What is left out on purpose: commands that block, and those whose effect is random (SPOP
/// without taking all, RANDOMKEY) or timed in less than minutes. SDIFFSTORE has at most two sources: with more, Redis may
/// build the result too large at first, and its encoding tells.
pub const GRAMMARS: &str = "
APPEND <ks> <val>
BITCOUNT <kb> [<idx> <idx> [BYTE|BIT]]
BITFIELD <kb> (GET <bittype> <bitoff>|SET <bittype> <bitoff> <bitint>|INCRBY <bittype> <bitoff> <bitint>|OVERFLOW WRAP|OVERFLOW SAT|OVERFLOW FAIL)+
BITFIELD_RO <kb> (GET <bittype> <bitoff>)+
BITOP (AND|OR|XOR) <kb> <kb>+
BITOP NOT <kb> <kb>
BITPOS <kb> <bit> [<idx> [<idx> [BYTE|BIT]]]
COPY <k> <k> [DB <db>] [REPLACE]
DECR <kn>
DECRBY <kn> <int>
DEL <k>+
EXISTS <k>+
EXPIRE <k> <sec> [NX|XX]
EXPIREAT <k> <at> [NX|XX|GT|LT]
EXPIRETIME <k>
FLUSHDB [ASYNC|SYNC]
GEOADD <kg> [NX|XX] [CH] (<lon> <lat> <member>)+
GEODIST <kg> <member> <member> [m|km|mi|ft]
GEOHASH <kg> <member>+
GEOPOS <kg> <member>+
GEORADIUS <kg> <lon> <lat> <radius> km [WITHDIST] [WITHCOORD] [WITHHASH] ASC
GEORADIUSBYMEMBER <kg> <member> <radius> km [WITHDIST] DESC
GEOSEARCH <kg> (FROMMEMBER <member>|FROMLONLAT <lon> <lat>) (BYRADIUS <radius> km|BYBOX <radius> <radius> m) ASC [WITHDIST] [WITHCOORD] [WITHHASH]
GEOSEARCHSTORE <kg> <kg> FROMLONLAT <lon> <lat> BYRADIUS <radius> km [STOREDIST]
GET <ks>
GETBIT <kb> <bitoff>
GETDEL <ks>
GETEX <ks> [EX <sec>|PX <ms>|EXAT <at>|PERSIST]
GETRANGE <ks> <idx> <idx>
GETSET <ks> <val>
HDEL <kh> <field>+
HEXISTS <kh> <field>
HGET <kh> <field>
HGETALL <kh>
HINCRBY <kh> <field> <int>
HINCRBYFLOAT <kh> <field> <float>
HKEYS <kh>
HLEN <kh>
HMGET <kh> <field>+
HMSET <kh> (<field> <val>)+
HRANDFIELD <kh> <count> [WITHVALUES]
HSCAN <kh> 0 [MATCH <glob>] COUNT 1000
HSET <kh> (<field> <val>)+
HSET <kh> (<field> <val>)+
HSETNX <kh> <field> <val>
HSTRLEN <kh> <field>
HVALS <kh>
INCR <kn>
INCRBY <kn> <int>
INCRBYFLOAT <kn> <float>
KEYS <glob>
LCS <ks> <ks> [LEN|IDX [MINMATCHLEN <count>] [WITHMATCHLEN]]
LINDEX <kl> <idx>
LINSERT <kl> (BEFORE|AFTER) <val> <val>
LLEN <kl>
LMOVE <kl> <kl> (LEFT|RIGHT) (LEFT|RIGHT)
LMPOP <two> <kl> <kl> (LEFT|RIGHT) [COUNT <count>]
LPOP <kl> [<count>]
LPOS <kl> <val> [RANK <idx>] [COUNT <count>] [MAXLEN <count>]
LPUSH <kl> <val>+
LPUSH <kl> <val>+
LPUSHX <kl> <val>+
LRANGE <kl> <idx> <idx>
LREM <kl> <idx> <val>
LSET <kl> <idx> <val>
LTRIM <kl> <idx> <idx>
MGET <k>+
MOVE <k> <db>
MSET (<ks> <val>)+
MSETNX (<ks> <val>)+
OBJECT ENCODING <k>
PERSIST <k>
PEXPIRE <k> <ms> [NX|XX]
PEXPIREAT <k> <atms> [NX|XX|GT|LT]
PEXPIRETIME <k>
PFADD <kp> <val>+
PFADD <kp> <val>+
PFCOUNT <kp>+
DEL <kp>
DEL <ky>
COPY <kp> <kp> REPLACE
PFMERGE <kp> <kp>+
PSETEX <ks> <ms> <val>
PTTL <k>
RENAME <k> <k>
RENAMENX <k> <k>
RPOP <kl> [<count>]
RPOPLPUSH <kl> <kl>
RPUSH <kl> <val>+
RPUSH <kl> <val>+
RPUSHX <kl> <val>+
SADD <kS> <member>+
SADD <kS> <int>+
SADD <kS> <int>+
SCAN 0 [MATCH <glob>] COUNT 1000 [TYPE <type>]
SCARD <kS>
SDIFF <kS>+
SDIFFSTORE <kS> <kS> [<kS>]
SET <ks> <val> [NX|XX] [GET] [EX <sec>|PX <ms>|EXAT <at>|PXAT <atms>|KEEPTTL]
SET <kn> <int>
SETBIT <kb> <bitoff> <bit>
SETEX <ks> <sec> <val>
SETNX <ks> <val>
SETRANGE <ks> <offset> <val>
SINTER <kS>+
SINTERCARD <two> <kS> <kS> [LIMIT <count>]
SINTERSTORE <kS> <kS>+
SISMEMBER <kS> <member>
SMEMBERS <kS>
SMISMEMBER <kS> <member>+
SMOVE <kS> <kS> <member>
SORT <kl> [LIMIT <idx> <count>] [ASC|DESC] [ALPHA] [STORE <kl>]
SORT <ky> BY nosort [LIMIT <idx> <count>] [DESC]
SORT <kl> ALPHA GET # [GET n*]
SPOP <kS> 1000
SRANDMEMBER <kS> <count>
SREM <kS> <member>+
SSCAN <kS> 0 [MATCH <glob>] COUNT 1000
STRLEN <ks>
SUBSTR <ks> <idx> <idx>
SUNION <kS>+
SUNIONSTORE <kS> <kS>+
SWAPDB 0 1
TOUCH <k>+
TTL <k>
TYPE <k>
UNLINK <k>+
XADD <kx> [NOMKSTREAM] [MAXLEN <count>|MINID <id>] <id> (<field> <val>)+
XADD <kx> <newid> (<field> <val>)+
XADD <kx> <newid> (<field> <val>)+
XDEL <kx> <id>+
XLEN <kx>
XRANGE <kx> <idlow> <idhigh> [COUNT <count>]
XREAD [COUNT <count>] STREAMS <kx> <kx> <id> <id>
XREVRANGE <kx> <idhigh> <idlow> [COUNT <count>]
XSETID <kx> <id>
XTRIM <kx> (MAXLEN <count>|MINID <id>)
ZADD <kz> [NX|XX] [GT|LT] [CH] (<score> <member>)+
ZADD <kz> (<score> <member>)+
ZADD <ky> (0 <member>)+
ZADD <ky> (0 <member>)+
ZADD <kz> [NX|XX] [GT|LT] INCR <score> <member>
ZCARD <kz>
ZCOUNT <kz> <smin> <smax>
ZDIFF <two> <kz> <kz> [WITHSCORES]
ZDIFFSTORE <kz> <two> <kz> <kS>
ZINCRBY <kz> <score> <member>
ZINTER <two> <kz> <kz> [WEIGHTS <int> <float>] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
ZINTERCARD <two> <kz> <kz> [LIMIT <count>]
ZINTERSTORE <kz> <two> <kz> <kS> [WEIGHTS <int> <float>] [AGGREGATE (SUM|MIN|MAX)]
ZLEXCOUNT <ky> <lexmin> <lexmax>
ZMPOP <two> <kz> <kz> (MIN|MAX) [COUNT <count>]
ZMSCORE <kz> <member>+
ZPOPMAX <kz> [<count>]
ZPOPMIN <kz> [<count>]
ZRANDMEMBER <kz> <count> [WITHSCORES]
ZRANGE <kz> <idx> <idx> [REV] [WITHSCORES]
ZRANGE <kz> <smin> <smax> BYSCORE [REV] [LIMIT <idx> <idx>] [WITHSCORES]
ZRANGE <ky> <lexmin> <lexmax> BYLEX [REV] [LIMIT <idx> <idx>]
ZRANGEBYLEX <ky> <lexmin> <lexmax> [LIMIT <idx> <idx>]
ZRANGEBYSCORE <kz> <smin> <smax> [WITHSCORES] [LIMIT <idx> <idx>]
ZRANGESTORE <kz> <kz> <idx> <idx> [REV]
ZRANGESTORE <kz> <kz> <smin> <smax> BYSCORE [LIMIT <idx> <idx>]
ZRANK <kz> <member>
ZREM <kz> <member>+
ZREM <ky> <member>+
ZREMRANGEBYLEX <ky> <lexmin> <lexmax>
ZREMRANGEBYRANK <kz> <idx> <idx>
ZREMRANGEBYSCORE <kz> <smin> <smax>
ZREVRANGE <kz> <idx> <idx> [WITHSCORES]
ZREVRANGEBYLEX <ky> <lexmax> <lexmin> [LIMIT <idx> <idx>]
ZREVRANGEBYSCORE <kz> <smax> <smin> [WITHSCORES] [LIMIT <idx> <idx>]
ZREVRANK <kz> <member>
ZSCAN <kz> 0 [MATCH <glob>] COUNT 1000
ZSCORE <kz> <member>
ZUNION <two> <kz> <kz> [WEIGHTS <int> <float>] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
ZUNIONSTORE <kz> <two> <kz> <kS> [WEIGHTS <int> <float>] [AGGREGATE (SUM|MIN|MAX)]
";

/// What of the command's reply two servers must agree on.
pub fn view(name: &str) -> View {
    let mut view = View::default();
    match name {
        "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "SPOP" | "KEYS" | "HKEYS" | "HVALS" | "SCAN"
        | "SSCAN" | "EXEC" => view.sort = true,
        "HGETALL" | "HSCAN" | "ZSCAN" => view.pairs = true,
        "HRANDFIELD" | "SRANDMEMBER" | "ZRANDMEMBER" => view.types = true,
        "TTL" | "EXPIRETIME" => view.near = Some(2),
        "PTTL" | "PEXPIRETIME" => view.near = Some(2000),
        _ => {}
    }
    view
}

/// Replies within EXEC can't be looked at one by one, so what needs a view of its own stays out.
pub fn fits_transaction(name: &[u8]) -> bool {
    let view = view(&String::from_utf8_lossy(name));
    !view.types && view.near.is_none() && !view.pairs
}

const VALUES: [&str; 14] =
    ["", "a", "b", "c", "0", "1", "-7", "123456", "3.25", "01", "hello world", "\r\n\0\u{ff}", "1e2", " 5"];
const INTEGERS: [&str; 14] = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "-1",
    "-2",
    "10",
    "100",
    "255",
    "70000",
    "9223372036854775807",
    "-9223372036854775808",
    "-5",
];
const FLOATS: [&str; 12] =
    ["0", "1", "0.1", "0.2", "-0.5", "2.5", "1e3", "3.0", "-1", "1e-7", "17.125", "123456789.125"];
const SCORES: [&str; 14] =
    ["0", "1", "1", "2", "3", "-1", "0.5", "1.5", "2.25", "inf", "-inf", "1e10", "100", "-2"];
/// Arguments that fit nowhere. None that could ask for hundreds of megabytes or endless replies.
const GARBAGE: [&str; 12] =
    ["", "abc", "-1", "0", "1.5", "nan", "inf", " 1", "9223372036854775807", "9223372036854775808", "(", "?"];

/// An argument of this kind.
pub fn argument(kind: &str, rng: &mut Rng) -> Vec<u8> {
    if let Some(key) = key(kind, rng) {
        return key.into_bytes();
    }
    let text = match kind {
        "val" => return value(rng),
        "member" | "field" => return member(rng),
        "int" => rng.pick(&INTEGERS).to_string(),
        "float" => rng.pick(&FLOATS).to_string(),
        "score" => rng.pick(&SCORES).to_string(),
        "idx" => (rng.below(16) as i64 - 8).to_string(),
        "count" => (rng.below(8) as i64 - 2).to_string(),
        "two" => if rng.percent(95) { "2" } else { "1" }.to_owned(),
        "offset" => rng.below(30).to_string(),
        "bit" => rng.below(2).to_string(),
        // Redis saturates the smallest 64-bit number upwards.
        "bitint" => rng.pick(&INTEGERS).replace("-9223372036854775808", "-4611686018427387904"),
        "bitoff" => rng.below(100).to_string(),
        "bittype" => format!("{}{}", rng.pick(&["u", "i"]), 1 + rng.below(63)),
        "sec" => rng.pick(&["1000", "5000", "100000", "0", "-1"]).to_string(),
        "ms" => rng.pick(&["1000000", "5000000", "100000000", "0", "-1"]).to_string(),
        "at" => rng.pick(&["33177117420", "33177117421", "1"]).to_string(),
        "atms" => rng.pick(&["33177117420000", "33177117420001", "1"]).to_string(),
        "db" => rng.pick(&["0", "1", "1", "99"]).to_string(),
        "glob" => rng.pick(&["*", "a*", "*1", "?1", "[a-c]*", "[^a]?", "\\*", "m*"]).to_string(),
        "type" => rng.pick(&["string", "list", "set", "zset", "hash", "stream"]).to_string(),
        "lon" => format!("{}.{}", rng.below(360) as i64 - 180, rng.below(1000)),
        "lat" => format!("{}.{}", rng.below(160) as i64 - 80, rng.below(1000)),
        "radius" => rng.pick(&["0", "100", "1000", "5000", "20000.5"]).to_string(),
        "id" => format!("{}-{}", rng.below(12), rng.below(3)),
        "newid" => format!("{}-{}", 1 + rng.below(60), rng.below(3)),
        "idlow" => {
            if rng.percent(50) {
                "-".into()
            } else {
                rng.below(12).to_string()
            }
        }
        "idhigh" => {
            if rng.percent(50) {
                "+".into()
            } else {
                rng.below(60).to_string()
            }
        }
        "smin" | "smax" => bound(rng, kind == "smin"),
        "lexmin" | "lexmax" => lex_bound(rng, kind == "lexmin"),
        other => panic!("no such kind of argument: {other}"),
    };
    text.into_bytes()
}

/// Keys are few, so that commands meet; most go to keys of their own type, some to any. Two kinds keep to themselves: `y`,
/// sorted sets with equal scores, as orders by member are not defined for others; and `p`, as nobody says what a
/// HyperLogLog means after SETRANGE went through it.
fn key(kind: &str, rng: &mut Rng) -> Option<String> {
    let letter = kind.strip_prefix('k')?;
    let letters = ["s", "n", "b", "l", "S", "h", "z", "g", "x"];
    let stray = letter != "y" && letter != "p" && (letter.is_empty() || rng.percent(6));
    let letter = if stray { rng.pick(&letters) } else { letter };
    Some(format!("{letter}{}", 1 + rng.below(3)))
}

fn value(rng: &mut Rng) -> Vec<u8> {
    match rng.below(20) {
        0 => vec![b'x'; 10 + rng.below(120)],
        1 => (0..rng.below(40)).map(|_| rng.bits() as u8).collect(),
        _ => rng.pick(&VALUES).as_bytes().to_vec(),
    }
}

fn member(rng: &mut Rng) -> Vec<u8> {
    match rng.below(25) {
        0 => vec![b'm'; 60 + rng.below(10)],
        1 => Vec::new(),
        2..5 => rng.below(20).to_string().into_bytes(),
        _ => format!("m{}", rng.below(14)).into_bytes(),
    }
}

fn bound(rng: &mut Rng, low: bool) -> String {
    if rng.percent(30) {
        return if low { "-inf" } else { "+inf" }.to_owned();
    }
    let open = if rng.percent(30) { "(" } else { "" };
    format!("{open}{}", rng.pick(&SCORES))
}

fn lex_bound(rng: &mut Rng, low: bool) -> String {
    if rng.percent(30) {
        return if low { "-" } else { "+" }.to_owned();
    }
    let open = if rng.percent(50) { "(" } else { "[" };
    format!("{open}m{}", rng.below(14))
}

/// Makes a request wrong, in one of a few ways.
pub fn spoil(args: &mut Vec<Vec<u8>>, rng: &mut Rng) {
    if must_stay_right(args) {
        return;
    }
    let at = 1 + rng.below(args.len());
    match rng.below(4) {
        0 if at < args.len() => drop(args.remove(at)),
        1 if at < args.len() => args[at] = rng.pick(&GARBAGE).as_bytes().to_vec(),
        2 if at < args.len() => args[at] = argument("val", rng),
        _ => args.insert(at, rng.pick(&GARBAGE).as_bytes().to_vec()),
    }
}

/// Whether a slip would make the request random, or its effect a matter of milliseconds.
fn must_stay_right(args: &[Vec<u8>]) -> bool {
    let name = String::from_utf8_lossy(&args[0]);
    let timed = name.contains("EX") || args.iter().any(|a| a == b"EX" || a == b"PX");
    let random = name == "SPOP" || name == "SORT" || name.ends_with("SCAN");
    timed || random || args.get(1).is_some_and(|key| key.starts_with(b"y"))
}
