//! The moment that a snapshot shows, and what its walks share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};

use parking_lot::{Mutex, MutexGuard};

use super::walk::LeftBehind;
use super::{Encoder, Walk};
use crate::keyspace::{Keyspace, Locks};
use crate::shard::Shard;
use crate::tuning::Tuning;

/// How entries are written.
#[derive(Clone)]
pub struct Options {
    /// Unix ms of the cut: members that were due by then are left out.
    pub now_ms: u64,
    /// The LRU clock or LFU minutes of the cut.
    pub clock: u32,
    pub tuning: Tuning,
    /// Whether keys' versions are written.
    pub stamps: bool,
    /// Entries are written as commands instead of RDB records.
    pub commands: bool,
    /// Records are those of version 9 of RDB.
    pub old: bool,
}

/// Some keys of one database, as RDB records or commands.
pub struct Piece {
    pub db: usize,
    pub records: Vec<u8>,
    pub keys: u64,
    /// Written because they were about to change.
    pub aside: bool,
}

/// Where the pieces of a snapshot go.
pub trait Sink: Send + Sync {
    /// Takes a piece. May wait for room, though the caller may hold shards: what makes room must not need any.
    fn put(&self, piece: Piece);
}

/// How much one database holds at the cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub keys: u64,
    pub expires: u64,
}

/// A snapshot under way. See the [module's page](super).
pub struct Cut {
    pub options: Options,
    /// By database.
    pub sizes: Vec<Size>,
    sink: Arc<dyn Sink>,
    /// Tables that were emptied before their walks were over.
    left_behind: Mutex<Vec<LeftBehind>>,
    aborted: AtomicBool,
}

impl Cut {
    /// Begins a snapshot of all data as they are now: all shards must be held, and no other snapshot be under way.
    pub fn begin(locks: &mut Locks<'_>, options: Options, sink: Arc<dyn Sink>) -> Arc<Cut> {
        assert!(locks.holds_all(), "a snapshot shows one moment");
        let databases = locks.iter().next().map_or(0, |shard| shard.dbs.len());
        let mut sizes = vec![Size::default(); databases];
        for shard in locks.iter() {
            for (size, db) in sizes.iter_mut().zip(&shard.dbs) {
                size.keys += db.len() as u64;
                size.expires += db.expiring() as u64;
            }
        }
        let (left_behind, aborted) = (Mutex::default(), AtomicBool::new(false));
        let cut = Arc::new(Cut { options, sizes, sink, left_behind, aborted });
        for shard in locks.iter_mut() {
            for (number, db) in shard.dbs.iter_mut().enumerate().filter(|(_, db)| !db.is_empty()) {
                db.begin_walk(Walk::new(cut.clone(), number));
            }
        }
        cut
    }

    /// Keys at the cut.
    pub fn keys(&self) -> u64 {
        self.sizes.iter().map(|size| size.keys).sum()
    }

    /// Nothing more is written; but all walks have to be walked to their ends.
    pub fn abort(&self) {
        self.aborted.store(true, Release);
    }

    pub fn is_aborted(&self) -> bool {
        self.aborted.load(Acquire)
    }

    /// Walks through one shard to the end, letting go of it now and then. `room`: bytes written while it is held;
    /// `between` is called with the number of keys written whenever it has been let go.
    pub fn walk(
        &self,
        keyspace: &Keyspace,
        shard: usize,
        encoder: &mut Encoder,
        room: usize,
        mut between: impl FnMut(u64),
    ) {
        let mut db = 0;
        loop {
            let mut held = keyspace.cell(shard).lock.lock();
            let Some((at, number)) = next_walk(&held, db) else { return };
            db = at;
            held.dbs[db].walk_on(encoder, room);
            MutexGuard::unlock_fair(held);
            let keys = encoder.keys();
            self.put(number, encoder, false);
            between(keys);
        }
    }

    /// The same for one who holds the shard, and goes on holding it.
    pub fn walk_held(&self, shard: &mut Shard, encoder: &mut Encoder, room: usize) {
        while let Some((db, number)) = next_walk(shard, 0) {
            shard.dbs[db].walk_on(encoder, room);
            self.put(number, encoder, false);
        }
    }

    /// Walks through the tables that were emptied. To be called when all shards are done.
    pub fn walk_left_behind(&self, encoder: &mut Encoder, room: usize) {
        let tables = std::mem::take(&mut *self.left_behind.lock());
        for mut table in tables {
            while table.on(encoder, room) {
                self.put(table.number(), encoder, false);
            }
            self.put(table.number(), encoder, false);
        }
    }

    pub(super) fn leave_behind(&self, table: LeftBehind) {
        self.left_behind.lock().push(table);
    }

    /// Hands over what the encoder holds, all of one database.
    pub(super) fn put(&self, db: usize, encoder: &mut Encoder, aside: bool) {
        let (records, keys) = encoder.take();
        if !records.is_empty() && !self.is_aborted() {
            self.sink.put(Piece { db, records, keys, aside });
        }
    }
}

/// A database with a walk, from number `from` on or, as SWAPDB may have carried one back, anywhere; and the number that it
/// had at the cut.
fn next_walk(shard: &Shard, from: usize) -> Option<(usize, usize)> {
    let count = shard.dbs.len();
    (0..count).map(|i| (from + i) % count).find_map(|db| Some((db, shard.dbs[db].walk_number()?)))
}
