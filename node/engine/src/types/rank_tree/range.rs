//! Iteration over a range of ranks, from either end.
//!
//! Leaves carry no links to their neighbours. When one is used up the next is found from the root by rank: a short
//! walk through warm inner nodes once per leaf, in return for links that no split or merge must maintain.

use super::{Node, OrderTree};

/// The elements of a range of ranks, lowest first; double-ended.
pub struct Range<'a, M, const CAP: usize> {
    tree: &'a OrderTree<M, CAP>,
    /// Ranks not yet given out.
    low: usize,
    high: usize,
    /// The leaf in which `low` lies, and the slot there.
    front: Option<(&'a Node<M, CAP>, usize)>,
    /// The leaf in which `high - 1` lies, and the slot behind it.
    back: Option<(&'a Node<M, CAP>, usize)>,
}

impl<'a, M: Copy + PartialEq, const CAP: usize> Range<'a, M, CAP> {
    pub(super) fn new(tree: &'a OrderTree<M, CAP>, ranks: std::ops::Range<usize>) -> Self {
        let high = ranks.end.min(tree.len());
        Self { tree, low: ranks.start.min(high), high, front: None, back: None }
    }
}

impl<M: Copy + PartialEq, const CAP: usize> Iterator for Range<'_, M, CAP> {
    type Item = (f64, M);

    fn next(&mut self) -> Option<Self::Item> {
        if self.low >= self.high {
            return None;
        }
        let (leaf, at) = match self.front {
            Some((leaf, at)) if at < leaf.scores().len() => (leaf, at),
            _ => self.tree.leaf_at(self.low)?,
        };
        self.front = Some((leaf, at + 1));
        self.low += 1;
        Some(leaf.key(at))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.high - self.low;
        (left, Some(left))
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.low = self.low.saturating_add(n).min(self.high);
        self.front = None;
        self.next()
    }
}

impl<M: Copy + PartialEq, const CAP: usize> DoubleEndedIterator for Range<'_, M, CAP> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.low >= self.high {
            return None;
        }
        let (leaf, behind) = match self.back {
            Some((leaf, behind)) if behind > 0 => (leaf, behind),
            _ => self.tree.leaf_at(self.high - 1).map(|(leaf, at)| (leaf, at + 1))?,
        };
        self.back = Some((leaf, behind - 1));
        self.high -= 1;
        Some(leaf.key(behind - 1))
    }
}

impl<M: Copy + PartialEq, const CAP: usize> ExactSizeIterator for Range<'_, M, CAP> {}
