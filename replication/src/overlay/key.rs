//! The marks of one key.
//!
//! The *log* holds the young events that decide about the key as a whole, and all young edits of a string, in order.
//! Walking it gives the key's type, its string and its last *wipe*: the place before which nothing survives. An effect
//! newer than the whole log is folded directly; one that changes the walk's outcome makes the key be *refreshed*: what
//! survives the wipe is exported as effects and folded in again.

use std::borrow::Cow;

use crate::HashMap;

use super::adds::Adds;
use super::cell::CellMark;
use super::dry::Dry;
use super::jottings::{Jot, Record};
use super::late::Stale;
use super::list::{ListMarks, Removed};
use super::plain::{Cell, Plain};
use super::register::{Change, Register};
use super::sums::Sums;
use super::{Conflicts, Rule, Rules, text};
use crate::effect::{Bytes, Effect, Element, Key, Kind, Spot, Text, Value};
use crate::stamp::{Place, Stamp};

/// What folding needs beside the marks.
pub(super) struct Fold<'a, P> {
    pub plain: &'a mut P,
    pub key: &'a Key,
    pub rules: Rules,
    /// Effects may come again, from a merge.
    pub once: bool,
    /// Effects are folded in anew: conflicts were counted when they came.
    pub anew: bool,
    pub conflicts: &'a mut Conflicts,
    /// Where many effects are folded in at once: what is computed when all have their places.
    pub stale: Option<&'a mut Stale>,
}

impl<P> Fold<'_, P> {
    /// Whether the string in the store is not up to date.
    fn is_text_stale(&self) -> bool {
        self.stale.as_ref().is_some_and(|stale| stale.text)
    }

    /// One of two writes is void. What comes again was counted before.
    fn conflict(&mut self, rule: Rule, cell: &[u8], winner: Place, loser: Place) {
        if !self.once && !self.anew {
            self.conflicts.note(rule, self.key, cell, winner, loser);
        }
    }
}

/// Events or cells of a key from which some of them are forgotten before all can be.
const MUCH: usize = 32;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// Only as the first: a Put makes all before it irrelevant.
    Put(Kind),
    Clear,
    /// The database was emptied: the key has no type any more.
    Flush,
    /// An effect met a key without a type, which has the effect's since.
    Adopt(Kind),
    PutAbsent(Value, Option<u64>),
    Create(Kind),
    Edit(Effect),
}

#[derive(Clone, Debug)]
pub(super) struct Marks {
    /// Type before the log.
    pub(super) base_kind: Option<Kind>,
    /// The string before the log (after the Put, if the log begins with one). Outer `None`: it is the one in the store.
    pub(super) base_text: Option<Option<Text>>,
    pub(super) log: Vec<(Place, Event)>,
    /// Additions behind the log, to a number.
    pub(super) adds: Adds,
    /// The same of fractions: there are never both.
    pub(super) sums: Option<Box<Sums>>,
    pub(super) register: Register,
    /// Type after the log.
    pub(super) kind: Option<Kind>,
    pub(super) wipe: Place,
    /// The newest effect of all.
    pub(super) newest: Place,
    pub(super) cells: HashMap<Bytes, CellMark>,
    pub(super) list: Option<ListMarks>,
    pub(super) skipped: Vec<(Place, Effect)>,
    /// Nothing is forgotten before this version is settled: by then it is worth a walk.
    pub(super) due: u64,
    /// Parts that others belong to, and when they were removed last: what belongs to them and is older is gone.
    pub(super) buried: Vec<(Bytes, Place)>,
}

/// The outcome of walking the log.
struct End {
    kind: Option<Kind>,
    text: Option<Text>,
    wipe: Place,
    /// The Puts under NX that took effect.
    took: Vec<Place>,
}

impl Marks {
    pub fn new(kind: Option<Kind>, deadline: Option<u64>) -> Marks {
        Marks {
            base_kind: kind,
            base_text: None,
            log: Vec::new(),
            adds: Adds::default(),
            sums: None,
            register: Register::new(deadline),
            kind,
            wipe: Place::ZERO,
            newest: Place::ZERO,
            cells: HashMap::default(),
            list: None,
            skipped: Vec::new(),
            due: 0,
            buried: Vec::new(),
        }
    }

    /// Whether the key was there before anything that is not settled.
    pub fn has_base(&self, settled: u64) -> bool {
        self.base_kind.is_some() || self.log.first().is_some_and(|(place, _)| place.is_settled(settled))
    }

    /// The marks of a key that has none yet.
    pub fn of<P: Plain>(plain: &P, key: &Key, settled: u64) -> Marks {
        let (kind, deadline) = (plain.kind(key), plain.deadline(key));
        match (plain.stamp(key), kind) {
            (Some(stamp), Some(kind)) if stamp.version > settled => {
                let len = if kind == Kind::List { plain.list_len(key) } else { 0 };
                Marks::put(Place::new(stamp, 0), kind, deadline, len)
            }
            _ => Marks::new(kind, deadline),
        }
    }

    /// The marks of a key that was put as a whole. `len`: of a list.
    pub fn put(place: Place, kind: Kind, deadline: Option<u64>, len: usize) -> Marks {
        let mut marks = Marks::new(None, None);
        marks.register.insert(place, Change::to(deadline), false);
        marks.log.push((place, Event::Put(kind)));
        (marks.kind, marks.wipe, marks.newest) = (Some(kind), place, place);
        marks.list = (kind == Kind::List).then(|| ListMarks::new(place, len));
        marks
    }

    /// The marks that a key's writes make, in order, after they were carried out.
    pub fn of_records<P: Plain>(plain: &P, key: &Key, records: &[Record<'_>], settled: u64) -> Marks {
        let Some(first) = records.first() else { return Marks::of(plain, key, settled) };
        let changed = records.iter().find_map(|record| match record.jot {
            Jot::Expire { before, .. } => Some(before),
            _ => None,
        });
        let (kind, deadline) = (first.jot.kind(), changed.unwrap_or_else(|| plain.deadline(key)));
        let pushed = records.iter().filter(|r| matches!(r.jot, Jot::Push { .. })).count();
        let len = if kind == Kind::List { plain.list_len(key).saturating_sub(pushed) } else { 0 };
        let mut marks = if first.create {
            let mut marks = Marks::new(None, None);
            marks.note_create(first.place, kind);
            marks
        } else if first.before.version > settled {
            Marks::put(Place::new(first.before, 0), kind, deadline, len)
        } else {
            Marks::new(Some(kind), deadline)
        };
        for record in records {
            marks.note_record(plain, key, record, first.create, len);
        }
        marks
    }

    fn note_record<P: Plain>(&mut self, plain: &P, key: &Key, record: &Record<'_>, made: bool, len: usize) {
        match record.jot {
            Jot::Cell(kind, name) => drop(self.note_cell(record.place, kind, name)),
            Jot::Add { delta, result } => {
                // An addition leaves the tag.
                let tag = plain.text(key).map_or(0, |text| text.tag);
                let bytes = || result.wrapping_sub(delta).to_string().into_bytes();
                let before = || (!made).then(|| Text { bytes: bytes(), tag });
                self.base_text.get_or_insert_with(before);
                self.note_add(record.place, delta, result);
            }
            Jot::AddField { field, delta, result, there } => {
                let before = || result.wrapping_sub(delta).to_string().into_bytes();
                let base = there.then(|| Cell::Text(before(), None));
                self.note_sum::<P>(
                    record.place,
                    base,
                    Effect::AddField { field: field.to_vec(), delta, result },
                );
            }
            Jot::AddScore { member, delta, result, before } => {
                let base = before.map(|bits| Cell::Score(f64::from_bits(bits), None));
                let [delta, result] = [delta, result].map(f64::from_bits);
                self.note_sum::<P>(
                    record.place,
                    base,
                    Effect::AddScore { member: member.to_vec(), delta, result },
                );
            }
            Jot::Expire { at, .. } => {
                self.register.insert(record.place, Change::to(at), false);
                self.newest = record.place;
            }
            Jot::Push { head } => {
                let list = self.list.get_or_insert_with(|| ListMarks::new(Place::ZERO, len));
                let spot = if head { Spot::Head } else { Spot::Tail };
                list.insert(&mut Dry(plain), key, record.place, spot, Bytes::new(), true);
                self.newest = record.place;
            }
        }
    }

    /// Whether the stamp that the key carries says all there is to say: it was put as a whole.
    pub fn is_told_by(&self, stamp: Option<Stamp>) -> bool {
        let [(place, Event::Put(kind))] = &self.log[..] else { return false };
        stamp == Some(place.stamp())
            && self.newest == *place
            && self.adds.is_empty()
            && self.sums.is_none()
            && *kind != Kind::List
            && self.cells.is_empty()
            && self.skipped.is_empty()
            && self.buried.is_empty()
            && self.base_text.is_none()
    }

    pub fn list(&self) -> Option<&ListMarks> {
        self.list.as_ref()
    }

    /// Notes an overwrite or removal of a cell that is newer than all the key has. False if that takes more than a note.
    #[inline]
    pub fn note_cell(&mut self, place: Place, kind: Kind, name: &[u8]) -> bool {
        if self.kind != Some(kind) || place < self.newest || !self.skipped.is_empty() {
            return false;
        }
        self.newest = place;
        match self.cells.get_mut(name) {
            Some(mark) => *mark = CellMark::Last(place),
            None => drop(self.cells.insert(name.to_vec(), CellMark::Last(place))),
        }
        true
    }

    /// Notes an addition to a cell, which was `base` before, newer than all the key has.
    fn note_sum<P: Plain>(&mut self, place: Place, base: Option<Cell>, effect: Effect) {
        self.newest = place;
        let Some(name) = text::cell_name(&effect).cloned() else { return };
        let mark = CellMark::sum::<P>(self.cells.remove(&name), base, place, effect);
        self.cells.insert(name, mark);
    }

    /// Notes that the key was made, where nothing is known of it.
    pub fn note_create(&mut self, place: Place, kind: Kind) {
        self.register.insert(place, Change::to(None), false);
        self.log.push((place, Event::Create(kind)));
        (self.kind, self.newest) = (Some(kind), place);
    }

    /// Notes an addition to a number that is newer than all the key has. False if that takes more than a note.
    #[inline]
    pub fn note_add(&mut self, place: Place, delta: i64, result: i64) -> bool {
        let ready = self.kind == Some(Kind::String) && self.base_text.is_some() && self.sums.is_none();
        if !ready || place < self.newest {
            return false;
        }
        self.newest = place;
        if Adds::fits(delta, result) {
            self.adds.push(place, delta, result);
        } else {
            self.put_in_order();
            self.log.push((place, Event::Edit(Effect::Add { delta, result })));
        }
        true
    }

    /// Notes that an element comes to an end of a list, newer than all the key has. False if that takes more than a note.
    #[inline]
    pub fn note_push(&mut self, place: Place, head: bool) -> bool {
        let ready = self.kind == Some(Kind::List) && place > self.newest && self.skipped.is_empty();
        let noted = ready && self.list.as_mut().is_some_and(|list| list.push(place, head));
        if noted {
            self.newest = place;
        }
        noted
    }

    /// Notes that the elements nearest to an end of a list are taken, as [`Marks::note_push`] does.
    #[inline]
    pub fn note_pop(&mut self, place: Place, head: bool, count: usize) -> bool {
        let ready = self.kind == Some(Kind::List) && place > self.newest && self.skipped.is_empty();
        let Some(list) = self.list.as_mut().filter(|_| ready) else { return false };
        list.pop(place, head, count);
        self.newest = place;
        true
    }

    pub fn apply<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, create: bool, effect: &Effect) {
        if place < self.floor() {
            return fold.conflict(Rule::LaterWins, &[], self.floor(), place);
        }
        if create || !matches!(effect, Effect::Add { .. } | Effect::AddFloat { .. } | Effect::ExpireAt { .. })
        {
            self.put_in_order();
        }
        match effect {
            Effect::Clear | Effect::Reclaim { .. } | Effect::Evict { .. } => self.clear(fold, place),
            Effect::Put { value, deadline, absent: false } => self.put_now(fold, place, value, *deadline),
            Effect::Put { value, deadline, absent: true } => self.put_absent(fold, place, value, *deadline),
            Effect::ExpireAt { at, only } => {
                let change = Change { at: *at, only: *only, by_absent: false };
                self.register.insert(place, change, fold.once);
            }
            Effect::Create(kind) => self.create(fold, place, *kind),
            Effect::ClearDb => self.flush(fold, place),
            Effect::Adopt(kind) => self.adopt(fold, place, *kind),
            effect => {
                if create && let Some(kind) = effect.kind() {
                    self.create(fold, place, kind);
                }
                self.element(fold, place, effect);
            }
        }
        self.newest = self.newest.max(place);
        self.sync_deadline(fold);
    }

    /// Forgets what is settled, if that is all, or there is much: then all that was there the last time, so that nothing is
    /// looked at again and again. True if nothing is left.
    pub fn settle_some<P: Plain>(&mut self, settled: u64) -> bool {
        if self.newest.is_settled(settled) {
            return true;
        }
        // Additions go from the front, and a late one is the cheaper the fewer there are.
        if settled < self.due && self.adds.is_empty() && self.sums.is_none() {
            return false;
        }
        let events = self.log.len() + self.adds.len() + self.sums.as_ref().map_or(0, |sums| sums.len());
        let much = |cells: &HashMap<Bytes, CellMark>| {
            cells.len() > MUCH || cells.values().map(CellMark::len).sum::<usize>() > MUCH
        };
        if events <= MUCH && self.list.is_none() && !much(&self.cells) {
            return false;
        }
        self.due = self.newest.version;
        self.settle::<P>(settled)
    }

    /// Forgets what is settled. True if nothing is left.
    pub fn settle<P: Plain>(&mut self, settled: u64) -> bool {
        let took = self.took::<P>();
        let bare = self.register.settle(settled, &took);
        let old = self.log.partition_point(|(at, _)| at.is_settled(settled));
        if old > 0 {
            let mut end = self.start();
            for (at, event) in self.log.drain(..old) {
                end.step::<P>(at, &event);
            }
            self.base_kind = end.kind;
            self.base_text = self.base_text.is_some().then_some(end.text);
        }
        if let Some(sum) = self.adds.settle(settled) {
            // What stands before them is settled, too.
            let base = self.base_text.take().flatten().unwrap_or_default();
            let sum = text::integer(&base.bytes).unwrap_or(0) + sum;
            self.base_text = Some(Some(Text { bytes: sum.to_string().into_bytes(), ..base }));
            self.base_kind = Some(Kind::String);
        }
        if let Some(sums) = &mut self.sums
            && sums.settle::<P>(settled)
        {
            // As above.
            (self.base_text, self.base_kind) = (Some(sums.base().clone()), Some(Kind::String));
        }
        self.sums.take_if(|sums| sums.is_empty());
        if self.log.is_empty() && self.adds.is_empty() && self.sums.is_none() {
            self.base_text = None;
        }
        if self.wipe.is_settled(settled) {
            self.wipe = Place::ZERO;
        }
        self.cells.retain(|_, mark| mark.settle::<P>(settled));
        if self.list.as_mut().is_some_and(|list| list.settle(settled)) {
            self.list = None;
        }
        self.skipped.retain(|(at, _)| at.version > settled);
        self.buried.retain(|(_, at)| at.version > settled);
        let empty = self.skipped.is_empty() && self.buried.is_empty();
        bare && empty
            && self.log.is_empty()
            && self.adds.is_empty()
            && self.sums.is_none()
            && self.cells.is_empty()
            && self.list.is_none()
    }

    /// All that the marks remember, as effects.
    pub fn export<P: Plain>(&self, plain: &P, key: &Key, known: u64) -> Vec<(Place, Effect)> {
        let mut all = Vec::new();
        for (place, event) in self.events().iter() {
            let effect = match event {
                Event::Put(_) => self.export_put(plain, key),
                Event::Clear => Effect::Clear,
                Event::PutAbsent(value, deadline) => {
                    Effect::Put { value: value.clone(), deadline: *deadline, absent: true }
                }
                Event::Create(kind) => Effect::Create(*kind),
                Event::Adopt(kind) => Effect::Adopt(*kind),
                Event::Edit(edit) => edit.clone(),
                // The last one is exported for all keys of the database.
                Event::Flush => continue,
            };
            all.push((*place, effect));
        }
        for (place, change) in self.register.changes().iter().filter(|(_, c)| !c.by_absent) {
            all.push((*place, Effect::ExpireAt { at: change.at, only: change.only }));
        }
        all.extend(self.young(plain, key, Some(known)));
        all.sort_by_key(|(place, effect)| (text::is_of_another::<P>(effect), *place));
        all
    }

    /// The Put at the log's start, as far as its content still matters.
    fn export_put<P: Plain>(&self, plain: &P, key: &Key) -> Effect {
        let (place, kind) = match self.log.first() {
            Some((place, Event::Put(kind))) => (*place, *kind),
            _ => (Place::ZERO, Kind::String),
        };
        let value = match (&self.base_text, plain.value(key)) {
            (Some(Some(text)), _) if kind == Kind::String => text.clone().into(),
            (_, Some(Value::List(_)))
                if kind == Kind::List
                    && let Some(list) = &self.list =>
            {
                Value::List(list.content(plain, key, place))
            }
            (_, Some(value)) if value.kind() == kind => self.without_edits(value),
            _ => empty(kind),
        };
        let own = self.register.changes().iter().find(|(at, _)| *at == place);
        Effect::Put { value, deadline: own.and_then(|(_, change)| change.at), absent: false }
    }

    /// A collection without what was added to its cells since.
    fn without_edits(&self, value: Value) -> Value {
        let base = |name: &Bytes| match self.cells.get(name) {
            Some(CellMark::Window { base, since: Place::ZERO, .. }) => Some(base.clone()),
            _ => None,
        };
        match value {
            Value::Hash(fields) => {
                let old = |(name, now): (Bytes, Bytes)| match base(&name) {
                    None => Some((name, now)),
                    Some(Some(Cell::Text(text, _))) => Some((name, text)),
                    Some(_) => None,
                };
                Value::Hash(fields.into_iter().filter_map(old).collect())
            }
            Value::Stream(parts) => {
                let old = |(name, now): (Bytes, Bytes)| match base(&name) {
                    None => Some((name, now)),
                    Some(Some(Cell::Text(text, _))) => Some((name, text)),
                    Some(_) => None,
                };
                Value::Stream(parts.into_iter().filter_map(old).collect())
            }
            Value::Zset(members) => {
                let old = |(name, now): (Bytes, f64)| match base(&name) {
                    None => Some((name, now)),
                    Some(Some(Cell::Score(score, _))) => Some((name, score)),
                    Some(_) => None,
                };
                Value::Zset(members.into_iter().filter_map(old).collect())
            }
            other => other,
        }
    }

    /// The young effects on cells and elements, and those that were skipped.
    fn young<P: Plain>(&self, plain: &P, key: &Key, known: Option<u64>) -> Vec<(Place, Effect)> {
        let mut all = self.skipped.clone();
        let kind = self.kind.unwrap_or(Kind::Hash);
        for (name, mark) in &self.cells {
            match mark {
                CellMark::Last(place) => {
                    assert_cell(&mut all, *place, text::assertion(kind, name, plain.cell(key, name)));
                }
                CellMark::Window { base, since, ops } => {
                    if *since > Place::ZERO {
                        assert_cell(&mut all, *since, text::assertion(kind, name, base.clone()));
                    }
                    all.extend(ops.iter().cloned());
                }
            }
        }
        all.extend(self.buried.iter().map(|(part, at)| (*at, Effect::DelPart(part.clone()))));
        if let Some(list) = &self.list {
            all.extend(list.export(plain, key, Place::ZERO, known));
        }
        all
    }

    /// Everything before it is dead and forgotten.
    fn floor(&self) -> Place {
        match self.log.first() {
            Some((place, Event::Put(_))) => *place,
            _ => Place::ZERO,
        }
    }

    fn clear<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place) {
        self.register.insert(place, Change::to(None), fold.once);
        if place < self.newest {
            self.capture(fold);
            self.insert(place, Event::Clear);
            self.compact();
            return self.refresh(fold, None);
        }
        self.log.push((place, Event::Clear));
        self.compact();
        self.base_text = Some(None);
        self.wipe_now(fold, place);
    }

    fn flush<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place) {
        self.register.insert(place, Change::to(None), fold.once);
        if fold.once && self.holds(place, &Event::Flush) {
            return;
        }
        self.capture(fold);
        self.insert(place, Event::Flush);
        self.compact();
        self.refresh(fold, None);
    }

    /// The key had no type before this effect, as far as is known.
    fn adopt<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, kind: Kind) {
        let event = Event::Adopt(kind);
        if self.holds(place, &event) {
            return;
        }
        self.capture(fold);
        self.insert(place, event);
        self.compact();
        self.refresh(fold, None);
    }

    fn put_now<P: Plain>(
        &mut self,
        fold: &mut Fold<'_, P>,
        place: Place,
        value: &Value,
        deadline: Option<u64>,
    ) {
        let kind = value.kind();
        self.register.insert(place, Change::to(deadline), fold.once);
        if place < self.newest {
            return self.put_late(fold, place, value);
        }
        self.log.clear();
        self.log.push((place, Event::Put(kind)));
        self.base_text = None;
        self.wipe_now(fold, place);
        self.put_value(fold, place, value.clone());
        self.kind = Some(kind);
    }

    fn put_late<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, value: &Value) {
        let kind = value.kind();
        if self.log.first().is_some_and(|(at, event)| *at == place && matches!(event, Event::Put(_))) {
            return;
        }
        self.capture(fold);
        let clears = |event: &Event| matches!(event, Event::Clear | Event::Flush);
        if let Some((clear, _)) = self.log.iter().find(|(at, event)| *at > place && clears(event)) {
            fold.conflict(Rule::Cleared, &[], *clear, place);
            self.insert(place, Event::Create(kind));
            self.compact();
            return self.refresh(fold, None);
        }
        self.log.retain(|(at, _)| *at > place);
        self.log.insert(0, (place, Event::Put(kind)));
        self.base_text = Some(value.text());
        self.refresh(fold, Some((place, value)));
    }

    fn put_absent<P: Plain>(
        &mut self,
        fold: &mut Fold<'_, P>,
        place: Place,
        value: &Value,
        deadline: Option<u64>,
    ) {
        let event = Event::PutAbsent(value.clone(), deadline);
        if fold.once && self.holds(place, &event) {
            return;
        }
        self.capture(fold);
        self.register.insert(place, Change { by_absent: true, ..Change::to(deadline) }, fold.once);
        self.insert(place, event);
        self.compact();
        self.refresh(fold, None);
        if !self.took::<P>().contains(&place) {
            let is_there = self.log.iter().any(|(at, _)| *at == place);
            let rule = if is_there { Rule::FirstWins } else { Rule::Cleared };
            let before = self.log.iter().rev().map(|(at, _)| *at).find(|at| *at < place);
            fold.conflict(rule, &[], before.unwrap_or_default(), place);
        }
    }

    /// The key was made here: its type is this one now, and its deadline is gone.
    fn create<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, kind: Kind) {
        let event = Event::Create(kind);
        if fold.once && self.holds(place, &event) {
            return;
        }
        self.register.insert(place, Change::to(None), fold.once);
        let last = self.log.last().is_none_or(|(at, _)| place > *at);
        if last && (self.kind == Some(kind) || self.kind.is_none() && place >= self.newest) {
            self.log.push((place, event));
            self.kind = Some(kind);
            return;
        }
        self.capture(fold);
        self.insert(place, event);
        self.compact();
        self.refresh(fold, None);
    }

    /// Folds an effect on a string, cell or element.
    fn element<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, effect: &Effect) {
        let Some(kind) = effect.kind() else { return };
        let added = match effect {
            Effect::Add { delta, result } => self.add(fold, place, *delta, *result),
            Effect::AddFloat { .. } => self.add_float(fold, place, effect),
            _ => false,
        };
        if added {
            return;
        }
        self.put_in_order();
        let last = self.log.last().is_none_or(|(at, _)| place >= *at);
        if !last && !fold.once && self.add_late(fold, place, effect) {
            return;
        }
        let mut at_place = if last { self.kind } else { self.kind_at(place) };
        if at_place.is_none() {
            if kind != Kind::String {
                self.adopt(fold, place, kind);
            }
            at_place = self.kind_at(place).or(Some(kind));
        }
        if at_place != Some(kind) {
            if !fold.rules.types && at_place.is_some() {
                return self.overrule(fold, place, kind, effect);
            }
            if place >= self.last_reset()
                && let Some(effect) = lasting(effect)
                && !(fold.once && self.skipped.iter().any(|(at, e)| *at == place && *e == effect))
            {
                let winner = self.log.iter().rev().map(|(at, _)| *at).find(|at| *at < place);
                fold.conflict(Rule::TypeSkipped, &[], winner.unwrap_or_default(), place);
                self.skipped.push((place, effect));
            }
            return;
        }
        // A string's edits are walked with the log: a Put under NX that wipes the key now may turn out void.
        if place < self.wipe && kind != Kind::String {
            return fold.conflict(Rule::Cleared, &[], self.wipe, place);
        }
        match kind {
            Kind::String => self.edit(fold, place, effect, last),
            Kind::List => self.list_effect(fold, place, effect),
            _ => self.cell(fold, kind, place, effect),
        }
    }

    /// What happens without M3: whoever comes last has the key.
    fn overrule<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, kind: Kind, effect: &Effect) {
        fold.plain.remove(fold.key);
        *self = Marks { newest: self.newest, ..Marks::new(Some(kind), None) };
        self.element(fold, place, effect);
    }

    fn edit<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, effect: &Effect, last: bool) {
        let event = Event::Edit(effect.clone());
        if fold.once && self.holds(place, &event) {
            return;
        }
        self.capture(fold);
        if self.leave_edit(fold, place) {
            return self.insert(place, event);
        }
        if !last {
            if self.edit_late(fold, place, effect) {
                return self.insert(place, event);
            }
            self.insert(place, event);
            self.compact();
            return self.refresh(fold, None);
        }
        fold.plain.edit(fold.key, effect);
        self.kind = Some(Kind::String);
        self.log.push((place, event));
    }

    /// Whether the string can be computed later, if only the edit's place is remembered: it changes nothing else.
    fn leave_edit<P>(&self, fold: &mut Fold<'_, P>, place: Place) -> bool {
        let Some(stale) = &mut fold.stale else { return false };
        let at = self.log.partition_point(|(at, _)| *at <= place);
        let only_edits = self.log[at..].iter().all(|(_, event)| matches!(event, Event::Edit(_)));
        let left = only_edits && self.kind == Some(Kind::String) && self.skipped.is_empty();
        stale.text |= left;
        left
    }

    /// Computes what was left.
    pub fn compute<P: Plain>(&mut self, fold: &mut Fold<'_, P>, stale: Stale) {
        if stale.text && self.kind == Some(Kind::String) && self.base_text.is_some() {
            let text = match &mut self.sums {
                Some(sums) => sums.text::<P>(),
                None => self.walk::<P>().text,
            };
            match text {
                Some(text) => fold.plain.put(fold.key, text.into()),
                None => fold.plain.remove(fold.key),
            }
        }
        for name in stale.cells {
            if let (Some(kind), Some(mark)) = (self.kind, self.cells.get_mut(&name))
                && let Some(now) = mark.now::<P>()
            {
                fold.plain.set_cell(fold.key, kind, &name, now);
            }
        }
        self.sync_deadline(fold);
    }

    /// Folds in an edit where the string as it is tells what it would be.
    fn edit_late<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, effect: &Effect) -> bool {
        let at = self.log.partition_point(|(at, _)| *at <= place);
        let later = self.log[at..].iter().rev().map(|(_, event)| match event {
            Event::Edit(edit) => Some(edit),
            _ => None,
        });
        // A skipped edit may be woken by a walk.
        if self.kind != Some(Kind::String) || !self.skipped.is_empty() {
            return false;
        }
        let Some(Text { bytes, tag }) = fold.plain.text(fold.key) else { return false };
        let Some(bytes) = text::edit_late(bytes, effect, later) else { return false };
        fold.plain.put(fold.key, Text { bytes, tag }.into());
        true
    }

    /// Folds in an addition that stands behind everything that is no addition.
    fn add<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, delta: i64, result: i64) -> bool {
        let behind = self.sums.is_none() && self.log.last().is_none_or(|(at, _)| place > *at);
        if fold.is_text_stale() || !behind || self.kind != Some(Kind::String) || !Adds::fits(delta, result) {
            return false;
        }
        if fold.once && self.adds.has(place) {
            return true;
        }
        let sum = fold.plain.integer(fold.key).and_then(|now| now.checked_add(delta));
        let Some(sum) = sum.filter(|sum| Adds::fits(delta, *sum)) else { return false };
        self.capture(fold);
        fold.plain.set_integer(fold.key, sum);
        self.adds.push(place, delta, result);
        true
    }

    /// The same with a fraction.
    fn add_float<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, effect: &Effect) -> bool {
        if self.kind != Some(Kind::String) || !self.skipped.is_empty() || !self.adds.is_empty() {
            return false;
        }
        self.capture(fold);
        if self.log.last().is_some_and(|(at, _)| *at >= place) && !self.gather::<P>(place) {
            return false;
        }
        let (stale, key) = (fold.is_text_stale(), fold.key);
        if self.sums.is_none() {
            let base = if stale { self.walk::<P>().text } else { fold.plain.text(key) };
            self.sums = Some(Box::new(Sums::on(base)));
        }
        let Some(sums) = &mut self.sums else { return false };
        if fold.once && sums.has(place) {
            return true;
        }
        let behind = sums.is_behind(place);
        sums.insert::<P>(place, effect.clone());
        match &mut fold.stale {
            Some(left) if stale || !behind => left.text = true,
            _ if behind => fold.plain.edit(key, effect),
            _ => {
                let text = sums.text::<P>().expect("an addition makes a string");
                fold.plain.put(key, text.into());
            }
        }
        true
    }

    /// Takes the additions of fractions at the log's end out of it, if a place is among them.
    fn gather<P: Plain>(&mut self, place: Place) -> bool {
        let is_sum = |(_, event): &(Place, Event)| matches!(event, Event::Edit(Effect::AddFloat { .. }));
        let from = self.log.iter().rposition(|event| !is_sum(event)).map_or(0, |at| at + 1);
        if self.sums.is_some() || self.log[..from].last().is_some_and(|(at, _)| *at >= place) {
            return false;
        }
        let adds = self.log.split_off(from).into_iter().filter_map(|(at, event)| match event {
            Event::Edit(effect) => Some((at, effect)),
            _ => None,
        });
        let adds = adds.collect();
        self.sums = Some(Box::new(Sums::of(self.walk::<P>().text, adds)));
        true
    }

    /// Puts the additions behind the log into it: something may have a place among them.
    fn put_in_order(&mut self) {
        if !self.adds.is_empty() {
            let adds = self.adds.in_order().into_iter();
            self.log.extend(adds.map(|(place, add)| (place, Event::Edit(add))));
            self.adds.clear();
        }
        if let Some(sums) = self.sums.take() {
            self.log.extend(sums.events());
        }
    }

    /// The log, and what stands behind it.
    pub(super) fn events(&self) -> Cow<'_, [(Place, Event)]> {
        if self.adds.is_empty() && self.sums.is_none() {
            return Cow::Borrowed(&self.log);
        }
        let adds = self.adds.in_order().into_iter().map(|(place, add)| (place, Event::Edit(add)));
        let sums = self.sums.iter().flat_map(|sums| sums.events());
        Cow::Owned(self.log.iter().cloned().chain(adds).chain(sums).collect())
    }

    /// Folds in an addition after which there were only additions: the order does not matter.
    fn add_late<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, effect: &Effect) -> bool {
        let Effect::Add { delta, .. } = effect else { return false };
        let at = self.log.partition_point(|(at, _)| *at <= place);
        let adds = |(_, event): &(Place, Event)| match event {
            Event::Edit(Effect::Add { delta, result }) => Adds::fits(*delta, *result),
            _ => false,
        };
        // The one before it must be one too, so that both work on a number.
        if self.kind != Some(Kind::String) || at == 0 || !self.log[at - 1..].iter().all(adds) {
            return false;
        }
        let Some(old) = fold.plain.text(fold.key) else { return false };
        let sum = text::integer(&old.bytes).and_then(|n| n.checked_add(*delta));
        let Some(sum) = sum.filter(|sum| Adds::fits(*delta, *sum)) else { return false };
        self.capture(fold);
        fold.plain.put(fold.key, Text { bytes: sum.to_string().into_bytes(), ..old }.into());
        self.log.insert(at, (place, Event::Edit(effect.clone())));
        true
    }

    fn cell<P: Plain>(&mut self, fold: &mut Fold<'_, P>, kind: Kind, place: Place, effect: &Effect) {
        let Some(name) = text::cell_name(effect) else { return };
        if let Some(buried) = self.buried_with(P::parent, name).filter(|at| place < *at) {
            return fold.conflict(Rule::Cleared, name, buried, place);
        }
        if matches!(effect, Effect::DelPart(part) if P::has_children(part)) {
            self.bury(fold, place, name);
        }
        // What is overwritten does not matter.
        let now = if text::overwrites(effect) { None } else { fold.plain.cell(fold.key, name) };
        let mark = self.cells.remove(name);
        if let Some(last) = mark.as_ref().map(CellMark::since).filter(|last| place < *last) {
            fold.conflict(Rule::LaterWins, name, last, place);
        }
        let stale = fold.stale.as_mut().map(|stale| &mut stale.cells);
        let (mark, new) = CellMark::fold::<P>(mark, now, (place, effect.clone()), fold.once, stale);
        if let Some(new) = new {
            fold.plain.set_cell(fold.key, kind, name, new);
        }
        self.cells.insert(name.clone(), mark);
    }

    /// When the part that another one belongs to was removed.
    fn buried_with(&self, parent: fn(&[u8]) -> Option<Bytes>, name: &[u8]) -> Option<Place> {
        if self.buried.is_empty() {
            return None;
        }
        let parent = parent(name)?;
        self.buried.iter().find(|(part, _)| *part == parent).map(|(_, at)| *at)
    }

    /// What belongs to a part that is removed, and is older, goes with it.
    fn bury<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, part: &Bytes) {
        let of_part = |name: &&Bytes| P::parent(name).as_ref() == Some(part);
        let mut children = fold.plain.children(fold.key, part);
        children.extend(self.cells.keys().filter(of_part).cloned());
        children.sort_unstable();
        children.dedup();
        let before = std::mem::replace(&mut fold.anew, true);
        for child in children {
            self.cell(fold, Kind::Stream, place, &Effect::DelPart(child));
        }
        fold.anew = before;
        match self.buried.iter_mut().find(|(name, _)| name == part) {
            Some((_, at)) => *at = place.max(*at),
            None => self.buried.push((part.clone(), place)),
        }
    }

    fn list_effect<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, effect: &Effect) {
        let Fold { plain, key, rules, once, anew, conflicts, .. } = fold;
        let list = self.list.get_or_insert_with(|| ListMarks::new(self.wipe, plain.list_len(key)));
        match effect {
            Effect::Insert { spot, element } => {
                let id = crate::effect::ElementId { place, index: 0 };
                if *once && list.knows(Element::Id(id)) {
                    return;
                }
                let spot = if rules.identity { *spot } else { by_end(*spot) };
                list.insert(*plain, key, place, spot, element.clone(), rules.identity);
                if !self.skipped.is_empty() {
                    self.again(fold);
                }
            }
            Effect::SetElement { id, element } => {
                let known = list.set(*plain, key, place, *id, element.clone());
                self.skipped.extend((!known && !id.is_settled()).then(|| (place, effect.clone())));
            }
            Effect::DelElements(elements) => {
                for element in elements {
                    if !rules.identity {
                        list.remove_first(*plain, key, place);
                        continue;
                    }
                    match list.remove(*plain, key, place, *element) {
                        Removed::Now => {}
                        Removed::Before(at) if *once || *anew || at == place => {}
                        Removed::Before(at) => {
                            let (first, second) = (at.min(place), at.max(place));
                            conflicts.note(Rule::TakenTwice, key, &[], first, second);
                        }
                        Removed::Unknown if element.is_settled() => {}
                        Removed::Unknown => {
                            self.skipped.push((place, Effect::DelElements(vec![*element])));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Tries the skipped effects again.
    fn again<P: Plain>(&mut self, fold: &mut Fold<'_, P>) {
        let mut skipped = std::mem::take(&mut self.skipped);
        skipped.sort_by_key(|(at, _)| *at);
        self.elements_anew(fold, skipped);
    }

    fn elements_anew<P: Plain>(&mut self, fold: &mut Fold<'_, P>, mut effects: Vec<(Place, Effect)>) {
        effects.sort_by_key(|(at, effect)| (text::is_of_another::<P>(effect), *at));
        let before = std::mem::replace(&mut fold.anew, true);
        for (at, effect) in effects {
            self.element(fold, at, &effect);
        }
        fold.anew = before;
    }

    /// Keeps the string that the log starts from, before an event changes it.
    fn capture<P: Plain>(&mut self, fold: &Fold<'_, P>) {
        if self.base_text.is_none() {
            self.base_text = Some(fold.plain.text(fold.key));
        }
    }

    /// Whether the log has an event: by its place, for the log is long where much is written.
    fn holds(&self, place: Place, event: &Event) -> bool {
        let from = self.log.partition_point(|(at, _)| *at < place);
        self.log[from..].iter().take_while(|(at, _)| *at == place).any(|(_, other)| other == event)
    }

    fn insert(&mut self, place: Place, event: Event) {
        let at = self.log.partition_point(|(at, _)| *at <= place);
        self.log.insert(at, (place, event));
    }

    /// Before a Clear, only the type still matters.
    fn compact(&mut self) {
        let clears = |event: &Event| matches!(event, Event::Clear | Event::Flush);
        let Some(clear) = self.log.iter().rposition(|(_, event)| clears(event)) else { return };
        let rest = self.log.split_off(clear);
        let before = std::mem::replace(&mut self.log, rest);
        if self.log[0].1 == Event::Flush {
            return;
        }
        let mut types: Vec<(Place, Event)> = Vec::new();
        for (at, event) in before {
            match event {
                Event::Put(kind) | Event::Create(kind) => {
                    types.retain(|(_, event)| matches!(event, Event::Adopt(_) | Event::Flush));
                    types.push((at, Event::Create(kind)));
                }
                Event::PutAbsent(..) => {
                    types.retain(|(_, event)| matches!(event, Event::Adopt(_) | Event::Flush));
                    types.push((at, Event::Create(Kind::String)));
                }
                Event::Edit(_) => types.push((at, Event::Adopt(Kind::String))),
                Event::Adopt(_) => types.push((at, event)),
                Event::Flush => types = vec![(at, Event::Flush)],
                Event::Clear => {}
            }
        }
        self.log.splice(0..0, types);
    }

    fn start(&self) -> End {
        let text = self.base_text.clone().flatten();
        End { kind: self.base_kind, text, wipe: Place::ZERO, took: Vec::new() }
    }

    fn walk<P: Plain>(&self) -> End {
        let mut end = self.start();
        for (at, event) in self.events().iter() {
            end.step::<P>(*at, event);
        }
        end
    }

    fn took<P: Plain>(&self) -> Vec<Place> {
        let any = self.register.changes().iter().any(|(_, c)| c.by_absent);
        if any { self.walk::<P>().took } else { Vec::new() }
    }

    fn kind_at(&self, place: Place) -> Option<Kind> {
        let upto = self.log.partition_point(|(at, _)| *at <= place);
        let mut adopted = None;
        for (_, event) in self.log[..upto].iter().rev() {
            match event {
                Event::Put(kind) | Event::Create(kind) => return Some(*kind),
                Event::PutAbsent(..) => return Some(Kind::String),
                Event::Flush => return adopted,
                Event::Adopt(kind) => adopted = Some(*kind),
                Event::Edit(_) => adopted = Some(Kind::String),
                Event::Clear => {}
            }
        }
        self.base_kind.or(adopted)
    }

    /// The last wipe that does not depend on what was there. (A creation wipes if the type was another, a Put under NX
    /// if there was no string: a late effect can undo that, so what was skipped before them may still count.)
    fn last_reset(&self) -> Place {
        let reset = |event: &Event| matches!(event, Event::Put(_) | Event::Clear | Event::Flush);
        self.log.iter().rev().find(|(_, event)| reset(event)).map_or(Place::ZERO, |(at, _)| *at)
    }

    /// Nothing that the key has survives.
    fn wipe_now<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place) {
        fold.plain.remove(fold.key);
        if let Some(stale) = &mut fold.stale {
            **stale = Stale::default();
        }
        self.cells.clear();
        self.list = None;
        self.skipped.clear();
        self.buried.clear();
        self.wipe = place;
    }

    fn put_value<P: Plain>(&mut self, fold: &mut Fold<'_, P>, place: Place, value: Value) {
        if let Value::List(elements) = &value {
            self.list = Some(ListMarks::new(place, elements.len()));
        }
        if !is_empty(&value) {
            fold.plain.put(fold.key, value);
        }
    }

    /// Brings the value in line with the log. `content`: a Put that may have become the last wipe.
    fn refresh<P: Plain>(&mut self, fold: &mut Fold<'_, P>, content: Option<(Place, &Value)>) {
        self.wake_edits();
        let end = self.walk::<P>();
        // A type that changes without a wipe does so after a Clear: all that is there has marks.
        let retyped = self.kind.is_some() && self.kind != end.kind;
        let rewiped = end.wipe > self.wipe || retyped || content.is_some_and(|(at, _)| at == end.wipe);
        let mut again =
            if rewiped { self.young(fold.plain, fold.key, None) } else { std::mem::take(&mut self.skipped) };
        if rewiped {
            if self.kind != end.kind {
                fold.conflict(Rule::TypeReplaced, &[], end.wipe, Place::ZERO);
            }
            self.wipe_now(fold, end.wipe);
        }
        (self.kind, self.wipe) = (end.kind, end.wipe);
        if let Some((at, value)) = content
            && at == end.wipe
        {
            self.put_value(fold, at, value.clone());
        }
        if end.kind == Some(Kind::String) {
            match end.text {
                Some(text) => fold.plain.put(fold.key, text.into()),
                None => fold.plain.remove(fold.key),
            }
        }
        again.sort_by_key(|(at, _)| *at);
        let older = again.partition_point(|(at, _)| *at < end.wipe);
        let last_reset = self.last_reset();
        let dormant = again.drain(..older).filter(|(at, _)| *at >= last_reset);
        self.skipped.extend(dormant);
        self.elements_anew(fold, again);
    }

    /// Edits that were skipped and have the right type now join the log: whether a Put under NX took effect may depend on
    /// them.
    fn wake_edits(&mut self) {
        let skipped = std::mem::take(&mut self.skipped);
        for (place, effect) in skipped {
            let is_edit = effect.kind() == Some(Kind::String);
            let fits = self.kind_at(place).is_none_or(|kind| kind == Kind::String);
            if is_edit && fits && place >= self.last_reset() {
                self.insert(place, Event::Edit(effect));
            } else {
                self.skipped.push((place, effect));
            }
        }
    }

    fn sync_deadline<P: Plain>(&self, fold: &mut Fold<'_, P>) {
        let deadline = self.register.value(&self.took::<P>());
        if fold.plain.deadline(fold.key) != deadline {
            fold.plain.set_deadline(fold.key, deadline);
        }
    }
}

impl End {
    fn step<P: Plain>(&mut self, at: Place, event: &Event) {
        match event {
            Event::Put(kind) => {
                (self.kind, self.wipe) = (Some(*kind), at);
            }
            Event::Clear => (self.text, self.wipe) = (None, at),
            Event::Flush => (self.kind, self.text, self.wipe) = (None, None, at),
            Event::Adopt(kind) => self.kind = self.kind.or(Some(*kind)),
            Event::PutAbsent(value, _) => {
                if self.kind == Some(Kind::String) && self.text.is_some() {
                    return;
                }
                if let Some(text) = value.text() {
                    self.text = Some(text);
                }
                (self.kind, self.wipe) = (Some(Kind::String), at);
                self.took.push(at);
            }
            Event::Create(kind) => {
                if self.kind.is_some_and(|old| old != *kind) {
                    (self.text, self.wipe) = (None, at);
                }
                self.kind = Some(*kind);
            }
            Event::Edit(edit) => {
                self.kind = self.kind.or(Some(Kind::String));
                if self.kind == Some(Kind::String) {
                    self.text = Some(text::edit::<P>(self.text.take(), edit));
                }
            }
        }
    }
}

fn assert_cell(all: &mut Vec<(Place, Effect)>, place: Place, (content, expire): (Effect, Option<Effect>)) {
    all.push((place, content));
    all.extend(expire.map(|expire| (place, expire)));
}

/// What of a skipped effect may still come true. What it names by position came before it, to every node: where the list is not
/// there any more, that was wiped, and later the position would mean another element.
fn lasting(effect: &Effect) -> Option<Effect> {
    let spot = |spot: Spot| match spot {
        Spot::Before(element) if element.is_settled() => Spot::Head,
        Spot::After(element) if element.is_settled() => Spot::Tail,
        other => other,
    };
    match effect {
        Effect::Insert { spot: at, element } => {
            Some(Effect::Insert { spot: spot(*at), element: element.clone() })
        }
        Effect::SetElement { id, .. } if id.is_settled() => None,
        Effect::DelElements(all) => {
            let young: Vec<Element> = all.iter().filter(|e| !e.is_settled()).copied().collect();
            (!young.is_empty()).then_some(Effect::DelElements(young))
        }
        other => Some(other.clone()),
    }
}

fn by_end(spot: Spot) -> Spot {
    match spot {
        Spot::Head | Spot::Before(_) => Spot::Head,
        _ => Spot::Tail,
    }
}

fn empty(kind: Kind) -> Value {
    match kind {
        Kind::String => Value::String(Bytes::new()),
        Kind::List => Value::List(Vec::new()),
        Kind::Set => Value::Set(Vec::new()),
        Kind::Zset => Value::Zset(Vec::new()),
        Kind::Hash => Value::Hash(Vec::new()),
        Kind::Stream => Value::Stream(Vec::new()),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Tagged(_) => false,
        Value::List(v) => v.is_empty(),
        Value::Set(v) => v.is_empty(),
        Value::Zset(v) => v.is_empty(),
        Value::Hash(v) | Value::Stream(v) => v.is_empty(),
    }
}
