//! Makes a sorted set, or a sorted list of elements, out of members that come in any order: the results of set operations,
//! of stored ranges and searches, and of loading.

use std::cmp::Ordering;

use protocol::listpack::Entry;

use super::big::{Big, hash_of};
use super::packed::Packed;
use super::{Form, Limits, Zset};
use crate::table::Table;
use crate::thin::{Scored, Thin};
use crate::types::member_hash;
use crate::types::rank_tree::RankTree;

/// Members with their scores, each once. No score is NaN.
#[derive(Default)]
pub struct Builder {
    table: Table<Thin<Scored>>,
    bytes: usize,
}

impl Builder {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Gives a member a score. If it has one, `combine` makes the new one of the old one and this.
    pub fn merge(&mut self, member: &[u8], score: f64, combine: impl FnOnce(f64, f64) -> f64) {
        let hash = member_hash(member);
        if let Some(pos) = self.table.find(hash, |m: Thin<Scored>| m.first() == member) {
            let m: Thin<Scored> = pos.item();
            return m.set_score(combine(m.score(), score));
        }
        let m = Thin::<Scored>::new(score, member);
        self.bytes += m.bytes();
        self.table.insert(hash, m, hash_of);
    }

    /// Gives a member a score, whether it had one or not. False if it had.
    pub fn put(&mut self, member: &[u8], score: f64) -> bool {
        let before = self.len();
        self.merge(member, score, |_, new| new);
        self.len() > before
    }

    /// Takes a member out again.
    pub fn remove(&mut self, member: &[u8]) {
        if let Some(pos) = self.table.find(member_hash(member), |m: Thin<Scored>| m.first() == member) {
            let m = self.table.remove(pos, hash_of);
            self.bytes -= m.bytes();
            m.free();
        }
    }

    fn handles(&self) -> Vec<(f64, Thin<Scored>)> {
        let mut all: Vec<_> = self.table.iter().map(|m| (m.score(), m)).collect();
        all.sort_unstable_by(|a, b| {
            let by_score = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
            by_score.then_with(|| a.1.first().cmp(b.1.first()))
        });
        all
    }

    /// The elements in order.
    pub fn sorted(&self) -> impl ExactSizeIterator<Item = (&[u8], f64)> {
        self.handles().into_iter().map(|(score, m)| (m.first(), score))
    }

    /// The sorted set, in the small form if the limits allow it.
    pub fn finish(mut self, limits: Limits) -> Zset {
        let sorted = self.handles();
        if let Some(packed) = Self::packed(&sorted, limits) {
            return Zset(Form::Packed(packed));
        }
        let tree = RankTree::from_sorted(sorted.into_iter());
        let table = std::mem::take(&mut self.table);
        Zset(Form::Big(Box::new(Big { table, tree, bytes: self.bytes, deadlines: None })))
    }

    fn packed(sorted: &[(f64, Thin<Scored>)], limits: Limits) -> Option<Packed> {
        let longest = || sorted.iter().map(|(_, m)| m.first().len()).max().unwrap_or(0);
        if !limits.allow(sorted.len(), 0) || !limits.allow(sorted.len(), longest()) {
            return None;
        }
        let mut packed = Packed::default();
        for (score, m) in sorted {
            if !packed.has_room_for(m.first()) {
                return None;
            }
            packed.push(m.first(), *score);
        }
        Some(packed)
    }
}

impl<'a> Extend<(Entry<'a>, f64)> for Builder {
    fn extend<T: IntoIterator<Item = (Entry<'a>, f64)>>(&mut self, elements: T) {
        for (member, score) in elements {
            self.put(member.text(&mut itoa::Buffer::new()), score);
        }
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        self.table.drain(Thin::free);
    }
}
