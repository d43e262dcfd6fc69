//! A set as it is at one moment: members whose time has come are not there.

use protocol::listpack::Entry;

use super::{Form, Set};
use crate::types::Either;
use crate::types::deadlines::Due;

/// See the [module's page](self). Copying it copies two references.
#[derive(Clone, Copy)]
pub struct LiveSet<'a> {
    pub(super) set: &'a Set,
    /// What is to be hidden, if anything is.
    pub(super) due: Option<Due<'a>>,
}

impl<'a> LiveSet<'a> {
    #[inline]
    pub(super) fn new(set: &'a Set, now: u64) -> LiveSet<'a> {
        LiveSet { set, due: set.deadlines().and_then(|deadlines| deadlines.due(now)) }
    }

    /// Whether there are members to be removed.
    pub fn has_due(self) -> bool {
        self.due.is_some()
    }

    /// Whether the members are integers in ascending order.
    pub(super) fn is_intset(self) -> bool {
        matches!(self.set.0, Form::Ints(_))
    }

    fn shows(self, member: Entry<'_>) -> bool {
        self.due.is_none_or(|due| !due.hides_entry(member))
    }

    pub fn len(self) -> usize {
        self.set.len() - self.due.map_or(0, |due| due.count())
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn contains(self, member: &[u8]) -> bool {
        self.set.contains(member) && self.due.is_none_or(|due| !due.hides(member))
    }

    /// [`LiveSet::contains`] for a member of another collection.
    #[inline]
    pub fn has(self, member: Entry<'_>) -> bool {
        self.set.has(member) && self.shows(member)
    }

    /// When a member expires, unix ms.
    pub fn deadline(self, member: &[u8]) -> Option<u64> {
        self.set.deadlines().and_then(|deadlines| deadlines.get(member))
    }

    /// All members; those of an intset in ascending order.
    pub fn iter(self) -> impl Iterator<Item = Entry<'a>> {
        match self.due {
            None => Either::Left(self.set.iter()),
            Some(_) => Either::Right(self.set.iter().filter(move |member| self.shows(*member))),
        }
    }

    /// Hands over at least `count` members from `cursor` on, if there are as many; returns the cursor to go on with, 0
    /// at the end. Members present from the first call to the last are handed over once.
    pub fn scan(self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'a>)) -> u64 {
        let Form::Big(big) = &self.set.0 else {
            self.iter().for_each(each);
            return 0;
        };
        big.scan(cursor, count, |member| {
            if self.shows(member) {
                each(member);
            }
        })
    }
}
