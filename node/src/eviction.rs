//! `maxmemory`: whether there is room, and making some by evicting keys, see [`engine::eviction`].
//!
//! A command that may need memory is preceded by as many evictions as it takes to get below the limit, on the worker that
//! runs it, with no shard held but the evicted key's, and no longer than `maxmemory-eviction-tenacity` allows: what is left
//! to do then is for the next command, or for the periodic task, which sees to it that memory also falls when nobody
//! writes. Only if nothing may be evicted is the command refused.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use engine::ctx::Ctx;
use engine::eviction;

use crate::blocking;
use crate::memory::{here, used};
use crate::tracking::Own;
use crate::worker::{Worker, unix_ms};

/// Evictions between two looks at the clock.
const BETWEEN_LOOKS: u32 = 8;
/// The longest turn of the periodic task, after which connections are served.
const TURN: Duration = Duration::from_micros(500);

/// The limit in force, and what it leads to.
#[derive(Default)]
pub struct Memory {
    /// Bytes; 0: no limit. The lesser of the two that follow.
    limit: AtomicU64,
    /// `maxmemory`.
    configured: AtomicU64,
    /// What `force-eviction-percent` leaves now, see [`crate::strain`]; 0: it leaves all.
    forced: AtomicU64,
    /// Bytes that wait for replicas, and do not count: evicting makes more of them.
    uncounted: AtomicU64,
    /// Since when there has been too little room, unix ms; 0: there is enough.
    short_since_ms: AtomicU64,
    /// How long there was too little room before that, ms.
    short_before_ms: AtomicU64,
}

/// What came of an attempt to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Enough,
    /// Not yet, but it is being made.
    Soon,
    /// There is nothing to evict.
    None,
}

impl Memory {
    pub fn set_limit(&self, bytes: u64) {
        self.configured.store(bytes, Relaxed);
        self.combine();
    }

    /// No more than this is to be used for now; 0: that is over.
    pub fn force(&self, bytes: u64) {
        if self.forced.swap(bytes, Relaxed) != bytes {
            self.combine();
        }
    }

    fn combine(&self) {
        let limits = [self.configured.load(Relaxed), self.forced.load(Relaxed)];
        let least = limits.into_iter().filter(|bytes| *bytes > 0).min();
        self.limit.store(least.unwrap_or(0), Relaxed);
    }

    pub fn set_uncounted(&self, bytes: u64) {
        self.uncounted.store(bytes, Relaxed);
    }

    /// Bytes that do not count.
    pub fn uncounted(&self) -> u64 {
        self.uncounted.load(Relaxed)
    }

    /// Bytes in use that count.
    fn counted(&self) -> u64 {
        used().saturating_sub(self.uncounted())
    }

    /// Whether room has to be made before more memory is used.
    #[inline]
    pub fn is_short(&self) -> bool {
        let limit = self.limit.load(Relaxed);
        limit > 0 && used() > limit && self.counted() > limit
    }

    /// Bytes in use above the limit.
    fn excess(&self) -> i64 {
        self.counted().saturating_sub(self.limit.load(Relaxed)) as i64
    }

    /// Keeps the books of the time without room.
    fn note(&self, short: bool, now_ms: u64) {
        if short {
            let _ = self.short_since_ms.compare_exchange(0, now_ms, Relaxed, Relaxed);
        } else if self.short_since_ms.load(Relaxed) != 0 {
            let since = self.short_since_ms.swap(0, Relaxed);
            if since != 0 {
                self.short_before_ms.fetch_add(now_ms.saturating_sub(since), Relaxed);
            }
        }
    }

    /// How long memory has been above the limit: now, and altogether, ms.
    pub fn short_for(&self, now_ms: u64) -> (u64, u64) {
        let now = match self.short_since_ms.load(Relaxed) {
            0 => 0,
            since => now_ms.saturating_sub(since),
        };
        (now, now + self.short_before_ms.load(Relaxed))
    }

    pub fn reset(&self) {
        self.short_before_ms.store(0, Relaxed);
    }
}

/// How long one command may evict, by `maxmemory-eviction-tenacity`: 50 us for each of the first ten steps, then 15 %
/// more for each. `None`: as long as it takes.
fn patience(tenacity: u32) -> Option<Duration> {
    match tenacity {
        0..=10 => Some(Duration::from_micros(50 * u64::from(tenacity))),
        11..100 => Some(Duration::from_micros((500.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64)),
        _ => None,
    }
}

/// Whether a command may run while memory is short, after some room has been made. `needs`: it may need memory; others are
/// never refused, and only the first of them makes room. `own`: the client that asks, who is told before its reply which
/// of the keys it caches have gone. No shard is held afterwards.
#[cold]
pub fn admits(worker: &Worker, own: &mut Own<'_>, ctx: &mut Ctx<'static>, needs: bool) -> bool {
    let memory = &worker.server.memory;
    // While clients are paused the data is to stay as it is, and they don't write.
    let known = memory.short_since_ms.load(Relaxed) != 0;
    if (known && !needs) || worker.server.pause.state(ctx.env.now_ms).0 {
        return true;
    }
    let patience = patience(worker.config.borrow().maxmemory_eviction_tenacity);
    let room = make_room(worker, own, ctx, patience);
    memory.note(room != Room::Enough, ctx.env.now_ms);
    room != Room::None || !needs
}

/// Evicts keys until as much has been freed as there is too much. What clients are told of it takes memory, too, but that
/// is no reason to evict more: it would be told, too.
fn make_room(worker: &Worker, own: &mut Own<'_>, ctx: &mut Ctx<'static>, patience: Option<Duration>) -> Room {
    let (memory, began) = (&worker.server.memory, Instant::now());
    let (mut pool, mut count, mut freed) = (worker.pool.borrow_mut(), 0, 0);
    let excess = memory.excess();
    ctx.locks.release();
    let room = loop {
        if freed >= excess || !memory.is_short() {
            break Room::Enough;
        }
        let Some(bytes) = eviction::evict(ctx, &mut pool, here) else {
            break if worker.server.reclaim.pending() > 0 { Room::Soon } else { Room::None };
        };
        freed += bytes + free(ctx);
        if !ctx.out.is_quiet() {
            blocking::deliver(worker, own, ctx);
        }
        count += 1;
        if count % BETWEEN_LOOKS == 0 && patience.is_some_and(|patience| began.elapsed() >= patience) {
            break Room::Soon;
        }
    };
    ctx.locks.release();
    room
}

/// Frees a large value that was evicted, unless `lazyfree-lazy-eviction` leaves that to another thread; not under a lock.
/// Returns how many bytes that made.
fn free(ctx: &mut Ctx<'static>) -> i64 {
    if ctx.env.tuning.lazyfree_eviction || ctx.out.garbage.is_empty() {
        return 0;
    }
    ctx.locks.release();
    let before = here();
    ctx.out.garbage.clear();
    before - here()
}

/// A turn of the periodic task: makes room although nobody asks for it. True if there is more to do.
pub fn relieve(worker: &Worker) -> bool {
    let server = worker.server;
    let (short, now_ms) = (server.memory.is_short(), unix_ms());
    if !short || server.pause.state(now_ms).0 || !server.switches.cron() {
        server.memory.note(short, now_ms);
        return false;
    }
    let mut ctx = worker.ctx.borrow_mut();
    worker.tick(&mut ctx);
    let room = make_room(worker, &mut Own::nobody(), &mut ctx, Some(TURN));
    server.memory.note(room != Room::Enough, ctx.env.now_ms);
    room == Room::Soon && server.reclaim.pending() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_tenacity() {
        assert_eq!(patience(0), Some(Duration::ZERO));
        assert_eq!(patience(10), Some(Duration::from_micros(500)));
        assert_eq!(patience(11), Some(Duration::from_micros(575)));
        assert!(patience(99).is_some_and(|long| long > Duration::from_secs(60)));
        assert_eq!(patience(100), None);
    }

    #[test]
    fn the_lesser_limit_is_in_force() {
        let memory = Memory::default();
        for (configured, forced, limit) in [(0, 0, 0), (7, 0, 7), (0, 5, 5), (7, 5, 5), (7, 9, 7)] {
            memory.set_limit(configured);
            memory.force(forced);
            assert_eq!(memory.limit.load(Relaxed), limit, "{configured} {forced}");
        }
    }

    #[test]
    fn time_without_room_is_added_up() {
        let memory = Memory::default();
        memory.note(true, 1_000);
        memory.note(true, 1_500);
        assert_eq!(memory.short_for(1_700), (700, 700));
        memory.note(false, 2_000);
        assert_eq!(memory.short_for(9_000), (0, 1_000));
    }
}
