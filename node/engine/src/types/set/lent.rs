//! A set of other sets' members, for as long as those stand still: it shares their allocations.

use std::marker::PhantomData;

use protocol::listpack::Entry;

use super::big::hash_of;
use super::member::{Member, Name};
use super::{Form, LiveSet, Set};
use crate::table::{Pos, Table};

/// Members borrowed for `'a`.
#[derive(Default)]
pub(super) struct Lent<'a> {
    table: Table<Member>,
    /// Members that no table holds: those of small sets.
    made: Vec<Member>,
    life: PhantomData<&'a Set>,
}

impl<'a> Lent<'a> {
    fn find(&self, name: Name<'_>) -> Option<Pos> {
        self.table.find(name.hash(), |member: Member| member.is(name))
    }

    fn add(&mut self, member: Member) -> bool {
        let is_new = self.find(member.name()).is_none();
        if is_new {
            self.table.insert(hash_of(member), member, hash_of);
        }
        is_new
    }

    /// Adds all members of a set; hands over those that are new.
    pub fn add_all(&mut self, set: LiveSet<'a>, mut new: impl FnMut(Entry<'_>)) {
        if let (Form::Big(big), None) = (&set.set.0, set.due) {
            let fresh = big.table.iter().filter(|member| self.add(*member));
            return fresh.for_each(|member| new(member.entry()));
        }
        for entry in set.iter() {
            let member = Member::new(Name::of_entry(entry, &mut itoa::Buffer::new()));
            self.made.extend(member.thin().map(|_| member));
            if self.add(member) {
                new(entry);
            }
        }
    }

    /// Removes all members of a set.
    pub fn remove_all(&mut self, set: LiveSet<'_>) {
        for member in set.iter() {
            let mut digits = itoa::Buffer::new();
            if let Some(pos) = self.find(Name::of_entry(member, &mut digits)) {
                self.table.remove(pos, hash_of);
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.table.iter().map(Member::entry)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.made.drain(..).for_each(Member::free);
    }
}
