//! A hash as it is at one moment: fields whose time has come are not there.

use protocol::listpack::Entry;

use super::{Hash, View};
use crate::types::deadlines::Due;
use crate::types::{Deadlines, Either};

/// See the [module's page](self). Copying it copies two references.
#[derive(Clone, Copy)]
pub struct LiveHash<'a> {
    pub(super) hash: &'a Hash,
    /// What is to be hidden, if anything is.
    pub(super) due: Option<Due<'a>>,
}

impl<'a> LiveHash<'a> {
    #[inline]
    pub(super) fn new(hash: &'a Hash, now: u64) -> LiveHash<'a> {
        LiveHash { hash, due: hash.deadlines().and_then(|deadlines| deadlines.due(now)) }
    }

    /// Whether there are fields to be removed.
    pub fn has_due(self) -> bool {
        self.due.is_some()
    }

    #[inline]
    fn hides(self, field: &[u8]) -> bool {
        self.due.is_some_and(|due| due.hides(field))
    }

    #[inline]
    pub(super) fn shows(self, field: Entry<'_>) -> bool {
        self.due.is_none_or(|due| !due.hides_entry(field))
    }

    pub fn len(self) -> usize {
        self.hash.len() - self.due.map_or(0, |due| due.count())
    }

    pub fn is_empty(self) -> bool {
        self.hash.is_empty() || (self.due.is_some() && self.len() == 0)
    }

    #[inline]
    pub fn get(self, field: &[u8]) -> Option<Entry<'a>> {
        self.hash.get(field).filter(|_| !self.hides(field))
    }

    pub fn contains(self, field: &[u8]) -> bool {
        let there = match self.hash.view() {
            View::Packed(packed) => packed.find_first(field, 1).is_some(),
            View::Big(big) => big.get(field).is_some(),
        };
        there && !self.hides(field)
    }

    /// When a field expires, unix ms.
    pub fn deadline(self, field: &[u8]) -> Option<u64> {
        self.hash.deadlines().and_then(|deadlines: &Deadlines| deadlines.get(field))
    }

    /// All fields with their values: a listpack's in order of arrival.
    pub fn iter(self) -> impl Iterator<Item = (Entry<'a>, Entry<'a>)> {
        match self.due {
            None => Either::Left(self.hash.iter()),
            Some(_) => Either::Right(self.hash.iter().filter(move |(field, _)| self.shows(*field))),
        }
    }

    /// Hands over at least `count` fields from `cursor` on, if there are as many; returns the cursor to go on with,
    /// 0 at the end. Fields present from the first call to the last are handed over once.
    pub fn scan(self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'a>, Entry<'a>)) -> u64 {
        let mut show = |field, value| {
            if self.shows(field) {
                each(field, value);
            }
        };
        match self.hash.view() {
            View::Packed(packed) => {
                packed.pairs().for_each(|(field, value)| show(field, value));
                0
            }
            View::Big(big) => big.scan(cursor, count, |f, v| show(Entry::Str(f), Entry::Str(v))),
        }
    }
}
