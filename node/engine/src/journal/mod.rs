//! The journal: every effect that was applied here, as bytes, in one order of versions, for who passes them on (peers,
//! disks). While nobody listens, a group of effects costs one look at a flag.
//!
//! # Writing
//!
//! Each [`Ctx`](crate::ctx::Ctx) writes to a *desk* of its own, so that workers share nothing while they run commands. A
//! command, transaction or script is one *group* under one version, however many shards it touches. Its effects are
//! encoded where they are applied ([`encode`]) into a buffer that only its writer sees. When the writer lets go of its
//! shards, at the end of a batch of commands, what it has gathered is handed to the desk. Groups of one writer are in the
//! order of their versions, for a version is above all that its writer or any shard it holds has seen.
//!
//! # Draining, and why a promise can be made
//!
//! One thread ([`Drain`]) merges the desks. It meets the writers that have signed on, chooses a *floor* version above all that
//! they have minted, publishes it, meets the writers once more, then takes what is on each desk, and delivers everything up
//! to a version `P`, in order. It promises that nothing up to `P` follows later.
//!
//! The first time a writer mints a version after it last let go, it *opens* its desk: under the desk's lock it reads the
//! floor and notes the highest version that surely lies below all it is going to mint: `base = max(floor, its last
//! version, the time)`. `P` is the least of the floor and the bases of the desks that are open. Take any group with a
//! version up to `P` that was not on its desk when the drain looked there:
//! - The desk was open. Then the group's version is above the desk's base, which is not below `P`: contradiction.
//! - The desk was not open. Then its writer opens it after the drain let go of the desk's lock, so it sees the floor that
//!   was published before, and mints above it, that is above `P`: contradiction.
//!
//! - The writer signed on after the drain had met the others for the second time. Then it sees the floor: as before. (One that
//!   signs on between the choice of the floor and its publication mints below it: so the drain meets writers *after* it has
//!   published. And it meets them *before* it chooses, for what they have minted must be below the floor, or it would not
//!   be delivered in this round.)
//!
//! The two steps at a desk are ordered by its lock alone; the floor needs no ordering of its own.
//!
//! Effects on one key by different writers are in order too: the shard's lock orders the writers, and the later one mints
//! above the earlier, whose desk is open until its group is there.
//!
//! # Bounds
//!
//! A desk holds at most [`Journal::set_limit`] bytes (and one batch more). A writer that finds its desk full waits, shards
//! let go, until the drain has been there: nothing is ever dropped. The drain itself holds what lies above `P`, which is
//! what the writers produce during one of its rounds.

mod desk;
mod drain;
pub mod encode;
pub mod feed;
mod stream;
mod tell;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU16, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use desk::Desk;
pub use drain::{Drain, Drained, Run};
pub use writer::Writer;

/// Low bits of a version that name the writer: two writers never mint the same version.
const WRITER_BITS: u32 = 8;
const WRITERS: usize = 1 << WRITER_BITS;

/// Bytes that a desk holds before its writer waits.
const LIMIT: usize = 64 << 20;

/// What writers and the drain share. See the [module's page](self).
pub struct Journal {
    on: AtomicBool,
    /// No group minted after a look at this is below it.
    floor: AtomicU64,
    /// The drain has begun to go through the desks: who hands over wakes it.
    asleep: AtomicBool,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
    desks: Mutex<Vec<Arc<Desk>>>,
    limit: AtomicUsize,
    /// The node's label in stamps; 0: it has none.
    label: AtomicU16,
    /// The label that it had first, see [`Journal::first_label`].
    first_label: AtomicU16,
    /// Full syncs being taken.
    merges: AtomicIsize,
    /// Full syncs being given.
    exports: AtomicIsize,
    /// Everything up to this version has arrived here.
    horizon: AtomicU64,
}

impl Default for Journal {
    fn default() -> Self {
        Journal {
            on: AtomicBool::new(false),
            floor: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            wake: OnceLock::new(),
            desks: Mutex::default(),
            limit: AtomicUsize::new(LIMIT),
            label: AtomicU16::new(0),
            first_label: AtomicU16::new(0),
            merges: AtomicIsize::new(0),
            exports: AtomicIsize::new(0),
            horizon: AtomicU64::new(0),
        }
    }
}

impl Journal {
    /// Whether effects are written down from now on. When this returns, each group is either written down or was applied
    /// by a writer that held its shards before: whoever then takes a shard's lock sees what that one did.
    pub fn listen(&self, on: bool) {
        self.on.store(on, SeqCst);
    }

    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// What is called, from any thread, when the first group reaches a desk after a drain has found nothing more to do. It
    /// must not block.
    pub fn on_wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.wake.set(Box::new(wake));
    }

    /// Bytes that each desk may hold.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Relaxed);
    }

    /// Names the node in the stamps of what it writes from now on, and of what it wrote before it had a label.
    pub fn set_label(&self, label: u16) {
        self.first_label.store(label, SeqCst);
        self.label.store(label, SeqCst);
    }

    /// Names the node anew. All shards must be held, or groups under way would get two labels.
    pub(crate) fn change_label(&self, label: u16) {
        self.label.store(label, SeqCst);
    }

    /// Stands for the 0 in the stamps of what was written before the node had a label: its peers know it so, whatever the node
    /// is called later.
    pub fn first_label(&self) -> u16 {
        self.first_label.load(Relaxed)
    }

    pub fn label(&self) -> u16 {
        self.label.load(Relaxed)
    }

    /// No version up to this one is minted from now on by a writer that has let go of its shards.
    pub fn raise_floor(&self, version: u64) {
        self.floor.fetch_max(version, SeqCst);
    }

    /// What was published last as the version above which writers mint.
    #[inline]
    pub fn floor(&self) -> u64 {
        self.floor.load(Relaxed)
    }

    /// The highest version that may have been minted or seen by now, where the shards have seen `seen`.
    pub fn ceiling(&self, seen: u64) -> u64 {
        seen.max(self.floor.load(SeqCst))
    }

    /// So many more full syncs are being taken.
    pub(crate) fn merging(&self, more: isize) {
        self.merges.fetch_add(more, SeqCst);
    }

    /// Whether a full sync is being taken.
    pub fn is_merging(&self) -> bool {
        self.merges.load(SeqCst) > 0
    }

    /// The highest version that a writer has handed over.
    pub fn last(&self) -> u64 {
        self.desks.lock().iter().map(|desk| desk.state.lock().last).max().unwrap_or(0)
    }

    /// So many more full syncs are being given.
    pub(crate) fn exporting(&self, more: isize) {
        self.exports.fetch_add(more, SeqCst);
    }

    /// Whether a full sync is being taken or given.
    pub fn is_syncing(&self) -> bool {
        self.is_merging() || self.exports.load(SeqCst) > 0
    }

    /// Everything up to this version has arrived here, as others are told.
    pub fn reach(&self, horizon: u64) {
        self.horizon.fetch_max(horizon, SeqCst);
    }

    /// The version up to which everything has arrived here. While a full sync goes on, the overlays know of less.
    pub(crate) fn horizon(&self) -> u64 {
        self.horizon.load(SeqCst)
    }

    /// Bytes on all desks.
    pub fn bytes(&self) -> usize {
        self.desks.lock().iter().map(|desk| desk.state.lock().bytes.len()).sum()
    }

    fn sign_on(&self) -> Arc<Desk> {
        let mut desks = self.desks.lock();
        let taken = |n: &u16| desks.iter().any(|desk| desk.number == *n);
        // With more writers than numbers, two may mint equal versions, in different shards.
        let number = (0..WRITERS as u16).find(|n| !taken(n)).unwrap_or(desks.len() as u16 % WRITERS as u16);
        let desk = Arc::new(Desk::new(number));
        desks.push(desk.clone());
        desk
    }

    /// The drain makes another round soon: nobody needs to wake it before.
    pub fn stay_awake(&self) {
        self.asleep.store(false, SeqCst);
    }

    fn wake(&self) {
        if self.asleep.load(Relaxed)
            && self.asleep.swap(false, AcqRel)
            && let Some(wake) = self.wake.get()
        {
            wake();
        }
    }
}
