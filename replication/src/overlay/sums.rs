//! Additions of fractions to a string that stand behind everything else that is remembered of their key.
//!
//! What [`adds`](super::adds) are to integers; but here the order matters, so they are kept in it.

use super::key::Event;
use super::ops::Ops;
use super::plain::{Cell, Plain};
use crate::effect::{Effect, Text};
use crate::stamp::Place;

/// See the [module's page](self).
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// What all before them has made of the string.
    base: Option<Text>,
    ops: Ops,
}

impl Sums {
    pub fn on(base: Option<Text>) -> Sums {
        Sums { base, ops: Ops::default() }
    }

    /// The same of additions that are in order.
    pub fn of(base: Option<Text>, adds: Vec<(Place, Effect)>) -> Sums {
        Sums { base, ops: Ops::of(adds) }
    }

    pub fn base(&self) -> &Option<Text> {
        &self.base
    }

    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub fn len(&self) -> usize {
        self.ops.len()
    }

    pub fn has(&self, place: Place) -> bool {
        self.ops.has(place)
    }

    pub fn is_behind(&self, place: Place) -> bool {
        self.ops.is_behind(place)
    }

    pub fn insert<P: Plain>(&mut self, place: Place, effect: Effect) {
        self.ops.insert::<P>(place, effect);
    }

    /// The string.
    pub fn text<P: Plain>(&mut self) -> Option<Text> {
        let cell = cell(&self.base);
        text(self.ops.carry_out::<P>(cell), &self.base)
    }

    /// All of them, in order, as events of the log.
    pub fn events(&self) -> impl Iterator<Item = (Place, Event)> {
        self.ops.iter().map(|(place, effect)| (*place, Event::Edit(effect.clone())))
    }

    /// Forgets what is settled. False: nothing is.
    pub fn settle<P: Plain>(&mut self, settled: u64) -> bool {
        let mut cell = cell(&self.base);
        let any = self.ops.settle::<P>(settled, &mut cell).is_some();
        if any {
            self.base = text(cell, &self.base);
        }
        any
    }
}

fn cell(text: &Option<Text>) -> Option<Cell> {
    text.as_ref().map(|text| Cell::Text(text.bytes.clone(), None))
}

/// An addition leaves the tag.
fn text(cell: Option<Cell>, base: &Option<Text>) -> Option<Text> {
    let tag = base.as_ref().map_or(0, |base| base.tag);
    match cell {
        Some(Cell::Text(bytes, _)) => Some(Text { bytes, tag }),
        _ => None,
    }
}
