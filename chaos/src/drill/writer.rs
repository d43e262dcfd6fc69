//! A client: does one thing after the other to the places, and notes what it was told.
//!
//! It has at most one request under way, so that when its node dies there is one of which it does not know whether it was
//! carried out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chaos::rng::Rng;
use harness::{Client, Value};

use super::Options;
use super::history::{Deed, History, Shared, What};
use super::noise;
use super::place::{Item, KINDS, Kind, Place, SLOT};

/// Between two tries to reach a node that is down.
const RETRY: Duration = Duration::from_millis(20);
/// Errors that are kept at most.
const ERRORS_MAX: usize = 20;
/// Own items that are remembered for taking them away again.
const MINE_MAX: usize = 500;
/// What a node says that cannot take writes for now.
const PASSING: [&str; 4] = ["-LOADING", "-MASTERDOWN", "-NOREPLICAS", "-BUSY"];

/// See the [module's page](self).
pub struct Writer {
    address: SocketAddr,
    client: Option<Client>,
    shared: Arc<Shared>,
    pub rng: Rng,
    writers: u32,
    history: History,
    numbers: HashMap<Place, u32>,
    mine: HashMap<Place, Vec<Item>>,
    /// Ids of own stream entries.
    ids: HashMap<(Place, Item), String>,
}

/// Starts all clients.
pub fn start(options: &Options, addresses: &[SocketAddr], shared: &Arc<Shared>) -> Vec<JoinHandle<History>> {
    let writers = options.nodes * options.writers;
    let pause = Duration::from_secs(1) / options.rate.max(1);
    (0..writers)
        .map(|number| {
            let node = number % options.nodes;
            let writer = Writer {
                address: addresses[node],
                client: None,
                shared: shared.clone(),
                rng: Rng::new(options.seed * 1_000 + number as u64),
                writers: writers as u32,
                history: History { writer: number as u32, node, ..History::default() },
                numbers: HashMap::new(),
                mine: HashMap::new(),
                ids: HashMap::new(),
            };
            std::thread::spawn(move || writer.run(pause))
        })
        .collect()
}

/// What a request brought. `None`: nothing that can be reckoned with.
type Got = Option<Value>;

impl Writer {
    fn run(mut self, pause: Duration) -> History {
        let mut next = Instant::now();
        while !self.shared.stop.load(SeqCst) {
            if self.rng.once_in(4) {
                self.noise();
            } else {
                let kind = *self.rng.pick(&KINDS);
                let number = self.rng.below(kind.places().into()) as u8;
                self.step(Place { kind, number });
            }
            next += pause;
            let now = Instant::now();
            std::thread::sleep(next.saturating_duration_since(now));
            next = next.max(now);
        }
        self.history
    }

    fn noise(&mut self) {
        let calm = self.shared.calm.load(SeqCst);
        let words = noise::request(&mut self.rng, calm);
        // What it answers does not matter, errors included: all that counts is that nodes agree in the end.
        // In a database of their own, because they flush it.
        let _ = self.request(&[owned(&["SELECT", "9"]), words, owned(&["SELECT", "0"])]);
    }

    /// Sends requests at once; their replies, or `None` if the node went away.
    fn request(&mut self, requests: &[Vec<String>]) -> Option<Vec<Value>> {
        while self.client.is_none() {
            if self.shared.stop.load(SeqCst) {
                return None;
            }
            self.client = Client::connect(self.address).ok();
            if self.client.is_none() {
                std::thread::sleep(RETRY);
            }
        }
        let began = Instant::now();
        let replies = self.client.as_mut()?.pipeline(requests);
        self.history.slowest_ms = self.history.slowest_ms.max(began.elapsed().as_millis() as u64);
        match replies {
            Ok(replies) => {
                self.history.acknowledged += 1;
                self.shared.acknowledged.fetch_add(1, Relaxed);
                Some(replies)
            }
            Err(_) => {
                self.history.unanswered += 1;
                self.client = None;
                None
            }
        }
    }

    /// Does something of which it is noted what it did. `unknown`: what it may have done if no reply comes.
    fn ask(&mut self, requests: &[Vec<String>], unknown: &[What]) -> Got {
        match self.request(requests) {
            None => {
                unknown.iter().for_each(|what| self.note(*what, false));
                None
            }
            Some(mut replies) => {
                let reply = replies.pop()?;
                let failed = replies.iter().chain([&reply]).find(|reply| reply.is_error());
                match failed.map(Value::to_string) {
                    None => Some(reply),
                    Some(text) => {
                        self.refused(&requests[0], text);
                        None
                    }
                }
            }
        }
    }

    fn refused(&mut self, request: &[String], text: String) {
        self.history.acknowledged -= 1;
        if PASSING.iter().any(|word| text.starts_with(word)) {
            self.history.refused += 1;
            std::thread::sleep(RETRY);
        } else if self.history.errors.len() < ERRORS_MAX {
            self.history.errors.push(format!("{}: {text}", request.join(" ")));
        }
    }

    fn note(&mut self, what: What, acknowledged: bool) {
        self.history.deeds.push(Deed { at_ms: self.shared.now_ms(), acknowledged, what });
    }

    /// A new item for a place.
    fn make(&mut self, place: Place) -> Item {
        let number = self.numbers.entry(place).or_insert(0);
        *number += 1;
        Item { writer: self.history.writer, number: *number }
    }

    fn put(&mut self, place: Place, item: Item) {
        self.note(What::Put(place, item), true);
        let mine = self.mine.entry(place).or_default();
        if mine.len() < MINE_MAX {
            mine.push(item);
        }
    }

    /// One of the own items, which it forgets.
    fn own(&mut self, place: Place) -> Option<Item> {
        let mine = self.mine.get_mut(&place)?;
        (!mine.is_empty()).then(|| mine.swap_remove(self.rng.index(mine.len())))
    }

    /// A request that puts an item somewhere, if its reply is not 0, -1 or null.
    fn putting(&mut self, place: Place, item: Item, words: &[&str]) {
        let got = self.ask(&[owned(words)], &[What::Put(place, item)]);
        if got.is_some_and(|reply| !reply.is_null() && reply.int().is_none_or(|n| n > 0)) {
            self.put(place, item);
        }
    }

    /// A request that takes an own item away, if its reply is not 0 or null.
    fn taking(&mut self, place: Place, item: Item, words: &[&str]) {
        let got = self.ask(&[owned(words)], &[What::Take(place, item)]);
        if got.is_some_and(|reply| !reply.is_null() && reply.int() != Some(0)) {
            self.note(What::Take(place, item), true);
        }
    }

    /// A request that takes whatever there is; its reply ends with the item.
    fn popping(&mut self, place: Place, at: usize, words: &[&str]) {
        let got = self.ask(&[owned(words)], &[What::TakeAny(place)]);
        let text = got.map(|reply| match reply.items() {
            Some(items) => items.get(at).map(Value::text).unwrap_or_default(),
            None => reply.text(),
        });
        if let Some(item) = text.and_then(|text| Item::parse(&text)) {
            self.note(What::Take(place, item), true);
        }
    }

    fn summing(&mut self, place: Place, quarters: i64, words: &[&str]) {
        if self.ask(&[owned(words)], &[What::Sum(place, quarters)]).is_some() {
            self.note(What::Sum(place, quarters), true);
        }
    }

    fn step(&mut self, place: Place) {
        let key = &place.key()[..];
        let dice = self.rng.below(100);
        match place.kind {
            Kind::Set => self.add_or_remove(place, dice < 70, &["SADD", key], &[], &["SREM", key]),
            Kind::Hash => self.add_or_remove(place, dice < 70, &["HSET", key], &["here"], &["HDEL", key]),
            Kind::Sorted => self.add_or_remove(place, dice < 70, &["ZADD", key, "1"], &[], &["ZREM", key]),
            Kind::Bag if dice < 60 => self.add(place, &["SADD", key], &[]),
            Kind::Bag => self.popping(place, 0, &["SPOP", key]),
            Kind::Ranked if dice < 60 => self.add(place, &["ZADD", key, &dice.to_string()], &[]),
            Kind::Ranked => self.popping(place, 0, &[if dice < 80 { "ZPOPMIN" } else { "ZPOPMAX" }, key]),
            Kind::List => self.list(place, dice),
            Kind::Queue if dice < 40 => self.add(place, &["RPUSH", key], &[]),
            Kind::Queue if dice < 55 => self.add(place, &["LPUSH", key], &[]),
            Kind::Queue if dice < 75 => self.popping(place, 0, &["LPOP", key]),
            Kind::Queue if dice < 85 => self.popping(place, 0, &["RPOP", key]),
            Kind::Queue => self.popping(place, 1, &["BLPOP", key, "0.02"]),
            Kind::Relay => self.relay(place, dice),
            Kind::Stream => self.stream(place, dice),
            Kind::Text => self.text(place),
            Kind::Slots => self.slot(place),
            Kind::Bits => self.bit(place),
            Kind::Keys => self.keys(place, dice),
            Kind::Brief => self.brief(place, dice),
            Kind::Transaction => self.transaction(place, dice),
            _ => self.sum(place, dice),
        }
    }

    fn add(&mut self, place: Place, before: &[&str], after: &[&str]) {
        let item = self.make(place);
        self.putting(place, item, &[before, &[&item.to_string()], after].concat());
    }

    fn add_or_remove(&mut self, place: Place, add: bool, put: &[&str], value: &[&str], take: &[&str]) {
        match self.own(place) {
            Some(item) if !add => self.taking(place, item, &[take, &[&item.to_string()]].concat()),
            kept => {
                self.mine.entry(place).or_default().extend(kept);
                self.add(place, put, value);
            }
        }
    }

    fn list(&mut self, place: Place, dice: u64) {
        const SET: &str = "local p = redis.call('LPOS', KEYS[1], ARGV[1]) \
if not p then return 0 end redis.call('LSET', KEYS[1], p, ARGV[2]) return 1";
        let key = &place.key()[..];
        let own = if dice < 60 { None } else { self.own(place) };
        let Some(old) = own else {
            return self.add(place, &[if dice.is_multiple_of(2) { "RPUSH" } else { "LPUSH" }, key], &[]);
        };
        if dice >= 85 {
            return self.taking(place, old, &["LREM", key, "0", &old.to_string()]);
        }
        let (old_text, new) = (old.to_string(), self.make(place));
        if dice < 72 {
            self.mine.entry(place).or_default().push(old);
            let side = if dice.is_multiple_of(2) { "BEFORE" } else { "AFTER" };
            return self.putting(place, new, &["LINSERT", key, side, &old_text, &new.to_string()]);
        }
        let both = [What::Put(place, new), What::Take(place, old)];
        let words = owned(&["EVAL", SET, "1", key, &old_text, &new.to_string()]);
        if self.ask(&[words], &both).is_some_and(|reply| reply == Value::Int(1)) {
            self.put(place, new);
            self.note(What::Take(place, old), true);
        }
    }

    fn relay(&mut self, place: Place, dice: u64) {
        let (key, done) = (&place.key()[..], &format!("{}:done", place.key())[..]);
        match dice {
            0..40 => self.add(place, &["RPUSH", key], &[]),
            // Moving neither puts nor takes: the item is in one of the two.
            40..75 => drop(self.ask(&[owned(&["LMOVE", key, done, "LEFT", "RIGHT"])], &[])),
            _ => self.popping(place, 0, &["LPOP", done]),
        }
    }

    fn stream(&mut self, place: Place, dice: u64) {
        let key = &place.key()[..];
        match dice {
            0..50 => {
                let item = self.make(place);
                let words = owned(&["XADD", key, "*", "i", &item.to_string()]);
                if let Some(id) = self.ask(&[words], &[What::Put(place, item)]) {
                    self.put(place, item);
                    self.ids.insert((place, item), id.text());
                }
            }
            50..65 => {
                let own = self.own(place).and_then(|item| Some((item, self.ids.remove(&(place, item))?)));
                if let Some((item, id)) = own {
                    self.taking(place, item, &["XDEL", key, &id]);
                }
            }
            _ => {
                let name = format!("c{}", self.history.writer);
                let words = ["XREADGROUP", "GROUP", "readers", &name, "COUNT", "3", "STREAMS", key, ">"];
                if let Some(reply) = self.ask(&[owned(&words)], &[]) {
                    self.read_entries(place, &reply);
                }
            }
        }
    }

    fn read_entries(&mut self, place: Place, reply: &Value) {
        for (id, item) in super::read::group_entries(reply) {
            self.note(What::Read(place, item), true);
            self.ask(&[owned(&["XACK", &place.key(), "readers", &id])], &[]);
        }
    }

    fn text(&mut self, place: Place) {
        let item = self.make(place);
        self.putting(place, item, &["APPEND", &place.key(), &format!("<{item}>")]);
    }

    fn slot(&mut self, place: Place) {
        let item = self.make(place);
        let at = (u64::from(item.number) * u64::from(self.writers) + u64::from(item.writer)) * SLOT as u64;
        self.putting(place, item, &["SETRANGE", &place.key(), &at.to_string(), &format!("{item:<SLOT$}")]);
    }

    fn bit(&mut self, place: Place) {
        let item = self.make(place);
        let byte = u64::from(item.number) * u64::from(self.writers) + u64::from(item.writer);
        let words = owned(&["SETBIT", &place.key(), &(byte * 8 + byte % 8).to_string(), "1"]);
        if self.ask(&[words], &[What::Put(place, item)]).is_some() {
            self.put(place, item);
        }
    }

    fn keys(&mut self, place: Place, dice: u64) {
        let name = |item: Item| format!("{}:{item}", place.key());
        if dice >= 70
            && let Some(item) = self.own(place)
        {
            return self.taking(place, item, &[if dice < 85 { "DEL" } else { "GETDEL" }, &name(item)]);
        }
        let item = self.make(place);
        match dice {
            0..30 => self.putting(place, item, &["SET", &name(item), "here"]),
            30..50 => self.putting(place, item, &["SET", &name(item), "here", "EX", "100000"]),
            _ => {
                let other = self.make(place);
                let words = owned(&["MSET", &name(item), "here", &name(other), "here"]);
                let both = [item, other];
                if self.ask(&[words], &both.map(|item| What::Put(place, item))).is_some() {
                    both.into_iter().for_each(|item| self.put(place, item));
                }
            }
        }
    }

    fn brief(&mut self, place: Place, dice: u64) {
        if self.shared.calm.load(SeqCst) {
            return;
        }
        let item = self.make(place);
        let (name, ms) = (format!("{}:{item}", place.key()), (50 + dice * 6).to_string());
        let words = owned(&["SET", &name, "here", "PX", &ms]);
        if self.ask(&[words], &[What::Lapse(place, item)]).is_none() {
            return;
        }
        if dice.is_multiple_of(2) {
            return self.note(What::Lapse(place, item), true);
        }
        let stays = self.ask(&[owned(&["PERSIST", &name])], &[What::Lapse(place, item)]);
        match stays.and_then(|reply| reply.int()) {
            Some(1) => self.note(What::Put(place, item), true),
            Some(_) => self.note(What::Lapse(place, item), true),
            // Whether it stays is not known: that was noted.
            None => {}
        }
    }

    fn transaction(&mut self, place: Place, dice: u64) {
        const SAME: &str = "redis.call('SADD', KEYS[1], ARGV[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) \
redis.call('HSET', KEYS[3], ARGV[1], 'here') return redis.call('INCR', KEYS[4])";
        let item = self.make(place);
        let (text, [set, list, hash, count]) = (item.to_string(), transaction_keys(place));
        let requests = if dice < 30 {
            vec![owned(&["EVAL", SAME, "4", &set, &list, &hash, &count, &text])]
        } else {
            vec![
                owned(&["MULTI"]),
                owned(&["SADD", &set, &text]),
                owned(&["RPUSH", &list, &text]),
                owned(&["HSET", &hash, &text, "here"]),
                owned(&["INCR", &count]),
                owned(&["EXEC"]),
            ]
        };
        if self.ask(&requests, &[What::Put(place, item)]).is_some() {
            self.put(place, item);
        }
    }

    fn sum(&mut self, place: Place, dice: u64) {
        let key = &place.key()[..];
        let whole = 1 + (dice % 9) as i64;
        let quarters = 1 + dice as i64;
        let fraction = format!("{}", quarters as f64 / 4.0);
        match place.kind {
            Kind::Counter if dice < 40 => self.summing(place, 4, &["INCR", key]),
            Kind::Counter if dice < 80 => {
                self.summing(place, whole * 4, &["INCRBY", key, &whole.to_string()])
            }
            Kind::Counter => self.summing(place, -whole * 4, &["DECRBY", key, &whole.to_string()]),
            Kind::Fractions => self.summing(place, quarters, &["INCRBYFLOAT", key, &fraction]),
            Kind::FieldCounter => {
                self.summing(place, whole * 4, &["HINCRBY", key, "sum", &whole.to_string()]);
            }
            Kind::FieldFractions => self.summing(place, quarters, &["HINCRBYFLOAT", key, "sum", &fraction]),
            Kind::ScoreCounter => {
                self.summing(place, whole * 4, &["ZINCRBY", key, &whole.to_string(), "sum"]);
            }
            Kind::ScoreFractions => self.summing(place, quarters, &["ZINCRBY", key, &fraction, "sum"]),
            _ => self.transfer(place, whole),
        }
    }

    fn transfer(&mut self, from: Place, amount: i64) {
        let number = self.rng.below(from.kind.places().into()) as u8;
        let to = Place { number, ..from };
        let both = [What::Sum(from, -amount * 4), What::Sum(to, amount * 4)];
        let text = amount.to_string();
        let requests = [
            owned(&["MULTI"]),
            owned(&["DECRBY", &from.key(), &text]),
            owned(&["INCRBY", &to.key(), &text]),
            owned(&["EXEC"]),
        ];
        if self.ask(&requests, &both).is_some() {
            both.into_iter().for_each(|what| self.note(what, true));
        }
    }
}

/// Where a transaction puts its item, and what it counts.
pub fn transaction_keys(place: Place) -> [String; 4] {
    ["set", "list", "hash", "count"].map(|what| format!("{}:{what}", place.key()))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}
