//! kill -9 at random moments under load: after the next start everything is there that was acknowledged, and nothing that was
//! not asked for.
//!
//! Some writers send random requests on keys of all types, each in a database of its own, in pipelines, transactions and
//! scripts, while the log is rewritten again and again. A `redis-server` that is not killed then gets the same requests: as
//! far as they were acknowledged, and of those that were under way one after the other, until it has what ours has.
//!
//! - `KILL_ROUNDS=n` kills n times for each policy of `appendfsync` (default 5).
//! - `KILL_SEED=n` begins with another seed (default 1).

use harness::random::{Request, Rng};
use harness::wait::wait_until;
use harness::{Client, Kind, Server};
use std::fmt::Write;
use std::time::Duration;

const WRITERS: usize = 4;
/// Requests in flight per writer, at most; a transaction counts as one.
const PIPELINE: usize = 8;
const LONGEST_MS: usize = 250;
/// No wait of these tests may take longer, however busy the machine.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn what_was_acknowledged_survives_with_always() {
    play("always");
}

/// Writing is enough to outlive the process.
#[test]
fn what_was_acknowledged_survives_with_everysec() {
    play("everysec");
}

#[test]
fn what_was_acknowledged_survives_with_no() {
    play("no");
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn play(policy: &str) {
    let rounds = number_from("KILL_ROUNDS", 5);
    let mut rng = Rng::new(number_from("KILL_SEED", 1));
    let options = ["--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-min-size", "30kb"];
    let mut ours = Server::start_with(Kind::Everwrite, &[&options[..], &["--server-threads", "2"]].concat());
    let oracle = Server::start(Kind::Redis);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|db| Writer::new(db, rng.bits())).collect();
    let mut acknowledged = 0;
    for round in 0..rounds {
        acknowledged += round_of(&mut ours, &mut writers, &mut rng, round);
        start_again(&mut ours, &mut rng);
        for writer in &mut writers {
            if let Err(difference) = writer.compare(&ours, &oracle) {
                let log = ours.log();
                panic!("appendfsync {policy}, round {round}, {writer:?}: {difference}\n{log}");
            }
        }
    }
    println!("appendfsync {policy}: {acknowledged} requests acknowledged, {rounds} kills, nothing lost");
}

/// Has the writers write until the server is killed; how many requests were acknowledged.
fn round_of(ours: &mut Server, writers: &mut [Writer], rng: &mut Rng, round: u64) -> usize {
    let (pid, pause) = (ours.pid().to_string(), Duration::from_millis(rng.below(LONGEST_MS) as u64 + 1));
    let rewrite = round % 3 == 2;
    let acknowledged = std::thread::scope(|scope| {
        let server = &*ours;
        let threads: Vec<_> = writers.iter_mut().map(|writer| scope.spawn(|| writer.write(server))).collect();
        if rewrite {
            let _ = server.client().cmd("BGREWRITEAOF");
        }
        std::thread::sleep(pause);
        std::process::Command::new("kill").args(["-9", &pid]).status().expect("kill runs");
        threads.into_iter().map(|thread| thread.join().expect("a writer ends")).sum()
    });
    ours.kill();
    acknowledged
}

/// Sometimes it is killed again while it starts.
fn start_again(ours: &mut Server, rng: &mut Rng) {
    if rng.percent(15) {
        ours.launch_again();
        std::thread::sleep(Duration::from_millis(rng.below(60) as u64));
        ours.kill();
    }
    ours.start_again();
    wait_until("the data are loaded", SOON, || {
        !ours.client().cmd("DBSIZE").expect("a reply").to_string().contains("LOADING")
    });
}

/// Requests of which all or none is carried out: one, or a transaction.
type Unit = Vec<Request>;

/// Writes to one database.
struct Writer {
    db: usize,
    rng: Rng,
    /// Units sent since the last comparison, of which so many were acknowledged.
    sent: Vec<Unit>,
    acknowledged: usize,
    /// The last number of an entry of a stream.
    entry: u64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "writer {} ({} of {} units acknowledged)", self.db, self.acknowledged, self.sent.len())
    }
}

impl Writer {
    fn new(db: usize, seed: u64) -> Writer {
        Writer { db, rng: Rng::new(seed), sent: Vec::new(), acknowledged: 0, entry: 0 }
    }

    /// Writes as long as the server lives; how many requests were acknowledged.
    fn write(&mut self, server: &Server) -> usize {
        let Ok(mut client) = Client::connect(server.address()) else { return 0 };
        if client.cmd(&format!("SELECT {}", self.db)).is_err() {
            return 0;
        }
        let mut requests = 0;
        loop {
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
                self.acknowledged += 1;
            }
        }
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

    /// Gives the oracle what was sent, until it has what ours has: all that was acknowledged, and perhaps more.
    fn compare(&mut self, ours: &Server, oracle: &Server) -> Result<(), String> {
        let (mut ours, mut oracle) = (ours.client(), oracle.client());
        for client in [&mut ours, &mut oracle] {
            client.cmd(&format!("SELECT {}", self.db)).expect("OK");
        }
        let found = state(&mut ours);
        let mut first_difference = None;
        for done in 0..=self.sent.len() {
            if done >= self.acknowledged {
                let expected = state(&mut oracle);
                if expected == found {
                    (self.sent, self.acknowledged) = (Vec::new(), 0);
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
