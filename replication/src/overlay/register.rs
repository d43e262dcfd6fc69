//! The expire register of one key.

use crate::effect::DeadlineCondition;
use crate::stamp::Place;

/// One change of the register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub at: Option<u64>,
    pub only: DeadlineCondition,
    /// Made by a Put under NX: counts only if that one took effect.
    pub by_absent: bool,
}

impl Change {
    pub fn to(at: Option<u64>) -> Change {
        Change { at, only: DeadlineCondition::default(), by_absent: false }
    }

    fn decides(&self) -> bool {
        self.only.is_none() && !self.by_absent
    }
}

/// The register's young changes, and what it was before them.
#[derive(Clone, Debug)]
pub(super) struct Register {
    base: Option<u64>,
    changes: Vec<(Place, Change)>,
}

impl Register {
    pub fn new(base: Option<u64>) -> Register {
        Register { base, changes: Vec::new() }
    }

    pub fn insert(&mut self, place: Place, change: Change, once: bool) {
        if once && self.changes.contains(&(place, change)) {
            return;
        }
        let at = self.changes.partition_point(|(at, _)| *at <= place);
        self.changes.insert(at, (place, change));
        if let Some(last) = self.changes.iter().rposition(|(_, c)| c.decides()) {
            self.changes.drain(..last);
        }
    }

    /// The deadline, given which Puts under NX took effect.
    pub fn value(&self, took: &[Place]) -> Option<u64> {
        self.changes.iter().fold(self.base, |old, (at, change)| fold(old, *at, change, took))
    }

    pub fn from_parts(base: Option<u64>, changes: Vec<(Place, Change)>) -> Register {
        Register { base, changes }
    }

    pub fn base(&self) -> Option<u64> {
        self.base
    }

    pub fn changes(&self) -> &[(Place, Change)] {
        &self.changes
    }

    /// Forgets what is settled. True if nothing is left.
    pub fn settle(&mut self, settled: u64, took: &[Place]) -> bool {
        let old = self.changes.partition_point(|(at, _)| at.is_settled(settled));
        for (at, change) in self.changes.drain(..old) {
            self.base = fold(self.base, at, &change, took);
        }
        self.changes.is_empty()
    }
}

fn fold(old: Option<u64>, at: Place, change: &Change, took: &[Place]) -> Option<u64> {
    let void = change.by_absent && !took.contains(&at);
    if void || !change.only.permits(old, change.at) { old } else { change.at }
}
