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
//!   What has no type, because it never was there or because its database was emptied, takes on that of the next effect.
//! - *Deadline*: a register. Creation and replacement reset it.
//!
//! # When to forget
//! Three versions move upwards. Everything up to the *horizon* has arrived here. Everything up to `known` has arrived
//! at every member. Everything up to `settled` is known at every member to have arrived at every member. Marks are
//! dropped when they are settled: no late effect can be older, no member can still refer to what they describe, and
//! when two members merge their states, what neither has a mark for is what both have received.

mod adds;
mod cell;
pub mod conflict;
mod cuts;
mod dry;
mod grid;
mod jottings;
mod key;
mod late;
mod list;
pub mod memory;
mod ops;
mod packed;
mod plain;
mod register;
mod sequence;
mod sums;
mod text;

use std::collections::BTreeMap;

use crate::HashMap;
use crate::codec::{Malformed, Reader, Writer};

use crate::effect::{Bytes, Effect, Element, Key, Kind, Write};
use crate::stamp::{Place, Stamp};
pub use conflict::{Conflict, Conflicts, Counts, Rule};
use dry::Dry;
pub use grid::Number;
pub use jottings::Jot;
use jottings::{Jottings, Record};
use key::{Fold, Marks};
use late::Stale;
pub use memory::Memory;
pub use plain::{Cell, Plain};
pub use text::integer;

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

/// The marks of one shard.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// By database, then by name.
    keys: Vec<HashMap<Bytes, Box<Marks>>>,
    /// The last ClearDb of each database.
    cleared: BTreeMap<u32, Place>,
    /// Deadlines that took effect here and maybe not yet everywhere: who makes such a key again says so.
    reclaimed: HashMap<Key, u64>,
    horizon: u64,
    known: u64,
    settled: u64,
    agreed: u64,
    rules: Rules,
    conflicts: Conflicts,
    /// Effects up to this version may come that a full sync has brought already.
    again_until: u64,
    jottings: Jottings,
    /// While many effects are folded in at once: what has yet to be computed.
    late: Option<HashMap<Key, Stale>>,
}

/// How far the members are; see the [module's page](self).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    pub horizon: u64,
    pub known: u64,
    pub settled: u64,
    /// What every member has settled.
    pub agreed: u64,
}

impl Overlay {
    pub fn new(rules: Rules) -> Overlay {
        Overlay { rules, ..Overlay::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.cleared.is_empty() && self.reclaimed.is_empty() && self.jottings.is_empty()
    }

    /// Keys that have marks.
    pub fn len(&self) -> usize {
        self.keys.iter().map(HashMap::len).sum()
    }

    pub fn has(&self, key: &Key) -> bool {
        self.marks(key.db, &key.name).is_some()
    }

    /// Whether a key has marks.
    pub fn marked(&self, db: u32, name: &[u8]) -> bool {
        self.marks(db, name).is_some()
    }

    /// Whether a key has marks, and was there before anything that is not settled.
    pub fn has_base(&self, db: u32, name: &[u8]) -> bool {
        self.marks(db, name).is_some_and(|marks| marks.has_base(self.settled))
    }

    fn marks(&self, db: u32, name: &[u8]) -> Option<&Marks> {
        self.keys.get(db as usize).filter(|marks| !marks.is_empty())?.get(name).map(|marks| &**marks)
    }

    /// Whether an effect comes for the first time, and no database has been emptied lately.
    #[inline]
    pub fn is_first(&self, place: Place) -> bool {
        place.version > self.again_until && self.cleared.is_empty()
    }

    /// Whether an effect on a key comes for the first time, and nothing is remembered of the key but its stamp.
    #[inline]
    pub fn is_fresh(&self, place: Place, db: u32, name: &[u8]) -> bool {
        self.is_first(place) && !self.marked(db, name)
    }

    fn of_db(&mut self, db: u32) -> &mut HashMap<Bytes, Box<Marks>> {
        let at = db as usize;
        if self.keys.len() <= at {
            self.keys.resize_with(at + 1, HashMap::default);
        }
        &mut self.keys[at]
    }

    pub fn conflicts(&self) -> &Conflicts {
        &self.conflicts
    }

    /// Conflicts that were not taken before, oldest first.
    pub fn take_conflicts(&mut self) -> Vec<Conflict> {
        self.conflicts.take_recent()
    }

    pub fn levels(&self) -> Levels {
        let Overlay { horizon, known, settled, agreed, .. } = *self;
        Levels { horizon, known, settled, agreed }
    }

    /// The last ClearDb of a database that is remembered.
    pub fn cleared(&self, db: u32) -> Option<Place> {
        self.cleared.get(&db).copied()
    }

    /// Whether a group has emptied a database: then the stamp of a key that it put does not tell whether that was before or after.
    pub fn is_cleared_by(&self, stamp: Stamp, db: u32) -> bool {
        self.cleared.get(&db).is_some_and(|place| place.stamp() == stamp)
    }

    /// Folds one effect into the store.
    pub fn apply<P: Plain>(&mut self, plain: &mut P, place: Place, write: &Write) {
        if !self.has_lapsed(plain, write) {
            self.fold(plain, place, write, place.version <= self.again_until);
        }
    }

    /// Whether a write tells of a deadline that is settled: it has taken effect here, and which of the key's content is younger
    /// may be forgotten.
    fn has_lapsed<P: Plain>(&mut self, plain: &mut P, write: &Write) -> bool {
        let lapsed = matches!(write.effect, Effect::Reclaim { deadline } if self.is_due(deadline));
        if lapsed {
            self.spread_key(plain, &write.key);
            self.remove_due(plain, &write.key);
        }
        lapsed
    }

    /// Removes a key without marks whose deadline is settled.
    fn remove_due<P: Plain>(&mut self, plain: &mut P, key: &Key) {
        if let Some(deadline) = plain.deadline(key).filter(|at| self.due(key, *at)) {
            self.reclaimed.insert(key.clone(), deadline);
            plain.remove(key);
        }
    }

    /// Notes an effect that is newer than all that its key has, before it is carried out by other means.
    pub fn note<P: Plain>(&mut self, plain: &P, place: Place, write: &Write) {
        self.fold(&mut Dry(plain), place, write, false);
    }

    /// Jots down a write of this node that is newer than all its shard has seen: see [`jottings`]. `before`: the key's stamp.
    /// False: it must be noted. The key must carry the write's stamp afterwards, and must be there.
    #[inline]
    pub fn jot(
        &mut self,
        place: Place,
        before: Stamp,
        (db, name): (u32, &[u8]),
        create: bool,
        jot: Jot<'_>,
    ) -> bool {
        let marked =
            self.keys.get(db as usize).is_some_and(|marks| !marks.is_empty() && marks.contains_key(name));
        if marked || !self.cleared.is_empty() || self.jottings.is_full() {
            return false;
        }
        self.jottings.push(&Record { place, before, db, name, create, jot });
        true
    }

    /// Whether something that the group with this version did before may be jotted down.
    #[inline]
    pub fn has_jotted(&self, version: u64) -> bool {
        self.jottings.spans(version)
    }

    /// Makes marks of all that is jotted down.
    pub fn spread<P: Plain>(&mut self, plain: &P) {
        if self.jottings.is_empty() {
            return;
        }
        let mut jottings = std::mem::take(&mut self.jottings);
        let mut keys: HashMap<(u32, &[u8]), Vec<Record<'_>>> = HashMap::default();
        for record in jottings.records() {
            keys.entry((record.db, record.name)).or_default().push(record);
        }
        for ((db, name), records) in keys {
            self.mark(plain, &Key { db, name: name.to_vec() }, &records);
        }
        jottings.clear();
        self.jottings = jottings;
    }

    /// Makes marks of what is jotted down of a key.
    pub fn spread_key<P: Plain>(&mut self, plain: &P, key: &Key) {
        // A key with records carries the stamp of the last one.
        let Some(stamp) = plain.stamp(key).filter(|stamp| self.jottings.spans(stamp.version)) else { return };
        if self.has(key) {
            return;
        }
        let mut jottings = std::mem::take(&mut self.jottings);
        let chain = jottings.chain(key.db, &key.name, stamp);
        if !chain.is_empty() {
            let records: Vec<Record<'_>> = chain.iter().map(|at| jottings.record(*at)).collect();
            self.mark(plain, key, &records);
            jottings.kill(&chain);
        }
        self.jottings = jottings;
    }

    /// Makes marks of a key's records.
    fn mark<P: Plain>(&mut self, plain: &P, key: &Key, records: &[Record<'_>]) {
        let follows = |pair: &[Record<'_>]| pair[1].before == pair[0].place.stamp();
        let begin = records.windows(2).rposition(|pair| !follows(pair)).map_or(0, |at| at + 1);
        let Some(last) = records.last().filter(|last| plain.stamp(key) == Some(last.place.stamp())) else {
            // It has been put since.
            return;
        };
        if plain.kind(key) != Some(last.jot.kind()) || self.has(key) {
            return;
        }
        let marks = Marks::of_records(plain, key, &records[begin..], self.settled);
        self.of_db(key.db).insert(key.name.clone(), Box::new(marks));
    }

    /// Notes that a key is put as a whole, in a store that keeps stamps: the stamp says it all, but for the identities of
    /// a list's elements.
    pub fn note_put(
        &mut self,
        place: Place,
        db: u32,
        name: &[u8],
        list: Option<usize>,
        deadline: Option<u64>,
    ) {
        let marks = self.of_db(db);
        if !marks.is_empty() {
            marks.remove(name);
        }
        if let Some(len) = list {
            let marks = Marks::put(place, Kind::List, deadline, len);
            self.of_db(db).insert(name.to_vec(), Box::new(marks));
        }
    }

    /// The same of a string, by a group that has not written to the key before. `create`: it is not there. False if that takes more
    /// than a note.
    #[inline]
    pub fn note_string(&mut self, db: u32, name: &[u8], create: bool) -> bool {
        if !self.cleared.is_empty() || create && self.any_reclaimed() {
            return false;
        }
        let marks = self.of_db(db);
        if !marks.is_empty() {
            marks.remove(name);
        }
        true
    }

    /// Notes an overwrite or removal of a cell, like [`Overlay::note`], without owning anything of it. `create`: the key is
    /// made by it. False if that takes more than a note.
    #[inline]
    pub fn note_cell<P: Plain>(
        &mut self,
        plain: &P,
        place: Place,
        (db, name): (u32, &[u8]),
        create: bool,
        kind: Kind,
        cell: &[u8],
    ) -> bool {
        if let Some(marks) = self.of_db(db).get_mut(name) {
            return !create && marks.note_cell(place, kind, cell);
        }
        if !self.cleared.is_empty() || !self.jottings.is_empty() {
            return false;
        }
        let mut marks = if create {
            let mut marks = Marks::new(None, None);
            marks.note_create(place, kind);
            marks
        } else {
            Marks::of(plain, &Key { db, name: name.to_vec() }, self.settled)
        };
        let noted = marks.note_cell(place, kind, cell);
        if noted {
            self.of_db(db).insert(name.to_vec(), Box::new(marks));
        }
        noted
    }

    /// Notes an addition to a string's number. False if that takes more than a note.
    #[inline]
    pub fn note_add(&mut self, place: Place, (db, name): (u32, &[u8]), delta: i64, result: i64) -> bool {
        self.of_db(db).get_mut(name).is_some_and(|marks| marks.note_add(place, delta, result))
    }

    /// Notes that an element comes to an end of a list. False if that takes more than a note.
    #[inline]
    pub fn note_push(&mut self, place: Place, (db, name): (u32, &[u8]), head: bool) -> bool {
        self.of_db(db).get_mut(name).is_some_and(|marks| marks.note_push(place, head))
    }

    /// Notes that the elements nearest to an end of a list are taken. False if that takes more than a note.
    #[inline]
    pub fn note_pop(&mut self, place: Place, (db, name): (u32, &[u8]), head: bool, count: usize) -> bool {
        self.of_db(db).get_mut(name).is_some_and(|marks| marks.note_pop(place, head, count))
    }

    /// The same of an element by its name, which is at the head (true) or at the tail. `None`: it takes more than a note.
    #[inline]
    pub fn note_taken(&mut self, place: Place, (db, name): (u32, &[u8]), element: Element) -> Option<bool> {
        let marks = self.of_db(db).get_mut(name)?;
        let head = marks.list()?.end_of(element)?;
        marks.note_pop(place, head, 1).then_some(head)
    }

    /// Notes that a database is emptied by an effect that is newer than all it has.
    pub fn note_clear_db(&mut self, place: Place, db: u32) {
        self.of_db(db).clear();
        self.cleared.insert(db, place);
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
        let key = &write.key;
        self.spread_key(plain, key);
        self.remove_due(plain, key);
        let (rules, settled) = (self.rules, self.settled);
        let cleared = self.cleared.get(&key.db).copied();
        let fresh = !self.has(key);
        let mut conflicts = std::mem::take(&mut self.conflicts);
        let mut late = self.late.take();
        let keys = self.of_db(key.db);
        let marks = if fresh {
            keys.entry(key.name.clone()).or_insert_with(|| Box::new(Marks::of(plain, key, settled)))
        } else {
            keys.get_mut(&key.name).expect("the key has marks")
        };
        let stale = late.as_mut().map(|late| late.entry(key.clone()).or_default());
        let mut fold = Fold { plain, key, rules, once, anew: false, conflicts: &mut conflicts, stale };
        if let (true, Some(cleared)) = (fresh, cleared) {
            fold.plain.at(cleared);
            marks.apply(&mut fold, cleared, false, &Effect::ClearDb);
        }
        fold.plain.at(place);
        marks.apply(&mut fold, place, write.create, &write.effect);
        let stamp = plain.stamp(key);
        if marks.is_told_by(stamp) && cleared.map(Place::stamp) != stamp {
            keys.remove(&key.name);
        }
        (self.conflicts, self.late) = (conflicts, late);
    }

    /// Folds in effects in the order of their places that may have been folded in already.
    pub fn apply_all_again<P: Plain>(
        &mut self,
        plain: &mut P,
        effects: impl IntoIterator<Item = (Place, Write)>,
    ) {
        self.late = Some(HashMap::default());
        for (place, write) in effects {
            self.apply_again(plain, place, &write);
        }
        self.compute(plain);
    }

    /// Computes what has been left for now.
    fn compute<P: Plain>(&mut self, plain: &mut P) {
        let mut conflicts = std::mem::take(&mut self.conflicts);
        let rules = self.rules;
        for (key, stale) in self.late.take().into_iter().flatten() {
            let Some(marks) = self.of_db(key.db).get_mut(&key.name) else { continue };
            let key = &key;
            let conflicts = &mut conflicts;
            let mut fold = Fold { plain, key, rules, once: true, anew: false, conflicts, stale: None };
            marks.compute(&mut fold, stale);
        }
        self.conflicts = conflicts;
    }

    fn clear_db<P: Plain>(&mut self, plain: &mut P, place: Place, db: u32) {
        self.spread(plain);
        let last = self.cleared.entry(db).or_default();
        *last = place.max(*last);
        let mut conflicts = std::mem::take(&mut self.conflicts);
        let (rules, settled) = (self.rules, self.settled);
        for key in plain.keys(db) {
            let young = |stamp: Stamp| stamp.version > settled && stamp > place.stamp();
            if !self.has(&key) && !plain.stamp(&key).is_some_and(young) {
                plain.remove(&key);
            }
        }
        for (name, marks) in self.of_db(db) {
            let key = &Key { db, name: name.clone() };
            let mut fold =
                Fold { plain, key, rules, once: false, anew: false, conflicts: &mut conflicts, stale: None };
            fold.plain.at(place);
            marks.apply(&mut fold, place, false, &Effect::ClearDb);
        }
        self.conflicts = conflicts;
    }

    /// Learns how far the members are, and forgets what is settled.
    ///
    /// A deadline that is settled takes effect: what is younger than it survives, here as everywhere.
    pub fn settle<P: Plain>(&mut self, plain: &mut P, levels: Levels) {
        // What is settled is known, and what is known has arrived, whoever told it first.
        self.known = self.known.max(levels.known).max(levels.settled);
        self.horizon = self.horizon.max(levels.horizon).max(self.known);
        self.agreed = self.agreed.max(levels.agreed);
        let agreed = self.agreed;
        self.reclaimed.retain(|_, at| Place::reclaim(*at).version > agreed);

        if levels.settled <= self.settled {
            return;
        }
        let settled = levels.settled;
        self.settled = settled;
        self.jottings.settle(settled);
        for key in self.due_keys(plain) {
            let deadline = plain.deadline(&key).unwrap_or_default();
            self.reclaimed.insert(key.clone(), deadline);
            let effect = Effect::Reclaim { deadline };
            self.fold(plain, Place::ZERO, &Write { key, create: false, effect }, false);
        }
        for keys in &mut self.keys {
            keys.retain(|_, marks| !marks.settle_some::<P>(settled));
        }
        self.cleared.retain(|_, place| place.version > settled);
    }

    /// Keys with marks whose deadline has passed at every node.
    fn due_keys<P: Plain>(&self, plain: &P) -> Vec<Key> {
        let mut due = Vec::new();
        for (db, keys) in self.keys.iter().enumerate() {
            if keys.is_empty() || !plain.any_deadline(db as u32) {
                continue;
            }
            for name in keys.keys() {
                let key = Key { db: db as u32, name: name.clone() };
                if plain.deadline(&key).is_some_and(|at| self.is_due(at)) {
                    due.push(key);
                }
            }
        }
        due
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

    pub fn any_reclaimed(&self) -> bool {
        !self.reclaimed.is_empty()
    }

    /// Whether the deadline of a key without marks takes effect before anything else that comes.
    pub fn due(&self, key: &Key, deadline: u64) -> bool {
        self.is_due(deadline) && !self.has(key)
    }

    /// Whether a deadline has passed at every node.
    fn is_due(&self, deadline: u64) -> bool {
        Place::reclaim(deadline).version <= self.settled
    }

    /// The name under which all nodes know the list element at an index here. The key's records must be
    /// [spread](Overlay::spread_key), as for all that follows.
    pub fn element<P: Plain>(&self, plain: &P, key: &Key, index: usize) -> Option<Element> {
        if plain.kind(key) != Some(Kind::List) || index >= plain.list_len(key) {
            return None;
        }
        let marks = self.marks(key.db, &key.name);
        if let Some(list) = marks.and_then(Marks::list) {
            return list.name(index, self.known);
        }
        // A key with marks may carry the stamp of something else than its elements: these are settled.
        match plain.stamp(key).filter(|_| marks.is_none()) {
            // The list was put as a whole, and not every member may have it.
            Some(stamp) if stamp.version > self.settled && stamp.version > self.known => {
                let place = Place::new(stamp, 0);
                Some(Element::Id(crate::effect::ElementId { place, index: index as u32 }))
            }
            _ => Some(Element::Settled { cut: self.known, index: index as i64 }),
        }
    }

    /// The same of a list that has marks of its elements.
    #[inline]
    pub fn element_of_marked(&self, (db, name): (u32, &[u8]), index: usize) -> Option<Element> {
        self.marks(db, name)?.list()?.name(index, self.known)
    }

    /// All that the marks remember, as effects in order.
    pub fn export<P: Plain>(&self, plain: &P) -> Vec<(Place, Write)> {
        let mut all: Vec<(Place, Write)> = Vec::new();
        for (db, place) in &self.cleared {
            let key = Key { db: *db, name: Vec::new() };
            all.push((*place, Write { key, create: false, effect: Effect::ClearDb }));
        }
        for (db, keys) in self.keys.iter().enumerate() {
            for (name, marks) in keys {
                let key = Key { db: db as u32, name: name.clone() };
                for (place, effect) in marks.export(plain, &key, self.known) {
                    all.push((place, Write { key: key.clone(), create: false, effect }));
                }
            }
        }
        all.sort_by_key(|(place, write)| (text::is_of_another::<P>(&write.effect), *place));
        all
    }

    /// The names of a database's keys that have marks.
    pub fn names(&self, db: u32) -> impl Iterator<Item = &Bytes> {
        self.keys.get(db as usize).into_iter().flat_map(|keys| keys.keys())
    }

    /// Appends a key's marks as they are. False if it has none.
    pub fn pack(&self, db: u32, name: &[u8], w: &mut Writer) -> bool {
        let marks = self.marks(db, name);
        marks.inspect(|marks| marks.pack(w)).is_some()
    }

    /// Gives a key that has been replaced by another member's the marks that came with it. They must fit. The answer: the
    /// version of the newest effect.
    pub fn unpack<P: Plain>(&mut self, plain: &P, key: &Key, r: &mut Reader<'_>) -> Result<u64, Malformed> {
        let marks = Marks::unpack(r)?;
        if !marks.fit(plain.kind(key), plain.list_len(key)) {
            return Err(Malformed::Number);
        }
        let newest = marks.newest.version;
        self.of_db(key.db).insert(key.name.clone(), Box::new(marks));
        Ok(newest)
    }

    /// Passes over marks that were packed; an error if they make no sense.
    pub fn check_marks(r: &mut Reader<'_>) -> Result<(), Malformed> {
        Marks::unpack(r).map(drop)
    }

    /// What is remembered of one key, as effects in order, the emptying of its database included.
    pub fn export_key<P: Plain>(&self, plain: &P, key: &Key) -> Vec<(Place, Effect)> {
        let mut all = match (self.marks(key.db, &key.name), plain.stamp(key)) {
            (Some(marks), _) => marks.export(plain, key, self.known),
            (None, Some(stamp)) if stamp.version > self.settled => {
                let put = |value| Effect::Put { value, deadline: plain.deadline(key), absent: false };
                plain.value(key).map(|value| (Place::new(stamp, 0), put(value))).into_iter().collect()
            }
            _ => Vec::new(),
        };
        all.extend(self.cleared(key.db).map(|place| (place, Effect::ClearDb)));
        all.sort_by_key(|(place, effect)| (text::is_of_another::<P>(effect), *place));
        all
    }

    /// Forgets a key's marks: it is replaced.
    pub fn forget(&mut self, key: &Key) {
        self.of_db(key.db).remove(&key.name);
    }

    /// Effects up to this version may come that have been folded in already.
    pub fn expect_again(&mut self, until: u64) {
        self.again_until = self.again_until.max(until);
    }

    /// Folds in an effect that may have been folded in already.
    pub fn apply_again<P: Plain>(&mut self, plain: &mut P, place: Place, write: &Write) {
        if write.effect != Effect::ClearDb {
            if !self.has_lapsed(plain, write) {
                self.fold(plain, place, write, true);
            }
            return;
        }
        // Of this key alone.
        self.spread_key(plain, &write.key);
        let (rules, settled, key) = (self.rules, self.settled, &write.key);
        let cleared = self.cleared.get(&key.db).copied();
        let mut conflicts = std::mem::take(&mut self.conflicts);
        let keys = self.of_db(key.db);
        let marks = keys.entry(key.name.clone()).or_insert_with(|| Box::new(Marks::of(plain, key, settled)));
        let mut fold =
            Fold { plain, key, rules, once: true, anew: false, conflicts: &mut conflicts, stale: None };
        fold.plain.at(place);
        marks.apply(&mut fold, place, false, &Effect::ClearDb);
        let stamp = plain.stamp(key);
        if marks.is_told_by(stamp) && cleared.map(Place::stamp) != stamp {
            keys.remove(&key.name);
        }
        self.conflicts = conflicts;
    }

    /// Has a deadline take effect that is settled here, and that came in a full sync.
    pub fn lapse<P: Plain>(&mut self, plain: &mut P, key: &Key) {
        if let Some(deadline) = plain.deadline(key).filter(|at| self.is_due(*at)) {
            let write = Write { key: key.clone(), create: false, effect: Effect::Reclaim { deadline } };
            self.reclaimed.insert(key.clone(), deadline);
            self.fold(plain, Place::ZERO, &write, true);
        }
    }

    /// What is remembered of a key, readable.
    pub fn describe(&self, key: &Key) -> String {
        let jotted: Vec<_> =
            self.jottings.records().filter(|r| r.db == key.db && r.name == key.name).collect();
        format!("{:?} {:?} {jotted:?}", self.levels(), self.marks(key.db, &key.name))
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
        let known_there = |place: Place, settled: u64| match place.origin {
            // A delete that every node computes alike.
            u16::MAX => place.is_settled(settled),
            _ => covered(place),
        };
        theirs.late = Some(HashMap::default());
        for (place, write) in self.export(mine) {
            if !known_there(place, theirs.settled) {
                theirs.fold(their_store, place, &write, true);
            }
        }
        theirs.compute(their_store);
        theirs.rules = self.rules;
        theirs.known = theirs.known.max(self.known);
    }
}
