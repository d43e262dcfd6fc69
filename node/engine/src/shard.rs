//! A shard: the keys of one range of hashes, in all databases, under one short lock.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use replication::Clock;
use replication::overlay::Overlay;

use crate::db::Db;
use crate::interest::Interests;
use crate::table::{Published, prefetch_to_write};
use crate::waiting::Waiting;

/// What the lock of a shard guards.
pub struct Shard {
    pub dbs: Vec<Db>,
    pub clock: Clock,
    /// Who wants to hear of changes: WATCH and client tracking.
    pub interests: Interests,
    /// Clients blocked on keys of this shard.
    pub waiting: Waiting,
    pub stats: ShardStats,
    /// What must be remembered of effects that others may not have yet; only in a member of a mesh.
    pub overlay: Option<Box<Overlay>>,
}

/// Counters kept under the shard's lock.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardStats {
    pub expired: u64,
    /// Hash fields and set members.
    pub expired_members: u64,
    pub evicted: u64,
    /// Changes since the last save.
    pub dirty: u64,
}

/// How long a thread waits for a shard before it looks whether there is something else to do.
const STEP: Duration = Duration::from_millis(5);

/// Looks at a shard that is taken before the thread sleeps: some microseconds, the time of a batch of short commands.
const ROUNDS: u32 = 7;

thread_local! {
    static WHILE_WAITING: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Has `look` called on this thread now and then while it waits for a shard. It must not take a shard itself.
pub fn while_waiting(look: fn()) {
    WHILE_WAITING.set(Some(look));
}

/// The lock of a shard. Who waits for it is not lost to the world, see [`while_waiting`].
pub struct ShardLock(Mutex<Shard>);

impl ShardLock {
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, Shard> {
        self.0.try_lock().unwrap_or_else(|| self.meet())
    }

    /// Somebody else has the shard: mostly for less time than it takes to fall asleep and be woken. Looks again ever more
    /// seldom, each look slows the other one down.
    #[cold]
    fn meet(&self) -> MutexGuard<'_, Shard> {
        for round in 0..ROUNDS {
            (0..1 << round).for_each(|_| std::hint::spin_loop());
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
        }
        self.wait(|| false).expect("nobody gives up")
    }

    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, Shard>> {
        self.0.try_lock()
    }

    /// Waits for the lock, until `gives_up` says that it should not.
    #[cold]
    pub fn wait(&self, gives_up: impl Fn() -> bool) -> Option<MutexGuard<'_, Shard>> {
        loop {
            if let Some(guard) = self.0.try_lock_for(STEP) {
                return Some(guard);
            }
            if gives_up() {
                return None;
            }
            if let Some(look) = WHILE_WAITING.get() {
                look();
            }
        }
    }
}

/// A shard and what may be seen of it without its lock. On a line of its own: neighbours do not share it.
#[repr(align(128))]
pub struct ShardCell {
    pub lock: ShardLock,
    /// Directories of the databases, for prefetching.
    pub published: Box<[Arc<Published>]>,
}

impl ShardCell {
    /// Brings the lock into the cache, to be taken.
    #[inline]
    pub fn prefetch(&self) {
        prefetch_to_write(std::ptr::from_ref(&self.lock).cast());
    }

    pub fn new(databases: usize, bits: u32, hasher: &ahash::RandomState) -> ShardCell {
        let published: Box<[_]> = (0..databases).map(|_| Arc::new(Published::default())).collect();
        let dbs = published.iter().map(|p| Db::new(bits, p.clone(), hasher.clone())).collect();
        let shard = Shard {
            dbs,
            clock: Clock::default(),
            interests: Interests::default(),
            waiting: Waiting::default(),
            stats: ShardStats::default(),
            overlay: None,
        };
        ShardCell { lock: ShardLock(Mutex::new(shard)), published }
    }
}
