//! The store under the overlay, as the overlay sees it: values without history.

use super::grid::Number;
use super::text;
use crate::effect::{BitAdd, Bytes, Effect, Key, Kind, Text, Value};
use crate::stamp::{Place, Stamp};

/// The content of one cell of a set, sorted set or hash.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A hash field's value and deadline.
    Text(Bytes, Option<u64>),
    /// A sorted set's member: its score and deadline.
    Score(f64, Option<u64>),
    /// A set member that is there, and its deadline.
    Member(Option<u64>),
}

/// A store of plain values. A collection that becomes empty is removed with its deadline.
///
/// Lookups do not look at deadlines: an expired key is there until it is reclaimed.
pub trait Plain {
    /// The changes that follow are made by the effect at this place.
    fn at(&mut self, _place: Place) {}

    /// The stamp that the key carries, in a store that keeps stamps: that of the last change. Where a key has no marks and
    /// this is not settled, its value and deadline were put as a whole, under this stamp.
    fn stamp(&self, _key: &Key) -> Option<Stamp> {
        None
    }

    fn kind(&self, key: &Key) -> Option<Kind>;
    fn deadline(&self, key: &Key) -> Option<u64>;
    /// Whether any key of a database may have a deadline.
    fn any_deadline(&self, _db: u32) -> bool {
        true
    }
    fn set_deadline(&mut self, key: &Key, at: Option<u64>);
    /// Replaces whatever the key has; the deadline goes.
    fn put(&mut self, key: &Key, value: Value);
    fn remove(&mut self, key: &Key);
    fn value(&self, key: &Key) -> Option<Value>;
    /// The keys of a database.
    fn keys(&self, db: u32) -> Vec<Key>;

    fn text(&self, key: &Key) -> Option<Text>;
    /// A string that is an integer, written as the server writes them.
    fn integer(&self, key: &Key) -> Option<i64> {
        text::integer(&self.text(key)?.bytes)
    }
    /// Puts an integer in the place of another one.
    fn set_integer(&mut self, key: &Key, n: i64) {
        let tag = self.text(key).map_or(0, |old| old.tag);
        self.put(key, Text { bytes: n.to_string().into_bytes(), tag }.into());
    }
    /// Carries out an effect on a string.
    fn edit(&mut self, key: &Key, effect: &Effect)
    where
        Self: Sized,
    {
        let new = text::edit::<Self>(self.text(key), effect);
        self.put(key, new.into());
    }
    /// One cell of a set, sorted set or hash.
    fn cell(&self, key: &Key, name: &[u8]) -> Option<Cell>;
    /// The part of a stream that another one belongs to: it goes with it.
    fn parent(_part: &[u8]) -> Option<Bytes> {
        None
    }
    /// Whether others may belong to a part.
    fn has_children(_part: &[u8]) -> bool {
        false
    }
    /// The parts that belong to one.
    fn children(&self, _key: &Key, _part: &[u8]) -> Vec<Bytes> {
        Vec::new()
    }
    /// Sets or removes a cell, making the key if need be.
    fn set_cell(&mut self, key: &Key, kind: Kind, name: &[u8], cell: Option<Cell>);

    fn list_len(&self, key: &Key) -> usize;
    fn list_get(&self, key: &Key, at: usize) -> Option<Bytes>;
    fn list_insert(&mut self, key: &Key, at: usize, element: Bytes);
    fn list_set(&mut self, key: &Key, at: usize, element: Bytes);
    fn list_remove(&mut self, key: &Key, at: usize);

    /// The sum of two decimal numbers as the commands write it. `None` if the first is not a number.
    fn add_float(old: &[u8], delta: &[u8]) -> Option<Bytes>;
    /// What a text is to [`Plain::add_float`]: a number of 64 bits, of which up to 17 decimals are written. `None`: it is no
    /// finite number, or this store adds in another way.
    fn number(_text: &[u8]) -> Option<Number> {
        None
    }
    /// A number as [`Plain::add_float`] writes it.
    fn number_text(number: Number) -> Bytes {
        unreachable!("a store that knows no numbers has none to write: {number:?}")
    }
    /// A string after an addition to some of its bits.
    fn add_bits(old: Bytes, add: &BitAdd) -> Bytes;
    /// HyperLogLog registers raised by others.
    fn merge_registers(old: &[u8], raised: &[u8]) -> Bytes;
}
