//! The conflict log: the last writes of different nodes that could not both be, for operators.
//!
//! Each shard keeps a few between two looks ([`replication::overlay::conflict`]); they are gathered here. Bounded by
//! `conflict-log-max-len`: the oldest go. The counters by rule count all.

use std::collections::VecDeque;

use replication::Place;
use replication::origin::{Author, Origins};
use replication::overlay::Conflict;

/// A conflict as it is shown.
#[derive(Clone, Debug)]
pub struct Entry {
    pub number: u64,
    /// Unix ms when it was seen here.
    pub seen_ms: u64,
    pub conflict: Conflict,
    /// Who wrote what stands, and what does not count. `None`: not known any more, or nobody (a deadline).
    pub winner: Option<Author>,
    pub loser: Option<Author>,
}

/// See the [module's page](self).
#[derive(Clone, Debug, Default)]
pub struct ConflictLog {
    entries: VecDeque<Entry>,
    next: u64,
}

impl ConflictLog {
    /// Adds conflicts, and drops the oldest beyond `max`.
    pub fn add(&mut self, seen_ms: u64, conflicts: Vec<Conflict>, me: Author, origins: &Origins, max: usize) {
        let author = |place: Place| match place {
            Place::ZERO => None,
            Place { origin: 0, .. } => Some(me),
            Place { origin, .. } => origins.of(origin),
        };
        for conflict in conflicts {
            let (winner, loser) = (author(conflict.winner), author(conflict.loser));
            self.entries.push_back(Entry { number: self.next, seen_ms, conflict, winner, loser });
            self.next += 1;
        }
        self.entries.drain(..self.entries.len().saturating_sub(max));
    }

    /// The last ones, newest first.
    pub fn last(&self, count: usize) -> Vec<Entry> {
        self.entries.iter().rev().take(count).cloned().collect()
    }

    /// Forgets all; their numbers are not given again.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replication::effect::Key;
    use replication::overlay::Rule;

    #[test]
    fn the_oldest_go() {
        let mut log = ConflictLog::default();
        let conflict = |version: u64| Conflict {
            rule: Rule::LaterWins,
            key: Key { db: 0, name: b"k".to_vec() },
            cell: Vec::new(),
            winner: Place { version, origin: 0, sub: 0 },
            loser: Place::ZERO,
        };
        let me = Author { uuid: 7, incarnation: 1 };
        for n in 1..=5 {
            log.add(n, vec![conflict(n)], me, &Origins::default(), 3);
        }
        let seen: Vec<_> =
            log.last(2).into_iter().map(|e| (e.number, e.seen_ms, e.winner, e.loser)).collect();
        assert_eq!(seen, [(4, 5, Some(me), None), (3, 4, Some(me), None)]);
        log.reset();
        assert!(log.last(9).is_empty());
        log.add(6, vec![conflict(6)], me, &Origins::default(), 3);
        assert_eq!(log.last(9)[0].number, 5);
    }
}
