//! A store that nothing changes: what an effect will leave as marks is noted before it is carried out by other means.

use super::grid::Number;
use super::plain::{Cell, Plain};
use crate::effect::{BitAdd, Bytes, Effect, Key, Kind, Text, Value};
use crate::stamp::{Place, Stamp};

/// Reads go through, changes do not happen. Right for an effect that is newer than all that its key has: of such a one
/// nothing is read back that it has changed.
pub struct Dry<'a, P>(pub &'a P);

impl<P: Plain> Plain for Dry<'_, P> {
    fn at(&mut self, _: Place) {}

    fn stamp(&self, key: &Key) -> Option<Stamp> {
        self.0.stamp(key)
    }

    fn kind(&self, key: &Key) -> Option<Kind> {
        self.0.kind(key)
    }

    fn deadline(&self, key: &Key) -> Option<u64> {
        self.0.deadline(key)
    }

    fn set_deadline(&mut self, _: &Key, _: Option<u64>) {}

    fn put(&mut self, _: &Key, _: Value) {}

    fn remove(&mut self, _: &Key) {}

    fn value(&self, key: &Key) -> Option<Value> {
        self.0.value(key)
    }

    fn keys(&self, db: u32) -> Vec<Key> {
        self.0.keys(db)
    }

    fn text(&self, key: &Key) -> Option<Text> {
        self.0.text(key)
    }

    fn integer(&self, key: &Key) -> Option<i64> {
        self.0.integer(key)
    }

    fn set_integer(&mut self, _: &Key, _: i64) {}

    fn edit(&mut self, _: &Key, _: &Effect) {}

    fn cell(&self, key: &Key, name: &[u8]) -> Option<Cell> {
        self.0.cell(key, name)
    }

    fn parent(part: &[u8]) -> Option<Bytes> {
        P::parent(part)
    }

    fn has_children(part: &[u8]) -> bool {
        P::has_children(part)
    }

    fn children(&self, key: &Key, part: &[u8]) -> Vec<Bytes> {
        self.0.children(key, part)
    }

    fn set_cell(&mut self, _: &Key, _: Kind, _: &[u8], _: Option<Cell>) {}

    fn list_len(&self, key: &Key) -> usize {
        self.0.list_len(key)
    }

    fn list_get(&self, key: &Key, at: usize) -> Option<Bytes> {
        self.0.list_get(key, at)
    }

    fn list_insert(&mut self, _: &Key, _: usize, _: Bytes) {}

    fn list_set(&mut self, _: &Key, _: usize, _: Bytes) {}

    fn list_remove(&mut self, _: &Key, _: usize) {}

    fn add_float(old: &[u8], delta: &[u8]) -> Option<Bytes> {
        P::add_float(old, delta)
    }

    fn number(text: &[u8]) -> Option<Number> {
        P::number(text)
    }

    fn number_text(number: Number) -> Bytes {
        P::number_text(number)
    }

    fn add_bits(old: Bytes, add: &BitAdd) -> Bytes {
        P::add_bits(old, add)
    }

    fn merge_registers(old: &[u8], raised: &[u8]) -> Bytes {
        P::merge_registers(old, raised)
    }
}
