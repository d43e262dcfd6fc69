//! The big form: a table of members.
//!
//! Invariant: every member is in the table once, and the table owns the allocations of those that have one.

use protocol::listpack::Entry;

use super::member::{Member, Name};
use crate::table::Table;
use crate::types::Deadlines;

#[derive(Default)]
pub(super) struct Big {
    pub(super) table: Table<Member>,
    /// Bytes of the members' allocations, and how many those are.
    bytes: usize,
    allocations: usize,
    /// Of the members that have one.
    pub(super) deadlines: Option<Deadlines>,
}

/// Items of a table per allocation of its own, about: what freeing a set of integers takes.
const ITEMS_PER_SEGMENT: usize = 256;

pub(super) fn hash_of(member: Member) -> u64 {
    member.name().hash()
}

impl Big {
    /// Members that are all different.
    pub fn from_members<'a>(members: impl Iterator<Item = Entry<'a>>) -> Big {
        let mut big = Big::default();
        for member in members {
            big.add(Name::of_entry(member, &mut itoa::Buffer::new()));
        }
        big
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes() + self.bytes + self.deadlines.as_ref().map_or(0, Deadlines::heap_bytes)
    }

    pub fn free_effort(&self) -> usize {
        let deadlines = self.deadlines.as_ref().map_or(0, Deadlines::free_effort);
        self.allocations + self.len() / ITEMS_PER_SEGMENT + deadlines
    }

    #[inline]
    pub fn contains(&self, name: Name<'_>) -> bool {
        self.table.find(name.hash(), |member: Member| member.is(name)).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.table.iter().map(Member::entry)
    }

    /// See [`super::LiveSet::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'a>)) -> u64 {
        self.table.scan_some(cursor, count, hash_of, |member| each(member.entry()))
    }

    /// Adds a member; false if it was there. One look into the table.
    #[inline]
    pub fn add(&mut self, name: Name<'_>) -> bool {
        let hash = name.hash();
        if self.table.find(hash, |member: Member| member.is(name)).is_some() {
            return false;
        }
        let member = Member::new(name);
        if member.thin().is_some() {
            self.bytes += member.bytes();
            self.allocations += 1;
        }
        self.table.insert(hash, member, hash_of);
        true
    }

    pub fn remove(&mut self, name: Name<'_>) -> bool {
        let Some(pos) = self.table.find(name.hash(), |member: Member| member.is(name)) else { return false };
        let member = self.table.remove(pos, hash_of);
        if member.thin().is_some() {
            self.bytes -= member.bytes();
            self.allocations -= 1;
        }
        member.free();
        true
    }
}

impl Clone for Big {
    fn clone(&self) -> Big {
        let mut table = Table::new();
        for member in self.table.iter() {
            table.insert(hash_of(member), Member::new(member.name()), hash_of);
        }
        Big { table, deadlines: self.deadlines.clone(), ..*self }
    }
}

impl Drop for Big {
    fn drop(&mut self) {
        self.table.drain(Member::free);
    }
}
