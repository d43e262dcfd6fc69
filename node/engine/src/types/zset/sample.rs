//! Random elements of a sorted set.

use std::collections::HashSet;

use protocol::listpack::Entry;

use super::LiveZset;
use crate::types::sample::{below, shuffle_front};

/// Sets up to this size are unpacked before several elements are drawn from them: a listpack is slow to reach into, as is a set
/// of which something is due.
const UNPACKED_MAX: usize = 1024;

impl<'a> LiveZset<'a> {
    /// An element, each as likely as any other.
    pub fn random(self, mut rng: impl FnMut() -> u64) -> Option<(Entry<'a>, f64)> {
        if self.is_empty() { None } else { self.at(below(&mut rng, self.len())) }
    }

    /// Hands over `count` elements, each drawn from all.
    pub fn random_repeated(
        self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        mut each: impl FnMut((Entry<'a>, f64)),
    ) {
        if self.len() > UNPACKED_MAX && !self.has_due() {
            return (0..count).filter_map(|_| self.at(below(&mut rng, self.len()))).for_each(each);
        }
        let all: Vec<_> = self.iter().collect();
        if !all.is_empty() {
            (0..count).for_each(|_| each(all[below(&mut rng, all.len())]));
        }
    }

    /// Hands over `count` different elements (or all there are, highest first), every choice as likely as any other.
    pub fn random_distinct(
        self,
        count: usize,
        mut rng: impl FnMut() -> u64,
        each: impl FnMut((Entry<'a>, f64)),
    ) {
        if count >= self.len() {
            return self.walk(0..self.len(), true).for_each(each);
        }
        // Above a third, drawing again what was drawn before costs more than a list of all elements.
        if self.has_due() || self.len() <= UNPACKED_MAX || count.saturating_mul(3) > self.len() {
            let mut all: Vec<_> = self.iter().collect();
            shuffle_front(&mut all, count, &mut rng);
            return all.into_iter().take(count).for_each(each);
        }
        let mut drawn = HashSet::with_capacity_and_hasher(count, ahash::RandomState::new());
        while drawn.len() < count {
            drawn.insert(below(&mut rng, self.len()));
        }
        drawn.into_iter().filter_map(|rank| self.at(rank)).for_each(each);
    }
}
