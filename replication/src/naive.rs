//! The promise, written down as simply as possible: sort all effects, fold them one after another.
//!
//! Nothing here is fast, and nothing is shared with the overlay but the names of effects: it is what tests compare the
//! overlay with, and the shortest precise statement of what the data of a node is.

use std::collections::BTreeMap;

use crate::effect::*;
use crate::overlay::Plain;
use crate::stamp::Place;

/// All effects that a node has received, in order.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    keys: BTreeMap<Key, BTreeMap<Place, Vec<(bool, Effect)>>>,
    cleared: BTreeMap<u32, Vec<Place>>,
    /// Keys that were absent at a settled version: what they had been before is not remembered.
    forgotten: BTreeMap<Key, u64>,
}

/// A key on the way.
#[derive(Clone, Debug, Default)]
struct State {
    kind: Option<Kind>,
    deadline: Option<u64>,
    text: Option<Bytes>,
    /// The string's tag.
    tag: u64,
    fields: BTreeMap<Bytes, Bytes>,
    /// Deadlines of fields and members.
    due: BTreeMap<Bytes, u64>,
    members: BTreeMap<Bytes, ()>,
    scores: BTreeMap<Bytes, f64>,
    list: Vec<(ElementId, Bytes, bool)>,
}

impl Naive {
    pub fn add<P: Plain>(&mut self, place: Place, write: &Write) {
        let place = match write.effect {
            Effect::Reclaim { deadline } => Place::reclaim(deadline),
            Effect::Evict { cut } => Place::end_of(cut),
            _ => place,
        };
        if write.effect == Effect::ClearDb {
            return self.cleared.entry(write.key.db).or_default().push(place);
        }
        let effect = self.resolve::<P>(&write.key, write.effect.clone());
        let key = self.keys.entry(write.key.clone()).or_default();
        let here = key.entry(place).or_default();
        if !here.contains(&(write.create, effect.clone())) {
            here.push((write.create, effect));
        }
    }

    /// A key is absent at a version that is settled: its former type does not matter any more.
    pub fn forget(&mut self, key: &Key, settled: u64) {
        self.forgotten.insert(key.clone(), settled);
    }

    /// Adds what another node has received.
    pub fn join(&mut self, other: &Naive) {
        for (db, places) in &other.cleared {
            let mine = self.cleared.entry(*db).or_default();
            mine.extend(places);
            mine.sort();
            mine.dedup();
        }
        for (key, effects) in &other.keys {
            let mine = self.keys.entry(key.clone()).or_default();
            for (place, effects) in effects {
                mine.entry(*place).or_insert_with(|| effects.clone());
            }
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.keys()
    }

    /// The effects on a key, readable.
    pub fn history(&self, key: &Key) -> Vec<String> {
        let cleared = self.cleared.get(&key.db).into_iter().flatten().map(|at| (*at, "ClearDb".to_string()));
        let own = self.keys.get(key).into_iter().flatten();
        let own = own.flat_map(|(at, all)| all.iter().map(|e| (*at, format!("{e:?}"))));
        let mut all: Vec<_> = cleared.chain(own).collect();
        all.sort();
        let line = |(at, what): (Place, String)| {
            format!("{}.{}@{}/{} {what}", at.version >> 20, at.version & 0xfffff, at.origin, at.sub)
        };
        all.into_iter().map(line).collect()
    }

    /// A key's value and deadline.
    pub fn value<P: Plain>(&self, key: &Key) -> Option<(Value, Option<u64>)> {
        let state = self.fold::<P>(key, u64::MAX);
        Some((state.value()?, state.deadline))
    }

    /// The deadlines of a key's fields or members.
    pub fn member_deadlines<P: Plain>(&self, key: &Key) -> BTreeMap<Bytes, u64> {
        self.fold::<P>(key, u64::MAX).due
    }

    fn fold<P: Plain>(&self, key: &Key, cut: u64) -> State {
        let mut state = State::default();
        let mut cleared = self.cleared.get(&key.db).cloned().unwrap_or_default();
        cleared.sort();
        let mut cleared = cleared.into_iter().filter(|at| at.version <= cut).peekable();
        let effects = self.keys.get(key).into_iter().flatten().filter(|(at, _)| at.version <= cut);
        let mut forgotten = self.forgotten.get(key).copied();
        for (place, effects) in effects {
            if forgotten.is_some_and(|settled| place.version > settled) {
                (state, forgotten) = (State::default(), None);
            }
            while cleared.next_if(|at| at <= place).is_some() {
                state = State::default();
            }
            for (create, effect) in effects {
                state.step::<P>(*place, *create, effect);
            }
        }
        if cleared.next().is_some() {
            state = State::default();
        }
        state
    }

    /// Replaces positions in settled states by identities.
    pub fn resolve<P: Plain>(&self, key: &Key, effect: Effect) -> Effect {
        let name = |element: Element| match element {
            Element::Id(_) => element,
            Element::Settled { cut, index } => {
                let state = self.fold::<P>(key, cut);
                let alive: Vec<ElementId> = state.list.iter().filter(|e| e.2).map(|e| e.0).collect();
                let index = if index < 0 { alive.len() as i64 + index } else { index };
                let missing = ElementId { place: Place::ZERO, index: u32::MAX };
                let id = usize::try_from(index).ok().and_then(|i| alive.get(i).copied());
                Element::Id(id.unwrap_or(missing))
            }
        };
        match effect {
            Effect::Insert { spot: Spot::Before(e), element } => {
                Effect::Insert { spot: Spot::Before(name(e)), element }
            }
            Effect::Insert { spot: Spot::After(e), element } => {
                Effect::Insert { spot: Spot::After(name(e)), element }
            }
            Effect::SetElement { id, element } => Effect::SetElement { id: name(id), element },
            Effect::DelElements(ids) => Effect::DelElements(ids.into_iter().map(name).collect()),
            other => other,
        }
    }
}

impl State {
    fn clear(&mut self) {
        *self = State { kind: self.kind, ..State::default() };
    }

    fn step<P: Plain>(&mut self, place: Place, create: bool, effect: &Effect) {
        match effect {
            Effect::Clear | Effect::Reclaim { .. } | Effect::Evict { .. } => self.clear(),
            Effect::Put { value, deadline, absent } => {
                if !(*absent && self.kind == Some(Kind::String) && self.text.is_some()) {
                    self.put(place, value, *deadline);
                }
            }
            Effect::ExpireAt { at, only } => {
                if only.permits(self.deadline, *at) {
                    self.deadline = *at;
                }
            }
            Effect::Create(kind) => self.create(*kind),
            Effect::Adopt(kind) => {
                self.kind.get_or_insert(*kind);
            }
            Effect::ClearDb => {}
            effect => {
                if create && let Some(kind) = effect.kind() {
                    self.create(kind);
                }
                // What has no type takes on any.
                self.kind = self.kind.or(effect.kind());
                if self.kind == effect.kind() {
                    self.change::<P>(place, effect);
                }
            }
        }
    }

    fn create(&mut self, kind: Kind) {
        if self.kind != Some(kind) {
            self.clear();
        }
        self.kind = Some(kind);
        self.deadline = None;
    }

    fn put(&mut self, place: Place, value: &Value, deadline: Option<u64>) {
        self.clear();
        self.kind = Some(value.kind());
        self.deadline = deadline;
        match value.clone() {
            Value::String(text) => self.text = Some(text),
            Value::Tagged(text) => (self.text, self.tag) = (Some(text.bytes), text.tag),
            Value::Hash(fields) => self.fields = fields.into_iter().collect(),
            Value::Set(members) => self.members = members.into_iter().map(|m| (m, ())).collect(),
            Value::Stream(parts) => self.fields = parts.into_iter().collect(),
            Value::Zset(members) => self.scores = members.into_iter().collect(),
            Value::List(elements) => {
                let id = |i: usize| ElementId { place, index: i as u32 };
                self.list = elements.into_iter().enumerate().map(|(i, e)| (id(i), e, true)).collect();
            }
        }
    }

    fn change<P: Plain>(&mut self, place: Place, effect: &Effect) {
        match effect {
            Effect::Add { delta, result } => self.text = Some(sum(self.text.as_ref(), *delta, *result)),
            Effect::AddFloat { delta, result } => {
                self.text = Some(float::<P>(self.text.as_ref(), delta, result))
            }
            Effect::Append(bytes) => self.text.get_or_insert_default().extend_from_slice(bytes),
            Effect::SetRange { offset, bytes } => {
                let text = self.text.get_or_insert_default();
                for (i, byte) in bytes.iter().enumerate() {
                    let at = *offset as usize + i;
                    if text.len() <= at {
                        text.resize(at + 1, 0);
                    }
                    text[at] = *byte;
                }
            }
            Effect::RaiseRegisters(bytes) => {
                self.text = Some(P::merge_registers(self.text.as_deref().unwrap_or_default(), bytes));
            }
            Effect::AddBits(add) => {
                self.text = Some(P::add_bits(self.text.take().unwrap_or_default(), add));
            }
            Effect::SetField { field, value, absent } => {
                if !(*absent && self.fields.contains_key(field)) {
                    self.due.remove(field);
                    self.fields.insert(field.clone(), value.clone());
                }
            }
            Effect::DelField(field) => {
                self.due.remove(field);
                self.fields.remove(field);
            }
            Effect::SetPart { part, value, present } => {
                if !present || self.fields.contains_key(part) {
                    self.fields.insert(part.clone(), value.clone());
                }
            }
            Effect::RaisePart { part, value } => {
                let own = self.fields.entry(part.clone()).or_default();
                if *own < *value {
                    own.clone_from(value);
                }
            }
            Effect::DelPart(part) => {
                self.fields.remove(part);
                if P::has_children(part) {
                    self.fields.retain(|name, _| P::parent(name).as_ref() != Some(part));
                }
            }
            Effect::FieldExpire { field: name, at }
            | Effect::MemberExpire { member: name, at }
            | Effect::ScoredExpire { member: name, at } => {
                self.due.remove(name);
                let has = |name| {
                    self.fields.contains_key(name)
                        || self.members.contains_key(name)
                        || self.scores.contains_key(name)
                };
                if let Some(at) = at
                    && has(name)
                {
                    self.due.insert(name.clone(), *at);
                }
            }
            Effect::AddField { field, delta, result } => {
                let new = sum(self.fields.get(field), *delta, *result);
                self.fields.insert(field.clone(), new);
            }
            Effect::AddFieldFloat { field, delta, result } => {
                let new = float::<P>(self.fields.get(field), delta, result);
                self.fields.insert(field.clone(), new);
            }
            Effect::AddMember(member) => {
                self.due.remove(member);
                self.members.insert(member.clone(), ());
            }
            Effect::DelMember(member) => {
                self.due.remove(member);
                self.members.remove(member);
            }
            Effect::SetScore { member, score, only } => {
                if self.scores.get(member).is_none_or(|old| only.permits(*old, *score)) {
                    self.due.remove(member);
                    self.scores.insert(member.clone(), *score);
                }
            }
            Effect::AddScore { member, delta, .. } => {
                *self.scores.entry(member.clone()).or_insert(0.0) += delta
            }
            Effect::DelScored(member) => {
                self.due.remove(member);
                self.scores.remove(member);
            }
            other => self.change_list(place, other),
        }
    }

    fn change_list(&mut self, place: Place, effect: &Effect) {
        let at = |list: &[(ElementId, Bytes, bool)], element: &Element| match element {
            Element::Id(id) => list.iter().position(|e| e.0 == *id),
            Element::Settled { .. } => None,
        };
        match effect {
            Effect::Insert { spot, element } => {
                let end = self.list.len();
                let to = match spot {
                    Spot::Head => 0,
                    Spot::Tail => end,
                    Spot::Before(e) => at(&self.list, e).unwrap_or(0),
                    Spot::After(e) => at(&self.list, e).map_or(end, |i| i + 1),
                };
                self.list.insert(to, (ElementId { place, index: 0 }, element.clone(), true));
            }
            Effect::SetElement { id, element } => {
                if let Some(i) = at(&self.list, id) {
                    self.list[i].1 = element.clone();
                }
            }
            Effect::DelElements(ids) => {
                for id in ids {
                    if let Some(i) = at(&self.list, id) {
                        self.list[i].2 = false;
                    }
                }
            }
            _ => {}
        }
    }

    fn value(&self) -> Option<Value> {
        let value = match self.kind? {
            Kind::String => return self.text.clone().map(|bytes| Text { bytes, tag: self.tag }.into()),
            Kind::Stream => Value::Stream(self.fields.clone().into_iter().collect()),
            Kind::Hash => Value::Hash(self.fields.clone().into_iter().collect()),
            Kind::Set => Value::Set(self.members.keys().cloned().collect()),
            Kind::Zset => Value::Zset(self.scores.clone().into_iter().collect()),
            Kind::List => Value::List(self.list.iter().filter(|e| e.2).map(|e| e.1.clone()).collect()),
        };
        let empty = self.fields.is_empty() && self.members.is_empty() && self.scores.is_empty();
        (!empty || self.list.iter().any(|e| e.2)).then_some(value)
    }
}

fn sum(old: Option<&Bytes>, delta: i64, result: i64) -> Bytes {
    let number = match old {
        None => Some(0),
        Some(text) => String::from_utf8(text.clone())
            .ok()
            .and_then(|t| t.parse::<i64>().ok().filter(|n| n.to_string() == t)),
    };
    number.and_then(|n| n.checked_add(delta)).unwrap_or(result).to_string().into_bytes()
}

fn float<P: Plain>(old: Option<&Bytes>, delta: &[u8], result: &[u8]) -> Bytes {
    P::add_float(old.map_or(b"0", |text| text), delta).unwrap_or_else(|| result.to_vec())
}
