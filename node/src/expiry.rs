//! When expired keys are reclaimed that nobody asks for: a task on each worker, for that worker's share of the shards.
//!
//! `hz` times a second it looks which of its shards have something due, which takes a few microseconds if none has, and
//! sweeps those that do, see [`engine::expiry`]. The sweep is cut into slices: after each, the worker serves its
//! connections. All slices of a period together take a share of it that `active-expire-effort` sets; what is left over
//! then waits for the next period.

use std::rc::Rc;
use std::time::{Duration, Instant};

use engine::expiry;

use crate::blocking;
use crate::config::Config;
use crate::eviction;
use crate::jobs;
use crate::memcached;
use crate::server::Server;
use crate::tracking::Own;
use crate::worker::{Worker, unix_ms};

/// How long a worker goes on before its connections have their turn.
const SLICE: Duration = Duration::from_micros(300);
/// The share of a period that sweeping may take at the least effort, percent, and what each further one adds.
const SHARE: u32 = 35;
const SHARE_PER_EFFORT: u32 = 5;
/// Clients per turn of the periodic work from which on `dynamic-hz` makes it more frequent.
const CLIENTS_PER_TURN: usize = 200;
const HZ_MAX: u32 = 500;
/// How much a cycle counts in the running mean of stale keys.
const STALE_WEIGHT: f64 = 0.05;

/// How often periodic work is done, per second: `hz`, or more with many clients if `dynamic-hz` is on.
pub fn hz(config: &Config, clients: usize) -> u32 {
    let mut hz = config.hz;
    while config.dynamic_hz && hz < HZ_MAX && clients / hz as usize > CLIENTS_PER_TURN {
        hz = (hz * 2).min(HZ_MAX);
    }
    hz
}

/// Runs for ever. Sees to memory, too, which expired keys are the best to take from.
pub async fn run(worker: Rc<Worker>) {
    let server = worker.server;
    let mut next = 0;
    loop {
        let (period, budget) = {
            let config = worker.config.borrow();
            let period = Duration::from_secs(1) / hz(&config, server.clients.len());
            let share = SHARE + SHARE_PER_EFFORT * (config.active_expire_effort - 1);
            (period, period * share / 100)
        };
        tokio::time::sleep(period).await;
        while eviction::relieve(&worker) {
            tokio::task::yield_now().await;
        }
        if worker.index == 0 {
            memcached::flush::look(&worker);
        }
        jobs::look(&worker).await;
        if may_expire(server) {
            if !server.upstream.is_replica() {
                next = cycle(&worker, next, budget).await;
            } else if worker.index == 0 {
                sweep_own(&worker).await;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_clients_make_periodic_work_more_frequent() {
        let mut config = Config::new(std::path::Path::new("/"));
        (config.hz, config.dynamic_hz) = (10, true);
        for (clients, expected) in [(0, 10), (2_000, 10), (2_200, 20), (30_000, 160), (1_000_000, 500)] {
            assert_eq!(hz(&config, clients), expected, "{clients}");
        }
        config.dynamic_hz = false;
        assert_eq!(hz(&config, 1_000_000), 10);
    }
}
