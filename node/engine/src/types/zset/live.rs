//! A sorted set as it is at one moment: members whose time has come are not there.
//!
//! Ranks are counted without them. Nearly always nothing is due, and then all is asked of the set itself; else the ranks of what
//! is due are looked up first.

use std::ops::Range;

use protocol::listpack::Entry;

use super::{LexRange, ScoreRange, Walk, Zset};
use crate::types::deadlines::Due;

/// See the [module's page](self). Copying it copies two references.
#[derive(Clone, Copy)]
pub struct LiveZset<'a> {
    set: &'a Zset,
    /// What is to be hidden, if anything is.
    due: Option<Due<'a>>,
}

impl<'a> LiveZset<'a> {
    #[inline]
    pub(super) fn new(set: &'a Zset, now: u64) -> LiveZset<'a> {
        LiveZset { set, due: set.deadlines().and_then(|deadlines| deadlines.due(now)) }
    }

    /// Whether there are members to be removed.
    pub fn has_due(self) -> bool {
        self.due.is_some()
    }

    pub fn len(self) -> usize {
        self.set.len() - self.due.map_or(0, |due| due.count())
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether the set is one listpack.
    pub fn is_compact(self) -> bool {
        self.set.listpack().is_some()
    }

    fn shows(self, member: &[u8]) -> bool {
        self.due.is_none_or(|due| !due.hides(member))
    }

    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        self.set.score(member).filter(|_| self.shows(member))
    }

    pub fn contains(self, member: &[u8]) -> bool {
        self.set.contains(member) && self.shows(member)
    }

    /// When a member expires, unix ms.
    pub fn deadline(self, member: &[u8]) -> Option<u64> {
        self.set.deadlines().and_then(|deadlines| deadlines.get(member))
    }

    /// The rank of a member, counted from the lowest, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        let (rank, score) = self.set.rank(member).filter(|_| self.shows(member))?;
        Some((self.hidden().before(rank), score))
    }

    /// The element at a rank.
    pub fn at(self, rank: usize) -> Option<(Entry<'a>, f64)> {
        self.walk(rank..rank.saturating_add(1), false).next()
    }

    /// The elements at the ranks (cut to what exists), lowest first, or highest first if `reverse`.
    pub fn walk(self, ranks: Range<usize>, reverse: bool) -> LiveWalk<'a> {
        let Some(due) = self.due else {
            return LiveWalk { walk: self.set.walk(ranks, reverse), due: None, left: 0 };
        };
        let end = ranks.end.min(self.len());
        let start = ranks.start.min(end);
        let hidden = self.hidden();
        let walk = self.set.walk(hidden.rank_of(start)..hidden.rank_of(end), reverse);
        LiveWalk { walk, due: Some(due), left: end - start }
    }

    /// All elements, lowest first.
    pub fn iter(self) -> LiveWalk<'a> {
        self.walk(0..usize::MAX, false)
    }

    /// The ranks of the elements with a score in the range.
    pub fn ranks_of_scores(self, range: &ScoreRange) -> Range<usize> {
        self.shown(self.set.ranks_of_scores(range))
    }

    /// The ranks of the members in the range; see [`Zset::ranks_of_members`].
    pub fn ranks_of_members(self, range: &LexRange<'_>) -> Range<usize> {
        self.shown(self.set.ranks_of_members(range))
    }

    fn shown(self, ranks: Range<usize>) -> Range<usize> {
        if self.due.is_none() {
            return ranks;
        }
        let hidden = self.hidden();
        hidden.before(ranks.start)..hidden.before(ranks.end)
    }

    /// See [`Zset::scan`].
    pub fn scan(self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'a>, f64)) -> u64 {
        self.set.scan(cursor, count, |member, score| {
            if self.due.is_none_or(|due| !due.hides_entry(member)) {
                each(member, score);
            }
        })
    }

    fn hidden(self) -> Hidden {
        let rank = |member: Entry<'_>| Some(self.set.rank(member.text(&mut itoa::Buffer::new()))?.0);
        let mut ranks: Vec<usize> =
            self.due.into_iter().flat_map(|due| due.members()).filter_map(rank).collect();
        ranks.sort_unstable();
        Hidden(ranks)
    }
}

/// The ranks, in the whole set, of what is hidden; ascending.
struct Hidden(Vec<usize>);

impl Hidden {
    /// How many elements before a rank of the whole set are shown: its rank among those that are.
    fn before(&self, rank: usize) -> usize {
        rank - self.0.partition_point(|hidden| *hidden < rank)
    }

    /// The rank in the whole set of the element that has this rank among those that are shown.
    fn rank_of(&self, shown: usize) -> usize {
        // Before the nth that is hidden stand as many that are shown as its rank is above n.
        let (mut low, mut high) = (0, self.0.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.0[middle] - middle <= shown {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        shown + low
    }
}

/// The elements of a range of ranks: member and score.
pub struct LiveWalk<'a> {
    walk: Walk<'a>,
    due: Option<Due<'a>>,
    /// How many there are still, if something is hidden.
    left: usize,
}

impl<'a> Iterator for LiveWalk<'a> {
    type Item = (Entry<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Some(due) = self.due else { return self.walk.next() };
        let shown = self.walk.find(|(member, _)| !due.hides_entry(*member));
        self.left = self.left.saturating_sub(1);
        shown
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.due {
            None => self.walk.size_hint(),
            Some(_) => (self.left, Some(self.left)),
        }
    }
}

impl ExactSizeIterator for LiveWalk<'_> {}
