//! Random requests to `redis-server` and to ours: every reply and the whole keyspace afterwards must agree.
//!
//! A round sends the same few hundred random requests to both, compares the replies, then compares keys, types,
//! encodings, deadlines and contents, and hands each value of ours to Redis (and back) through DUMP and RESTORE. When something
//! differs, requests are taken away for as long as the difference stays, and what is left is shown.
//!
//! - `DIFF_SECONDS=n` runs for n seconds (default 8); `DIFF_SEED=n` begins with another seed (default 1).
//! - `DIFF_WITHOUT="ZADD SORT"` leaves commands out. Those in `differential.pending` are known to differ and left out as
//!   well, unless `DIFF_WITHOUT` is set (it may be empty).
//! - Commands that ours calls unknown are left out, and named.

use harness::golden::View;
use harness::random::{Request, Requests, Rng, commands};
use harness::value::{Escaped, Value};
use harness::{Client, Kind, Server};
use std::time::{Duration, Instant};

const REQUESTS_PER_ROUND: usize = 400;
/// Small limits, so that compact forms turn into large ones within a round.
const LIMITS: &str = "CONFIG SET hash-max-listpack-entries 6 zset-max-listpack-entries 6 set-max-intset-entries 6 list-max-listpack-size 5";
const DATABASES: [&[u8]; 2] = [b"0", b"1"];
const SHRINK_WITHIN: Duration = Duration::from_secs(15);

struct Pair {
    redis: Client,
    ours: Client,
    server: Server,
    carry_values: bool,
}

#[test]
fn random_requests_get_the_same_replies() {
    let (redis, ours) = (Server::start(Kind::Redis), Server::start(Kind::Everwrite));
    let without = left_out();
    println!("differential: left out: {}", without.join(" "));
    let requests =
        Requests::new(|name| !without.iter().any(|w| w == name) && known(&mut ours.client(), name));
    report_unknown(&requests, &without);
    let unsorted = Requests::new(|name| requests.names().contains(&name) && !is_sort(name.as_bytes()));
    let mut pair = Pair::new(redis.client(), ours);
    let deadline = Instant::now() + Duration::from_secs(number_from("DIFF_SECONDS", 8));
    let mut seed = number_from("DIFF_SEED", 1);
    let (mut rounds, mut sent) = (0, 0);
    while Instant::now() < deadline {
        // SORT blurs what can be compared, see `unpacks`.
        let source = if seed.is_multiple_of(4) { &requests } else { &unsorted };
        let round = source.generate(&mut Rng::new(seed), REQUESTS_PER_ROUND);
        if let Err(difference) = pair.difference(&round) {
            let smallest = pair.shrink(round.clone());
            let difference = pair.difference(&smallest).err().unwrap_or(difference);
            panic!("DIFF_SEED={seed}: {difference}\nafter:\n{}", show(&smallest));
        }
        (rounds, sent, seed) = (rounds + 1, sent + round.len(), seed + 1);
    }
    println!("differential: {sent} requests in {rounds} rounds agree");
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn known(ours: &mut Client, name: &str) -> bool {
    let reply = ours.call(&[name]).expect("a reply");
    !reply.to_string().starts_with("-ERR unknown command")
}

fn report_unknown(requests: &Requests, without: &[String]) {
    let all = Requests::new(|name| !without.iter().any(|w| w == name));
    let unknown: Vec<&str> = all.names().into_iter().filter(|n| !requests.names().contains(n)).collect();
    if !unknown.is_empty() {
        println!("differential: not known to ours yet: {}", unknown.join(" "));
    }
}

/// KeyDB's form with a member, which to Redis is one argument too many. No member has a deadline here: it changes nothing.
fn asks_of_member(request: &Request) -> bool {
    let words = ["TTL", "PTTL", "PERSIST"];
    request.len() == 3 && words.iter().any(|word| request[0].eq_ignore_ascii_case(word.as_bytes()))
}

fn left_out() -> Vec<String> {
    let listed = include_str!("differential.pending").lines().filter(|l| !l.starts_with('#'));
    match std::env::var("DIFF_WITHOUT") {
        Ok(names) => names.split_whitespace().map(str::to_owned).collect(),
        Err(_) => listed.filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect(),
    }
}

impl Pair {
    /// Plays a round on both from empty databases. Says what differs, if anything does.
    fn difference(&mut self, round: &[Request]) -> Result<(), String> {
        self.reset();
        let theirs = self.redis.pipeline(round).expect("redis-server answers everything");
        let ours = self.ours.pipeline(round).map_err(|e| self.stopped(e))?;
        let sorted = unpacks(round);
        for ((request, theirs), ours) in round.iter().zip(&theirs).zip(&ours) {
            if asks_of_member(request) {
                continue;
            }
            let mut view = commands::view(&String::from_utf8_lossy(&request[0]));
            view.types |= sorted && shows_encoding(request);
            differ(&view, theirs, ours).map_err(|text| format!("{}\n{text}", line(request)))?;
        }
        self.state_difference(sorted)
    }

    /// Two servers under the same limits.
    fn new(mut redis: Client, server: Server) -> Pair {
        let mut ours = server.client();
        if ours.cmd(LIMITS).is_ok_and(|r| !r.is_error()) {
            redis.cmd(LIMITS).expect("CONFIG SET");
        } else {
            println!("differential: ours can't set its limits yet: both keep their defaults");
        }
        let carry_values = known(&mut ours, "DUMP") && known(&mut ours, "RESTORE");
        if !carry_values {
            println!("differential: ours has no DUMP and RESTORE yet: values are not carried over");
        }
        Pair { redis, ours, server, carry_values }
    }

    /// Empty databases; if ours is gone or hangs, a new one.
    fn reset(&mut self) {
        let prepare = |client: &mut Client| {
            ["DISCARD", "SELECT 0", "FLUSHALL"].iter().try_for_each(|request| client.cmd(request).map(drop))
        };
        prepare(&mut self.redis).expect("redis-server answers everything");
        if prepare(&mut self.ours).is_err() {
            self.server.kill();
            self.server.start_again();
            self.ours = self.server.client();
            self.ours.cmd(LIMITS).expect("CONFIG SET");
        }
    }

    /// What to say when ours stops answering: the end of its log tells most.
    fn stopped(&self, e: std::io::Error) -> String {
        let log = self.server.log();
        let end: Vec<&str> = log.lines().rev().take(6).collect();
        format!(
            "ours stopped answering: {e}; its log ends with\n{}",
            end.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }

    fn state_difference(&mut self, sorted: bool) -> Result<(), String> {
        for client in [&mut self.redis, &mut self.ours] {
            client.cmd("DISCARD").map_err(|e| e.to_string())?;
        }
        for database in DATABASES {
            self.same(&[b"SELECT", database], &View::default())?;
            let keys = self.same(&[b"KEYS", b"*"], &View { sort: true, ..View::default() })?;
            for key in keys.items().unwrap_or_default() {
                self.key_difference(database, key.bytes().unwrap_or_default(), sorted)?;
            }
        }
        Ok(())
    }

    fn key_difference(&mut self, database: &[u8], key: &[u8], sorted: bool) -> Result<(), String> {
        let kind = self.same(&[b"TYPE", key], &View::default())?.text();
        let types = sorted && kind == "zset";
        self.same(&[b"OBJECT", b"ENCODING", key], &View { types, ..View::default() })?;
        self.same(&[b"PEXPIRETIME", key], &commands::view("PEXPIRETIME"))?;
        let (request, view) = content_request(&kind, key);
        let content = self.same(&request, &view)?;
        if !self.carry_values {
            return Ok(());
        }
        let (read_copy, _) = content_request(&kind, COPY);
        for ours_reads in [false, true] {
            let (from, to, way) = match ours_reads {
                false => (&mut self.ours, &mut self.redis, "redis reads our DUMP of"),
                true => (&mut self.redis, &mut self.ours, "we read Redis's DUMP of"),
            };
            let copied = carry(from, to, database, key, &read_copy)
                .map_err(|e| format!("{way} {}: {e}", Escaped(key)))?;
            differ(&view, &unsigned(&content), &unsigned(&copied))
                .map_err(|text| format!("{way} {}\n{text}", Escaped(key)))?;
        }
        Ok(())
    }

    /// The reply on which both agree.
    fn same(&mut self, request: &[&[u8]], view: &View) -> Result<Value, String> {
        let theirs = self.redis.call(request).expect("redis-server answers everything");
        let ours = self.ours.call(request).map_err(|e| self.stopped(e))?;
        let request: Request = request.iter().map(|a| a.to_vec()).collect();
        differ(view, &theirs, &ours).map_err(|text| format!("afterwards, {}\n{text}", line(&request)))?;
        Ok(theirs)
    }

    /// Takes away requests for as long as something differs.
    fn shrink(&mut self, mut round: Vec<Request>) -> Vec<Request> {
        let deadline = Instant::now() + SHRINK_WITHIN;
        let mut chunk = round.len() / 2;
        while chunk > 0 {
            let mut at = 0;
            while at < round.len() && Instant::now() < deadline {
                let mut fewer = round.clone();
                fewer.drain(at..(at + chunk).min(round.len()));
                if well_formed(&fewer) && self.difference(&fewer).is_err() {
                    round = fewer
                } else {
                    at += chunk
                }
            }
            chunk /= 2;
        }
        round
    }
}

/// Whether Redis may have unpacked a sorted set only because it was sorted, for good. Ours leaves it as small as it is.
fn unpacks(round: &[Request]) -> bool {
    round.iter().any(|r| is_sort(&r[0]))
}

fn is_sort(name: &[u8]) -> bool {
    name.to_ascii_uppercase().starts_with(b"SORT")
}

/// Whether the encoding of a sorted set can be seen in the reply: compact ones show whole scores in all their digits.
fn shows_encoding(request: &Request) -> bool {
    [&b"OBJECT"[..], b"ZSCAN", b"EXEC"].contains(&request[0].as_slice())
}

/// Whether transactions are still whole, with nothing in them whose reply can't be compared there.
fn well_formed(round: &[Request]) -> bool {
    let mut open = false;
    for request in round {
        match request[0].as_slice() {
            b"MULTI" if !open => open = true,
            b"EXEC" if open => open = false,
            b"MULTI" | b"EXEC" => return false,
            name if open && !commands::fits_transaction(name) => return false,
            _ => {}
        }
    }
    !open
}

/// Where copies are restored: in a database of their own.
const COPY: &[u8] = b"copy";
const COPY_DATABASE: &str = "SELECT 9";

/// The request that reads all of a key, and how to look at its reply.
fn content_request<'a>(kind: &str, key: &'a [u8]) -> (Vec<&'a [u8]>, View) {
    let (request, name): (Vec<&[u8]>, &str) = match kind {
        "string" => (vec![b"GET", key], "GET"),
        "list" => (vec![b"LRANGE", key, b"0", b"-1"], "LRANGE"),
        "set" => (vec![b"SMEMBERS", key], "SMEMBERS"),
        "zset" => (vec![b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"], "ZRANGE"),
        "hash" => (vec![b"HGETALL", key], "HGETALL"),
        "stream" => (vec![b"XRANGE", key, b"-", b"+"], "XRANGE"),
        other => panic!("a key of type {other}"),
    };
    (request, commands::view(name))
}

/// Without the sign of zero scores: Redis's own compact form does not keep it.
fn unsigned(content: &Value) -> Value {
    let zero =
        |v: &Value| if *v == Value::Bulk(b"-0".to_vec()) { Value::Bulk(b"0".to_vec()) } else { v.clone() };
    match content {
        Value::Array(items) => Value::Array(items.iter().map(zero).collect()),
        other => other.clone(),
    }
}

/// What `to` reads after it has restored what `from` dumped.
fn carry(
    from: &mut Client,
    to: &mut Client,
    database: &[u8],
    key: &[u8],
    read: &[&[u8]],
) -> Result<Value, String> {
    let io = |e: std::io::Error| e.to_string();
    let dump = from.call(&[b"DUMP", key]).map_err(io)?;
    let payload = dump.bytes().ok_or_else(|| format!("DUMP gave {dump}"))?;
    to.cmd(COPY_DATABASE).map_err(io)?;
    let restored = to.call(&[b"RESTORE", COPY, b"0", payload, b"REPLACE"]).map_err(io)?;
    let reply = to.call(read).map_err(io)?;
    to.call(&[b"DEL", COPY]).map_err(io)?;
    to.call(&[b"SELECT", database]).map_err(io)?;
    if restored.is_error() { Err(format!("RESTORE of {dump} gave {restored}")) } else { Ok(reply) }
}

fn differ(view: &View, theirs: &Value, ours: &Value) -> Result<(), String> {
    let (theirs, ours) = (view.text(theirs), view.text(ours));
    if view.agrees(&theirs, &ours) {
        Ok(())
    } else {
        Err(format!("  redis     {theirs}\n  everwrite {ours}"))
    }
}

fn line(request: &Request) -> String {
    let quote = |arg: &Vec<u8>| match Escaped(arg).to_string() {
        plain
            if !plain.is_empty()
                && plain.bytes().all(|b| b.is_ascii_graphic() && !b"\"'$<\\".contains(&b)) =>
        {
            plain
        }
        other => format!("\"{other}\""),
    };
    request.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// The requests as lines of a golden script, to be kept as one.
fn show(round: &[Request]) -> String {
    round.iter().map(|r| format!("> {}\n", line(r))).collect()
}
