//! What clients do: nearly every command that writes, on few keys of every type, so that commands of different nodes meet.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use harness::Value;
use harness::random::grammar::Node;
use harness::random::{Request, Rng};

/// Databases in which clients write at random.
pub const DATABASES: usize = 3;
/// Keys of a type in each.
const KEYS: usize = 4;
/// Ids of a stream, and serialised values, that are remembered.
const REMEMBERED: usize = 12;

/// One line a command, see [`harness::random::grammar`]; families are drawn first. Keys: `<kX>` of the type with that letter, now and
/// then of another one.
const FAMILIES: [(usize, &str); 11] = [
    (
        4,
        "SET <ks> <val> [NX|XX] [GET] [PX <ms>|KEEPTTL]
SET <ks> <val>
SETNX <ks> <val>
GETSET <ks> <val>
SETEX <ks> 1 <val>
PSETEX <ks> <ms> <val>
APPEND <ks> <val>
SETRANGE <ks> <small> <val>
GETDEL <ks>
GETEX <ks> (PX <ms>|PERSIST)
MSET (<ks> <val>)+
MSETNX (<ks> <val>)+
MSETEX 2 <ks> <val> <ks> <val> [NX|XX] [PX <ms>]
DELEX <ks> IFEQ <val>",
    ),
    (
        4,
        "SET <kn> <int>
INCR <kn>
DECR <kn>
INCRBY <kn> <int>
DECRBY <kn> <int>
INCRBYFLOAT <kn> <float>
INCRBYFLOAT <kn> <float>
INCR <kn>
GETDEL <kn>
CL.THROTTLE <kt> 3 10 1
SETBIT <kb> <bit> (0|1)
SETBIT <kb> <bit> 1
BITFIELD <kb> (SET u8 <bit> <small>|INCRBY i5 <bit> <int>|INCRBY u8 0 <small>|OVERFLOW SAT|OVERFLOW FAIL)+
BITOP (AND|OR|XOR) <kb> <kb> <kb>
BITOP NOT <kb> <kb>
PFADD <kp> <val>+
PFADD <kp> <val>+
PFMERGE <kp> <kp>+",
    ),
    (
        5,
        "HSET <kh> (<field> <val>)+
HSET <kh> (<field> <val>)+
HMSET <kh> (<field> <val>)+
HSETNX <kh> <field> <val>
HINCRBY <kh> <field> <int>
HINCRBY <kh> count <int>
HINCRBYFLOAT <kh> fraction <float>
HDEL <kh> <field>+
HDEL <kh> count
HGETDEL <kh> FIELDS 2 <field> <field>
HPEXPIRE <kh> <ms> [NX|XX|GT|LT] FIELDS 2 <field> <field>
HEXPIRE <kh> 1 FIELDS 1 <field>
HPERSIST <kh> FIELDS 2 <field> <field>
HSETEX <kh> [FNX|FXX] [PX <ms>|KEEPTTL] FIELDS 2 <field> <val> <field> <val>
HGETEX <kh> (PX <ms>|PERSIST) FIELDS 1 <field>
FIELDEXPIRE <kh> 1 <field>
PEXPIREMEMBERAT <kh> <field> <at>
KEYDB.HRENAME <kh> <field> <field>
KEYDB.NHSET <nested> <val>",
    ),
    (
        4,
        "SADD <kS> <member>+
SADD <kS> <member>+
SADD <kS> <int>+
SREM <kS> <member>+
SPOP <kS> [<small>]
SMOVE <kS> <kS> <member>
SUNIONSTORE <kS> <kS> <kS>
SINTERSTORE <kS> <kS> <kS>
SDIFFSTORE <kS> <kS> <kS>
SADDEX <kS> 1 <member>
EXPIREMEMBER <kS> <member> <ms> ms
PEXPIREMEMBERAT <kS> <member> <at>",
    ),
    (
        5,
        "ZADD <kz> (<score> <member>)+
ZADD <kz> [NX|XX] [CH] (<score> <member>)+
ZADD <kz> [XX] (GT|LT) (<score> <member>)+
ZADD <kz> INCR <score> <member>
ZINCRBY <kz> <float> <member>
ZINCRBY <kz> <int> <member>
ZREM <kz> <member>+
ZPOPMIN <kz> [<small>]
ZPOPMAX <kz>
ZMPOP 2 <kz> <kz> (MIN|MAX) COUNT 2
ZREMRANGEBYRANK <kz> 0 0
ZREMRANGEBYSCORE <kz> 0 2
ZUNIONSTORE <kz> 2 <kz> <kz> [WEIGHTS 2 3] [AGGREGATE (SUM|MIN|MAX)]
ZINTERSTORE <kz> 2 <kz> <kS>
ZDIFFSTORE <kz> 2 <kz> <kz>
ZRANGESTORE <kz> <kz> 0 3
BZPOPMIN <kz> <kz> 0.02
EXPIREMEMBER <kz> <member> <ms> ms
PEXPIREMEMBERAT <kz> <member> <at>
PERSIST <kz> <member>
BZMPOP 0.02 2 <kz> <kz> MAX COUNT 2
GEOADD <kg> [NX|XX] (<float> <float> <member>)+
ZREM <kg> <member>
GEOSEARCHSTORE <kg> <kg> FROMLONLAT 0 0 BYRADIUS 900 km [STOREDIST]
GEORADIUS <kg> 0 0 900 km STORE <kz>",
    ),
    (
        6,
        "LPUSH <kl> <val>+
RPUSH <kl> <val>+
RPUSH <kl> <val>+
LPUSHX <kl> <val>
RPUSHX <kl> <val>
LPOP <kl> [<small>]
RPOP <kl> [<small>]
LINSERT <kl> (BEFORE|AFTER) <val> <val>
LSET <kl> <small> <val>
LSET <kl> -1 <val>
LREM <kl> (1|-1|0|2) <val>
LTRIM <kl> 0 9
LTRIM <kl> -9 -1
LMOVE <kl> <kl> (LEFT|RIGHT) (LEFT|RIGHT)
RPOPLPUSH <kl> <kl>
LMPOP 2 <kl> <kl> (LEFT|RIGHT) COUNT 2
LMOVEM <kl> <kl> LEFT RIGHT COUNT 2
BLPOP <kl> <kl> 0.02
BRPOP <kl> 0.02
BLMOVE <kl> <kl> LEFT RIGHT 0.02
BLMPOP 0.02 2 <kl> <kl> RIGHT COUNT 2
BRPOPLPUSH <kl> <kl> 0.02
SORT <kl> ALPHA STORE <kl>
SORT <kS> ALPHA DESC LIMIT 0 5 STORE <kl>",
    ),
    (
        6,
        "XADD <kx> * (f <val>)+
XADD <kx> * f <val>
XADD <kx> [NOMKSTREAM] (MAXLEN 10|MAXLEN = 4|MINID @ID) * f <val>
XADD <kx> <entry> f <val>
XTRIM <kx> (MAXLEN 8|MINID @ID)
XDEL <kx> @ID @ID
XDELEX <kx> (KEEPREF|DELREF|ACKED) IDS 1 @ID
XGROUP CREATE <kx> <group> (0|$|@ID) MKSTREAM
XGROUP SETID <kx> <group> (0|$|@ID)
XGROUP CREATECONSUMER <kx> <group> <consumer>
XGROUP DELCONSUMER <kx> <group> <consumer>
XGROUP DESTROY <kx> <group>
XREADGROUP GROUP <group> <consumer> COUNT 2 [NOACK] STREAMS <kx> >
XREADGROUP GROUP <group> <consumer> COUNT 3 STREAMS <kx> >
XREADGROUP GROUP <group> <consumer> BLOCK 20 STREAMS <kx> <kx> > >
XREADGROUP GROUP <group> <consumer> STREAMS <kx> 0
XACK <kx> <group> @ID @ID @ID
XACKDEL <kx> <group> (KEEPREF|DELREF|ACKED) IDS 2 @ID @ID
XCLAIM <kx> <group> <consumer> 0 @ID @ID [FORCE] [JUSTID]
XAUTOCLAIM <kx> <group> <consumer> 0 0-0 COUNT 2
XSETID <kx> @LATER",
    ),
    (
        5,
        "DEL <k>+
UNLINK <k> <k>
RENAME <k> <k>
RENAMENX <k> <k>
COPY <k> <k> [DB <db>] [REPLACE]
COPY <k> <k> REPLACE
MOVE <k> <db>
PEXPIRE <k> <ms> [NX|XX|GT|LT]
PEXPIREAT <k> <at>
EXPIRE <k> 1
PERSIST <k>
TOUCH <k>
DUMP <k>
DUMP <k>
RESTORE <k> (0|<ms>) @DUMP REPLACE
RESTORE <k> 0 @DUMP",
    ),
    (
        1,
        "EVAL <script> 3 <kS> <kn> <kl> <val>
EVAL <script> 3 <kh> <ks> <kz> <val>
FUNCTION LOAD REPLACE <library>
FUNCTION DELETE <libname>
FCALL <function> 2 <kS> <kn> <val>
KEYDB.CRON <kj> SINGLE <ms> <script> 3 <kS> <kn> <kl> <val>
KEYDB.CRON <kj> REPEAT <ms> <script> 3 <kS> <kn> <kl> <val>
DEL <kj>
RENAME <kj> <kj>",
    ),
    (1, "FLUSHDB [ASYNC]\nMOVE <k> <db>\nCOPY <k> <k> DB <db> REPLACE\nMOVE <k> <db>"),
    // Last: left out where that is not wanted.
    (1, "FLUSHALL\nSWAPDB <db> <db>\nFUNCTION FLUSH\nTOUCH <k>\nTOUCH <k>\nTOUCH <k>"),
];

const SCRIPTS: [&str; 5] = [
    "redis.call('SADD', KEYS[1], ARGV[1]) redis.call('INCR', KEYS[2]) return redis.call('RPUSH', KEYS[3], ARGV[1])",
    "redis.pcall('HSET', KEYS[1], ARGV[1], '1') redis.pcall('APPEND', KEYS[2], ARGV[1]) return redis.pcall('ZINCRBY', KEYS[3], 2, ARGV[1])",
    "local gone = redis.pcall('SPOP', KEYS[1]) redis.pcall('LPUSH', KEYS[3], 'x') redis.pcall('LPOP', KEYS[3]) return gone",
    "redis.pcall('SET', KEYS[2], ARGV[1], 'PX', 700) redis.pcall('DEL', KEYS[1]) return redis.pcall('RPOP', KEYS[3])",
    "redis.call('RPUSH', 'l:0', ARGV[1]) redis.call('PEXPIRE', 'l:0', 900) return redis.call('INCR', 'n:0')",
];

/// See the [module's page](self). All writers of a round draw from one.
pub struct Words {
    families: Vec<Vec<Node>>,
    /// What was answered: ids by key, serialised values.
    ids: Mutex<HashMap<Vec<u8>, VecDeque<Vec<u8>>>>,
    dumps: Mutex<VecDeque<Vec<u8>>>,
}

impl Words {
    /// `types`: letters of the keys that are written to, all if there are none; `floods`: also what empties everything.
    pub fn new(types: &str, floods: bool) -> Words {
        let count = FAMILIES.len() - usize::from(!floods);
        let mut families = Vec::new();
        for (weight, lines) in &FAMILIES[..count] {
            let wanted = |line: &&str| {
                let mut letters = line.split('<').skip(1).filter_map(|part| part.strip_prefix('k'));
                types.is_empty() || letters.all(|part| types.contains(&part[..1]) || part.starts_with('>'))
            };
            let nodes: Vec<Node> = lines.lines().filter(wanted).map(Node::parse).collect();
            if !nodes.is_empty() {
                families.extend(std::iter::repeat_n(nodes, *weight));
            }
        }
        Words { families, ids: Mutex::default(), dumps: Mutex::default() }
    }

    /// A request; `now`: Unix ms.
    pub fn draw(&self, rng: &mut Rng, now: u64) -> Request {
        let mut args = Vec::new();
        let family = rng.pick(&self.families);
        rng.pick(family).generate(rng, &|kind, rng| argument(kind, rng, now), &mut args);
        let key = args.iter().find(|arg| arg.starts_with(b"x:")).cloned().unwrap_or_default();
        for arg in &mut args {
            match &arg[..] {
                b"@ID" => *arg = self.id(&key, rng),
                b"@LATER" => *arg = format!("{}-0", now + 1 + rng.below(50) as u64).into_bytes(),
                b"@DUMP" => *arg = self.dump(rng),
                _ => {}
            }
        }
        args
    }

    fn id(&self, key: &[u8], rng: &mut Rng) -> Vec<u8> {
        let ids = self.ids.lock().expect("no thread panics with it");
        match ids.get(key).filter(|ids| !ids.is_empty()) {
            Some(ids) => ids[rng.below(ids.len())].clone(),
            None => b"1-1".to_vec(),
        }
    }

    fn dump(&self, rng: &mut Rng) -> Vec<u8> {
        let dumps = self.dumps.lock().expect("no thread panics with it");
        if dumps.is_empty() { b"none".to_vec() } else { dumps[rng.below(dumps.len())].clone() }
    }

    /// Remembers what later requests may name.
    pub fn learn(&self, request: &Request, reply: &Value) {
        let remember = |all: &mut VecDeque<Vec<u8>>, what: &[u8]| {
            all.push_back(what.to_vec());
            if all.len() > REMEMBERED {
                all.pop_front();
            }
        };
        match (&request[0][..], reply) {
            (b"XADD", Value::Bulk(id)) => {
                let mut ids = self.ids.lock().expect("no thread panics with it");
                remember(ids.entry(request[1].clone()).or_default(), id);
            }
            (b"DUMP", Value::Bulk(bytes)) => {
                remember(&mut self.dumps.lock().expect("no thread panics with it"), bytes);
            }
            _ => {}
        }
    }
}

fn argument(kind: &str, rng: &mut Rng, now: u64) -> Vec<u8> {
    if kind == "k" || kind.len() == 2 && kind.starts_with('k') {
        return key(&kind[1..], rng);
    }
    let text = match kind {
        "val" if rng.percent(3) => "long ".repeat(4 + rng.below(60)),
        "val" => format!("v{}", rng.below(40)),
        "field" => format!("f{}", rng.below(10)),
        "member" => format!("m{}", rng.below(14)),
        "int" => (rng.below(26) as i64 - 5).to_string(),
        "small" => rng.below(9).to_string(),
        "bit" => rng.below(60).to_string(),
        "score" => rng.pick(&["0", "1", "1", "2", "3", "-1", "0.5", "7.25", "inf", "12", "5"]).to_string(),
        "float" => rng.pick(&["0.1", "0.3", "1.5", "-0.7", "2", "1e3", "0.25"]).to_string(),
        "ms" => (20 + rng.below(2_500)).to_string(),
        "at" => (now + rng.below(2_500) as u64).saturating_sub(200).to_string(),
        "db" => rng.below(DATABASES).to_string(),
        "entry" => format!("{}-{}", now + rng.below(20) as u64, rng.below(5)),
        "group" => format!("g{}", rng.below(2)),
        "consumer" => format!("c{}", rng.below(3)),
        "nested" => format!("N:{}.a{}.b", rng.below(KEYS), rng.below(3)),
        "script" => rng.pick(&SCRIPTS).to_string(),
        "libname" => format!("lib{}", rng.below(3)),
        "function" => format!("fun{}", rng.below(3)),
        "library" => library(rng.below(3), rng.below(3), rng.below(100)),
        other => panic!("no such kind of argument: {other}"),
    };
    text.into_bytes()
}

fn library(number: usize, function: usize, version: usize) -> String {
    format!(
        "#!lua name=lib{number}\nredis.register_function('fun{function}', function(keys, args) \
redis.pcall('SADD', keys[1], args[1]) return redis.pcall('INCRBY', keys[2], {version}) end)"
    )
}

fn key(letter: &str, rng: &mut Rng) -> Vec<u8> {
    let letters = ["s", "n", "b", "p", "h", "S", "z", "g", "l", "x"];
    let stray = letter.is_empty() || letter != "j" && rng.percent(4);
    let letter = if stray { rng.pick(&letters) } else { letter };
    format!("{letter}:{}", rng.below(KEYS)).into_bytes()
}
