//! Conflicts: writes of different nodes that cannot both be, and the rule that decided.
//!
//! A node sees one where a write comes after something newer that makes it void: the other node, to which they came in order,
//! sees none. So the counts of all nodes together tell of all conflicts. What a full sync brings is not counted.

use crate::effect::{Bytes, Key};
use crate::stamp::Place;

/// Why one of two writes does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Both set one cell, or the whole key: the later one has it.
    LaterWins,
    /// The key was deleted or replaced later.
    Cleared,
    /// The key has another type.
    TypeSkipped,
    /// A value of another type was there: it is gone.
    TypeReplaced,
    /// Both were to set what was not there: the first has done it.
    FirstWins,
    /// Two nodes have handed out one list element.
    TakenTwice,
}

impl Rule {
    pub const ALL: [Rule; 6] = [
        Rule::LaterWins,
        Rule::Cleared,
        Rule::TypeSkipped,
        Rule::TypeReplaced,
        Rule::FirstWins,
        Rule::TakenTwice,
    ];

    /// As operators read it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::LaterWins => "later-wins",
            Rule::Cleared => "cleared",
            Rule::TypeSkipped => "type-skipped",
            Rule::TypeReplaced => "type-replaced",
            Rule::FirstWins => "first-wins",
            Rule::TakenTwice => "taken-twice",
        }
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub rule: Rule,
    pub key: Key,
    /// Field or member, if it is about one; only the beginning of a long one.
    pub cell: Bytes,
    /// Where the two stand in the order of all writes. `Place::ZERO`: it is settled, and not known any more.
    pub winner: Place,
    pub loser: Place,
}

/// Conflicts that are kept until somebody [takes](Conflicts::take_recent) them; of more, the counts tell.
const RECENT: usize = 16;
/// Bytes of a name that are kept.
const NAME_BYTES: usize = 128;

/// Counts by rule, and some examples.
#[derive(Clone, Debug, Default)]
pub struct Conflicts {
    counts: Counts,
    recent: Vec<Conflict>,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Rule::ALL.len()]);

impl Counts {
    pub fn of(&self, rule: Rule) -> u64 {
        self.0[rule as usize]
    }

    pub fn add(&mut self, other: &Counts) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, n)| *sum += n);
    }
}

impl Conflicts {
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Those that were kept, oldest first.
    pub fn take_recent(&mut self) -> Vec<Conflict> {
        std::mem::take(&mut self.recent)
    }

    pub(super) fn note(&mut self, rule: Rule, key: &Key, cell: &[u8], winner: Place, loser: Place) {
        self.counts.0[rule as usize] += 1;
        if self.recent.len() < RECENT {
            let short = |name: &[u8]| name[..name.len().min(NAME_BYTES)].to_vec();
            let key = Key { db: key.db, name: short(&key.name) };
            self.recent.push(Conflict { rule, key, cell: short(cell), winner, loser });
        }
    }
}
