//! Replies that a worker holds back until what they tell of is in the append-only file: written to it, so that it outlives
//! the process, or with `appendfsync always` durable, so that it outlives the machine.
//!
//! A connection whose commands have written puts its replies aside and itself on the worker's list. When the worker has
//! served all connections that were ready, it comes by here: it takes what it and others have done to the log itself
//! ([`crate::feed::pump`]), one write for all of them, and sends what was put aside. That is cheaper than to wake a thread
//! for it, and to be woken again. Replies stay where another worker is at work on a batch that may get a version below
//! theirs, or where the file is just being synchronised and writing has had to wait for that lately: then others write, and
//! wake the worker.
//!
//! A member of a mesh has a thread that numbers what was done and one that writes it down (`crate::mesh::disk`): there the worker
//! only has them make haste, and is woken.
//!
//! Where many connections are ready at once, it comes by after some of them, too: their clients then work on what they got
//! while it serves the rest, instead of the two waiting for each other by turns.
//!
//! No reply waits for longer than [`HOLD_MAX`] for somebody else's command to end (for a disk that works it does), except with `appendfsync always`: more than
//! a second's writes the other policies do not promise to keep.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::aof::{Aof, Wait};
use crate::server::Server;
use crate::worker::Worker;

/// See the [module's page](self).
const HOLD_MAX: Duration = Duration::from_secs(1);
/// Commands after which a worker comes by though others are ready: a write to the file costs as much as some dozens of them,
/// and each of its bytes costs a third less where it is four times as long.
const SOME: u64 = 384;

thread_local! {
    /// Of a worker: whether it has handed something over since it last came by. Other threads have nothing here.
    static DUE: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Notes that there is something for the log, if this thread is a worker, which comes by soon. False: it is none.
pub fn comes_by() -> bool {
    let due = DUE.get();
    if due.is_some() {
        DUE.set(Some(true));
    }
    due.is_some()
}

/// The list of one worker.
#[derive(Default)]
pub struct Held {
    /// Connections that hold replies back, by their clients' ids, with the version that each waits for.
    waiting: RefCell<Vec<(u64, u64)>>,
    /// Since when the first of them has waited for others.
    since: Cell<Option<Instant>>,
    /// Whether some have come since the worker last came by, and how many commands it had run then.
    fresh: Cell<bool>,
    seen: Cell<u64>,
    /// How many count among those that share a synchronisation, see [`crate::aof::group`].
    joined: Cell<usize>,
}

impl Held {
    pub fn add(&self, aof: &Aof, client: u64, version: u64) {
        self.fresh.set(true);
        if aof.wait() == Wait::Durable {
            self.joined.set(self.joined.get() + 1);
            aof.group.join();
        }
        self.waiting.borrow_mut().push((client, version));
    }

    /// Sends what need not wait any longer.
    fn let_go(&self, worker: &Worker) {
        let aof = &worker.server.aof;
        let all = match aof.wait() {
            Wait::Nothing => true,
            Wait::Written => {
                self.since.get().is_some_and(|since| since.elapsed() >= HOLD_MAX)
                    && !self.least().is_some_and(|version| aof.is_about_to_cover(version))
            }
            Wait::Durable => false,
        };
        let mut waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        let had = waiting.len();
        waiting.retain_mut(|(client, version)| {
            if !all && !aof.covers(*version) {
                return true;
            }
            let connections = worker.connections.borrow();
            let left = connections.get(client).and_then(|slot| slot.let_go(worker, all));
            left.map(|later| *version = later).is_some()
        });
        if waiting.len() < had {
            self.since.set(None);
        }
        let gone = self.joined.get().saturating_sub(waiting.len());
        if gone > 0 {
            self.joined.set(self.joined.get() - gone);
            aof.group.leave(gone);
        }
        *self.waiting.borrow_mut() = waiting;
    }

    fn comes_by(&self, worker: &Worker) {
        self.fresh.set(false);
        self.seen.set(worker.stats.processed.get());
    }

    /// The least version that somebody waits for.
    fn least(&self) -> Option<u64> {
        self.waiting.borrow().iter().map(|(_, version)| *version).min()
    }
}

/// Drives a worker's work, and comes by whenever all that was ready has had its turn.
pub async fn beside<F: Future>(worker: &Worker, work: F) -> F::Output {
    DUE.set(Some(false));
    let mut work = pin!(work);
    poll_fn(|cx| {
        let done = work.as_mut().poll(cx);
        come_by(worker, cx.waker());
        done
    })
    .await
}

/// After the turn of a connection, which is nobody's just now.
#[inline]
pub fn after_turn(worker: &Worker) {
    let held = &worker.held;
    if held.fresh.get()
        && worker.stats.processed.get().wrapping_sub(held.seen.get()) >= SOME
        && worker.server.aof.wait() == Wait::Written
    {
        some(worker);
    }
}

#[cold]
fn some(worker: &Worker) {
    DUE.set(Some(false));
    worker.held.comes_by(worker);
    write(worker.server);
    worker.held.let_go(worker);
}

#[inline]
fn come_by(worker: &Worker, waker: &Waker) {
    let due = DUE.replace(Some(false)) == Some(true);
    if due || !worker.held.waiting.borrow().is_empty() || worker.server.aof.is_awaited() {
        settle(worker, waker);
    }
}

#[cold]
fn settle(worker: &Worker, waker: &Waker) {
    let (server, held) = (worker.server, &worker.held);
    let (fresh, by_others) = (held.fresh.get(), server.aof.is_member());
    held.comes_by(worker);
    if !by_others {
        write(server);
    }
    held.let_go(worker);
    let Some(version) = held.least() else { return };
    if held.since.get().is_none() {
        held.since.set(Some(Instant::now()));
    }
    server.aof.wake_when(worker.index, version, waker);
    // Who was in the way may have gone before he could see that somebody waits.
    if !by_others || fresh {
        write(server);
    }
    held.let_go(worker);
}

/// Whether workers write for their connections at the end of their turns, instead of leaving that to the feed's threads. A
/// member's log they leave to the mesh.
#[inline]
pub fn is_for_workers(aof: &Aof) -> bool {
    if aof.is_member() {
        return false;
    }
    match aof.wait() {
        Wait::Nothing => false,
        Wait::Written => true,
        Wait::Durable => aof.group.is_quick(),
    }
}

/// Has what was done written to the log, here if that keeps the worker from nothing else.
fn write(server: &'static Server) {
    if server.aof.is_member() {
        server.mesh.wake();
    } else if is_for_workers(&server.aof) && !server.aof.is_writing_slow() {
        server.pump.round(server);
    } else {
        server.aof.hurry(server);
    }
}
