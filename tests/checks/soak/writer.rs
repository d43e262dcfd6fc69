//! Clients that write to a node for as long as a round lasts, and come back when it does.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::random::{Request, Rng};
use harness::{Client, Value};

use super::fleet::Fleet;
use super::ledger::Ledger;
use super::words::{DATABASES, Words};

/// What writers did.
#[derive(Default)]
pub struct Tally {
    /// By the first words of the reply, or `ok`.
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    fn count(&self, reply: &Value) {
        let what = match reply {
            Value::Error(text) => String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned(),
            _ => "ok".to_owned(),
        };
        *self.counts.lock().expect("no thread panics with it").entry(what).or_default() += 1;
    }

    /// The most frequent replies.
    pub fn show(&self, most: usize) -> String {
        let counts = self.counts.lock().expect("no thread panics with it");
        let mut all: Vec<(&String, &u64)> = counts.iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let shown: Vec<String> =
            all.iter().take(most).map(|(what, count)| format!("{count} {what}")).collect();
        shown.join(", ")
    }
}

/// One client of a node.
pub struct Writer<'a> {
    pub fleet: &'a Fleet,
    pub node: usize,
    pub number: usize,
    pub words: &'a Words,
    pub ledger: &'a Ledger,
    pub tally: &'a Tally,
    pub ended: &'a AtomicBool,
}

impl Writer<'_> {
    /// Writes until the round ends.
    pub fn run(&self, mut rng: Rng) {
        let mut client = None;
        while !self.ended.load(SeqCst) {
            let node = &self.fleet.nodes[self.node];
            if !node.is_up() {
                client = None;
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            let Some(open) = client.as_mut() else {
                client = Client::connect(node.address).ok();
                continue;
            };
            let fine = match node.joined.load(SeqCst) && rng.percent(15) {
                true => self.ledger.write(open, self.number, rng.percent(30)),
                false => self.batch(open, &mut rng),
            };
            if !fine {
                client = None;
            }
            if rng.percent(40) {
                std::thread::sleep(Duration::from_micros(rng.below(20_000) as u64));
            }
        }
    }

    /// Some commands in one go, now and then as a transaction. False: the connection is no good any more.
    fn batch(&self, client: &mut Client, rng: &mut Rng) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let mut requests: Vec<Request> = vec![words(&["SELECT", &rng.below(DATABASES).to_string()])];
        let transaction = rng.percent(15);
        if transaction {
            requests.push(words(&["MULTI"]));
        }
        requests.extend((0..1 + rng.below(12)).map(|_| self.words.draw(rng, now)));
        if transaction {
            requests.push(words(&["EXEC"]));
        }
        let Ok(replies) = client.pipeline(&requests) else { return false };
        for (request, reply) in requests.iter().zip(&replies) {
            self.words.learn(request, reply);
            self.tally.count(reply);
        }
        if transaction && let Some(replies) = replies.last().and_then(Value::items) {
            requests[2..].iter().zip(replies).for_each(|(request, reply)| self.words.learn(request, reply));
        }
        true
    }
}

fn words(of: &[&str]) -> Request {
    of.iter().map(|word| word.as_bytes().to_vec()).collect()
}
