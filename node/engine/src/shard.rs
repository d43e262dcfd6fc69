//! A shard: the keys of one range of hashes, in all databases, under one short lock.

use std::sync::Arc;

use parking_lot::Mutex;
use replication::Clock;
use replication::overlay::Overlay;

use crate::db::Db;
use crate::interest::Interests;
use crate::table::Published;
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

/// A shard and what may be seen of it without its lock. On a line of its own: neighbours do not share it.
#[repr(align(128))]
pub struct ShardCell {
    pub lock: Mutex<Shard>,
    /// Directories of the databases, for prefetching.
    pub published: Box<[Arc<Published>]>,
}

impl ShardCell {
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
        ShardCell { lock: Mutex::new(shard), published }
    }
}
