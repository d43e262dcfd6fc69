//! When members of a collection expire: a side table that only collections with such members have.
//!
//! It is a sorted set of members by deadline. A score is a deadline in unix ms, which a double holds exactly up to the
//! year 287396.

use protocol::listpack::Entry;

use super::zset::{Limits, ScoreRange, Zset};
use crate::effect::ScoreCondition;

/// Deadlines by member. Each member here is one of the collection's.
#[derive(Clone, Default)]
pub struct Deadlines {
    by_time: Zset,
    /// The earliest; that of an empty table does not matter.
    next: u64,
}

/// When the side table stops being one packed allocation.
const LIMITS: Limits = Limits { entries: 64, value: 64 };

impl Deadlines {
    /// The earliest deadline, unix ms.
    #[inline]
    pub fn next(&self) -> u64 {
        self.next
    }

    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    pub fn get(&self, member: &[u8]) -> Option<u64> {
        self.by_time.score(member).map(|score| score as u64)
    }

    /// Members with their deadlines, earliest first.
    pub fn iter(&self) -> impl Iterator<Item = (Entry<'_>, u64)> {
        self.by_time.iter().map(|(member, score)| (member, score as u64))
    }

    pub fn heap_bytes(&self) -> usize {
        self.by_time.heap_bytes()
    }

    pub fn free_effort(&self) -> usize {
        self.by_time.free_effort()
    }

    /// What is past at `now`; `None` if nothing is, which is the usual case and takes one comparison.
    #[inline]
    pub fn due(&self, now: u64) -> Option<Due<'_>> {
        (self.next <= now).then_some(Due { deadlines: self, now })
    }

    pub fn set(&mut self, member: &[u8], deadline: u64) {
        self.by_time.set(member, deadline as f64, ScoreCondition::default(), LIMITS);
        self.look_up_next();
    }

    /// Forgets a member's deadline; false if it has none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let removed = self.by_time.remove(member);
        if removed {
            self.look_up_next();
        }
        removed
    }

    /// A member that is due, to be removed.
    pub fn first_due(&self, now: u64) -> Option<Vec<u8>> {
        self.due(now)?;
        self.by_time.at(0).map(|(member, _)| member.to_vec())
    }

    fn look_up_next(&mut self) {
        self.next = self.by_time.at(0).map_or(u64::MAX, |(_, score)| score as u64);
    }
}

/// The members whose time has come: they are hidden from readers until they are removed.
#[derive(Clone, Copy)]
pub struct Due<'a> {
    deadlines: &'a Deadlines,
    now: u64,
}

impl<'a> Due<'a> {
    pub fn hides(&self, member: &[u8]) -> bool {
        self.deadlines.get(member).is_some_and(|deadline| deadline <= self.now)
    }

    /// [`Due::hides`] for a member that the collection has handed out.
    pub fn hides_entry(&self, member: Entry<'_>) -> bool {
        self.hides(member.text(&mut itoa::Buffer::new()))
    }

    /// All of them, the earliest first.
    pub fn members(self) -> impl Iterator<Item = Entry<'a>> {
        self.deadlines.iter().take_while(move |(_, at)| *at <= self.now).map(|(member, _)| member)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.deadlines.by_time.ranks_of_scores(&ScoreRange::inclusive(0.0, self.now as f64)).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_is_known_and_past_ones_are_due() {
        let mut deadlines = Deadlines::default();
        for n in 0..200u64 {
            deadlines.set(n.to_string().as_bytes(), 1_700_000_000_000 + (n * 77) % 200);
        }
        assert_eq!((deadlines.next(), deadlines.len()), (1_700_000_000_000, 200));
        assert!(deadlines.due(1_699_999_999_999).is_none());
        let due = deadlines.due(1_700_000_000_099).unwrap();
        assert_eq!(due.count(), 100);
        assert!(due.hides(b"0") && due.hides_entry(Entry::Int(1)) && !due.hides(b"2") && !due.hides(b"x"));
        assert!(deadlines.remove(b"0") && !deadlines.remove(b"0"));
        assert_eq!(deadlines.next(), 1_700_000_000_001);
        let largest = (1 << 46) - 1;
        deadlines.set(b"1", largest);
        assert_eq!(deadlines.get(b"1"), Some(largest));
        assert!(deadlines.iter().is_sorted_by_key(|(_, deadline)| deadline));
        while let Some(member) = deadlines.first_due(u64::MAX) {
            deadlines.remove(&member);
        }
        assert!(deadlines.is_empty() && deadlines.due(largest).is_none());
    }
}
