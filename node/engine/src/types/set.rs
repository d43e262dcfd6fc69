//! Set.

use crate::ctx::KeyMut;
use crate::effect::Outcome;

#[derive(Default)]
pub struct Set {}

impl Set {
    pub fn is_empty(&self) -> bool {
        true
    }
    pub fn free_effort(&self) -> usize {
        1
    }
    pub fn encoding(&self) -> &'static str {
        "hashtable"
    }
}
pub(crate) fn apply_add(_: &mut KeyMut<'_, '_>, _: &[u8]) -> Outcome {
    Outcome::Unchanged
}
pub(crate) fn apply_del(_: &mut KeyMut<'_, '_>, _: &[u8]) -> Outcome {
    Outcome::Unchanged
}
