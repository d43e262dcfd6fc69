//! Clients blocked on keys: each key has a queue, and whoever adds to the key serves the queue under the same lock.
//!
//! A client may wait on several keys in several shards; its [`Ticket`] stands in each queue. Serving, timing out and
//! unblocking are a race that the ticket's state decides: whoever claims it acts, everybody else passes it over.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::*};

use protocol::OwnedArgs;

use crate::value::Kind;

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;

/// A blocked client's place in its queues.
pub struct Ticket {
    pub client: u64,
    pub db: usize,
    /// The command to run again once a key is ready.
    pub args: OwnedArgs,
    /// Index of that command in the node's table.
    pub command: u16,
    pub resp3: bool,
    /// The kind of value that wakes it.
    pub kind: Kind,
    /// Also woken when the key goes away or changes type: group reads on streams.
    pub wake_on_removal: bool,
    state: AtomicU8,
}

impl Ticket {
    pub fn new(client: u64, db: usize, args: OwnedArgs, command: u16, resp3: bool, kind: Kind) -> Ticket {
        Ticket {
            client,
            db,
            args,
            command,
            resp3,
            kind,
            wake_on_removal: false,
            state: AtomicU8::new(WAITING),
        }
    }

    /// Takes the right to answer the client. At most one caller gets it.
    pub fn claim(&self) -> bool {
        self.state.compare_exchange(WAITING, CLAIMED, AcqRel, Acquire).is_ok()
    }

    /// Gives the right back: the command would still block.
    pub fn unclaim(&self) {
        self.state.store(WAITING, Release);
    }

    pub fn is_waiting(&self) -> bool {
        self.state.load(Acquire) == WAITING
    }
}

/// Queues of one shard.
#[derive(Default)]
pub struct Waiting {
    queues: HashMap<(usize, Box<[u8]>), VecDeque<Arc<Ticket>>, ahash::RandomState>,
}

impl Waiting {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub fn add(&mut self, key: &[u8], ticket: &Arc<Ticket>) {
        let queue = self.queues.entry((ticket.db, key.into())).or_default();
        if !queue.iter().any(|t| Arc::ptr_eq(t, ticket)) {
            queue.push_back(ticket.clone());
        }
    }

    pub fn remove(&mut self, key: &[u8], ticket: &Arc<Ticket>) {
        let at = (ticket.db, key.into());
        if let Some(queue) = self.queues.get_mut(&at) {
            queue.retain(|t| !Arc::ptr_eq(t, ticket));
            if queue.is_empty() {
                self.queues.remove(&at);
            }
        }
    }

    /// Whether anybody waits on the key.
    pub fn has(&self, db: usize, key: &[u8]) -> bool {
        self.queues.contains_key(&(db, Box::from(key)))
    }

    /// The clients waiting on a key, first come first.
    pub fn queue(&self, db: usize, key: &[u8]) -> Vec<Arc<Ticket>> {
        self.queues.get(&(db, Box::from(key))).map_or_else(Vec::new, |q| q.iter().cloned().collect())
    }

    /// Keys of a database that somebody waits on.
    pub fn keys(&self, db: usize) -> Vec<Box<[u8]>> {
        self.queues.keys().filter(|(d, _)| *d == db).map(|(_, k)| k.clone()).collect()
    }
}
