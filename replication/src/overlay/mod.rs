//! The fold without history.
//!
//! The state of a key is the fold of all its effects in version order, whatever their order of arrival. This overlay
//! keeps beside a plain store what is needed to fold in a late effect, and only as long as one may come: the places of
//! the last effects on the cells touched lately, the effects themselves where order within a cell matters, identities
//! of young list elements. The naive form of the same definition is in [`naive`](crate::naive): sort, then fold.
//!
//! # What decides
//! - *Cells* (fields, members, scores): the last overwrite wins; additions and conditions are replayed after it.
//! - *Strings* are one cell: Put decides, edits are replayed after it.
//! - *Lists*: elements have identity (see `list`).
//! - *Type*: a key has the type of the last effect that created it or replaced it. A creation with another type wipes
//!   the older value; an effect on another type that did not see the key absent is skipped (and remembered as skipped:
//!   a wipe that comes late may show that it was right). A removed key keeps its type, invisibly, until it is settled.
//! - *Deadline*: a register. Creation and replacement reset it.
//!
//! # When to forget
//! Three versions move upwards. Everything up to the *horizon* has arrived here. Everything up to `known` has arrived
//! at every member. Everything up to `settled` is known at every member to have arrived at every member. Marks are
//! dropped when they are settled: no late effect can be older, no member can still refer to what they describe, and
//! when two members merge their states, what neither has a mark for is what both have received.

mod cell;
mod key;
mod list;
pub mod memory;
mod plain;
mod register;
mod text;

use std::collections::BTreeMap;

use crate::HashMap;

use crate::effect::{Effect, Element, Key, Kind, Write};
use crate::stamp::Place;
use key::{Fold, Marks};
pub use memory::Memory;
pub use plain::{Cell, Plain};

/// Rules that tests switch off to see that they matter.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// M3: an effect on another type is skipped.
    pub types: bool,
    /// M5: list elements have identity.
    pub identity: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { types: true, identity: true }
    }
}

/// Events worth counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conflicts {
    /// Effects skipped because the key had another type.
    pub skipped: u64,
    /// Values wiped by a creation with another type.
    pub replaced: u64,
}

/// The marks of one shard.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    keys: HashMap<Key, Marks>,
    /// The last ClearDb of each database.
    cleared: BTreeMap<u32, Place>,
    /// Deadlines that took effect here and maybe not yet everywhere: who makes such a key again says so.
    reclaimed: HashMap<Key, u64>,
    known: u64,
    settled: u64,
    agreed: u64,
    rules: Rules,
    conflicts: Conflicts,
}

impl Overlay {
    pub fn new(rules: Rules) -> Overlay {
        Overlay { rules, ..Overlay::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.cleared.is_empty() && self.reclaimed.is_empty()
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn has(&self, key: &Key) -> bool {
        self.keys.contains_key(key)
    }

    pub fn conflicts(&self) -> Conflicts {
        self.conflicts
    }

    /// Folds one effect into the store.
    pub fn apply<P: Plain>(&mut self, plain: &mut P, place: Place, write: &Write) {
        self.fold(plain, place, write, false);
    }

    fn fold<P: Plain>(&mut self, plain: &mut P, place: Place, write: &Write, once: bool) {
        let place = match write.effect {
            Effect::Reclaim { deadline } => Place::reclaim(deadline),
            Effect::Evict { cut } => Place::end_of(cut),
            _ => place,
        };
        if write.effect == Effect::ClearDb {
            return self.clear_db(plain, place, write.key.db);
        }
        if plain.deadline(&write.key).is_some_and(|at| self.due(&write.key, at)) {
            self.reclaimed.insert(write.key.clone(), plain.deadline(&write.key).unwrap_or_default());
            plain.remove(&write.key);
        }
        let fresh = || Marks::new(plain.kind(&write.key), plain.deadline(&write.key));
        let cleared = self.cleared.get(&write.key.db).copied();
        let new = !self.keys.contains_key(&write.key);
        let marks = self.keys.entry(write.key.clone()).or_insert_with(fresh);
        let mut fold =
            Fold { plain, key: &write.key, rules: self.rules, once, conflicts: &mut self.conflicts };
        if let (true, Some(cleared)) = (new, cleared) {
            marks.apply(&mut fold, cleared, false, &Effect::Clear);
        }
        marks.apply(&mut fold, place, write.create, &write.effect);
    }

    fn clear_db<P: Plain>(&mut self, plain: &mut P, place: Place, db: u32) {
        let last = self.cleared.entry(db).or_default();
        *last = place.max(*last);
        let marked = self.keys.keys().filter(|key| key.db == db).cloned();
        let keys: std::collections::BTreeSet<Key> = marked.chain(plain.keys(db)).collect();
        for key in keys {
            self.fold(plain, place, &Write { key, create: false, effect: Effect::Clear }, false);
        }
    }

    /// Learns how far the members are, and forgets what is settled.
    ///
    /// A deadline that is settled takes effect: what is younger than it survives, here as everywhere.
    pub fn settle<P: Plain>(&mut self, plain: &mut P, known: u64, settled: u64, agreed: u64) {
        self.known = self.known.max(known);
        self.agreed = self.agreed.max(agreed);
        self.reclaimed.retain(|_, at| Place::reclaim(*at).version > agreed);

        if settled <= self.settled {
            return;
        }
        self.settled = settled;
        let due = |key: &&Key| plain.deadline(key).is_some_and(|at| self.is_due(at));
        let due: Vec<Key> = self.keys.keys().filter(due).cloned().collect();
        for key in due {
            let deadline = plain.deadline(&key).unwrap_or_default();
            self.reclaimed.insert(key.clone(), deadline);
            self.fold(
                plain,
                Place::ZERO,
                &Write { key, create: false, effect: Effect::Reclaim { deadline } },
                false,
            );
        }
        self.keys.retain(|_, marks| !marks.settle::<P>(settled));
        self.cleared.retain(|_, place| place.version > settled);
    }

    /// Whether a key without marks that has this deadline may be removed without telling anyone: all nodes know the
    /// same about it and will remove it too.
    pub fn may_reclaim(&self, key: &Key, deadline: u64) -> bool {
        Place::reclaim(deadline).version <= self.agreed && !self.has(key)
    }

    /// The deadline of a key that was reclaimed here and maybe not everywhere: a command that makes the key again
    /// writes [`Effect::Reclaim`] first, as it does for an expired key that is still there.
    pub fn reclaimed(&self, key: &Key) -> Option<u64> {
        self.reclaimed.get(key).copied()
    }

    /// Whether the deadline of a key without marks takes effect before anything else that comes.
    pub fn due(&self, key: &Key, deadline: u64) -> bool {
        self.is_due(deadline) && !self.has(key)
    }

    /// Whether a deadline has passed at every node.
    fn is_due(&self, deadline: u64) -> bool {
        Place::reclaim(deadline).version <= self.settled
    }

    /// The name under which all nodes know the list element at an index here.
    pub fn element<P: Plain>(&self, plain: &P, key: &Key, index: usize) -> Option<Element> {
        if plain.kind(key) != Some(Kind::List) || index >= plain.list_len(key) {
            return None;
        }
        match self.keys.get(key).and_then(Marks::list) {
            Some(list) => list.name(index, self.known),
            None => Some(Element::Settled { cut: self.known, index: index as i64 }),
        }
    }

    /// All that the marks remember, as effects in order.
    pub fn export<P: Plain>(&self, plain: &P) -> Vec<(Place, Write)> {
        let mut all: Vec<(Place, Write)> = Vec::new();
        for (db, place) in &self.cleared {
            let key = Key { db: *db, name: Vec::new() };
            all.push((*place, Write { key, create: false, effect: Effect::ClearDb }));
        }
        for (key, marks) in &self.keys {
            for (place, effect) in marks.export(plain, key, self.known) {
                all.push((place, Write { key: key.clone(), create: false, effect }));
            }
        }
        all.sort_by_key(|(place, _)| *place);
        all
    }

    /// Merges another member's state with mine: takes theirs, and folds in what I know and they do not.
    ///
    /// What only I have and have no mark for, they have received (it is settled), so they removed it; what only they
    /// have and is not among my removals, I never had. `covered` tells whether they have received an effect.
    pub fn merge<P: Plain>(
        &self,
        mine: &P,
        their_store: &mut P,
        theirs: &mut Overlay,
        covered: impl Fn(Place) -> bool,
    ) {
        for (place, write) in self.export(mine) {
            if !covered(place) {
                theirs.fold(their_store, place, &write, true);
            }
        }
        theirs.rules = self.rules;
        theirs.known = theirs.known.max(self.known);
    }
}
