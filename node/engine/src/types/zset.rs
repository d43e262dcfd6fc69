//! Zset.

use crate::ctx::KeyMut;
use crate::effect::Outcome;

#[derive(Default)]
pub struct Zset {}

impl Zset {
    pub fn is_empty(&self) -> bool {
        true
    }
    pub fn free_effort(&self) -> usize {
        1
    }
    pub fn encoding(&self) -> &'static str {
        "skiplist"
    }
}
use crate::effect::ScoreCondition;
pub(crate) fn apply_set(_: &mut KeyMut<'_, '_>, _: &[u8], _: f64, _: ScoreCondition) -> Outcome {
    Outcome::Unchanged
}
pub(crate) fn apply_del(_: &mut KeyMut<'_, '_>, _: &[u8]) -> Outcome {
    Outcome::Unchanged
}
