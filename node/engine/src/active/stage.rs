//! A shard as the overlay sees it.

use protocol::number::LongDouble;
use replication::effect::{BitAdd, BitOverflow, Bytes, Key, Kind, Text, Value};
use replication::overlay::{self, Cell, Number, Plain};
use replication::{Place, Stamp};

use crate::ctx::{Env, KeyMut, Outbox};
use crate::entry::{Entry, EntryRef};
use crate::journal::{Writer, encode};
use crate::shard::Shard;
use crate::tuning::Tuning;
use crate::types::bits::{Field, Overflow};
use crate::types::stream::{NodeLimits, Part};
use crate::types::string::IntText;
use crate::types::{Hash, List, Set, Stream, hash, hyperloglog, list, set, stream, string, zset};
use crate::value::{self, ValueRef};

/// HyperLogLogs that the fold makes are sparse up to this, whatever the node is tuned to: all nodes must make the same.
const SPARSE_MAX: usize = 3000;

/// A shard, while effects of others are folded into it.
pub(crate) struct Stage<'a> {
    pub shard: &'a mut Shard,
    pub env: &'a Env,
    pub out: &'a mut Outbox,
    pub writer: &'a mut Writer,
    /// The stamp of the effect that is being folded in.
    pub stamp: Stamp,
    /// It has changed something.
    pub touched: bool,
}

/// The engine's kind of value under the names of the mesh.
pub(crate) fn kind_of(kind: value::Kind) -> Kind {
    match kind {
        value::Kind::Int | value::Kind::Inline | value::Kind::Raw | value::Kind::Tagged => Kind::String,
        value::Kind::List => Kind::List,
        value::Kind::Set => Kind::Set,
        value::Kind::Zset => Kind::Zset,
        value::Kind::Hash => Kind::Hash,
        value::Kind::Stream => Kind::Stream,
    }
}

impl Stage<'_> {
    fn entry(&self, key: &Key) -> Option<EntryRef<'_>> {
        let db = self.shard.dbs.get(key.db as usize)?;
        db.get(db.hash(&key.name), &key.name)
    }

    pub fn key<'s, 'k>(&'s mut self, db: u32, name: &'k [u8]) -> KeyMut<'s, 'k> {
        let hash = self.shard.dbs[db as usize].hash(name);
        self.key_at(db, name, hash)
    }

    /// The same where its hash is known.
    #[inline]
    pub fn key_at<'s, 'k>(&'s mut self, db: u32, name: &'k [u8], hash: u64) -> KeyMut<'s, 'k> {
        let db = db as usize;
        let pos = self.shard.dbs[db].find(hash, name);
        let Stage { shard, env, out, writer, stamp, .. } = self;
        KeyMut { shard, env, out, writer, stamp: *stamp, db, key: name, hash, pos }
    }

    /// The key, to be changed.
    fn change<'s, 'k>(&'s mut self, key: &'k Key) -> KeyMut<'s, 'k> {
        self.touched = true;
        self.key(key.db, &key.name)
    }
}

/// A whole value in the engine's form.
pub(crate) fn built(value: &Value, tuning: &Tuning) -> value::Value {
    match value {
        Value::String(text) => value::Value::string(text),
        Value::Tagged(text) => value::Value::tagged(text.bytes.clone(), text.tag),
        Value::List(elements) => {
            let mut list = List::default();
            elements.iter().for_each(|element| list.push(tuning, element));
            value::Value::List(Box::new(list))
        }
        Value::Set(members) => {
            let mut set = Set::default();
            for member in members {
                set.add(member, set::intset_limit(tuning));
            }
            value::Value::Set(Box::new(set))
        }
        Value::Zset(members) => {
            let mut zset = zset::Builder::default();
            for (member, score) in members {
                zset.put(member, *score);
            }
            value::Value::Zset(Box::new(zset.finish(zset::Limits::of(tuning))))
        }
        Value::Hash(fields) => {
            let mut hash = Hash::default();
            for (field, value) in fields {
                hash.set(field, value, false, hash::Limits::of(tuning), 0);
            }
            value::Value::Hash(Box::new(hash))
        }
        Value::Stream(parts) => {
            let mut stream = Stream::of_parts();
            for (name, value) in parts {
                // What a newer peer may know of, and this node does not, is left out.
                if let Ok(part) = Part::parse(name) {
                    let _ = stream.set_part(part, Some(value), NodeLimits::from(tuning));
                }
            }
            value::Value::Stream(Box::new(stream))
        }
    }
}

/// Whether a cell is the same to its last bit.
fn is_same(old: &Cell, new: &Cell) -> bool {
    match (old, new) {
        (Cell::Score(old, before), Cell::Score(new, after)) => {
            old.to_bits() == new.to_bits() && before == after
        }
        (old, new) => old == new,
    }
}

/// A whole value in the mesh's form.
pub(crate) fn owned(value: ValueRef<'_>) -> Value {
    let mut bytes = replication::codec::Writer::default();
    encode::value(&mut bytes, value, 0);
    replication::borrowed::value(&bytes.0).expect("a value just encoded is well formed").to_owned()
}

impl Plain for Stage<'_> {
    fn at(&mut self, place: Place) {
        self.stamp = place.stamp();
    }

    fn stamp(&self, key: &Key) -> Option<Stamp> {
        let stamp = self.entry(key)?.stamp();
        // What was written before the node had a label is its own all the same.
        Some(if stamp.origin == 0 { Stamp { origin: self.writer.first_label(), ..stamp } } else { stamp })
    }

    fn kind(&self, key: &Key) -> Option<Kind> {
        self.entry(key).map(|entry| kind_of(entry.kind()))
    }

    fn deadline(&self, key: &Key) -> Option<u64> {
        self.entry(key)?.deadline()
    }

    fn any_deadline(&self, db: u32) -> bool {
        self.shard.dbs.get(db as usize).is_some_and(|db| db.expiring() > 0)
    }

    fn set_deadline(&mut self, key: &Key, at: Option<u64>) {
        if self.echoes() && self.entry(key).is_some() {
            self.echo_deadline(key, at);
        }
        let key = self.change(key);
        if let Some(pos) = key.pos {
            key.shard.dbs[key.db].set_deadline(key.hash, pos, at);
        }
    }

    fn put(&mut self, key: &Key, value: Value) {
        let value = built(&value, &self.env.tuning);
        let mut key = self.change(key);
        let (stamp, access) = (key.stamp(), key.access());
        let entry = Entry::new(key.key, value, None, stamp, access);
        key.put_entry(entry);
        if key.writer.feeds() {
            key.echo_whole();
        }
    }

    fn remove(&mut self, key: &Key) {
        if self.entry(key).is_some() {
            if self.echoes() {
                self.echo_removal(key);
            }
            self.change(key).remove(true);
        }
    }

    fn value(&self, key: &Key) -> Option<Value> {
        self.entry(key).map(|entry| owned(entry.value()))
    }

    fn keys(&self, db: u32) -> Vec<Key> {
        let name = |entry: EntryRef<'_>| Key { db, name: entry.key().to_vec() };
        self.shard.dbs.get(db as usize).map_or(Vec::new(), |db| db.iter().map(name).collect())
    }

    fn text(&self, key: &Key) -> Option<Text> {
        let (value, mut text) = (self.entry(key)?.value(), IntText::default());
        if let ValueRef::Tagged(string) = value {
            return Some(Text { bytes: string.bytes.clone(), tag: string.tag });
        }
        Some(Text { bytes: value.string_bytes(&mut text)?.to_vec(), tag: 0 })
    }

    fn integer(&self, key: &Key) -> Option<i64> {
        match self.entry(key)?.value() {
            ValueRef::Int(n) => Some(n),
            _ => overlay::integer(&self.text(key)?.bytes),
        }
    }

    fn set_integer(&mut self, key: &Key, n: i64) {
        if self.echoes() {
            self.echo_integer(key, n);
        }
        let mut key = self.change(key);
        string::apply_int(&mut key, n);
        key.restamp();
    }

    fn cell(&self, key: &Key, name: &[u8]) -> Option<Cell> {
        match self.entry(key)?.value() {
            ValueRef::Hash(hash) => {
                let mut int = itoa::Buffer::new();
                let text = hash.live(0).get(name)?.text(&mut int).to_vec();
                Some(Cell::Text(text, hash.deadlines().and_then(|all| all.get(name))))
            }
            ValueRef::Set(set) => {
                let deadline = || set.deadlines().and_then(|all| all.get(name));
                set.live(0).contains(name).then(|| Cell::Member(deadline()))
            }
            ValueRef::Zset(zset) => {
                let deadline = || zset.deadlines().and_then(|all| all.get(name));
                zset.score(name).map(|score| Cell::Score(score, deadline()))
            }
            ValueRef::Stream(stream) => {
                Part::parse(name).ok().and_then(|part| stream.part(part)).map(|value| Cell::Text(value, None))
            }
            _ => None,
        }
    }

    fn parent(part: &[u8]) -> Option<Bytes> {
        match Part::parse(part).ok()? {
            Part::Consumer { group, .. } | Part::Pending { group, .. } | Part::Late { group, .. } => {
                Some(Part::Group(group).name())
            }
            _ => None,
        }
    }

    fn has_children(part: &[u8]) -> bool {
        matches!(Part::parse(part), Ok(Part::Group(_)))
    }

    fn children(&self, key: &Key, part: &[u8]) -> Vec<Bytes> {
        match (Part::parse(part), self.entry(key).map(|entry| entry.value())) {
            (Ok(Part::Group(name)), Some(ValueRef::Stream(stream))) => stream.parts_of_group(name),
            _ => Vec::new(),
        }
    }

    fn set_cell(&mut self, key: &Key, made: Kind, name: &[u8], cell: Option<Cell>) {
        let kind = self.kind(key);
        if made == Kind::Stream {
            let value = match &cell {
                Some(Cell::Text(value, _)) => Some(&value[..]),
                _ => None,
            };
            let before = self.part_before(key, name);
            let mut place = self.change(key);
            stream::fold_part(&mut place, name, value);
            place.restamp();
            if let Some(before) = before {
                self.echo_part(key, name, &before);
            }
            return;
        }
        if cell.as_ref().is_some_and(|new| self.cell(key, name).is_some_and(|old| is_same(&old, new))) {
            // It is asserted once more: nobody hears of that.
            return self.key(key.db, &key.name).restamp();
        }
        if self.echoes() {
            self.echo_cell(key, kind, name, &cell);
        }
        let mut key = self.change(key);
        match cell {
            Some(Cell::Text(value, at)) => hash::fold_set(&mut key, name, &value, at),
            Some(Cell::Member(at)) => set::fold_add(&mut key, name, at),
            Some(Cell::Score(score, at)) => zset::fold_set(&mut key, name, score, at),
            None => match kind {
                Some(Kind::Hash) => hash::fold_del(&mut key, name),
                Some(Kind::Set) => set::fold_del(&mut key, name),
                Some(Kind::Zset) => zset::fold_del(&mut key, name),
                _ => {}
            },
        }
        key.restamp();
    }

    fn list_len(&self, key: &Key) -> usize {
        match self.entry(key).map(|entry| entry.value()) {
            Some(ValueRef::List(list)) => list.len(),
            _ => 0,
        }
    }

    fn list_get(&self, key: &Key, at: usize) -> Option<Bytes> {
        match self.entry(key)?.value() {
            ValueRef::List(list) => list.get(at, |element| element.text(&mut itoa::Buffer::new()).to_vec()),
            _ => None,
        }
    }

    fn list_insert(&mut self, key: &Key, at: usize, element: Bytes) {
        if self.echoes() {
            self.echo_insert(key, at, &element);
        }
        let mut key = self.change(key);
        list::apply_insert(&mut key, at, &element);
        key.restamp();
    }

    fn list_set(&mut self, key: &Key, at: usize, element: Bytes) {
        if self.echoes() {
            self.echo_set(key, at, &element);
        }
        let mut key = self.change(key);
        list::apply_set(&mut key, at, &element);
        key.restamp();
    }

    fn list_remove(&mut self, key: &Key, at: usize) {
        if self.echoes() {
            self.echo_pop(key, at);
        }
        let mut key = self.change(key);
        list::apply_del(&mut key, at, 1);
        key.restamp();
    }

    fn add_float(old: &[u8], delta: &[u8]) -> Option<Bytes> {
        let mut sum = Vec::with_capacity(24);
        LongDouble::parse(old)?.checked_add(LongDouble::parse(delta)?)?.fmt_human(&mut sum);
        Some(sum)
    }

    fn number(text: &[u8]) -> Option<Number> {
        let (negative, mantissa, exponent) = LongDouble::parse(text)?.parts()?;
        Some(Number { negative, mantissa, exponent })
    }

    fn number_text(number: Number) -> Bytes {
        let mut text = Vec::with_capacity(24);
        LongDouble::from_parts(number.negative, number.mantissa, number.exponent).fmt_human(&mut text);
        text
    }

    fn add_bits(old: Bytes, add: &BitAdd) -> Bytes {
        let field = Field { offset: add.offset as usize, width: add.width, signed: add.signed };
        let overflow = match add.overflow {
            BitOverflow::Wrap => Overflow::Wrap,
            BitOverflow::Saturate => Overflow::Saturate,
            BitOverflow::Fail => Overflow::Fail,
        };
        let Some(sum) = field.add(field.read(&old), add.delta, overflow) else { return old };
        let (first, patch) = (field.offset / 8, field.patch(&old, sum));
        let mut new = old;
        new.resize(new.len().max(first + patch.len()), 0);
        new[first..first + patch.len()].copy_from_slice(&patch);
        new
    }

    fn merge_registers(old: &[u8], raised: &[u8]) -> Bytes {
        let (dense, ranks) = encode::raised(raised);
        hyperloglog::raised(old, &ranks, dense, SPARSE_MAX)
    }
}
