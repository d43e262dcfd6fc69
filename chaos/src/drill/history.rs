//! What a client did, in its order, and what it was told.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use super::place::{Item, Place};

/// What a request did, if it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Put(Place, Item),
    Take(Place, Item),
    /// Something was popped, or nothing; no reply told.
    TakeAny(Place),
    /// Quarters that were added to a sum.
    Sum(Place, i64),
    /// A consumer group handed it out.
    Read(Place, Item),
    /// It must expire.
    Lapse(Place, Item),
}

#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// When the reply came, or did not; ms since the beginning.
    pub at_ms: u64,
    /// False: no reply came.
    pub acknowledged: bool,
    pub what: What,
}

/// See the [module's page](self).
#[derive(Debug, Default)]
pub struct History {
    pub writer: u32,
    pub node: usize,
    pub deeds: Vec<Deed>,
    /// Requests that were acknowledged, noise included.
    pub acknowledged: u64,
    pub unanswered: u64,
    /// Requests that were refused for a reason that goes by: the node was loading, or waiting for its peers.
    pub refused: u64,
    /// Errors that nobody expects.
    pub errors: Vec<String>,
    /// The longest that a reply took.
    pub slowest_ms: u64,
}

/// What the drill's threads share.
#[derive(Debug)]
pub struct Shared {
    pub began: Instant,
    pub stop: AtomicBool,
    /// From now on nothing is written that expires soon.
    pub calm: AtomicBool,
    pub acknowledged: AtomicU64,
}

impl Shared {
    pub fn new() -> Shared {
        Shared {
            began: Instant::now(),
            stop: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
        }
    }

    pub fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}
