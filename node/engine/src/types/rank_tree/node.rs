//! A node of the tree: a row of keys and, in an inner node, a kid below each.
//!
//! Leaves and inner nodes are one type, because most of what happens to them is the same: search a row of keys, move
//! keys between neighbours. In a leaf a key is an element; in an inner node it is the smallest element below a kid.
//!
//! Invariants between operations: `len < CAP`; keys ascend; an inner node has `kids.len() == len`, `kids[i].count`
//! elements below kid `i` and `key(i)` equal to that kid's `key(0)`; no node but the root's absence is empty; all
//! leaves are equally deep.

mod change;

/// Levels a path can hold. Neighbours together hold at least half a node, so even 2^32 elements need fewer.
const LEVELS: usize = 24;

/// A cut in the order. Before it lie all lower scores and, of the elements at `score`, the first few, those for which
/// `tie` holds.
pub(super) struct Edge<T> {
    pub(super) score: f64,
    pub(super) tie: T,
}

/// One index per level, from the root's kid to the slot in a leaf.
pub(super) struct Path {
    steps: [u8; LEVELS],
    len: usize,
}

impl Path {
    fn new() -> Self {
        Self { steps: [0; LEVELS], len: 0 }
    }

    fn push(&mut self, at: usize) {
        self.steps[self.len] = at as u8;
        self.len += 1;
    }

    pub(super) fn steps(&self) -> &[u8] {
        &self.steps[..self.len]
    }
}

/// How many nodes there are: the memory account.
#[derive(Default, Clone, Copy, PartialEq, Debug)]
pub(super) struct Census {
    pub(super) leaves: u32,
    pub(super) inners: u32,
}

impl Census {
    pub(super) fn bytes<M, const CAP: usize>(&self) -> usize {
        let node = size_of::<Node<M, CAP>>();
        self.leaves as usize * node + self.inners as usize * (node + CAP * size_of::<Kid<M, CAP>>())
    }

    fn note(&mut self, leaf: bool) {
        *(if leaf { &mut self.leaves } else { &mut self.inners }) += 1;
    }

    fn forget(&mut self, leaf: bool) {
        *(if leaf { &mut self.leaves } else { &mut self.inners }) -= 1;
    }
}

pub(super) struct Kid<M, const CAP: usize> {
    pub(super) node: Box<Node<M, CAP>>,
    pub(super) count: u32,
}

pub(super) struct Node<M, const CAP: usize> {
    scores: [f64; CAP],
    members: [M; CAP],
    /// Empty in a leaf; allocated once, for `CAP` kids, in an inner node.
    kids: Vec<Kid<M, CAP>>,
    len: usize,
}

impl<M: Copy + PartialEq, const CAP: usize> Node<M, CAP> {
    /// A leaf of one element.
    pub(super) fn leaf(census: &mut Census, score: f64, m: M) -> Self {
        census.leaves += 1;
        // Slots past `len` hold any valid handle: cheaper than an Option in each, and `M` needs no default.
        Self { scores: [score; CAP], members: [m; CAP], kids: Vec::new(), len: 1 }
    }

    /// An inner node of one kid.
    pub(super) fn above(kid: Box<Self>, count: usize, census: &mut Census) -> Self {
        let (score, m) = kid.key(0);
        census.inners += 1;
        let mut kids = Vec::with_capacity(CAP);
        kids.push(Kid { node: kid, count: count as u32 });
        Self { scores: [score; CAP], members: [m; CAP], kids, len: 1 }
    }

    /// Adds a slot at the end of a leaf; for building in order.
    pub(super) fn push(&mut self, score: f64, m: M) {
        self.insert_key(self.len, score, m);
    }

    /// Adds a kid at the end of an inner node; for building in order.
    pub(super) fn push_kid(&mut self, node: Box<Self>, count: usize) {
        let (score, m) = node.key(0);
        self.insert_key(self.len, score, m);
        self.kids.push(Kid { node, count: count as u32 });
    }

    pub(super) fn is_leaf(&self) -> bool {
        self.kids.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == CAP
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn key(&self, at: usize) -> (f64, M) {
        (self.scores[at], self.members[at])
    }

    pub(super) fn scores(&self) -> &[f64] {
        &self.scores[..self.len]
    }

    pub(super) fn members(&self) -> &[M] {
        &self.members[..self.len]
    }

    #[cfg(test)]
    pub(super) fn kids(&self) -> &[Kid<M, CAP>] {
        &self.kids
    }

    /// How many keys of this row are before the edge. Neither search among scores has a branch to mispredict.
    fn reach<T: Fn(M) -> bool>(&self, edge: &Edge<T>) -> usize {
        let scores = self.scores();
        let first = self.lower(edge.score);
        if first == self.len || scores[first] != edge.score {
            return first;
        }
        let ties = scores[first..].partition_point(|&s| s <= edge.score);
        first + self.members[first..first + ties].partition_point(|&m| (edge.tie)(m))
    }

    /// How many keys have a lower score. Inner nodes are in cache: halving wins. A leaf of a big set is not, and
    /// halving would wait for one cache line after the other; counting asks for all at once (a quarter less time
    /// per insert among a million).
    fn lower(&self, score: f64) -> usize {
        if self.is_leaf() {
            return self.scores().iter().map(|&s| usize::from(s < score)).sum();
        }
        self.scores().partition_point(|&s| s < score)
    }

    /// The kid in which the edge lies: the last that begins before it.
    fn kid_at<T: Fn(M) -> bool>(&self, edge: &Edge<T>) -> usize {
        self.reach(edge).saturating_sub(1)
    }

    /// The path to the first slot that is not before the edge (it may be one past a leaf's end).
    pub(super) fn path_to<T: Fn(M) -> bool>(&self, edge: &Edge<T>) -> Path {
        let mut path = Path::new();
        let leaf = self.descend(edge, &mut path);
        path.push(leaf.reach(edge));
        path
    }

    /// The path to `m` itself, whose edge this is. In the leaf it is found by handle, which spares reading the bytes
    /// of its neighbours.
    pub(super) fn path_of<T: Fn(M) -> bool>(&self, edge: &Edge<T>, m: M) -> Option<Path> {
        let mut path = Path::new();
        let leaf = self.descend(edge, &mut path);
        let first = leaf.lower(edge.score);
        let at = first + leaf.members()[first..].iter().position(|&other| other == m)?;
        path.push(at);
        (leaf.scores[at] == edge.score).then_some(path)
    }

    fn descend<T: Fn(M) -> bool>(&self, edge: &Edge<T>, path: &mut Path) -> &Self {
        let mut node = self;
        while !node.is_leaf() {
            let at = node.kid_at(edge);
            path.push(at);
            node = &node.kids[at].node;
        }
        node
    }

    /// How many elements below are before the edge.
    pub(super) fn count_before<T: Fn(M) -> bool>(&self, edge: &Edge<T>) -> usize {
        let (mut node, mut rank) = (self, 0);
        while !node.is_leaf() {
            let at = node.kid_at(edge);
            rank += node.count_left_of(at);
            node = &node.kids[at].node;
        }
        rank + node.reach(edge)
    }

    /// How many members below, from the lowest on, are `before` some point.
    pub(super) fn count_while(&self, before: impl Fn(M) -> bool) -> usize {
        let (mut node, mut rank) = (self, 0);
        loop {
            let reach = node.members().partition_point(|&m| before(m));
            if node.is_leaf() {
                return rank + reach;
            }
            let at = reach.saturating_sub(1);
            rank += node.count_left_of(at);
            node = &node.kids[at].node;
        }
    }

    pub(super) fn rank_of(&self, steps: &[u8]) -> usize {
        let (mut node, mut rank) = (self, 0);
        for &at in steps {
            if node.is_leaf() {
                return rank + at as usize;
            }
            rank += node.count_left_of(at as usize);
            node = &node.kids[at as usize].node;
        }
        rank
    }

    fn count_left_of(&self, at: usize) -> usize {
        self.kids[..at].iter().map(|kid| kid.count as usize).sum()
    }

    /// Which kid holds the element of that rank, and its rank in there.
    fn kid_of_rank(&self, mut rank: usize) -> (usize, usize) {
        for (at, kid) in self.kids.iter().enumerate() {
            match rank.checked_sub(kid.count as usize) {
                Some(rest) => rank = rest,
                None => return (at, rank),
            }
        }
        panic!("rank beyond the subtree: counts are wrong");
    }

    pub(super) fn path_at(&self, mut rank: usize) -> Path {
        let (mut node, mut path) = (self, Path::new());
        while !node.is_leaf() {
            let (at, rest) = node.kid_of_rank(rank);
            path.push(at);
            rank = rest;
            node = &node.kids[at].node;
        }
        path.push(rank);
        path
    }

    pub(super) fn leaf_at(&self, mut rank: usize) -> (&Self, usize) {
        let mut node = self;
        while !node.is_leaf() {
            let (at, rest) = node.kid_of_rank(rank);
            rank = rest;
            node = &node.kids[at].node;
        }
        (node, rank)
    }
}
