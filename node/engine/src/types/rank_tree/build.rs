//! Building a tree from elements that are in order already: a load, a union, a copy.
//!
//! Level by level, bottom-up: nodes of equal size (to within one), filled to 7/8, so that what is inserted later
//! finds room at once and a tree that is only read wastes little.

use super::node::{Census, Node};
use super::{MemberSource, OrderTree};

impl<M: Copy + PartialEq, const CAP: usize> OrderTree<M, CAP> {
    /// A tree of `sorted`, which must ascend and be free of NaN and of repeated members.
    pub fn from_sorted(sorted: impl ExactSizeIterator<Item = (f64, M)>) -> Self {
        let mut tree = Self::new();
        assert!(sorted.len() <= u32::MAX as usize, "subtree counts are 32 bits");
        let mut level = leaves(sorted, &mut tree.census);
        while level.len() > 1 {
            level = above(level, &mut tree.census);
        }
        if let Some((root, count)) = level.pop() {
            (tree.root, tree.len) = (Some(root), count);
        }
        tree
    }

    /// True when the elements are in order: for what comes from outside and is believed to be.
    pub fn is_sorted(&self, src: &impl MemberSource<M>) -> bool {
        self.iter().is_sorted_by(|&(s, a), &(t, b)| s < t || (s == t && src.bytes(a) < src.bytes(b)))
    }
}

type Level<M, const CAP: usize> = Vec<(Box<Node<M, CAP>>, usize)>;

fn leaves<M: Copy + PartialEq, const CAP: usize>(
    mut sorted: impl ExactSizeIterator<Item = (f64, M)>,
    census: &mut Census,
) -> Level<M, CAP> {
    let sizes = Sizes::of::<CAP>(sorted.len());
    let mut level = Vec::with_capacity(sizes.nodes);
    for size in sizes.each() {
        let Some((score, m)) = sorted.next() else { break };
        let mut leaf = Box::new(Node::leaf(census, score, m));
        sorted.by_ref().take(size - 1).for_each(|(score, m)| leaf.push(score, m));
        let count = leaf.scores().len();
        level.push((leaf, count));
    }
    level
}

fn above<M: Copy + PartialEq, const CAP: usize>(kids: Level<M, CAP>, census: &mut Census) -> Level<M, CAP> {
    let sizes = Sizes::of::<CAP>(kids.len());
    let mut kids = kids.into_iter();
    let mut level = Vec::with_capacity(sizes.nodes);
    for size in sizes.each() {
        let Some((first, mut count)) = kids.next() else { break };
        let mut node = Box::new(Node::above(first, count, census));
        for (kid, below) in kids.by_ref().take(size - 1) {
            node.push_kid(kid, below);
            count += below;
        }
        level.push((node, count));
    }
    level
}

/// How many keys go into how many nodes: `n` cut into the fewest even parts.
struct Sizes {
    n: usize,
    nodes: usize,
}

impl Sizes {
    fn of<const CAP: usize>(n: usize) -> Self {
        Self { n, nodes: n.div_ceil((CAP - CAP / 8 - 1).max(2)) }
    }

    fn each(&self) -> impl Iterator<Item = usize> {
        let (n, nodes) = (self.n, self.nodes);
        (0..nodes).map(move |i| n * (i + 1) / nodes - n * i / nodes)
    }
}
