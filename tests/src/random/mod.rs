//! Random command lines, the same for the same seed.
//!
//! In reading order: [`rng`], [`grammar`] (how a command may be written), [`commands`] (all of them, and the arguments).

pub mod commands;
pub mod grammar;
pub mod rng;

pub use rng::Rng;

use commands::{GRAMMARS, argument, spoil};
use grammar::Node;

/// A request as its arguments.
pub type Request = Vec<Vec<u8>>;

/// A source of random requests.
#[derive(Debug)]
pub struct Requests {
    grammars: Vec<Node>,
}

impl Requests {
    /// All commands of [`GRAMMARS`] for which `wanted(name)` holds.
    pub fn new(wanted: impl Fn(&str) -> bool) -> Requests {
        let parsed = GRAMMARS.lines().filter(|l| !l.is_empty()).map(Node::parse);
        Requests { grammars: parsed.filter(|g| wanted(g.name())).collect() }
    }

    /// The names of all commands, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.grammars.iter().map(Node::name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// `count` requests. Some are malformed, some are wrapped in MULTI and EXEC.
    pub fn generate(&self, rng: &mut Rng, count: usize) -> Vec<Request> {
        let mut requests = Vec::with_capacity(count + 8);
        while requests.len() < count {
            if rng.percent(2) {
                requests.push(vec![b"MULTI".to_vec()]);
                for _ in 0..rng.below(5) {
                    requests.push(self.in_transaction(rng));
                }
                requests.push(vec![b"EXEC".to_vec()]);
            } else {
                requests.push(self.one(rng));
            }
        }
        requests
    }

    fn one(&self, rng: &mut Rng) -> Request {
        loop {
            let mut args = Vec::new();
            let grammar = rng.pick(&self.grammars);
            // Rare, or nothing would ever grow.
            let drastic = matches!(grammar.name(), "FLUSHDB" | "SWAPDB" | "MOVE");
            if drastic && !rng.percent(10) {
                continue;
            }
            grammar.generate(rng, &argument, &mut args);
            if rng.percent(4) {
                spoil(&mut args, rng);
            }
            return args;
        }
    }

    fn in_transaction(&self, rng: &mut Rng) -> Request {
        loop {
            let request = self.one(rng);
            if commands::fits_transaction(&request[0]) {
                return request;
            }
        }
    }
}
