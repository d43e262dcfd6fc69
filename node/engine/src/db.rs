//! One database's part in one shard: entries by key. The only place that turns handles of entries into borrows.
#![expect(unsafe_code, reason = "ties the life of borrowed entries to the borrow of their table")]

use std::sync::Arc;

use crate::entry::{Entry, EntryMut, EntryRef};
use crate::jobs::Jobs;
use crate::snapshot::{Encoder, Walk};
use crate::table::{Pos, Published, Table};
use crate::value::Value;

/// Entries of one database in one shard. Invariant: every entry in the table is alive, and in no other table.
pub struct Db {
    table: Table<Entry>,
    /// Entries that have a deadline.
    expiring: usize,
    /// A lower bound of all deadlines, of keys and of members of their values.
    due: u64,
    /// Where the sweep is, and a lower bound of the deadlines behind it.
    swept_to: u64,
    swept_bound: u64,
    /// The epoch of entries that are new, or that no snapshot under way needs any more. Without one, that of all entries.
    epoch: bool,
    /// The walk of a snapshot through this table.
    walk: Option<Box<Walk>>,
    /// `None`: it has had no job yet.
    jobs: Option<Box<Jobs>>,
    hasher: ahash::RandomState,
}

impl Db {
    pub fn new(skip: u32, published: Arc<Published>, hasher: ahash::RandomState) -> Db {
        Db {
            table: Table::with_published(skip, published),
            expiring: 0,
            due: u64::MAX,
            swept_to: 0,
            swept_bound: u64::MAX,
            epoch: false,
            walk: None,
            jobs: None,
            hasher,
        }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub fn expiring(&self) -> usize {
        self.expiring
    }

    fn hash_of(&self) -> impl Fn(Entry) -> u64 + use<> {
        let hasher = self.hasher.clone();
        // SAFETY: the table only asks about its own entries.
        move |entry| hash(&hasher, unsafe { entry.view() }.key())
    }

    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        hash(&self.hasher, key)
    }

    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Pos> {
        // SAFETY: as above.
        self.table.find(hash, |entry: Entry| unsafe { entry.view() }.key() == key)
    }

    /// The entry found. Panics if the table has changed since.
    #[inline]
    pub fn at(&self, pos: Pos) -> EntryRef<'_> {
        // SAFETY: alive while in the table; the borrow of the table outlives the view.
        unsafe { pos.item::<Entry>().view() }
    }

    /// The entry found, to be changed: a snapshot that has not come by yet gets it as it was.
    #[inline]
    pub fn at_mut(&mut self, pos: Pos) -> EntryMut<'_> {
        self.preserve(pos);
        // SAFETY: as above, and exclusive like the borrow of the table.
        unsafe { pos.item::<Entry>().view_mut() }
    }

    #[inline]
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        self.find(hash, key).map(|pos| self.at(pos))
    }

    /// Hands the entry found to the snapshot under way, if that has not seen it yet.
    #[inline]
    fn preserve(&mut self, pos: Pos) {
        if self.walk.is_some() {
            self.preserve_unseen(pos);
        }
    }

    #[cold]
    fn preserve_unseen(&mut self, pos: Pos) {
        let Some(walk) = &mut self.walk else { return };
        // SAFETY: alive while in the table, and exclusive like the borrow of the table.
        let mut entry = unsafe { pos.item::<Entry>().view_mut() };
        if entry.as_ref().epoch() != self.epoch {
            walk.copy(entry.as_ref());
            entry.set_epoch(self.epoch);
        }
    }

    /// Counts an entry that has just been put here, and what expires in it.
    #[inline]
    fn note(&mut self, hash: u64, entry: Entry) {
        if self.epoch {
            // SAFETY: the entry was just made, nobody else has it.
            unsafe { entry.view_mut() }.set_epoch(true);
        }
        self.expiring += usize::from(entry.expires());
        if entry.may_expire() {
            // SAFETY: the entry is alive, it was just made.
            if let Some(due) = unsafe { entry.view() }.next_due() {
                self.note_deadline(hash, due);
            }
        }
        if entry.is_job() {
            // SAFETY: as above.
            let view = unsafe { entry.view() };
            self.jobs.get_or_insert_default().note(view.key(), view.value());
        }
    }

    /// Notes that the entry found is about to go.
    #[inline]
    fn leave(&mut self, pos: Pos) {
        let entry = pos.item::<Entry>();
        self.expiring -= usize::from(entry.expires());
        if entry.is_job()
            && let Some(jobs) = &mut self.jobs
        {
            // SAFETY: alive while in the table.
            jobs.forget(unsafe { entry.view() }.key());
        }
    }

    /// Has a job not be due any more that can't be run.
    pub fn forget_job(&mut self, key: &[u8]) {
        if let Some(jobs) = &mut self.jobs {
            jobs.forget(key);
        }
    }

    /// The keys and owners of jobs that are due at `now`.
    pub fn due_jobs(&self, now: u64) -> impl Iterator<Item = (&[u8], u128)> {
        self.jobs.iter().flat_map(move |jobs| jobs.due(now))
    }

    /// Sees to it that a sweep at `deadline` or later finds the key: it or a member of its value expires then.
    pub fn note_deadline(&mut self, hash: u64, deadline: u64) {
        self.table.note_deadline(hash, deadline);
        self.due = self.due.min(deadline);
        // The sweep may be past the key.
        self.swept_bound = self.swept_bound.min(deadline);
    }

    /// Adds an entry whose key is not there.
    pub fn insert(&mut self, hash: u64, entry: Entry) -> Pos {
        // SAFETY: the entry is alive, it was just made.
        let key = unsafe { entry.view() }.key();
        let hash_of = self.hash_of();
        self.table.insert(hash, entry, hash_of);
        self.note(hash, entry);
        self.find(hash, key).expect("an entry just inserted is found")
    }

    /// Puts another entry with the same key in the place of the one found; returns the old value.
    pub fn replace(&mut self, hash: u64, pos: Pos, entry: Entry) -> (Pos, Value) {
        self.preserve(pos);
        self.leave(pos);
        let new = self.table.replace(pos, entry);
        self.note(hash, entry);
        // SAFETY: `replace` checked that the old entry was in the table, and took it out.
        (new, unsafe { pos.item::<Entry>().into_value() })
    }

    /// Removes the entry found; returns its value.
    pub fn remove(&mut self, pos: Pos) -> Value {
        self.preserve(pos);
        self.leave(pos);
        let hash_of = self.hash_of();
        let entry = self.table.remove(pos, hash_of);
        // SAFETY: `remove` checked that the entry was in the table, and took it out.
        unsafe { entry.into_value() }
    }

    /// Sets or clears the deadline of the entry found.
    pub fn set_deadline(&mut self, hash: u64, pos: Pos, deadline: Option<u64>) -> Pos {
        let old = self.at(pos).deadline();
        match (old, deadline) {
            (None, None) => pos,
            (Some(_), Some(new)) => {
                self.at_mut(pos).set_deadline(new);
                self.note_deadline(hash, new);
                pos
            }
            _ => self.rebuild(hash, pos, deadline),
        }
    }

    /// Moves the entry found into an allocation with (or without) a place for a deadline.
    fn rebuild(&mut self, hash: u64, pos: Pos, deadline: Option<u64>) -> Pos {
        self.preserve(pos);
        let view = self.at(pos);
        let (stamp, access, key) = (view.stamp(), view.access(), view.key().to_vec());
        self.expiring -= usize::from(view.deadline().is_some());
        // The old entry is taken apart and its place filled before anything else can look at it.
        // SAFETY: `pos` is a live entry of this table; it is replaced below without being used again.
        let value = unsafe { pos.item::<Entry>().into_value() };
        let entry = Entry::new(&key, value, deadline, stamp, access);
        let new = self.table.replace(pos, entry);
        self.note(hash, entry);
        new
    }

    /// All entries, in no stated order.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        // SAFETY: as in `at`.
        self.table.iter().map(|entry| unsafe { entry.view() })
    }

    pub fn random(&self, rng: impl FnMut() -> u64) -> Option<EntryRef<'_>> {
        // SAFETY: as in `at`.
        self.table.random(rng).map(|entry| unsafe { entry.view() })
    }

    /// Up to `max` entries from one random place; `expiring`: only such as have a deadline. None only if there is none.
    pub fn sample<'a>(&'a self, rng: u64, max: usize, expiring: bool, mut each: impl FnMut(EntryRef<'a>)) {
        if expiring && self.expiring == 0 {
            return;
        }
        let wanted = |entry: Entry| !expiring || entry.expires();
        // SAFETY: as in `at`.
        self.table.sample(rng, max, wanted, |entry| each(unsafe { entry.view() }));
    }

    /// See [`Table::scan`].
    pub fn scan<'a>(&'a self, from: u64, unit: u32, mut each: impl FnMut(EntryRef<'a>)) -> Option<u64> {
        // SAFETY: as in `at`.
        self.table.scan(from, unit, self.hash_of(), |entry| each(unsafe { entry.view() }))
    }

    /// Visits the entries at or after position `from` that are in one segment, in the order of their positions, while `each` wants
    /// more. Returns the position to go on from; `None` at the end.
    pub fn walk<'a>(&'a self, from: u64, mut each: impl FnMut(EntryRef<'a>) -> bool) -> Option<u64> {
        let mut entries = Vec::new();
        let next = self.table.segment(from, &mut entries);
        entries.iter().for_each(|entry| entry.prefetch());
        let hash_of = self.hash_of();
        let placed = entries.into_iter().map(|entry| (self.table.position(hash_of(entry)), entry));
        let mut placed: Vec<(u64, Entry)> = placed.filter(|(at, _)| *at >= from).collect();
        placed.sort_unstable_by_key(|(at, _)| *at);
        for (i, (at, entry)) in placed.iter().enumerate() {
            // SAFETY: as in `at`.
            let more = each(unsafe { entry.view() });
            // Entries at one position are not told apart.
            if let Some((later, _)) = placed.get(i + 1).filter(|(later, _)| !more && later > at) {
                return Some(*later);
            }
        }
        next
    }

    /// Nothing here is due before this, unix ms.
    #[inline]
    pub fn next_due(&self) -> u64 {
        self.due
    }

    /// Goes on with the sweep through the table: collects the keys in which something is due at `now`, from one segment of
    /// at most a few hundred. The caller must then remove what is due, before anybody else sees the table. The budget is
    /// reduced by the segments looked at. True when the sweep has come to the end; the next call begins another.
    pub fn sweep(&mut self, now: u64, budget: &mut usize, keys: &mut Vec<Vec<u8>>) -> bool {
        let mut entries = Vec::new();
        let step = self.table.due_segment(self.swept_to, now, budget, &mut entries);
        let mut bound = step.bound;
        if let Some(at) = step.due {
            let left = entries.into_iter().filter(|entry| entry.may_expire()).filter_map(|entry| {
                // SAFETY: as in `at`.
                let view = unsafe { entry.view() };
                let due = view.next_due()?;
                if due <= now {
                    keys.push(view.key().to_vec());
                }
                (due > now).then_some(due)
            });
            let left = left.min().unwrap_or(u64::MAX);
            self.table.set_due(at, left);
            bound = bound.min(left);
        }
        self.swept_bound = self.swept_bound.min(bound);
        self.swept_to = step.next.unwrap_or(0);
        if step.next.is_none() {
            self.due = std::mem::replace(&mut self.swept_bound, u64::MAX);
        }
        step.next.is_none()
    }

    /// Makes room for about so many entries, if there is none yet.
    pub fn reserve(&mut self, entries: usize) {
        self.table.reserve(entries);
    }

    /// Adds an entry that was stored, see [`crate::load`]; false, and the entry is freed, if its key is there already.
    pub fn load(&mut self, hash: u64, key: &[u8], entry: Entry) -> bool {
        if self.find(hash, key).is_some() {
            // SAFETY: it is in no table, and used no more.
            unsafe { entry.free() };
            return false;
        }
        let hash_of = self.hash_of();
        self.table.insert(hash, entry, hash_of);
        self.note(hash, entry);
        true
    }

    /// Empties the database; what it held comes back to be freed, unless a snapshot under way still needs it.
    pub fn take(&mut self) -> Detached {
        (self.expiring, self.jobs) = (0, None);
        (self.due, self.swept_to, self.swept_bound) = (u64::MAX, 0, u64::MAX);
        let taken = Detached(self.table.take());
        match self.walk.take() {
            Some(walk) => {
                walk.leave_behind(taken, self.epoch);
                Detached(Table::new())
            }
            None => taken,
        }
    }

    /// Begins a snapshot's walk. None may be under way.
    pub(crate) fn begin_walk(&mut self, walk: Walk) {
        assert!(self.walk.is_none(), "one snapshot at a time");
        if !self.is_empty() {
            self.epoch = !self.epoch;
            self.walk = Some(Box::new(walk));
        }
    }

    /// The number that the database had at the cut, if a walk is under way.
    pub(crate) fn walk_number(&self) -> Option<usize> {
        self.walk.as_ref().map(|walk| walk.number())
    }

    /// Goes on with the walk by one segment, or until `out` holds more than `room` bytes. The walk ends with the table;
    /// what it has copied aside goes to its sink then.
    pub(crate) fn walk_on(&mut self, out: &mut Encoder, room: usize) {
        let Some(mut walk) = self.walk.take() else { return };
        if walk.on(&self.table, self.epoch, out, room) {
            self.walk = Some(walk);
        }
    }

    pub fn swap(&mut self, other: &mut Db) {
        self.table.swap(&mut other.table);
        std::mem::swap(&mut self.expiring, &mut other.expiring);
        std::mem::swap(&mut self.due, &mut other.due);
        std::mem::swap(&mut self.swept_to, &mut other.swept_to);
        std::mem::swap(&mut self.swept_bound, &mut other.swept_bound);
        std::mem::swap(&mut self.epoch, &mut other.epoch);
        std::mem::swap(&mut self.walk, &mut other.walk);
        std::mem::swap(&mut self.jobs, &mut other.jobs);
    }

    /// Bytes of the table, without the entries.
    pub fn table_bytes(&self) -> usize {
        self.table.heap_bytes()
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Entries taken out of a database; dropping it frees them, which may take long.
pub struct Detached(Table<Entry>);

/// Walks to the segment at `at` and hands over each entry there whose epoch is not `epoch`, bringing it into that epoch,
/// until `each` says to stop. Returns the position to go on from; `None` at the end.
pub(crate) fn walk_segment(
    table: &Table<Entry>,
    at: u64,
    epoch: bool,
    scratch: &mut Vec<Entry>,
    mut each: impl FnMut(EntryRef<'_>) -> bool,
) -> Option<u64> {
    /// Entries whose memory is on its way while one is looked at.
    const AHEAD: usize = 8;
    scratch.clear();
    let next = table.segment(at, scratch);
    for (i, entry) in scratch.iter().enumerate() {
        if let Some(later) = scratch.get(i + AHEAD) {
            later.prefetch();
        }
        // SAFETY: in the table, so alive; the caller has the shard, or the table, for itself.
        let mut entry = unsafe { entry.view_mut() };
        if entry.as_ref().epoch() == epoch {
            continue;
        }
        entry.set_epoch(epoch);
        if !each(entry.as_ref()) {
            return Some(at);
        }
    }
    next
}

impl Detached {
    pub(crate) fn table(&self) -> &Table<Entry> {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        // SAFETY: the table was the only owner of its entries.
        self.0.drain(|entry| unsafe { entry.free() });
    }
}

/// The hash of a key: keyed per process, so that nobody can aim keys at one bucket.
#[inline]
pub fn hash(hasher: &ahash::RandomState, key: &[u8]) -> u64 {
    hasher.hash_one(key)
}
