//! One database's part in one shard: entries by key. The only place that turns handles of entries into borrows.
#![expect(unsafe_code, reason = "ties the life of borrowed entries to the borrow of their table")]

use std::sync::Arc;

use crate::entry::{Entry, EntryMut, EntryRef};
use crate::table::{Pos, Published, Table};
use crate::value::Value;

/// Entries of one database in one shard. Invariant: every entry in the table is alive, and in no other table.
pub struct Db {
    table: Table<Entry>,
    /// Entries that have a deadline.
    expiring: usize,
    hasher: ahash::RandomState,
}

impl Db {
    pub fn new(skip: u32, published: Arc<Published>, hasher: ahash::RandomState) -> Db {
        Db { table: Table::with_published(skip, published), expiring: 0, hasher }
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

    #[inline]
    pub fn at_mut(&mut self, pos: Pos) -> EntryMut<'_> {
        // SAFETY: as above, and exclusive like the borrow of the table.
        unsafe { pos.item::<Entry>().view_mut() }
    }

    #[inline]
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        self.find(hash, key).map(|pos| self.at(pos))
    }

    /// Counts a new entry's deadline, and lets the expiry cycle know of it and of those inside the value.
    fn note(&mut self, hash: u64, deadline: Option<u64>, next_due: Option<u64>) {
        self.expiring += usize::from(deadline.is_some());
        if let Some(next) = next_due {
            self.note_deadline(hash, next);
        }
    }

    /// Lets the expiry cycle know that the entry of this hash, or a member of its value, expires at `deadline`.
    pub fn note_deadline(&mut self, hash: u64, deadline: u64) {
        self.table.note_deadline(hash, deadline);
    }

    /// Adds an entry whose key is not there.
    pub fn insert(&mut self, hash: u64, entry: Entry) -> Pos {
        // SAFETY: the entry is alive, it was just made.
        let view = unsafe { entry.view() };
        let (deadline, next_due, key) = (view.deadline(), view.next_due(), view.key());
        let hash_of = self.hash_of();
        self.table.insert(hash, entry, hash_of);
        self.note(hash, deadline, next_due);
        self.find(hash, key).expect("an entry just inserted is found")
    }

    /// Puts another entry with the same key in the place of the one found; returns the old value.
    pub fn replace(&mut self, hash: u64, pos: Pos, entry: Entry) -> (Pos, Value) {
        self.expiring -= usize::from(self.at(pos).deadline().is_some());
        // SAFETY: the entry is alive, it was just made.
        let view = unsafe { entry.view() };
        let (deadline, next_due) = (view.deadline(), view.next_due());
        let new = self.table.replace(pos, entry);
        self.note(hash, deadline, next_due);
        // SAFETY: `replace` checked that the old entry was in the table, and took it out.
        (new, unsafe { pos.item::<Entry>().into_value() })
    }

    /// Removes the entry found; returns its value.
    pub fn remove(&mut self, pos: Pos) -> Value {
        self.expiring -= usize::from(self.at(pos).deadline().is_some());
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
                self.table.note_deadline(hash, new);
                pos
            }
            _ => self.rebuild(hash, pos, deadline),
        }
    }

    /// Moves the entry found into an allocation with (or without) a place for a deadline.
    fn rebuild(&mut self, hash: u64, pos: Pos, deadline: Option<u64>) -> Pos {
        let view = self.at(pos);
        let (stamp, access, key) = (view.stamp(), view.access(), view.key().to_vec());
        self.expiring -= usize::from(view.deadline().is_some());
        // The old entry is taken apart and its place filled before anything else can look at it.
        // SAFETY: `pos` is a live entry of this table; it is replaced below without being used again.
        let value = unsafe { pos.item::<Entry>().into_value() };
        let new = self.table.replace(pos, Entry::new(&key, value, deadline, stamp, access));
        self.note(hash, deadline, deadline);
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

    /// Up to `max` entries from one random place.
    pub fn sample<'a>(&'a self, rng: u64, max: usize, mut each: impl FnMut(EntryRef<'a>)) {
        // SAFETY: as in `at`.
        self.table.sample(rng, max, |entry| each(unsafe { entry.view() }));
    }

    /// See [`Table::scan`].
    pub fn scan<'a>(&'a self, from: u64, unit: u32, mut each: impl FnMut(EntryRef<'a>)) -> Option<u64> {
        // SAFETY: as in `at`.
        self.table.scan(from, unit, self.hash_of(), |entry| each(unsafe { entry.view() }))
    }

    /// Keys that are due, or have members that are, in the next segment that has any; see [`Table::due_segment`]. Sets the
    /// segment's bound anew. Such members may be there although no key has a deadline, see [`Db::expiring`].
    pub fn due(&mut self, from: u64, now: u64, budget: &mut usize, keys: &mut Vec<Vec<u8>>) -> Option<u64> {
        let mut entries = Vec::new();
        let next = self.table.due_segment(from, now, budget, &mut entries);
        let (mut bound, mut any) = (u64::MAX, None);
        for entry in entries {
            // SAFETY: as in `at`.
            let view = unsafe { entry.view() };
            let Some(deadline) = view.next_due() else { continue };
            if deadline <= now {
                keys.push(view.key().to_vec());
            } else {
                bound = bound.min(deadline);
            }
            any = Some(view.key());
        }
        match any.map(|key| hash(&self.hasher, key)) {
            Some(h) => self.table.set_due(h, bound),
            // Nothing here expires any more: the bound was left over.
            None if next != Some(from) => self.table.clear_due_before(from, next, now),
            None => {}
        }
        next
    }

    /// Empties the database; what it held comes back to be freed.
    pub fn take(&mut self) -> Detached {
        self.expiring = 0;
        Detached(self.table.take())
    }

    pub fn swap(&mut self, other: &mut Db) {
        self.table.swap(&mut other.table);
        std::mem::swap(&mut self.expiring, &mut other.expiring);
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

impl Detached {
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
