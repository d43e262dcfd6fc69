//! Additions to a number that stand behind everything else that is remembered of their key: their order does not matter.
//!
//! A counter that many nodes count with gets additions late all the time. Here they are kept as they come, and are put in
//! order only when something else comes that has a place among them.

use crate::effect::Effect;
use crate::stamp::Place;

#[derive(Clone, Copy, Debug)]
struct Addition {
    place: Place,
    delta: i64,
    /// What it came to where it was made.
    result: i64,
}

/// See the [module's page](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Adds(Vec<Addition>);

impl Adds {
    /// Whether additions like this one may be done in any order: no sum comes near to where numbers end.
    pub fn fits(delta: i64, result: i64) -> bool {
        delta.unsigned_abs() < 1 << 40 && result.unsigned_abs() < 1 << 61
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn has(&self, place: Place) -> bool {
        self.0.iter().any(|addition| addition.place == place)
    }

    #[inline]
    pub fn push(&mut self, place: Place, delta: i64, result: i64) {
        self.0.push(Addition { place, delta, result });
    }

    /// All of them, in order, as what they were before.
    pub fn in_order(&self) -> Vec<(Place, Effect)> {
        let mut all = self.0.clone();
        all.sort_by_key(|addition| addition.place);
        let effect = |a: Addition| (a.place, Effect::Add { delta: a.delta, result: a.result });
        all.into_iter().map(effect).collect()
    }

    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Forgets what is settled. What it comes to; `None`: nothing is.
    pub fn settle(&mut self, settled: u64) -> Option<i64> {
        let (before, mut sum) = (self.0.len(), 0);
        self.0.retain(|addition| {
            let young = addition.place.version > settled;
            sum += if young { 0 } else { addition.delta };
            young
        });
        (self.0.len() < before).then_some(sum)
    }
}
