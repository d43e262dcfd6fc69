//! Lists: a [`Quicklist`] and the settings that shape it. What reads one is the quicklist's.

use std::ops::Deref;

use protocol::listpack::Listpack;

use super::quicklist::{Quicklist, Shape};
use crate::ctx::KeyMut;
use crate::effect::Outcome;
use crate::tuning::Tuning;
use crate::value::{Value, ValueMut};

/// A list. See the [module's page](self).
#[derive(Clone, Default)]
pub struct List(Quicklist);

impl Deref for List {
    type Target = Quicklist;

    #[inline]
    fn deref(&self) -> &Quicklist {
        &self.0
    }
}

impl List {
    /// See [`Value::free_effort`].
    pub fn free_effort(&self) -> usize {
        self.0.node_count()
    }

    /// The encoding as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// Makes room for elements that are about to be pushed to a list of one node.
    pub(crate) fn make_room<'e>(&mut self, tuning: &Tuning, elements: impl Iterator<Item = &'e [u8]>) {
        self.0.reserve(Shape::from(tuning), elements.map(Listpack::entry_bytes).sum());
    }

    /// Adds an element behind the last.
    pub fn push(&mut self, tuning: &Tuning, element: &[u8]) {
        self.0.push_back(Shape::from(tuning), element);
    }

    /// Adds the elements of a listpack, which are a node of a stored list, behind the last.
    pub fn push_node(&mut self, tuning: &Tuning, node: Listpack) {
        self.0.append_packed(Shape::from(tuning), node);
    }

    /// Adds an element that was stored as a node of its own behind the last.
    pub fn push_plain(&mut self, tuning: &Tuning, element: Vec<u8>) {
        self.0.append_plain(Shape::from(tuning), element);
    }
}

/// Inserts an element into the key's list. Creates the key.
#[inline]
pub(crate) fn apply_insert(key: &mut KeyMut<'_, '_>, at: usize, element: &[u8]) -> Outcome {
    let shape = Shape::from(&key.env.tuning);
    if let Some(list) = list_mut(key) {
        list.0.insert(shape, at, element);
        return Outcome::Created;
    }
    let mut list = List::default();
    list.0.push_back(shape, element);
    key.put_value(Value::List(Box::new(list)))
}

/// Replaces an element of the key's list.
pub(crate) fn apply_set(key: &mut KeyMut<'_, '_>, at: usize, element: &[u8]) -> Outcome {
    let shape = Shape::from(&key.env.tuning);
    match list_mut(key).map(|list| list.0.set(shape, at, element)) {
        Some(true) => Outcome::Changed,
        Some(false) | None => Outcome::Unchanged,
    }
}

/// Removes elements that follow each other, and the key with the last one.
#[inline]
pub(crate) fn apply_del(key: &mut KeyMut<'_, '_>, at: usize, count: usize) -> Outcome {
    let shape = Shape::from(&key.env.tuning);
    let Some(list) = list_mut(key) else { return Outcome::Unchanged };
    if count > 0 && at == 0 && count >= list.len() {
        // All of it: that may be much to free.
        key.remove(true);
    } else if list.0.remove_range(shape, at, count) == 0 {
        return Outcome::Unchanged;
    }
    Outcome::Changed
}

/// Removes the elements at `indices`, and the key with the last one.
pub(crate) fn apply_del_at(key: &mut KeyMut<'_, '_>, indices: &[usize]) -> Outcome {
    let shape = Shape::from(&key.env.tuning);
    let Some(list) = list_mut(key).filter(|_| !indices.is_empty()) else { return Outcome::Unchanged };
    list.0.remove_at(shape, indices);
    let empty = list.is_empty();
    key.remove_if_empty(empty);
    Outcome::Changed
}

fn list_mut<'a>(key: &'a mut KeyMut<'_, '_>) -> Option<&'a mut List> {
    if !key.exists() {
        return None;
    }
    match key.value_mut() {
        Some(ValueMut::List(list)) => Some(list),
        _ => panic!("an effect on a list meets a value of another type"),
    }
}
