//! Who writes, knows what was acknowledged, and has the oracle do the same.

use harness::random::{Request, Rng};
use harness::{Client, Server};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// Requests in flight per writer, at most; a transaction counts as one.
const PIPELINE: usize = 8;

/// Requests of which all or none is carried out: one, or a transaction.
type Unit = Vec<Request>;

/// Writes to one database.
pub struct Writer {
    db: usize,
    rng: Rng,
    /// Units sent that the oracle has not carried out yet, and when those of them that were acknowledged were.
    sent: Vec<Unit>,
    acknowledged: Vec<Instant>,
    /// The last number of an entry of a stream.
    entry: u64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "writer {} ({} of {} units acknowledged)",
            self.db,
            self.acknowledged.len(),
            self.sent.len()
        )
    }
}

impl Writer {
    pub fn new(db: usize, seed: u64) -> Writer {
        Writer { db, rng: Rng::new(seed), sent: Vec::new(), acknowledged: Vec::new(), entry: 0 }
    }

    /// Writes as long as the server lives, or somebody wants it; how many requests were acknowledged.
    pub fn write(&mut self, server: &Server, wanted: &AtomicBool) -> usize {
        let Ok(mut client) = Client::connect(server.address()) else { return 0 };
        if client.cmd(&format!("SELECT {}", self.db)).is_err() {
            return 0;
        }
        let mut requests = 0;
        while wanted.load(Relaxed) {
            let units: Vec<Unit> = (0..=self.rng.below(PIPELINE)).map(|_| self.unit()).collect();
            let wire = wire(&units);
            self.sent.extend(units.iter().cloned());
            if client.send_raw(&wire).is_err() {
                return requests;
            }
            for unit in units {
                for _ in &unit {
                    if client.receive().is_err() {
                        return requests;
                    }
                }
                requests += unit.len();
                self.acknowledged.push(Instant::now());
            }
        }
        requests
    }

    fn unit(&mut self) -> Unit {
        if !self.rng.percent(8) {
            return vec![self.request()];
        }
        let mut unit = vec![vec![b"MULTI".to_vec()]];
        unit.extend((0..1 + self.rng.below(4)).map(|_| self.request()));
        unit.push(vec![b"EXEC".to_vec()]);
        unit
    }

    /// A request that does the same wherever and whenever it is carried out.
    fn request(&mut self) -> Request {
        let template = *self.rng.pick(REQUESTS);
        template.split(' ').map(|word| self.word(word).into_bytes()).collect()
    }

    /// `?` is a small number, `%` a value, `#` the next number of an entry, `_` a space.
    fn word(&mut self, word: &str) -> String {
        let mut text = String::new();
        for letter in word.chars() {
            let _ = match letter {
                '?' => write!(text, "{}", self.rng.below(3)),
                '%' if self.rng.percent(10) => write!(text, "{}", "long ".repeat(1 + self.rng.below(60))),
                '%' => write!(text, "v{}", self.rng.below(40)),
                '#' => {
                    self.entry += 1;
                    write!(text, "{}", self.entry)
                }
                '_' => write!(text, " "),
                other => write!(text, "{other}"),
            };
        }
        text
    }

    /// Gives the oracle what was sent, until it has what ours has: all that was acknowledged up to then, and perhaps more.
    pub fn compare(&mut self, ours: &Server, oracle: &Server, until: Instant) -> Result<(), String> {
        let (mut ours, mut oracle) = (ours.client(), oracle.client());
        for client in [&mut ours, &mut oracle] {
            client.cmd(&format!("SELECT {}", self.db)).expect("OK");
        }
        let found = state(&mut ours);
        let least = self.acknowledged.partition_point(|at| *at <= until);
        let mut first_difference = None;
        for done in 0..=self.sent.len() {
            if done >= least {
                let expected = state(&mut oracle);
                if expected == found {
                    self.sent.drain(..done);
                    self.acknowledged.drain(..done.min(self.acknowledged.len()));
                    return Ok(());
                }
                first_difference.get_or_insert_with(|| differences(&expected, &found));
            }
            if let Some(unit) = self.sent.get(done) {
                oracle.pipeline(unit).expect("redis-server answers everything");
            }
        }
        Err(first_difference.unwrap_or_default())
    }

    /// What is not there by now never comes.
    pub fn forget(&mut self) {
        (self.sent, self.acknowledged) = (Vec::new(), Vec::new());
    }
}

fn wire(units: &[Unit]) -> Vec<u8> {
    let mut wire = Vec::new();
    units.iter().flatten().for_each(|request| harness::client::encode(&mut wire, request));
    wire
}

/// What is in the selected database: a line for each key.
fn state(client: &mut Client) -> Vec<String> {
    let mut ask = |line: &str| client.cmd(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    let keys = ask("KEYS *");
    let mut names: Vec<String> = keys.items().unwrap_or_default().iter().map(|key| key.text()).collect();
    names.sort();
    let describe = |name: &String| {
        let mut line = name.clone();
        for question in ["DEBUG DIGEST-VALUE", "PEXPIRETIME"] {
            let _ = write!(line, " {}", ask(&format!("{question} {name}")));
        }
        if name.starts_with('x') {
            let _ = write!(line, " {}", ask(&format!("XPENDING {name} g")));
        }
        line
    };
    names.iter().map(describe).collect()
}

fn differences(expected: &[String], found: &[String]) -> String {
    let lacks = expected.iter().filter(|line| !found.contains(line)).map(|line| format!("\n- {line}"));
    let has = found.iter().filter(|line| !expected.contains(line)).map(|line| format!("\n+ {line}"));
    lacks.chain(has).collect()
}

/// See [`Writer::word`].
const REQUESTS: &[&str] = &[
    "SET s? %",
    "SET s? % EXAT 41000000?0",
    "SETNX s? %",
    "APPEND s? %",
    "SETRANGE s? ? %",
    "GETDEL s?",
    "GETEX s? PXAT 4100000000?00",
    "MSET s? % s? %",
    "INCRBY n? ?1",
    "INCRBYFLOAT n? ?.5",
    "SETBIT b? 1? 1",
    "BITFIELD b? INCRBY u8 ? ?",
    "RPUSH l? % %",
    "LPUSH l? %",
    "LPOP l?",
    "RPOP l? 2",
    "LTRIM l? 0 40",
    "LMOVE l? l? LEFT RIGHT",
    "LINSERT l? BEFORE % %",
    "LREM l? 1 %",
    "LMPOP 2 l? l? LEFT COUNT 2",
    "SORT l? ALPHA STORE l?",
    "SADD t? % %",
    "SADD i? ? 1? 2?",
    "SREM t? %",
    "SMOVE t? t? %",
    "SUNIONSTORE t? t? i?",
    "HSET h? % % % %",
    "HDEL h? %",
    "HINCRBY h? counter ?",
    "HINCRBYFLOAT h? float ?.5",
    "ZADD z? ? % ?.5 %",
    "ZINCRBY z? ? %",
    "ZREM z? %",
    "ZPOPMIN z?",
    "ZUNIONSTORE z? 2 z? t?",
    "ZREMRANGEBYRANK z? 30 -1",
    "GEOADD g? 1?.5 4? %",
    "XADD x? 1-# f %",
    "XADD x? 1-# f % g % h ?",
    "XDEL x? 1-?",
    "XTRIM x? MAXLEN 12",
    "XGROUP CREATE x? g 0 MKSTREAM",
    "XREADGROUP GROUP g reader COUNT 2 STREAMS x? >",
    "XACK x? g 1-?",
    "DEL s? l? t?",
    "UNLINK h? z?",
    "RENAME s? s?",
    "RENAMENX l? l?",
    "COPY h? h? REPLACE",
    "EXPIREAT h? 41000000?0",
    "PERSIST h?",
    "EVAL return_redis.call('rpush',KEYS[1],ARGV[1],redis.call('incr',KEYS[2])) 2 l? n? %",
    "EVAL for_i=1,5_do_redis.call('hset',KEYS[1],'f'..i,ARGV[1])_end 1 h? %",
];
