//! The big form: a table of the fields' allocations.
//!
//! Invariant: every handle is in the table once, and the table owns the allocations.

use protocol::listpack::Entry;

use crate::effect::Outcome;
use crate::table::{Pos, Table};
use crate::thin::{Pair, Thin};
use crate::types::member_hash;

#[derive(Default)]
pub(super) struct Big {
    pub(super) table: Table<Thin<Pair>>,
    /// Bytes of the fields' allocations.
    bytes: usize,
}

fn hash_of(item: Thin<Pair>) -> u64 {
    member_hash(item.first())
}

impl Big {
    /// The pairs in a table; `None` if a field occurs twice.
    pub fn from_pairs<'a>(pairs: impl Iterator<Item = (Entry<'a>, Entry<'a>)>) -> Option<Big> {
        let mut big = Big::default();
        for (field, value) in pairs {
            let (mut a, mut b) = (itoa::Buffer::new(), itoa::Buffer::new());
            if big.set(field.text(&mut a), value.text(&mut b), true) != Outcome::Created {
                return None;
            }
        }
        Some(big)
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes() + self.bytes
    }

    #[inline]
    fn find(&self, hash: u64, field: &[u8]) -> Option<Pos> {
        self.table.find(hash, |item: Thin<Pair>| item.first() == field)
    }

    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.find(member_hash(field), field).map(|pos| pos.item::<Thin<Pair>>().second())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.table.iter().map(|item| (item.first(), item.second()))
    }

    /// See [`super::Hash::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut each: impl FnMut(&'a [u8], &'a [u8])) -> u64 {
        self.table.scan_some(cursor, count, hash_of, |item| each(item.first(), item.second()))
    }

    /// See [`super::Hash::set`]. One look into the table.
    pub fn set(&mut self, field: &[u8], value: &[u8], absent: bool) -> Outcome {
        let hash = member_hash(field);
        let Some(pos) = self.find(hash, field) else {
            let item = Thin::<Pair>::new(field, value);
            self.bytes += item.bytes();
            self.table.insert(hash, item, hash_of);
            return Outcome::Created;
        };
        if absent {
            return Outcome::Unchanged;
        }
        let old: Thin<Pair> = pos.item();
        if !old.overwrite_second(value) {
            let new = Thin::<Pair>::new(field, value);
            self.bytes = self.bytes + new.bytes() - old.bytes();
            self.table.replace(pos, new);
            old.free();
        }
        Outcome::Changed
    }

    pub fn remove(&mut self, field: &[u8]) -> bool {
        let Some(pos) = self.find(member_hash(field), field) else { return false };
        let item = self.table.remove(pos, hash_of);
        self.bytes -= item.bytes();
        item.free();
        true
    }
}

impl Clone for Big {
    fn clone(&self) -> Big {
        let mut big = Big { table: Table::new(), bytes: self.bytes };
        for (field, value) in self.iter() {
            big.table.insert(member_hash(field), Thin::<Pair>::new(field, value), hash_of);
        }
        big
    }
}

impl Drop for Big {
    fn drop(&mut self) {
        self.table.drain(Thin::free);
    }
}
