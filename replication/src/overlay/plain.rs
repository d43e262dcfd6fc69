//! The store under the overlay, as the overlay sees it: values without history.

use crate::effect::{BitAdd, Bytes, Key, Kind, Text, Value};
use crate::stamp::{Place, Stamp};

/// The content of one cell of a set, sorted set or hash.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A hash field's value and deadline.
    Text(Bytes, Option<u64>),
    Score(f64),
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
    /// One cell of a set, sorted set or hash.
    fn cell(&self, key: &Key, name: &[u8]) -> Option<Cell>;
    /// Sets or removes a cell, making the key if need be.
    fn set_cell(&mut self, key: &Key, kind: Kind, name: &[u8], cell: Option<Cell>);

    fn list_len(&self, key: &Key) -> usize;
    fn list_get(&self, key: &Key, at: usize) -> Option<Bytes>;
    fn list_insert(&mut self, key: &Key, at: usize, element: Bytes);
    fn list_set(&mut self, key: &Key, at: usize, element: Bytes);
    fn list_remove(&mut self, key: &Key, at: usize);

    /// The sum of two decimal numbers as the commands write it. `None` if the first is not a number.
    fn add_float(old: &[u8], delta: &[u8]) -> Option<Bytes>;
    /// A string after an addition to some of its bits.
    fn add_bits(old: &[u8], add: &BitAdd) -> Bytes;
    /// HyperLogLog registers raised by others.
    fn merge_registers(old: &[u8], raised: &[u8]) -> Bytes;
}
