//! Nodes in one process: random commands on each, effects exchanged in random order, and after every step each node's data
//! is the naive fold of what the node has received.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use replication::effect::{Bytes, Effect, Key, Value, Write};
use replication::naive::Naive;
use replication::overlay::{Levels, Overlay, Plain, Rules};
use replication::{Place, Stamp, codec};

use super::stage::{Stage, owned};
use super::sync::{Export, Merge};
use super::{activate, remote, settle};
use crate::commands::testing::{Console, shown};
use crate::ctx::Ctx;
use crate::journal::Drain;
use crate::keyspace::Keyspace;
use crate::types::stream::Part;

mod follow;
mod plays;
mod storm;
mod sums;

/// What a run is like.
#[derive(Clone, Copy, Default)]
struct Plan {
    /// Also evictions, transactions, cuts between nodes, messages that come twice, and more nodes.
    wide: bool,
    rules: Rules,
    /// A plain server follows each node.
    followed: bool,
    /// S8 is switched off: a full sync takes all that the other has for all there is.
    replaces: bool,
    /// Forgets what has arrived here, whoever else lacks it.
    forgets: bool,
}

/// A small generator of random numbers.
struct Dice(u64);

impl Dice {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

/// What a client can see of a key: its value with members in order, its deadline, and those of its members.
type Seen = Option<(Value, Option<u64>, BTreeMap<Bytes, u64>)>;

struct Node {
    label: u16,
    keyspace: &'static Keyspace,
    console: Console<'static>,
    drain: Drain,
    naive: Naive,
    /// By node.
    promise: Vec<u64>,
    horizon: Vec<u64>,
    known: Vec<u64>,
    settled: Vec<u64>,
    /// How many groups of each it has received.
    have: Vec<u64>,
    /// A full sync has brought some of what is still to come, up to here.
    ahead: Vec<u64>,
    forgets: bool,
    follower: Option<follow::Follower>,
}

enum Message {
    Group(u64, u64, Vec<u8>),
    Beat { promise: u64, levels: Levels },
}

fn with_stage<T>(ctx: &mut Ctx<'_>, name: &[u8], see: impl FnOnce(&mut Stage<'_>) -> T) -> T {
    let shard = ctx.keyspace.shard_of(ctx.keyspace.hash(name));
    ctx.locks.hold_one(shard);
    let (shard, writer) = ctx.locks.get_to_write(shard);
    let (env, out) = (&ctx.env, &mut ctx.out);
    let seen = see(&mut Stage { shard, env, out, writer, stamp: Stamp::default(), touched: false });
    ctx.locks.release();
    seen
}

impl Node {
    fn new(label: u16, nodes: usize) -> Node {
        Node::with(label, nodes, Plan::default())
    }

    fn with(label: u16, nodes: usize, plan: Plan) -> Node {
        replication::hashing::hash_alike();
        let keyspace: &'static Keyspace = Box::leak(Box::new(Keyspace::new(2, 1)));
        keyspace.journal.listen(true);
        for shard in 0..keyspace.shard_count() {
            keyspace.cell(shard).lock.lock().overlay = Some(Box::new(Overlay::new(plan.rules)));
        }
        activate(keyspace, Some(label));
        let mut console = Console::new(keyspace);
        console.ctx.locks.release();
        let (drain, naive) = Default::default();
        let zeros = vec![0; nodes];
        let [promise, horizon, known, settled, have, ahead] = [0; 6].map(|_| zeros.clone());
        let forgets = plan.forgets;
        let follower = plan.followed.then(|| follow::Follower::of(keyspace));
        Node {
            label,
            keyspace,
            console,
            drain,
            naive,
            promise,
            horizon,
            known,
            settled,
            have,
            ahead,
            forgets,
            follower,
        }
    }

    fn now(&self) -> u64 {
        self.console.ctx.env.now_ms
    }

    /// Runs a command, or several as one transaction; the groups it wrote.
    fn run(&mut self, line: &str) -> (String, Vec<(u64, Vec<u8>)>) {
        self.console.ctx.locks.hold_all();
        let reply = match line.strip_prefix("EVICT ") {
            Some(name) => self.evict(name.as_bytes()),
            None => {
                self.console.ctx.begin();
                self.console.in_exec = line.contains(" ; ");
                let replies: Vec<String> =
                    line.split(" ; ").map(|command| shown(&self.console.run(command))).collect();
                self.console.in_exec = false;
                replies.join(" ; ")
            }
        };
        self.console.ctx.locks.release();
        let groups = self.written();
        let writes = groups.iter().flat_map(|(_, bytes)| codec::decode_writes(bytes).unwrap());
        let mut keys: Vec<Key> = writes.map(|write| write.key).collect();
        if keys.iter().any(|key| key.name.is_empty()) {
            keys = self.naive.keys().cloned().collect();
        }
        self.follow(&keys);
        (reply, groups)
    }

    /// Has the one who follows do what was done here.
    fn follow(&mut self, written: &[Key]) {
        if let Some(follower) = &mut self.follower {
            follower.follow(&mut self.console, written);
        }
    }

    /// Makes room by taking a key, if it may go.
    fn evict(&mut self, name: &[u8]) -> String {
        self.console.ctx.begin();
        let mut key = self.console.ctx.key_in(0, name);
        let may = key.exists() && key.may_evict();
        if may {
            key.evict(|| 0);
        }
        u8::from(may).to_string()
    }

    fn written(&mut self) -> Vec<(u64, Vec<u8>)> {
        let mut groups = Vec::new();
        let now = self.now() << 20;
        let round = self.drain.round(&self.keyspace.journal, now, |run| {
            for group in codec::groups(run.bytes) {
                let (version, writes) = group.unwrap();
                groups.push((version, writes.to_vec()));
            }
        });
        assert!(!round.waiting);
        for (version, writes) in &groups {
            for (sub, write) in codec::decode_writes(writes).unwrap().iter().enumerate() {
                let place = Place { version: *version, origin: self.label, sub: sub as u32 };
                self.naive.add::<Stage<'_>>(place, write);
            }
        }
        let me = self.label as usize - 1;
        self.promise[me] = round.promise;
        self.have[me] += groups.len() as u64;
        groups
    }

    fn receive(&mut self, from: u16, version: u64, bytes: &[u8]) {
        let writes = codec::decode_writes(bytes).unwrap();
        for write in &writes {
            self.lapse(&write.key);
        }
        remote::apply(&mut self.console.ctx, from, version, bytes, None).unwrap();
        self.console.ctx.locks.release();
        self.keyspace.journal.raise_floor(version);
        for (sub, write) in writes.iter().enumerate() {
            self.naive.add::<Stage<'_>>(Place { version, origin: from, sub: sub as u32 }, write);
        }
    }

    /// A deadline that all know of takes effect before the next write.
    fn lapse(&mut self, key: &Key) {
        let lapsed = with_stage(&mut self.console.ctx, &key.name, |stage| {
            let overlay = stage.shard.overlay.as_ref().unwrap();
            stage.deadline(key).filter(|at| overlay.due(key, *at))
        });
        if let Some(deadline) = lapsed {
            self.reclaimed(key, deadline);
        }
    }

    fn reclaimed(&mut self, key: &Key, deadline: u64) {
        let write = Write { key: key.clone(), create: false, effect: Effect::Reclaim { deadline } };
        self.naive.add::<Stage<'_>>(Place::ZERO, &write);
    }

    fn levels(&mut self) -> Levels {
        let me = self.label as usize - 1;
        let min = |of: &[u64]| of.iter().copied().min().unwrap_or(0);
        self.horizon[me] = self.horizon[me].max(min(&self.promise));
        self.known[me] = self.known[me].max(min(&self.horizon));
        self.settled[me] = self.settled[me].max(min(&self.known));
        let (horizon, known, settled) = (self.horizon[me], self.known[me], self.settled[me]);
        if self.forgets {
            return Levels { horizon, known: horizon, settled: horizon, agreed: horizon };
        }
        Levels { horizon, known, settled, agreed: min(&self.settled) }
    }

    fn settle(&mut self) -> Levels {
        let levels = self.levels();
        for (key, deadline) in self.lapsing(levels) {
            self.reclaimed(&key, deadline);
        }
        for shard in 0..self.keyspace.shard_count() {
            settle::settle(&mut self.console.ctx, shard, levels);
        }
        self.console.ctx.locks.release();
        self.sweep();
        let keys: Vec<Key> = self.naive.keys().cloned().collect();
        for key in keys {
            let gone = with_stage(&mut self.console.ctx, &key.name, |stage| {
                stage.kind(&key).is_none() && !stage.shard.overlay.as_ref().unwrap().has(&key)
            });
            if gone {
                self.naive.forget(&key, levels.settled);
            }
        }
        levels
    }

    /// Keys whose deadline takes effect when the members are this far.
    fn lapsing(&mut self, levels: Levels) -> Vec<(Key, u64)> {
        let keys: Vec<Key> = self.naive.keys().cloned().collect();
        let lapses = |ctx: &mut Ctx<'_>, key: &Key| {
            with_stage(ctx, &key.name, |stage| {
                let marked = stage.shard.overlay.as_ref().unwrap().has(key);
                let bound = if marked { levels.settled } else { levels.agreed };
                stage.deadline(key).filter(|at| Place::reclaim(*at).version <= bound)
            })
        };
        keys.into_iter().filter_map(|key| lapses(&mut self.console.ctx, &key).map(|at| (key, at))).collect()
    }

    fn sweep(&mut self) {
        for shard in 0..self.keyspace.shard_count() {
            self.console.ctx.locks.hold_one(shard);
            crate::expiry::step(&mut self.console.ctx, shard);
        }
        self.console.ctx.locks.release();
        assert!(self.written().is_empty(), "nobody is told of what goes by itself");
    }

    fn seen(&mut self, key: &Key) -> Seen {
        let now = self.now();
        with_stage(&mut self.console.ctx, &key.name, |stage| {
            let db = &stage.shard.dbs[key.db as usize];
            let entry = db.get(db.hash(&key.name), &key.name)?;
            if entry.deadline().is_some_and(|at| at <= now) {
                return None;
            }
            let deadlines = entry.value().deadlines();
            let deadlines = deadlines.into_iter().flat_map(|all| all.iter());
            let deadlines = deadlines.map(|(name, at)| (name.to_vec(), at)).collect();
            visible(owned(entry.value()), entry.deadline(), deadlines, now)
        })
    }

    fn should(&self, key: &Key) -> Seen {
        let (value, deadline) = self.naive.value::<Stage<'_>>(key)?;
        if deadline.is_some_and(|at| at <= self.now()) {
            return None;
        }
        visible(value, deadline, self.naive.member_deadlines::<Stage<'_>>(key), self.now())
    }

    fn check(&mut self, key: &Key) -> Result<(), String> {
        if self.have.iter().zip(&self.ahead).any(|(have, ahead)| have < ahead) {
            return Ok(());
        }
        if self.follower.is_some() {
            self.follow(&[]);
        }
        if let Some(follower) = &mut self.follower {
            follower.check(&mut self.console, key)?;
        }
        let (seen, should) = (self.seen(key), self.should(key));
        if seen == should {
            return Ok(());
        }
        let history = self.naive.history(key);
        let seen = (seen, self.describe(key));
        Err(format!("node {}: {key:?} is {seen:?}, should be {should:?}: {history:#?}", self.label))
    }

    fn describe(&mut self, key: &Key) -> String {
        let (label, have) = (self.label, self.have.clone());
        with_stage(&mut self.console.ctx, &key.name, |stage| {
            let (value, deadline) = (stage.value(key), stage.deadline(key));
            let marks = stage.shard.overlay.as_ref().unwrap().describe(key);
            format!("{label} {have:?} {value:?} {deadline:?} {marks}")
        })
    }

    fn check_all(&mut self) -> Result<(), String> {
        let keys: BTreeSet<Key> = self.naive.keys().cloned().collect();
        keys.iter().try_for_each(|key| self.check(key))
    }
}

fn visible(value: Value, deadline: Option<u64>, mut due: BTreeMap<Bytes, u64>, now: u64) -> Seen {
    let hidden = |name: &Bytes| due.get(name).is_some_and(|at| *at <= now);
    // Of a stream that is gone, parts of its groups may be left, which others still have to hear of.
    let made = match &value {
        Value::Stream(parts) => parts.iter().any(|(name, _)| matches!(name[0], b'e' | b'g' | b'd' | b'm')),
        _ => true,
    };
    let value = match value {
        Value::Set(mut all) => {
            all.retain(|name| !hidden(name));
            all.sort();
            Value::Set(all)
        }
        Value::Hash(mut all) => {
            all.retain(|(name, _)| !hidden(name));
            all.sort();
            Value::Hash(all)
        }
        Value::Zset(mut all) => {
            all.retain(|(name, _)| !hidden(name));
            all.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Zset(all)
        }
        Value::Stream(parts) => Value::Stream(stream_parts(parts)),
        other => other,
    };
    due.retain(|_, at| *at > now);
    let empty = match &value {
        Value::Set(all) => all.is_empty(),
        Value::Hash(all) => all.is_empty(),
        Value::Zset(all) => all.is_empty(),
        Value::Stream(_) => !made,
        _ => false,
    };
    (!empty).then_some((value, deadline, due))
}

/// What clients rely on: entries, groups, and what is pending in groups that are there. Consumers come with what they are
/// given, and counters of what was added are estimates.
fn stream_parts(parts: Vec<(Bytes, Bytes)>) -> Vec<(Bytes, Bytes)> {
    let groups: BTreeSet<Bytes> =
        parts.iter().filter(|(name, _)| name[0] == b'g').map(|(name, _)| name.clone()).collect();
    let has = |group: &[u8]| groups.contains(&[b"g", group].concat());
    let counts = |name: &[u8]| match Part::parse(name) {
        Ok(Part::Entry(_) | Part::Group(_)) => true,
        Ok(Part::Pending { group, .. }) => has(group),
        _ => false,
    };
    let mut parts: Vec<(Bytes, Bytes)> = parts.into_iter().filter(|(name, _)| counts(name)).collect();
    parts.sort();
    parts
}

/// Commands of every family that writes. `S`, `H`, `M`, `Z`, `L`, `B`, `P`: keys of a type; `K`: any key; `v`: a word; `n`: a
/// small number; `t`: a time to live in ms; `i`: an index; `X`: a stream; `g`: a group; `u`: a consumer; `e`: an entry.
const COMMANDS: &[&str] = &[
    "SET S v",
    "SET S n",
    "SET S v NX",
    "SET S v PX t",
    "SET K v",
    "SET S v KEEPTTL",
    "SETNX S v",
    "GETSET S v",
    "GETDEL S",
    "GETEX S PX t",
    "GETEX S PERSIST",
    "MSET S v S v",
    "MSETNX S v S v",
    "INCR S",
    "INCR S",
    "INCRBY S n",
    "DECR S",
    "INCRBYFLOAT S 1.5",
    "APPEND S v",
    "APPEND S v",
    "SETRANGE S n v",
    "SETEX S 1 v",
    "PSETEX S t v",
    "SETBIT B n 1",
    "SETBIT B n 0",
    "BITFIELD B SET u8 n n INCRBY i5 n n",
    "BITFIELD B OVERFLOW SAT INCRBY u4 n 9",
    "BITOP OR B B B",
    "BITOP NOT B B",
    "PFADD P v v v",
    "PFADD P n",
    "PFMERGE P P",
    "PFMERGE P P P",
    "HSET H v v",
    "HSET H v v v v",
    "HSET H v n",
    "HSETNX H v v",
    "HDEL H v",
    "HDEL H v v v",
    "HINCRBY H v n",
    "HINCRBYFLOAT H v 0.5",
    "HPEXPIRE H t FIELDS 1 v",
    "HPERSIST H FIELDS 1 v",
    "HGETDEL H FIELDS 1 v",
    "HSETEX H PX t FIELDS 1 v v",
    "HGETEX H PX t FIELDS 1 v",
    "SADD M v",
    "SADD M v v n",
    "SADD K v",
    "SREM M v",
    "SREM M v v v v",
    "SPOP M",
    "SPOP M 2",
    "SMOVE M M v",
    "SUNIONSTORE M M M",
    "SINTERSTORE M M M",
    "SDIFFSTORE M M M",
    "EXPIREMEMBER M v 1",
    "PEXPIREMEMBERAT M v 1700000000999",
    "ZADD Z n v",
    "ZADD Z n v n v",
    "ZADD Z GT n v",
    "ZADD Z LT n v",
    "ZADD Z NX n v",
    "ZADD Z XX n v",
    "ZINCRBY Z n v",
    "ZINCRBY Z 0.1 v",
    "ZREM Z v",
    "ZPOPMIN Z",
    "ZPOPMAX Z 2",
    "ZREMRANGEBYRANK Z 0 1",
    "ZREMRANGEBYSCORE Z 3 6",
    "ZUNIONSTORE Z 2 Z Z",
    "ZRANGESTORE Z Z 0 2",
    "ZDIFFSTORE Z 2 Z Z",
    "GEOADD Z 13.361389 38.115556 v",
    "LPUSH L v",
    "LPUSH L v v",
    "RPUSH L v",
    "RPUSH L v v v",
    "LPUSHX L v",
    "RPUSH K v",
    "LPOP L",
    "RPOP L",
    "LPOP L 2",
    "LINSERT L BEFORE v v",
    "LINSERT L AFTER v v",
    "LSET L i v",
    "LREM L 0 v",
    "LREM L -1 v",
    "LTRIM L 1 -1",
    "LTRIM L 0 3",
    "LMOVE L L LEFT RIGHT",
    "LMOVE L L RIGHT LEFT",
    "RPOPLPUSH L L",
    "SORT L ALPHA STORE L",
    "SORT M ALPHA STORE L",
    "DEL K",
    "DEL S",
    "DEL H",
    "DEL L",
    "UNLINK M Z",
    "PEXPIRE K t",
    "PEXPIRE S t",
    "PEXPIRE H t",
    "PEXPIRE L t NX",
    "PEXPIRE Z t GT",
    "PEXPIRE M t LT",
    "PEXPIRE S t XX",
    "PERSIST K",
    "PERSIST S",
    "RENAME K K",
    "RENAME H H",
    "RENAMENX L K",
    "COPY K K REPLACE",
    "COPY H H",
    "COPY L L REPLACE",
    "MOVE K 1",
    "MOVE S 1",
    "FLUSHDB",
];

/// What came later: the seeds of old findings go without.
const MORE_COMMANDS: &[&str] = &[
    "PFCOUNT P",
    "XADD X * v v",
    "XADD X * v v v n",
    "XADD X MAXLEN 3 * v v",
    "XADD X NOMKSTREAM * v v",
    "XDEL X e",
    "XDEL X e e",
    "XTRIM X MAXLEN 2",
    "XTRIM X MINID e",
    "XGROUP CREATE X g 0 MKSTREAM",
    "XGROUP CREATE X g $",
    "XGROUP SETID X g 0",
    "XGROUP SETID X g e",
    "XGROUP DESTROY X g",
    "XGROUP CREATECONSUMER X g u",
    "XGROUP DELCONSUMER X g u",
    "XREADGROUP GROUP g u COUNT 2 STREAMS X >",
    "XREADGROUP GROUP g u COUNT 2 STREAMS X >",
    "XREADGROUP GROUP g u NOACK COUNT 1 STREAMS X >",
    "XACK X g e",
    "XACK X g e e",
    "XCLAIM X g u 0 e",
    "XNACK X g FAIL IDS 1 e",
    "XCLAIM X g u 0 e FORCE",
    "XAUTOCLAIM X g u 0 0",
    "DEL X",
    "COPY X X REPLACE",
    "PEXPIRE X t",
];

/// And later still, from other servers for the most part: as above.
const LAST_COMMANDS: &[&str] = &[
    "MSETEX 2 S v S v PX t",
    "DELEX S IFEQ v",
    "CL.THROTTLE S 3 10 1",
    "FIELDEXPIRE H 1 v",
    "FIELDEXPIRE M 1 v v",
    "PEXPIREMEMBERAT H v 1700000000999",
    "PEXPIREMEMBERAT Z v 1700000000999",
    "PERSIST Z v",
    "KEYDB.HRENAME H v v",
    "SADDEX M 1 v v",
    "LMPOP 2 L L LEFT COUNT 2",
    "LMOVEM L L LEFT RIGHT COUNT 2",
    "ZMPOP 2 Z Z MAX COUNT 2",
    "ZINTERSTORE Z 2 Z M",
    "GEOSEARCHSTORE Z Z FROMLONLAT 13 38 BYRADIUS 90 km",
    "GEORADIUS Z 13 38 90 km STORE Z",
    "XDELEX X DELREF IDS 1 e",
    "XDELEX X ACKED IDS 2 e e",
    "XACKDEL X g KEEPREF IDS 1 e",
    "XACKDEL X g DELREF IDS 2 e e",
    "XSETID X e",
    "HSET K v v",
    "ZADD K n v",
    "XADD K * v v",
    "BITFIELD K SET u8 n n",
    "PFADD K v",
    "HINCRBY K v n",
    "ZINCRBY K 0.5 v",
];

/// Counters of fractions, and what else may happen to them. `f`: a fraction.
const FRACTIONS: &[&str] = &[
    "INCRBYFLOAT S f",
    "INCRBYFLOAT S f",
    "INCRBYFLOAT S f",
    "INCRBYFLOAT S f",
    "INCRBYFLOAT S f",
    "INCRBYFLOAT S f",
    "HINCRBYFLOAT H a f",
    "HINCRBYFLOAT H a f",
    "HINCRBYFLOAT H a f",
    "HINCRBYFLOAT H a f",
    "HINCRBYFLOAT H a f",
    "ZINCRBY Z f a",
    "ZINCRBY Z f a",
    "ZINCRBY Z f a",
    "ZINCRBY Z f a",
    "INCR S",
    "HINCRBY H a n",
    "HINCRBYFLOAT H v f",
    "SET S f",
    "SET S 100.1 PX t",
    "SET S f NX",
    "SET K v",
    "APPEND S n",
    "HSET H a f",
    "HSETNX H a 99.9",
    "HDEL H a",
    "ZADD Z f a",
    "ZADD Z GT 63.9 a",
    "ZREM Z a",
    "PEXPIRE S t",
    "PERSIST S",
    "DEL K",
    "DEL S",
    "GETSET S f",
];

/// `ids`: of stream entries that were added lately.
fn command(dice: &mut Dice, commands: &[&'static str], ids: &[String]) -> String {
    let template = loop {
        let template = *dice.pick(commands);
        if template != "FLUSHDB" || dice.below(3) == 0 {
            break template;
        }
    };
    let word = |part: &str, dice: &mut Dice| match part {
        "K" => format!("any{}", dice.below(2)),
        "S" | "H" | "M" | "Z" | "L" | "B" | "P" | "X" if dice.below(12) > 0 => {
            format!("{part}{}", dice.below(2))
        }
        "S" | "H" | "M" | "Z" | "L" | "B" | "P" | "X" => "any0".to_string(),
        "g" | "u" => format!("{part}{}", dice.below(2)),
        "e" if ids.is_empty() => "5-5".to_string(),
        "e" => dice.pick(&ids[ids.len().saturating_sub(10)..]).clone(),
        "v" => format!("{}{}", dice.pick(&["a", "b", "c"]), dice.below(3)),
        "n" => dice.below(12).to_string(),
        "f" => dice.pick(&["0.1", "0.25", "-7.35", "19.99", "100.1", "-0.5", "1e-3", "3"]).to_string(),
        "t" => (1 + dice.below(300)).to_string(),
        "i" => (dice.below(4) as i64 - 2).to_string(),
        other => other.to_string(),
    };
    template.split(' ').map(|part| word(part, dice)).collect::<Vec<_>>().join(" ")
}

fn run(seed: u64, commands: &[&'static str], plan: Plan) -> Result<(), String> {
    let mut dice = Dice(seed);
    let n = 2 + dice.below(if plan.wide { 3 } else { 2 }) as usize;
    let mut nodes: Vec<Node> = (1..=n as u16).map(|label| Node::with(label, n, plan)).collect();
    let mut cut: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut queues: BTreeMap<(usize, usize), VecDeque<Message>> = BTreeMap::new();
    let steps = 120 + dice.below(200);
    let mut now = 1_700_000_000_000;
    let mut trace: Vec<String> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    // By node, of all groups it wrote.
    let mut versions: Vec<Vec<u64>> = vec![Vec::new(); n];
    let watched = std::env::var("WATCH").ok().map(|name| Key { db: 0, name: name.into() });
    for step in 0..steps * 2 + 100 {
        if let Some(key) = &watched {
            trace.drain(..).for_each(|line| println!("{line}"));
            nodes.iter_mut().for_each(|node| println!("  == {}", node.describe(key)));
        }
        now += dice.below(20);
        let me = dice.below(n as u64) as usize;
        nodes[me].console.ctx.env.tick(now);
        let others = (0..n).filter(|other| *other != me).collect::<Vec<_>>();
        let fail = |e: String, trace: &[String]| {
            format!("step {step}: {e}\n{:#?}", &trace[trace.len().saturating_sub(30)..])
        };
        if plan.wide && dice.below(25) == 0 {
            cut.clear();
            if step < steps && dice.below(3) > 0 {
                let to = *dice.pick(&others);
                cut.extend([(me, to), (to, me)]);
                trace.push(format!("{now} {me} and {to} are cut off from each other"));
            }
        }
        if step < steps && dice.below(2) == 0 {
            let mut line = command(&mut dice, commands, &ids);
            while plan.wide && !line.starts_with("EVICT") && dice.below(6) == 0 {
                let next = command(&mut dice, commands, &ids);
                if !next.starts_with("EVICT") {
                    line = format!("{line} ; {next}");
                }
            }
            let (reply, groups) = nodes[me].run(&line);
            if line.starts_with("XADD")
                && reply.starts_with('$')
                && let Some(id) = reply.split('¶').nth(1)
                && id.split('-').all(|part| part.parse::<u64>().is_ok())
            {
                ids.push(id.to_string());
            }
            trace.push(format!("{now} {me}: {line} -> {reply}"));
            let first = nodes[me].have[me] - groups.len() as u64 + 1;
            for ((version, bytes), seq) in groups.into_iter().zip(first..) {
                versions[me].push(version);
                for write in codec::decode_writes(&bytes).unwrap() {
                    trace.push(format!(
                        "    {} {:?}",
                        String::from_utf8_lossy(&write.key.name),
                        write.effect
                    ));
                    nodes[me].check(&write.key).map_err(|e| fail(e, &trace))?;
                }
                for to in &others {
                    for _ in 0..if plan.wide && dice.below(10) == 0 { 2 } else { 1 } {
                        let queue = queues.entry((me, *to)).or_default();
                        queue.push_back(Message::Group(seq, version, bytes.clone()));
                    }
                }
            }
        } else if dice.below(40) == 0 {
            let from = *dice.pick(&others);
            if cut.contains(&(from, me)) {
                continue;
            }
            nodes[from].console.ctx.env.tick(now);
            trace.push(format!("{now} {me} takes all from {from}"));
            sync(&mut nodes, &mut queues, &versions, (from, me), &mut dice, plan)
                .map_err(|e| fail(e, &trace))?;
        } else if dice.below(3) == 0 {
            beat(&mut nodes, &mut queues, me).map_err(|e| fail(e, &trace))?;
        } else {
            let from = *dice.pick(&others);
            if cut.contains(&(from, me)) {
                continue;
            }
            for _ in 0..dice.below(4) {
                if let Some(message) = queues.entry((from, me)).or_default().pop_front() {
                    trace.push(format!("{now} {me} hears {from}"));
                    receive(&mut nodes[me], from, message).map_err(|e| fail(e, &trace))?;
                }
            }
        }
    }
    finish(nodes, queues, now)
}

/// A full sync; meanwhile both go on hearing of others.
fn sync(
    nodes: &mut [Node],
    queues: &mut BTreeMap<(usize, usize), VecDeque<Message>>,
    versions: &[Vec<u64>],
    (from, me): (usize, usize),
    dice: &mut Dice,
    plan: Plan,
) -> Result<(), String> {
    let (head, naive) = (nodes[from].have.clone(), nodes[from].naive.clone());
    let horizon = nodes[from].horizon[from];
    let last: Vec<u64> =
        head.iter().zip(versions).map(|(n, all)| n.checked_sub(1).map_or(0, |n| all[n as usize])).collect();
    let covered = move |place: Place| {
        let computed = place.origin == u16::MAX;
        plan.replaces
            || !computed && (place.version <= horizon || place.version <= last[place.origin as usize - 1])
    };
    let never = vec![u64::MAX; nodes.len()];
    let before = std::mem::replace(&mut nodes[me].ahead, never);
    let most = with_stage(&mut nodes[from].console.ctx, b"", |stage| {
        stage.shard.overlay.as_ref().map_or(0, |overlay| overlay.levels().settled)
    });
    nodes[me].settled[me] = nodes[me].settled[me].max(most);
    let lapsed = nodes[me].lapsing(Levels { settled: most, ..Levels::default() });
    let mut export = Export::default();
    let mut merge = Merge::begin(&mut nodes[me].console.ctx, Box::new(covered), false);
    while let Some(piece) = export.next(&mut nodes[from].console.ctx, 2_000) {
        merge.take(&mut nodes[me].console.ctx, &piece).map_err(|e| format!("a piece: {e:?}"))?;
        nodes[me].console.ctx.locks.release();
        for to in [from, me] {
            let of = dice.below(nodes.len() as u64) as usize;
            if let Some(message) = queues.get_mut(&(of, to)).and_then(VecDeque::pop_front) {
                receive(&mut nodes[to], of, message)?;
            }
        }
    }
    merge.end(&mut nodes[me].console.ctx).map_err(|e| format!("the end: {e:?}"))?;
    drop(merge);
    nodes[me].console.ctx.locks.release();
    let ahead = nodes[from].have.clone();
    let me = &mut nodes[me];
    me.naive.join(&naive);
    lapsed.iter().for_each(|(key, deadline)| me.reclaimed(key, *deadline));
    for (i, n) in head.iter().enumerate() {
        me.have[i] = me.have[i].max(*n);
        me.ahead[i] = before[i].max(ahead[i]);
    }
    me.check_all()
}

fn beat(
    nodes: &mut [Node],
    queues: &mut BTreeMap<(usize, usize), VecDeque<Message>>,
    me: usize,
) -> Result<(), String> {
    assert!(nodes[me].written().is_empty());
    let levels = nodes[me].settle();
    nodes[me].check_all()?;
    let promise = nodes[me].promise[me];
    for to in (0..nodes.len()).filter(|to| *to != me) {
        queues.entry((me, to)).or_default().push_back(Message::Beat { promise, levels });
    }
    Ok(())
}

fn receive(node: &mut Node, from: usize, message: Message) -> Result<(), String> {
    match message {
        Message::Group(seq, _, _) if seq <= node.have[from] => {}
        Message::Group(seq, version, bytes) => {
            assert_eq!(seq, node.have[from] + 1);
            node.have[from] = seq;
            node.receive(from as u16 + 1, version, &bytes);
            for write in codec::decode_writes(&bytes).unwrap() {
                node.check(&write.key).map_err(|e| format!("after {write:?}: {e}"))?;
            }
        }
        Message::Beat { promise, levels } => {
            node.promise[from] = promise;
            node.horizon[from] = levels.horizon;
            node.known[from] = levels.known;
            node.settled[from] = levels.settled;
        }
    }
    Ok(())
}

/// Everything arrives; then all have the same and nothing is remembered.
fn finish(
    mut nodes: Vec<Node>,
    mut queues: BTreeMap<(usize, usize), VecDeque<Message>>,
    mut now: u64,
) -> Result<(), String> {
    for _ in 0..7 {
        now += 1_000;
        for me in 0..nodes.len() {
            nodes[me].console.ctx.env.tick(now);
            for from in 0..nodes.len() {
                while let Some(message) = queues.entry((from, me)).or_default().pop_front() {
                    receive(&mut nodes[me], from, message)?;
                }
            }
        }
        for me in 0..nodes.len() {
            beat(&mut nodes, &mut queues, me)?;
        }
    }
    for node in &nodes {
        let size = settle::size(node.keyspace);
        if !size.empty {
            return Err(format!("node {} still remembers: {size:?}", node.label));
        }
    }
    let keys: BTreeSet<Key> = nodes.iter().flat_map(|node| node.naive.keys().cloned()).collect();
    for key in keys {
        let first = nodes[0].seen(&key);
        for node in &mut nodes[1..] {
            let here = node.seen(&key);
            if here != first {
                return Err(format!("{key:?}: {first:?} at node 1, {here:?} at node {}", node.label));
            }
        }
        storm::compare_digests(&mut nodes, &key)?;
    }
    Ok(())
}

/// `SEEDS` runs from `SEED` on. `WATCH` names a key: what is done, and what becomes of the key, is printed.
#[test]
fn every_node_has_the_fold_of_what_it_received() {
    let number = |name, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (from, seeds) = (number("SEED", 0), number("SEEDS", 40));
    let commands = [COMMANDS, MORE_COMMANDS].concat();
    for seed in from..from + seeds {
        if let Err(error) = run(seed, &commands, Plan::default()) {
            panic!("seed {seed}: {error}");
        }
    }
}

/// What an effect named by its position, and was wiped before it came, was looked for again later: then the position meant
/// another element.
#[test]
fn a_wiped_element_is_not_looked_for_by_its_position_later() {
    run(314, COMMANDS, Plan::default()).unwrap_or_else(|error| panic!("{error}"));
}

/// The stamp of a key that has marks was taken for that of its elements, which were settled.
#[test]
fn settled_elements_of_a_list_with_a_young_deadline_are_named_by_position() {
    for seed in [1093, 3937] {
        run(seed, COMMANDS, Plan::default()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

/// A node whose versions are ahead of its clock sets deadlines that are over, for others, before they hear of them.
#[test]
fn a_deadline_counts_from_the_version_that_sets_it() {
    let mut nodes = [Node::new(1, 2), Node::new(2, 2)];
    let now = nodes[0].now();
    let ahead = now + 1_500;
    nodes[0].keyspace.journal.raise_floor(ahead << 20);
    nodes[0].console.ctx.env.lead(ahead);
    nodes[1].console.ctx.env.tick(ahead + 200);
    let key = Key { db: 0, name: b"k".to_vec() };
    for (line, reply) in [("SET k v PX 300", "+OK"), ("PERSIST k", "1")] {
        let (said, groups) = nodes[0].run(line);
        assert_eq!(said.trim_matches(['¶', ':']), reply, "{line}");
        for (version, bytes) in groups {
            nodes[1].receive(1, version, &bytes);
        }
        for node in &mut nodes {
            node.promise = vec![(ahead << 20) + 1; 2];
            (node.horizon, node.known) = (node.promise.clone(), node.promise.clone());
            node.settle();
        }
    }
    let seen = nodes[0].seen(&key);
    assert!(seen.as_ref().is_some_and(|(_, deadline, _)| deadline.is_none()), "{seen:?}");
    assert_eq!(nodes[1].seen(&key), seen);
    for line in ["SET k v PX 300", &format!("PEXPIREAT k {}", ahead - 1)] {
        nodes[0].run(line);
    }
    assert_eq!(nodes[0].seen(&key), None, "what is over for the version is over");
}
