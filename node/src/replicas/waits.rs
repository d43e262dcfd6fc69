//! Clients that wait for replicas: WAIT.
//!
//! What a client has written has a version; where in the stream that is becomes known when the feed has come so far. Then
//! replicas are asked how far they are, and each answer may end waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};

use engine::waiting::Ticket;
use parking_lot::Mutex;
use protocol::Reply;

use super::Replicas;
use crate::blocking;
use crate::mesh::Order;
use crate::server::Server;
use crate::worker::Worker;

/// Its place is not known yet.
const NOWHERE: u64 = u64::MAX;

/// Something that was written, and where in the stream it is.
#[derive(Debug)]
pub struct Mark {
    version: u64,
    offset: AtomicU64,
}

impl Mark {
    pub fn version(&self) -> u64 {
        self.version
    }

    fn offset(&self) -> Option<u64> {
        Some(self.offset.load(Acquire)).filter(|offset| *offset != NOWHERE)
    }
}

struct Waiter {
    ticket: Arc<Ticket>,
    mark: Arc<Mark>,
    wanted: usize,
}

/// Those who wait. As many as there are clients at most: a client waits for one thing at a time.
#[derive(Default)]
pub struct Waits {
    /// Marks without a place.
    unplaced: Mutex<Vec<Arc<Mark>>>,
    hurry: AtomicBool,
    waiters: Mutex<Vec<Waiter>>,
    count: AtomicUsize,
}

impl Waits {
    /// All up to this version is in the stream up to this byte. True if somebody waits to hear of that.
    pub fn place(&self, version: u64, offset: u64) -> bool {
        if !self.hurry() {
            return false;
        }
        let mut unplaced = self.unplaced.lock();
        let before = unplaced.len();
        unplaced.retain(|mark| {
            let known = mark.version <= version;
            if known {
                mark.offset.store(offset, Release);
            }
            !known
        });
        self.hurry.store(!unplaced.is_empty(), Release);
        unplaced.len() < before
    }

    /// Whether somebody waits for a place.
    pub fn hurry(&self) -> bool {
        self.hurry.load(Acquire)
    }
}

impl Replicas {
    /// Marks what was written with this version; replicas will be asked for it.
    pub fn mark(&self, server: &Server, version: u64) -> Arc<Mark> {
        let known = version == 0 || !server.pump.serves(crate::feed::pump::Who::Replicas);
        let offset = AtomicU64::new(if known { 0 } else { NOWHERE });
        let mark = Arc::new(Mark { version, offset });
        if !known {
            let mut unplaced = self.waits.unplaced.lock();
            unplaced.push(mark.clone());
            self.waits.hurry.store(true, Release);
            drop(unplaced);
            server.pump.wake();
        }
        mark
    }

    /// Replicas that have carried it out.
    pub fn holders(&self, mark: &Mark) -> usize {
        let Some(offset) = mark.offset() else { return 0 };
        self.state.lock().links.iter().filter(|link| link.is_online() && link.acked() >= offset).count()
    }

    /// Has a client answered when so many replicas have it.
    pub fn wait(&self, ticket: Arc<Ticket>, mark: Arc<Mark>, wanted: usize) {
        let mut waiters = self.waits.waiters.lock();
        waiters.push(Waiter { ticket, mark, wanted });
        self.waits.count.store(waiters.len(), Release);
    }

    /// Answers those who have waited for what a replica has just said.
    pub fn answer_waits(&self, worker: &Worker) {
        if worker.server.mesh.is_on() {
            worker.server.mesh.order(Order::Look);
        }
        if self.waits.count.load(Acquire) == 0 {
            return;
        }
        let mut waiters = self.waits.waiters.lock();
        let mut ended = Vec::new();
        waiters.retain(|waiter| {
            let holders = self.holders(&waiter.mark);
            let done = holders >= waiter.wanted;
            if done {
                ended.push((waiter.ticket.clone(), holders));
            }
            !done && !waiter.ticket.state.is_over()
        });
        self.waits.count.store(waiters.len(), Release);
        drop(waiters);
        for (ticket, holders) in ended {
            let mut out = Reply::new(ticket.resp3);
            out.int(holders as i64);
            blocking::answer_from_outside(worker, &ticket, out.buf);
        }
    }
}
