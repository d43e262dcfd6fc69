//! Clients that wait for replicas: WAIT, and WAITAOF, which also waits for disks.
//!
//! What a client has written has a version; where in the stream that is becomes known when the feed has come so far. Then
//! replicas are asked how far they are, and each answer may end waits. The log says what is on this server's own disk:
//! then the client's connection looks for itself, see [`Mail::Look`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};

use engine::waiting::Ticket;
use parking_lot::Mutex;
use protocol::{ErrorReply, Reply};

use super::Replicas;
use crate::blocking;
use crate::client::Mail;
use crate::mesh::Order;
use crate::server::Server;
use crate::worker::Worker;

/// Its place is not known yet.
const NOWHERE: u64 = u64::MAX;

pub const NO_LOG: ErrorReply =
    ErrorReply::new("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// So many replicas have carried it out.
    Held(usize),
    /// It is on this server's disk, if that is wanted, and on those of so many replicas.
    OnDisk { here: bool, replicas: usize },
}

/// Something that was written, where in the stream it is, and what is to become of it.
#[derive(Debug)]
pub struct Mark {
    version: u64,
    offset: AtomicU64,
    wish: Wish,
}

impl Mark {
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether it is to be on this server's disk.
    pub fn wants_disk(&self) -> bool {
        matches!(self.wish, Wish::OnDisk { here: true, .. })
    }

    fn offset(&self) -> Option<u64> {
        Some(self.offset.load(Acquire)).filter(|offset| *offset != NOWHERE)
    }
}

struct Waiter {
    ticket: Arc<Ticket>,
    mark: Arc<Mark>,
}

/// Those who wait. As many as there are clients at most: a client waits for one thing at a time.
#[derive(Default)]
pub struct Waits {
    /// Marks without a place.
    unplaced: Mutex<Vec<Arc<Mark>>>,
    hurry: AtomicBool,
    waiters: Mutex<Vec<Waiter>>,
    count: AtomicUsize,
    /// Some of them wait for the disk of this server.
    for_disk: AtomicBool,
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

    fn count(&self, waiters: &[Waiter]) {
        self.for_disk.store(waiters.iter().any(|waiter| waiter.mark.wants_disk()), SeqCst);
        self.count.store(waiters.len(), Release);
    }
}

impl Replicas {
    /// Marks what was written with this version; replicas will be asked for it.
    pub fn mark(&self, server: &Server, version: u64, wish: Wish) -> Arc<Mark> {
        let known = version == 0 || !server.pump.serves(crate::feed::pump::Who::Replicas);
        let offset = AtomicU64::new(if known { 0 } else { NOWHERE });
        let mark = Arc::new(Mark { version, offset, wish });
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

    /// Replicas that have it on their disks.
    fn keepers(&self, mark: &Mark) -> usize {
        let Some(offset) = mark.offset() else { return 0 };
        let keeps = |acked: Option<u64>| acked.is_some_and(|acked| acked >= offset);
        self.state.lock().links.iter().filter(|link| link.is_online() && keeps(link.acked_durable())).count()
    }

    /// Whether what a client waits for has come about.
    pub fn is_met(&self, server: &Server, mark: &Mark) -> bool {
        match mark.wish {
            Wish::Held(wanted) => self.holders(mark) >= wanted,
            Wish::OnDisk { here: true, .. } if !server.aof.is_on() => true,
            Wish::OnDisk { here, replicas } => {
                (!here || server.aof.is_durable(mark.version)) && self.keepers(mark) >= replicas
            }
        }
    }

    /// How far it has come.
    pub fn tell(&self, server: &Server, mark: &Mark, out: &mut Reply) {
        match mark.wish {
            Wish::Held(_) => out.int(self.holders(mark) as i64),
            Wish::OnDisk { here: true, .. } if !server.aof.is_on() => out.error(&NO_LOG),
            Wish::OnDisk { .. } => {
                out.array(2);
                out.int(i64::from(server.aof.is_durable(mark.version)));
                out.int(self.keepers(mark) as i64);
            }
        }
    }

    /// Has a client answered when what it waits for has come about.
    pub fn wait(&self, ticket: Arc<Ticket>, mark: Arc<Mark>) {
        let mut waiters = self.waits.waiters.lock();
        waiters.push(Waiter { ticket, mark });
        self.waits.count(&waiters);
    }

    /// What a client waits for here.
    pub fn waited_for(&self, ticket: &Arc<Ticket>) -> Option<Arc<Mark>> {
        let waiters = self.waits.waiters.lock();
        waiters.iter().find(|waiter| Arc::ptr_eq(&waiter.ticket, ticket)).map(|waiter| waiter.mark.clone())
    }

    /// Answers those who have waited for what a replica has just said.
    pub fn answer_waits(&self, worker: &Worker) {
        let server = worker.server;
        if server.mesh.is_on() {
            server.mesh.order(Order::Look);
        }
        if self.waits.count.load(Acquire) == 0 {
            return;
        }
        let mut waiters = self.waits.waiters.lock();
        let mut ended = Vec::new();
        waiters.retain(|waiter| {
            let done = self.is_met(server, &waiter.mark);
            if done {
                let mut out = Reply::new(waiter.ticket.resp3);
                self.tell(server, &waiter.mark, &mut out);
                ended.push((waiter.ticket.clone(), out.buf));
            }
            !done && !waiter.ticket.state.is_over()
        });
        self.waits.count(&waiters);
        drop(waiters);
        for (ticket, reply) in ended {
            blocking::answer_from_outside(worker, &ticket, reply);
        }
    }

    /// More is on the disk, or the log is off: has those look whose wait that may end.
    pub fn look_at_disk(&self, server: &Server) {
        if !self.waits.for_disk.load(SeqCst) {
            return;
        }
        let waiters = self.waits.waiters.lock();
        for waiter in waiters.iter().filter(|waiter| self.is_met(server, &waiter.mark)) {
            if let Some(client) = server.clients.get(waiter.ticket.client) {
                server.post(&client, Mail::Look);
            }
        }
    }
}
