//! List.

use crate::ctx::KeyMut;
use crate::effect::Outcome;

#[derive(Clone, Default)]
pub struct List {}

impl List {
    pub fn is_empty(&self) -> bool {
        true
    }
    pub fn free_effort(&self) -> usize {
        1
    }
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }
}
pub(crate) fn apply_insert(_: &mut KeyMut<'_, '_>, _: usize, _: &[u8]) -> Outcome {
    Outcome::Unchanged
}
pub(crate) fn apply_set(_: &mut KeyMut<'_, '_>, _: usize, _: &[u8]) -> Outcome {
    Outcome::Unchanged
}
pub(crate) fn apply_del(_: &mut KeyMut<'_, '_>, _: usize, _: usize) -> Outcome {
    Outcome::Unchanged
}
