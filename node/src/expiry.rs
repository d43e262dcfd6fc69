//! When expired keys are reclaimed that nobody asks for: by each worker, for its share of the shards.
//!
//! `hz` times a second it looks which of them have something due, which takes a few microseconds if none has, and
//! sweeps those that do, see [`engine::expiry`]. The sweep is cut into slices: after each, the worker serves its
//! connections. All slices of a period together take a share of it that `active-expire-effort` sets; what is left over
//! then waits for the next period.

use std::time::{Duration, Instant};

use engine::expiry;

use crate::blocking;
use crate::server::Server;
use crate::tracking::Own;
use crate::worker::{Worker, unix_ms};

/// How long a worker goes on before its connections have their turn.
const SLICE: Duration = Duration::from_micros(300);
/// The share of a period that sweeping may take at the least effort, percent, and what each further one adds.
const SHARE: u32 = 35;
const SHARE_PER_EFFORT: u32 = 5;
/// How much a cycle counts in the running mean of stale keys.
const STALE_WEIGHT: f64 = 0.05;

/// A worker's turns at its share of the shards.
#[derive(Default)]
pub struct Sweep {
    /// The shard that comes first in the next turn, among the worker's.
    next: usize,
}

impl Sweep {
    /// One period's turn.
    pub async fn turn(&mut self, worker: &Worker, period: Duration) {
        let server = worker.server;
        if !may_expire(server) {
            return;
        }
        if !server.upstream.is_replica() {
            let share = SHARE + SHARE_PER_EFFORT * (worker.config.borrow().active_expire_effort - 1);
            self.next = cycle(worker, self.next, period * share / 100).await;
        } else if worker.index == 0 {
            sweep_own(worker).await;
        }
    }
}

/// Whether keys may be removed now: not while a test or an administrator wants the data to stay as it is.
fn may_expire(server: &Server) -> bool {
    server.switches.cron()
        && server.switches.active_expire()
        && !server.persistence.loading.is_active()
        && !server.pause.state(unix_ms()).0
}

/// Sweeps the worker's shards that need it, beginning with the `first`-th. Returns which to begin with next time.
async fn cycle(worker: &Worker, first: usize, budget: Duration) -> usize {
    let server = worker.server;
    let shards: Vec<usize> = (worker.index..server.keyspace.shard_count()).step_by(server.threads).collect();
    let (mut spent, mut removed, mut left) = (Duration::ZERO, 0, 0);
    for turn in 0..shards.len() {
        let nth = (first + turn) % shards.len();
        if !expiry::is_due(&server.keyspace, shards[nth], unix_ms()) {
            continue;
        }
        let mut more = true;
        while more {
            if spent >= budget {
                worker.stats.expire_caps.add(1);
                note(worker, spent, removed, left.max(removed));
                return nth;
            }
            let began = Instant::now();
            let keys;
            (more, keys) = slice(worker, shards[nth], began);
            removed += keys;
            spent += began.elapsed();
            tokio::task::yield_now().await;
        }
        let shard = server.keyspace.cell(shards[nth]).lock.lock();
        left += shard.dbs.iter().map(|db| db.expiring()).sum::<usize>();
    }
    note(worker, spent, removed, left);
    first
}

/// Goes on with one shard for a while; its lock is free between steps. Tells whether there is more to do, and how many
/// keys were dealt with.
fn slice(worker: &Worker, shard: usize, began: Instant) -> (bool, usize) {
    let mut ctx = worker.ctx.borrow_mut();
    worker.tick(&mut ctx);
    let mut keys = 0;
    loop {
        ctx.locks.hold_one(shard);
        let step = expiry::step(&mut ctx, shard);
        if !ctx.out.is_quiet() {
            blocking::deliver(worker, &mut Own::nobody(), &mut ctx);
        }
        ctx.locks.release();
        keys += step.keys;
        if !step.more || began.elapsed() >= SLICE {
            worker.note_late("expire-cycle", began.elapsed().as_millis() as u64);
            return (step.more, keys);
        }
    }
}

/// Removes what is due of what was written to a replica by others than its master.
async fn sweep_own(worker: &Worker) {
    loop {
        let more = {
            let mut ctx = worker.ctx.borrow_mut();
            worker.tick(&mut ctx);
            let more = worker.server.upstream.own.sweep(&mut ctx);
            if !ctx.out.is_quiet() {
                blocking::deliver(worker, &mut Own::nobody(), &mut ctx);
            }
            more
        };
        if !more {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Keeps the books of a cycle.
fn note(worker: &Worker, spent: Duration, removed: usize, left: usize) {
    worker.stats.expire_us.add(spent.as_micros() as u64);
    let current = if removed == 0 { 0.0 } else { removed as f64 / (removed + left) as f64 };
    let mean = f64::from_bits(worker.stats.stale_share.get());
    worker.stats.stale_share.set((current * STALE_WEIGHT + mean * (1.0 - STALE_WEIGHT)).to_bits());
}

/// An estimate of how many of the keys with a deadline are past it, percent.
pub fn stale_percent(server: &Server) -> f64 {
    let shares = server.workers().iter().map(|w| f64::from_bits(w.stats.stale_share.get()));
    100.0 * shares.sum::<f64>() / server.threads as f64
}
