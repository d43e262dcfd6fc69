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

/// What the lock of a shard guards. What every write changes comes first: it is one cache line, the only one that travels to
/// another core with the lock. The lock is on a line before it, so that who waits does not slow down who writes.
#[repr(C, align(64))]
pub struct Shard {
    pub clock: Clock,
    pub dbs: Vec<Db>,
    /// What must be remembered of effects that others may not have yet; only in a member of a mesh.
    pub overlay: Option<Box<Overlay>>,
    pub stats: ShardStats,
    /// Who wants to hear of changes: WATCH and client tracking.
    pub interests: Interests,
    /// Clients blocked on keys of this shard.
    pub waiting: Waiting,
}

/// Counters kept under the shard's lock.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ShardStats {
    /// Changes since the last save.
    pub dirty: u64,
    pub expired: u64,
    /// Hash fields and set members.
    pub expired_members: u64,
    pub evicted: u64,
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// How long a thread waits for a shard before it looks whether there is something else to do.
const STEP: Duration = Duration::from_millis(5);

/// Looks at a shard that is taken before the thread sleeps: some twenty microseconds, the time of a batch of commands, and
/// what falling asleep and being woken would cost.
const LOOKS: u32 = 30;
/// Pauses between two looks, as a power of two, at the most.
const SELDOM: u32 = 4;

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
        for look in 0..LOOKS {
            (0..1 << look.min(SELDOM)).for_each(|_| std::hint::spin_loop());
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

/// A shard and what may be seen of it without its lock. On lines of its own: neighbours do not share it.
#[repr(C, align(128))]
pub struct ShardCell {
    pub lock: ShardLock,
    pub published: Directories,
}

/// Directories of the databases, for prefetching. On a line of its own, which nobody writes: who looks ahead need not wait
/// for the line of the lock.
#[repr(align(64))]
pub struct Directories(Box<[Arc<Published>]>);

impl std::ops::Index<usize> for Directories {
    type Output = Published;

    #[inline]
    fn index(&self, db: usize) -> &Published {
        &self.0[db]
    }
}

impl ShardCell {
    /// Brings the lock into the cache, to be taken, and what every write changes under it.
    #[inline]
    pub fn prefetch(&self) {
        let lock = std::ptr::from_ref(&self.lock).cast::<u8>();
        prefetch_to_write(lock);
        prefetch_to_write(lock.wrapping_add(LINE));
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
        ShardCell { lock: ShardLock(Mutex::new(shard)), published: Directories(published) }
    }
}
