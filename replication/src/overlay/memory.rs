//! A plain store in maps: for tests and the simulator.

use std::collections::BTreeMap;

use super::plain::{Cell, Plain};
use crate::effect::{BitAdd, Bytes, Key, Kind, Text, Value};

/// What a key holds.
#[derive(Clone, Debug, PartialEq)]
enum Content {
    Text(Text),
    List(Vec<Bytes>),
    Cells(Kind, BTreeMap<Bytes, Cell>),
}

#[derive(Clone, Debug, PartialEq)]
struct Slot {
    content: Content,
    deadline: Option<u64>,
}

/// A store in ordered maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    keys: BTreeMap<Key, Slot>,
}

impl Memory {
    pub fn all(&self) -> impl Iterator<Item = &Key> {
        self.keys.keys()
    }

    /// All keys that have not expired, with their values (members in order) and deadlines.
    pub fn visible(&self, now_ms: u64) -> BTreeMap<Key, (Value, Option<u64>)> {
        let live = self.keys.iter().filter(|(_, slot)| slot.deadline.is_none_or(|at| at > now_ms));
        live.map(|(key, slot)| (key.clone(), (value_of(&slot.content), slot.deadline))).collect()
    }

    fn list(&mut self, key: &Key) -> &mut Vec<Bytes> {
        let slot = self.keys.entry(key.clone());
        let slot = slot.or_insert_with(|| Slot { content: Content::List(Vec::new()), deadline: None });
        match &mut slot.content {
            Content::List(list) => list,
            _ => unreachable!("the overlay checks kinds"),
        }
    }
}

fn value_of(content: &Content) -> Value {
    let text = |cell: &Cell| match cell {
        Cell::Text(text, _) => text.clone(),
        _ => Bytes::new(),
    };
    let score = |cell: &Cell| match cell {
        Cell::Score(score, _) => *score,
        _ => 0.0,
    };
    match content {
        Content::Text(text) => text.clone().into(),
        Content::List(list) => Value::List(list.clone()),
        Content::Cells(Kind::Set, cells) => Value::Set(cells.keys().cloned().collect()),
        Content::Cells(Kind::Zset, cells) => {
            Value::Zset(cells.iter().map(|(name, cell)| (name.clone(), score(cell))).collect())
        }
        Content::Cells(kind, cells) => {
            let pairs = cells.iter().map(|(name, cell)| (name.clone(), text(cell))).collect();
            if *kind == Kind::Stream { Value::Stream(pairs) } else { Value::Hash(pairs) }
        }
    }
}

fn content_of(value: Value) -> Content {
    match value {
        Value::String(text) => Content::Text(text.into()),
        Value::Tagged(text) => Content::Text(text),
        Value::Stream(parts) => Content::Cells(
            Kind::Stream,
            parts.into_iter().map(|(name, v)| (name, Cell::Text(v, None))).collect(),
        ),
        Value::List(list) => Content::List(list),
        Value::Set(members) => {
            Content::Cells(Kind::Set, members.into_iter().map(|name| (name, Cell::Member(None))).collect())
        }
        Value::Zset(members) => {
            let cells = members.into_iter().map(|(name, score)| (name, Cell::Score(score, None)));
            Content::Cells(Kind::Zset, cells.collect())
        }
        Value::Hash(fields) => Content::Cells(
            Kind::Hash,
            fields.into_iter().map(|(name, v)| (name, Cell::Text(v, None))).collect(),
        ),
    }
}

impl Plain for Memory {
    fn kind(&self, key: &Key) -> Option<Kind> {
        Some(match self.keys.get(key)?.content {
            Content::Text(_) => Kind::String,
            Content::List(_) => Kind::List,
            Content::Cells(kind, _) => kind,
        })
    }

    fn deadline(&self, key: &Key) -> Option<u64> {
        self.keys.get(key)?.deadline
    }

    fn set_deadline(&mut self, key: &Key, at: Option<u64>) {
        if let Some(slot) = self.keys.get_mut(key) {
            slot.deadline = at;
        }
    }

    fn put(&mut self, key: &Key, value: Value) {
        self.keys.insert(key.clone(), Slot { content: content_of(value), deadline: None });
    }

    fn remove(&mut self, key: &Key) {
        self.keys.remove(key);
    }

    fn value(&self, key: &Key) -> Option<Value> {
        self.keys.get(key).map(|slot| value_of(&slot.content))
    }

    fn keys(&self, db: u32) -> Vec<Key> {
        self.keys.keys().filter(|key| key.db == db).cloned().collect()
    }

    fn text(&self, key: &Key) -> Option<Text> {
        match &self.keys.get(key)?.content {
            Content::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn cell(&self, key: &Key, name: &[u8]) -> Option<Cell> {
        match &self.keys.get(key)?.content {
            Content::Cells(_, cells) => cells.get(name).cloned(),
            _ => None,
        }
    }

    /// What has a longer name belongs to the part that its first letter names.
    fn parent(part: &[u8]) -> Option<Bytes> {
        (part.len() > 1).then(|| part[..1].to_vec())
    }

    fn has_children(part: &[u8]) -> bool {
        part.len() == 1
    }

    fn children(&self, key: &Key, part: &[u8]) -> Vec<Bytes> {
        let Some(Content::Cells(Kind::Stream, cells)) = self.keys.get(key).map(|slot| &slot.content) else {
            return Vec::new();
        };
        cells.keys().filter(|name| name.len() > 1 && name.starts_with(part)).cloned().collect()
    }

    fn set_cell(&mut self, key: &Key, kind: Kind, name: &[u8], cell: Option<Cell>) {
        let Some(cell) = cell else {
            if let Some(slot) = self.keys.get_mut(key)
                && let Content::Cells(_, cells) = &mut slot.content
            {
                cells.remove(name);
                if cells.is_empty() {
                    self.keys.remove(key);
                }
            }
            return;
        };
        let slot = self.keys.entry(key.clone());
        let slot =
            slot.or_insert_with(|| Slot { content: Content::Cells(kind, BTreeMap::new()), deadline: None });
        if let Content::Cells(_, cells) = &mut slot.content {
            cells.insert(name.to_vec(), cell);
        }
    }

    fn list_len(&self, key: &Key) -> usize {
        match self.keys.get(key).map(|slot| &slot.content) {
            Some(Content::List(list)) => list.len(),
            _ => 0,
        }
    }

    fn list_get(&self, key: &Key, at: usize) -> Option<Bytes> {
        match &self.keys.get(key)?.content {
            Content::List(list) => list.get(at).cloned(),
            _ => None,
        }
    }

    fn list_insert(&mut self, key: &Key, at: usize, element: Bytes) {
        self.list(key).insert(at, element);
    }

    fn list_set(&mut self, key: &Key, at: usize, element: Bytes) {
        self.list(key)[at] = element;
    }

    fn list_remove(&mut self, key: &Key, at: usize) {
        let list = self.list(key);
        list.remove(at);
        if list.is_empty() {
            self.keys.remove(key);
        }
    }

    fn add_float(old: &[u8], delta: &[u8]) -> Option<Bytes> {
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
        Some((number(old)? + number(delta)?).to_string().into_bytes())
    }

    /// Not what the engine computes, but as sensitive to order.
    fn add_bits(old: Bytes, add: &BitAdd) -> Bytes {
        let mut new = old;
        let at = (add.offset / 8) as usize;
        new.resize(new.len().max(at + 1), 0);
        new[at] = new[at].wrapping_add(add.delta as u8);
        new
    }

    fn merge_registers(old: &[u8], raised: &[u8]) -> Bytes {
        let at = |bytes: &[u8], i: usize| bytes.get(i).copied().unwrap_or(0);
        (0..old.len().max(raised.len())).map(|i| at(old, i).max(at(raised, i))).collect()
    }
}
