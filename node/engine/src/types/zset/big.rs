//! The big form: a table of the members' allocations, and a tree that orders their handles.
//!
//! Invariant: every handle is in the table once and in the tree once, at the score that its allocation holds; the table
//! owns the allocations.

use std::ops::Range;

use protocol::listpack::Entry;

use super::walk::{Source, Walk};
use super::{LexBound, LexRange, ScoreRange};
use crate::effect::{Outcome, ScoreCondition};
use crate::table::{Pos, Table};
use crate::thin::{Scored, Thin};
use crate::types::rank_tree::{MemberSource, RankTree};
use crate::types::{Deadlines, member_hash};

/// Bits of a scan position that a cursor leaves out, so that cursors are below 2^52 and survive clients' doubles.
const CURSOR_UNIT: u32 = 12;

#[derive(Default)]
pub(super) struct Big {
    pub(super) table: Table<Thin<Scored>>,
    pub(super) tree: RankTree<Thin<Scored>>,
    /// Bytes of the members' allocations.
    pub(super) bytes: usize,
    pub(super) deadlines: Option<Box<Deadlines>>,
}

/// Lends the tree the bytes behind its handles.
struct Bytes;

impl MemberSource<Thin<Scored>> for Bytes {
    #[inline]
    fn bytes(&self, m: Thin<Scored>) -> &[u8] {
        m.first()
    }
}

pub(super) fn hash_of(m: Thin<Scored>) -> u64 {
    member_hash(m.first())
}

impl Big {
    /// A set of elements that are in order.
    pub fn from_ascending<'a>(elements: impl Iterator<Item = (Entry<'a>, f64)>) -> Big {
        let mut big = Big::default();
        let mut sorted = Vec::with_capacity(elements.size_hint().0);
        for (member, score) in elements {
            let m = Thin::<Scored>::new(score, member.text(&mut itoa::Buffer::new()));
            big.bytes += m.bytes();
            big.table.insert(hash_of(m), m, hash_of);
            sorted.push((score, m));
        }
        big.tree = RankTree::from_sorted(sorted.into_iter());
        big
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn heap_bytes(&self) -> usize {
        let deadlines = self.deadlines.as_ref().map_or(0, |all| size_of::<Deadlines>() + all.heap_bytes());
        self.table.heap_bytes() + self.tree.heap_bytes() + self.bytes + deadlines
    }

    #[inline]
    fn find(&self, hash: u64, member: &[u8]) -> Option<Pos> {
        self.table.find(hash, |m: Thin<Scored>| m.first() == member)
    }

    #[inline]
    fn get(&self, member: &[u8]) -> Option<Thin<Scored>> {
        self.find(member_hash(member), member).map(|pos| pos.item())
    }

    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.get(member).map(Thin::score)
    }

    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let m = self.get(member)?;
        Some((self.tree.rank(&Bytes, m.score(), m)?, m.score()))
    }

    pub fn walk(&self, ranks: Range<usize>, reverse: bool) -> Walk<'_> {
        Walk(Source::Big { range: self.tree.range(ranks), reverse })
    }

    pub fn ranks_of_scores(&self, range: &ScoreRange) -> Range<usize> {
        let tree = &self.tree;
        let start =
            if range.min_excluded { tree.count_up_to(range.min) } else { tree.count_below(range.min) };
        let end = if range.max_excluded { tree.count_below(range.max) } else { tree.count_up_to(range.max) };
        start..end.max(start)
    }

    pub fn ranks_of_members(&self, range: &LexRange<'_>) -> Range<usize> {
        let tree = &self.tree;
        let start = match range.min {
            LexBound::Lowest => 0,
            LexBound::Highest => tree.len(),
            LexBound::Included(bytes) => tree.count_below_lex(&Bytes, bytes),
            LexBound::Excluded(bytes) => tree.count_up_to_lex(&Bytes, bytes),
        };
        let end = match range.max {
            LexBound::Lowest => 0,
            LexBound::Highest => tree.len(),
            LexBound::Included(bytes) => tree.count_up_to_lex(&Bytes, bytes),
            LexBound::Excluded(bytes) => tree.count_below_lex(&Bytes, bytes),
        };
        start..end.max(start)
    }

    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut each: impl FnMut(&'a [u8], f64)) -> u64 {
        let (mut at, mut seen) = (cursor << CURSOR_UNIT, 0);
        loop {
            let next = self.table.scan(at, CURSOR_UNIT, hash_of, |m| {
                seen += 1;
                each(m.first(), m.score());
            });
            match next {
                None => return 0,
                Some(next) if seen >= count => return next >> CURSOR_UNIT,
                Some(next) => at = next,
            }
        }
    }

    /// See [`super::Zset::set`]. One look into the table, one change of the tree.
    pub fn set(&mut self, member: &[u8], score: f64, only: ScoreCondition) -> Outcome {
        let hash = member_hash(member);
        let Some(pos) = self.find(hash, member) else {
            let m = Thin::<Scored>::new(score, member);
            self.bytes += m.bytes();
            self.table.insert(hash, m, hash_of);
            self.tree.insert(&Bytes, score, m);
            return Outcome::Created;
        };
        let m: Thin<Scored> = pos.item();
        let old = m.score();
        if old == score || !only.permits(old, score) {
            return Outcome::Unchanged;
        }
        self.tree.update(&Bytes, old, m, score);
        m.set_score(score);
        Outcome::Changed
    }

    /// Forgets a member's deadline, and with the last the table of them.
    pub fn forget(&mut self, member: &[u8]) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.remove(member);
            if deadlines.is_empty() {
                self.deadlines = None;
            }
        }
    }

    /// Removes a member that has no deadline.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let Some(pos) = self.find(member_hash(member), member) else { return false };
        let m = self.table.remove(pos, hash_of);
        let in_tree = self.tree.remove(&Bytes, m.score(), m);
        assert!(in_tree, "table and tree of a sorted set disagree");
        self.bytes -= m.bytes();
        m.free();
        true
    }
}

impl Clone for Big {
    fn clone(&self) -> Big {
        let mut big = Big::from_ascending(self.walk(0..self.len(), false));
        big.deadlines.clone_from(&self.deadlines);
        big
    }
}

impl Drop for Big {
    fn drop(&mut self) {
        self.table.drain(Thin::free);
    }
}
