//! Clients blocked on keys: each key has queues, one for each kind of value, and whoever writes to the key serves the
//! queue of the kind that the key has now, before letting go of the shard.
//!
//! A client may wait on several keys in several shards; its [`Ticket`] stands in each queue. Serving it, its time being
//! up, CLIENT UNBLOCK and its going away are a race, which the ticket's state decides:
//!
//! ```text
//! waiting ──try_serve──▶ tried ──served──▶ over
//!    ▲                    │                 ▲
//!    └────────keep────────┘                 │
//! waiting ───────────────end────────────────┘
//! ```
//!
//! Who brings it to its end, and nobody else, answers the client. Tickets that are over may stand in queues for a moment,
//! until the client's connection takes them out; they are passed over.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::*};

use protocol::OwnedArgs;
use smallvec::SmallVec;

use crate::value::Kind;

const WAITING: u8 = 0;
/// Its command is being run, with locks held and without waiting for any: this is over in microseconds.
const TRIED: u8 = 1;
const OVER: u8 = 2;

/// A blocked client's place in its queues.
pub struct Ticket {
    /// Tickets made later have higher numbers; queues are in the order of numbers.
    pub number: u64,
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
    /// Shards of the keys that the command uses besides the one it is served from.
    pub shards: SmallVec<[usize; 2]>,
    /// Time that its command has taken so far, as the node measures it.
    pub spent: AtomicU64,
    /// What it is told when its time is up.
    pub timed_out: TimedOut,
    pub state: TicketState,
}

/// The reply to a command that has waited in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedOut {
    NullArray,
    /// How many there are of what it waited for more of.
    Count(i64),
}

/// See the [module's page](self).
#[derive(Debug, Default)]
pub struct TicketState(AtomicU8);

impl TicketState {
    /// Takes the right to try to serve the client. To be followed by `served` or `keep`, soon.
    pub fn try_serve(&self) -> bool {
        self.0.compare_exchange(WAITING, TRIED, AcqRel, Acquire).is_ok()
    }

    /// The client has what it waited for.
    pub fn served(&self) {
        self.0.store(OVER, Release);
    }

    /// There was nothing for the client: it goes on waiting.
    pub fn keep(&self) {
        self.0.store(WAITING, Release);
    }

    /// Ends the wait otherwise. True for one caller only, and only if the client is not served.
    pub fn end(&self) -> bool {
        loop {
            match self.0.compare_exchange(WAITING, OVER, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(OVER) => return false,
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    pub fn is_over(&self) -> bool {
        self.0.load(Acquire) == OVER
    }
}

/// Clients that wait for one kind of value at one key of one database, first come first.
struct Queue {
    db: usize,
    kind: Kind,
    tickets: VecDeque<Arc<Ticket>>,
    /// How many are woken by removals.
    on_removal: usize,
}

/// Queues of one shard.
#[derive(Default)]
pub struct Waiting {
    /// No queue is empty, and no list of queues.
    queues: HashMap<Box<[u8]>, SmallVec<[Queue; 1]>, ahash::RandomState>,
}

impl Waiting {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Adds a ticket that is younger than all that stand here. Once only, if it is added again.
    pub fn add(&mut self, key: &[u8], ticket: &Arc<Ticket>) {
        if !self.queues.contains_key(key) {
            self.queues.insert(key.into(), SmallVec::new());
        }
        let Some(queues) = self.queues.get_mut(key) else { return };
        let found = queues.iter().position(|q| q.db == ticket.db && q.kind == ticket.kind);
        let at = found.unwrap_or_else(|| {
            let (db, kind) = (ticket.db, ticket.kind);
            queues.push(Queue { db, kind, tickets: VecDeque::new(), on_removal: 0 });
            queues.len() - 1
        });
        let queue = &mut queues[at];
        if queue.tickets.back().is_none_or(|last| last.number != ticket.number) {
            queue.on_removal += usize::from(ticket.wake_on_removal);
            queue.tickets.push_back(ticket.clone());
        }
    }

    /// Takes a ticket out, if it is there.
    pub fn remove(&mut self, key: &[u8], ticket: &Ticket) {
        let Some(queues) = self.queues.get_mut(key) else { return };
        let found = queues.iter().position(|q| q.db == ticket.db && q.kind == ticket.kind);
        let Some(at) = found else { return };
        let queue = &mut queues[at];
        if let Ok(place) = queue.tickets.binary_search_by_key(&ticket.number, |t| t.number) {
            queue.tickets.remove(place);
            queue.on_removal -= usize::from(ticket.wake_on_removal);
        }
        if queue.tickets.is_empty() {
            queues.swap_remove(at);
        }
        if queues.is_empty() {
            self.queues.remove(key);
        }
    }

    fn queues_at(&self, db: usize, key: &[u8]) -> impl Iterator<Item = &Queue> {
        self.queues.get(key).into_iter().flatten().filter(move |q| q.db == db)
    }

    /// Whether anybody waits on the key.
    pub fn has(&self, db: usize, key: &[u8]) -> bool {
        self.queues_at(db, key).next().is_some()
    }

    /// The client that has waited longest for a value of a kind, of those with a ticket number from `from` on.
    pub fn next(&self, db: usize, key: &[u8], kind: Kind, from: u64) -> Option<Arc<Ticket>> {
        let queue = self.queues_at(db, key).find(|q| q.kind == kind)?;
        let at = queue.tickets.partition_point(|t| t.number < from);
        queue.tickets.get(at).cloned()
    }

    /// The clients that are woken because the key has no value, or one of the kind `now`, that they can't use.
    pub fn bereft(&self, db: usize, key: &[u8], now: Option<Kind>) -> Vec<Arc<Ticket>> {
        self.queues_at(db, key)
            .filter(|q| q.on_removal > 0 && Some(q.kind) != now)
            .flat_map(|q| q.tickets.iter().filter(|t| t.wake_on_removal).cloned())
            .collect()
    }

    /// Keys of a database that somebody waits on.
    pub fn keys(&self, db: usize) -> Vec<Box<[u8]>> {
        let waited = self.queues.iter().filter(|(_, queues)| queues.iter().any(|q| q.db == db));
        waited.map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(number: u64, db: usize, kind: Kind, wake_on_removal: bool) -> Arc<Ticket> {
        Arc::new(Ticket {
            number,
            client: number,
            db,
            args: OwnedArgs::default(),
            command: 0,
            resp3: false,
            kind,
            wake_on_removal,
            shards: SmallVec::new(),
            spent: AtomicU64::new(0),
            timed_out: TimedOut::NullArray,
            state: TicketState::default(),
        })
    }

    /// Numbers of those who wait for a kind at key `k` of database 0, in order.
    fn line(waiting: &Waiting, kind: Kind) -> Vec<u64> {
        let mut from = 0;
        std::iter::from_fn(|| {
            let ticket = waiting.next(0, b"k", kind, from)?;
            from = ticket.number + 1;
            Some(ticket.number)
        })
        .collect()
    }

    #[test]
    fn kinds_and_databases_wait_in_lines_of_their_own() {
        let mut waiting = Waiting::default();
        let tickets: Vec<_> =
            [(1, 0, Kind::List), (2, 0, Kind::Zset), (3, 0, Kind::List), (4, 1, Kind::List)]
                .map(|(number, db, kind)| ticket(number, db, kind, false))
                .into();
        for t in &tickets {
            waiting.add(b"k", t);
            waiting.add(b"k", t);
        }
        assert_eq!(line(&waiting, Kind::List), [1, 3]);
        assert_eq!(line(&waiting, Kind::Zset), [2]);
        assert_eq!(line(&waiting, Kind::Stream), []);
        assert!(waiting.has(1, b"k") && !waiting.has(2, b"k") && !waiting.has(0, b"other"));
        assert_eq!(waiting.keys(1), [Box::from(*b"k")]);
        waiting.remove(b"k", &tickets[0]);
        waiting.remove(b"k", &tickets[0]);
        waiting.remove(b"other", &tickets[2]);
        assert_eq!(line(&waiting, Kind::List), [3]);
        tickets.iter().for_each(|t| waiting.remove(b"k", t));
        assert!(waiting.is_empty());
    }

    #[test]
    fn only_who_asked_for_it_is_woken_by_a_removal() {
        let mut waiting = Waiting::default();
        let tickets = [ticket(1, 0, Kind::Stream, false), ticket(2, 0, Kind::Stream, true)];
        tickets.iter().for_each(|t| waiting.add(b"k", t));
        let woken = |waiting: &Waiting, now| {
            waiting.bereft(0, b"k", now).iter().map(|t| t.number).collect::<Vec<_>>()
        };
        assert_eq!(woken(&waiting, None), [2]);
        assert_eq!(woken(&waiting, Some(Kind::List)), [2]);
        assert_eq!(woken(&waiting, Some(Kind::Stream)), []);
        waiting.remove(b"k", &tickets[1]);
        assert_eq!(woken(&waiting, None), []);
    }

    #[test]
    fn one_of_many_ends_a_wait() {
        for served in [false, true] {
            let state = TicketState::default();
            assert!(state.try_serve() && !state.try_serve());
            let ends = std::thread::scope(|scope| {
                let enders: Vec<_> = (0..4).map(|_| scope.spawn(|| state.end())).collect();
                if served {
                    state.served()
                } else {
                    state.keep()
                }
                enders.into_iter().map(|e| usize::from(e.join().unwrap())).sum::<usize>()
            });
            assert_eq!(ends, usize::from(!served));
            assert!(state.is_over() && !state.try_serve() && !state.end());
        }
    }
}
