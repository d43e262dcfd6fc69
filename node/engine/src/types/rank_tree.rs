//! The ordered half of a big sorted set: an order-statistic B+tree over (score, member bytes).
//!
//! A sorted set answers two kinds of question. "What is the score of this member?" is the hash table's. "Who is
//! tenth?", "which rank has she?", "how many lie between 3 and 7?" are this tree's, each in O(log n).
//!
//! ```text
//!                      inner   keys    min(A)  min(B)  min(C)
//!                              kids    A       B       C
//!                              counts  40      57      33
//!                              /               |             \
//!   leaf A  scores  1 1 2 5 ..         leaf B ..           leaf C ..
//!           members a d b c ..
//! ```
//!
//! * A slot of a leaf is a score (8 bytes) and a member handle `M` (8 bytes). The handle is opaque: the set's hash
//!   table owns the bytes, and [`MemberSource`] lends them when, and only when, two scores are equal. Scores lie
//!   side by side, so a search reads one or two cache lines and no member.
//! * An inner node keeps for each kid the smallest key below it and how many elements lie below it. That key is
//!   always the key of a *present* element, never a leftover of a removed one, for its bytes would be gone.
//! * *Find by order, change by position*: comparisons happen only in read-only descents, which end as a [`Path`]
//!   (one index per level). A change then follows the path and cannot go astray.
//! * After every change each node has room for one more key, so an insert never has to look ahead. A node that just
//!   became full hands keys to a neighbour with room and splits only when both are nearly full: random inserts leave
//!   leaves about 80% full instead of 70%. At either end of its parent's row it splits off only the newest key, so
//!   ascending (or descending) inserts leave leaves full.
//! * Nodes own their kids (boxes, no arena of indices): one load less per level, memory goes back as soon as a node
//!   dies, and no insert ever waits for a growing arena to be copied.
//!
//! Scores compare as numbers: -0 equals 0, infinities are ordinary, NaN must not enter.

mod build;
mod node;
mod range;
#[cfg(test)]
mod tests;

use node::{Census, Edge, Node, Path};
pub use range::Range;

/// Lends the bytes of a member that a tree knows by handle.
pub trait MemberSource<M> {
    /// The bytes of `m`; called only for handles that are in the tree or passed to it.
    fn bytes(&self, m: M) -> &[u8];
}

/// The tree with the node size used in production: 62 slots make a leaf 1024 bytes.
pub type RankTree<M> = OrderTree<M, 62>;

/// An ordered sequence of (score, member), see the module's page. `CAP` is the slots per node, 4 to 250.
pub struct OrderTree<M, const CAP: usize> {
    root: Option<Box<Node<M, CAP>>>,
    len: usize,
    census: Census,
}

impl<M, const CAP: usize> Default for OrderTree<M, CAP> {
    fn default() -> Self {
        const { assert!(CAP >= 4 && CAP <= 250, "indices are bytes, and a split needs two keys a side") }
        Self { root: None, len: 0, census: Census::default() }
    }
}

impl<M: Copy + PartialEq, const CAP: usize> OrderTree<M, CAP> {
    /// An empty tree; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes allocated for nodes; the members' own bytes are the hash table's account.
    pub fn heap_bytes(&self) -> usize {
        self.census.bytes::<M, CAP>()
    }

    /// Adds `m` at `score`. The member must not be present.
    pub fn insert(&mut self, src: &impl MemberSource<M>, score: f64, m: M) {
        assert!(!score.is_nan(), "NaN has no place in an order");
        assert!(self.len < u32::MAX as usize, "subtree counts are 32 bits");
        self.len += 1;
        let Some(root) = &mut self.root else {
            self.root = Some(Box::new(Node::leaf(&mut self.census, score, m)));
            return;
        };
        let path = root.path_to(&behind(src, score, m));
        root.insert(path.steps(), score, m, &mut self.census);
        if root.is_full() {
            self.grow(path.steps()[0] as usize);
        }
    }

    /// Removes `m`, which must be at `score`; false (and no change) when it is not there.
    pub fn remove(&mut self, src: &impl MemberSource<M>, score: f64, m: M) -> bool {
        match self.seek(src, score, m) {
            Some(path) => self.remove_at(&path, 1, &mut |_, _| ()) == 1,
            None => false,
        }
    }

    /// Moves `m` from score `old` to `new`, in place when it keeps its rank; false when it is not at `old`.
    pub fn update(&mut self, src: &impl MemberSource<M>, old: f64, m: M, new: f64) -> bool {
        assert!(!new.is_nan(), "NaN has no place in an order");
        let Some(path) = self.seek(src, old, m) else { return false };
        let Some(root) = &mut self.root else { return false };
        if !root.rescore(src, path.steps(), old, new) {
            self.remove_at(&path, 1, &mut |_, _| ());
            self.insert(src, new, m);
        }
        true
    }

    /// The rank (0 is lowest) of `m`, which is at `score`; `None` when it is not there.
    pub fn rank(&self, src: &impl MemberSource<M>, score: f64, m: M) -> Option<usize> {
        let path = self.seek(src, score, m)?;
        self.root.as_ref().map(|root| root.rank_of(path.steps()))
    }

    /// The element at `rank`.
    pub fn at(&self, rank: usize) -> Option<(f64, M)> {
        self.leaf_at(rank).map(|(leaf, at)| leaf.key(at))
    }

    /// The lowest element.
    pub fn first(&self) -> Option<(f64, M)> {
        self.root.as_ref().map(|root| root.key(0))
    }

    /// The highest element.
    pub fn last(&self) -> Option<(f64, M)> {
        self.at(self.len.wrapping_sub(1))
    }

    /// How many scores are lower than `score`: the rank at which an inclusive range from it starts.
    pub fn count_below(&self, score: f64) -> usize {
        self.count_before(Edge { score, tie: |_| false })
    }

    /// How many scores are `score` or lower: the rank at which an inclusive range up to it ends.
    pub fn count_up_to(&self, score: f64) -> usize {
        self.count_before(Edge { score, tie: |_| true })
    }

    /// How many members sort before `bytes`. Scores are not looked at: means something if members ascend, as they do
    /// when all scores are equal.
    pub fn count_below_lex(&self, src: &impl MemberSource<M>, bytes: &[u8]) -> usize {
        self.root.as_ref().map_or(0, |root| root.count_while(|m| src.bytes(m) < bytes))
    }

    /// How many members sort before `bytes` or equal it. Means something if members ascend.
    pub fn count_up_to_lex(&self, src: &impl MemberSource<M>, bytes: &[u8]) -> usize {
        self.root.as_ref().map_or(0, |root| root.count_while(|m| src.bytes(m) <= bytes))
    }

    /// The elements whose rank is in `ranks` (cut to what exists), lowest first; `.rev()` goes the other way.
    pub fn range(&self, ranks: std::ops::Range<usize>) -> Range<'_, M, CAP> {
        Range::new(self, ranks)
    }

    /// All elements, lowest first.
    pub fn iter(&self) -> Range<'_, M, CAP> {
        self.range(0..self.len)
    }

    /// Removes the elements whose rank is in `ranks` (cut to what exists), handing each to `gone`, lowest first.
    /// Members are not read meanwhile, so `gone` may free them.
    pub fn remove_range(&mut self, ranks: std::ops::Range<usize>, mut gone: impl FnMut(f64, M)) -> usize {
        let wanted = ranks.end.min(self.len).saturating_sub(ranks.start);
        let mut left = wanted;
        while left > 0 {
            let Some(path) = self.root.as_ref().map(|root| root.path_at(ranks.start)) else { break };
            left -= self.remove_at(&path, left, &mut gone);
        }
        wanted
    }

    /// Takes the lowest element out.
    pub fn pop_first(&mut self) -> Option<(f64, M)> {
        let lowest = self.first()?;
        self.remove_range(0..1, |_, _| ());
        Some(lowest)
    }

    /// Takes the highest element out.
    pub fn pop_last(&mut self) -> Option<(f64, M)> {
        let highest = self.last()?;
        self.remove_range(self.len - 1..self.len, |_, _| ());
        Some(highest)
    }

    /// Where `m` is, if it is at `score`.
    fn seek(&self, src: &impl MemberSource<M>, score: f64, m: M) -> Option<Path> {
        self.root.as_ref()?.path_of(&behind(src, score, m), m)
    }

    fn count_before<T: Fn(M) -> bool>(&self, edge: Edge<T>) -> usize {
        self.root.as_ref().map_or(0, |root| root.count_before(&edge))
    }

    fn leaf_at(&self, rank: usize) -> Option<(&Node<M, CAP>, usize)> {
        if rank >= self.len {
            return None;
        }
        self.root.as_ref().map(|root| root.leaf_at(rank))
    }

    /// Puts a new root above the full one, where it can be split; `at` is where it last grew.
    fn grow(&mut self, at: usize) {
        if let Some(old) = self.root.take() {
            let mut root = Box::new(Node::above(old, self.len, &mut self.census));
            root.relieve(0, at, &mut self.census);
            self.root = Some(root);
        }
    }

    /// Removes up to `n` elements from one leaf, starting at `path`; how many it were.
    fn remove_at(&mut self, path: &Path, n: usize, gone: &mut impl FnMut(f64, M)) -> usize {
        let Some(root) = &mut self.root else { return 0 };
        let removed = root.remove(path.steps(), n, gone, &mut self.census);
        self.len -= removed;
        while let Some(root) = &mut self.root {
            if root.is_empty() {
                self.root = None;
                self.census = Census::default();
            } else if let Some(only) = root.take_only_kid(&mut self.census) {
                self.root = Some(only);
            } else {
                break;
            }
        }
        removed
    }
}

/// The cut right behind `(score, m)`, whether it is present or not.
fn behind<M: Copy + PartialEq>(src: &impl MemberSource<M>, score: f64, m: M) -> Edge<impl Fn(M) -> bool> {
    Edge { score, tie: move |other| other == m || src.bytes(other) <= src.bytes(m) }
}
