//! The tree against a sorted `Vec`, with small nodes so that a few hundred elements make it deep.

use proptest::prelude::*;

use super::node::{Census, Node};
use super::*;

/// Members for tests: handle `m` has its own number as bytes, in an order unlike that of handles.
struct Names(Vec<Vec<u8>>);

impl Names {
    fn new(n: usize) -> Self {
        Self((0..n).map(|i| format!("{}", i * 7919 % 10_007).into_bytes()).collect())
    }

    fn by_order(&self, a: &(f64, u64), b: &(f64, u64)) -> std::cmp::Ordering {
        a.0.partial_cmp(&b.0).unwrap().then_with(|| self.bytes(a.1).cmp(self.bytes(b.1)))
    }
}

impl MemberSource<u64> for Names {
    fn bytes(&self, m: u64) -> &[u8] {
        &self.0[m as usize]
    }
}

/// Checks every invariant below `node`; returns how many elements there are and how deep the leaves.
fn check_node<const CAP: usize>(node: &Node<u64, CAP>, root: bool, census: &mut Census) -> (usize, usize) {
    let len = node.scores().len();
    assert!(len > 0 && len < CAP, "a node of {len}");
    if node.is_leaf() {
        census.leaves += 1;
        return (len, 1);
    }
    census.inners += 1;
    assert_eq!(node.kids().len(), len);
    assert!(!root || len > 1, "the root has but one kid");
    let mut depths = Vec::new();
    let mut total = 0;
    for (at, kid) in node.kids().iter().enumerate() {
        let (count, depth) = check_node(&kid.node, false, census);
        assert_eq!(count, kid.count as usize);
        assert_eq!(node.key(at), kid.node.key(0));
        depths.push(depth);
        total += count;
    }
    assert!(depths.iter().all(|d| *d == depths[0]), "leaves at different depths");
    (total, depths[0] + 1)
}

fn check<const CAP: usize>(tree: &OrderTree<u64, CAP>, names: &Names, oracle: &[(f64, u64)]) {
    let mut census = Census::default();
    let count = tree.root.as_ref().map_or(0, |root| check_node(root, true, &mut census).0);
    assert_eq!((count, tree.len()), (oracle.len(), oracle.len()));
    assert_eq!(census, tree.census);
    assert!(tree.is_sorted(names));
    assert!(tree.iter().eq(oracle.iter().copied()));
    assert!(tree.iter().rev().eq(oracle.iter().rev().copied()));
}

/// One tree and its oracle.
struct Pair<const CAP: usize> {
    names: Names,
    tree: OrderTree<u64, CAP>,
    oracle: Vec<(f64, u64)>,
}

impl<const CAP: usize> Pair<CAP> {
    fn new(members: usize) -> Self {
        Self { names: Names::new(members), tree: OrderTree::new(), oracle: Vec::new() }
    }

    fn place(&self, e: &(f64, u64)) -> Result<usize, usize> {
        self.oracle.binary_search_by(|x| self.names.by_order(x, e))
    }

    fn add(&mut self, score: f64, m: u64) {
        match self.oracle.iter().position(|e| e.1 == m) {
            Some(at) => {
                let old = self.oracle.remove(at).0;
                assert!(self.tree.update(&self.names, old, m, score));
            }
            None => self.tree.insert(&self.names, score, m),
        }
        let at = self.place(&(score, m)).unwrap_err();
        self.oracle.insert(at, (score, m));
        assert_eq!(self.tree.rank(&self.names, score, m), Some(at));
    }

    fn remove(&mut self, rank: usize) {
        if self.oracle.is_empty() {
            assert_eq!(self.tree.pop_first(), None);
            assert_eq!(self.tree.pop_last(), None);
            return;
        }
        let (score, m) = self.oracle.remove(rank % self.oracle.len());
        let elsewhere = if score.is_finite() { score + 0.5 } else { 0.25 };
        assert!(!self.tree.remove(&self.names, elsewhere, m));
        assert!(self.tree.remove(&self.names, score, m));
        assert!(!self.tree.remove(&self.names, score, m));
        assert_eq!(self.tree.rank(&self.names, score, m), None);
    }

    fn remove_range(&mut self, from: usize, n: usize) {
        let from = from % (self.oracle.len() + 1);
        let to = (from + n).min(self.oracle.len());
        let mut gone = Vec::new();
        assert_eq!(self.tree.remove_range(from..from + n, |s, m| gone.push((s, m))), to - from);
        assert_eq!(gone, self.oracle.drain(from..to).collect::<Vec<_>>());
    }

    fn ask(&self, from: usize, n: usize, score: f64) {
        let from = from % (self.oracle.len() + 1);
        let to = (from + n).min(self.oracle.len());
        let want = &self.oracle[from..to];
        assert_eq!(self.tree.range(from..from + n).len(), want.len());
        assert!(self.tree.range(from..from + n).eq(want.iter().copied()));
        assert!(self.tree.range(from..from + n).rev().eq(want.iter().rev().copied()));
        assert_eq!(self.tree.range(from..from + n).nth(n / 2), want.get(n / 2).copied());
        assert_eq!(self.tree.at(from), self.oracle.get(from).copied());
        assert_eq!(self.tree.first(), self.oracle.first().copied());
        assert_eq!(self.tree.last(), self.oracle.last().copied());
        assert_eq!(self.tree.count_below(score), self.oracle.partition_point(|e| e.0 < score));
        assert_eq!(self.tree.count_up_to(score), self.oracle.partition_point(|e| e.0 <= score));
    }
}

#[derive(Debug, Clone)]
enum Op {
    Add(f64, u64),
    Remove(usize),
    RemoveRange(usize, usize),
    Ask(usize, usize, f64),
    PopFirst,
    PopLast,
    Rebuild,
}

const MEMBERS: u64 = 400;

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-4i32..4).prop_map(f64::from),
        4 => (0i32..1000).prop_map(f64::from),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(0.0), Just(5e-324)],
    ]
}

fn op(adds: u32, removes: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        adds => (score(), 0..MEMBERS).prop_map(|(s, m)| Op::Add(s, m)),
        removes => any::<usize>().prop_map(Op::Remove),
        removes.div_ceil(20) => (any::<usize>(), 0usize..60).prop_map(|(r, n)| Op::RemoveRange(r, n)),
        removes.div_ceil(20) => Just(Op::PopFirst),
        removes.div_ceil(20) => Just(Op::PopLast),
        1 => (any::<usize>(), 0usize..80, score()).prop_map(|(r, n, s)| Op::Ask(r, n, s)),
        1 => Just(Op::Rebuild),
    ]
}

fn run<const CAP: usize>(phases: &[Vec<Op>]) {
    let mut pair = Pair::<CAP>::new(MEMBERS as usize);
    for op in phases.iter().flatten() {
        match *op {
            Op::Add(score, m) => pair.add(score, m),
            Op::Remove(rank) => pair.remove(rank),
            Op::RemoveRange(from, n) => pair.remove_range(from, n),
            Op::Ask(from, n, score) => pair.ask(from, n, score),
            Op::PopFirst if !pair.oracle.is_empty() => {
                assert_eq!(pair.tree.pop_first(), Some(pair.oracle.remove(0)));
            }
            Op::PopLast => assert_eq!(pair.tree.pop_last(), pair.oracle.pop()),
            Op::Rebuild => pair.tree = OrderTree::from_sorted(pair.oracle.iter().copied()),
            Op::PopFirst => pair.remove(0),
        }
        check(&pair.tree, &pair.names, &pair.oracle);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn behaves_as_a_sorted_vec(
        grow in prop::collection::vec(op(60, 10), 300..600),
        shrink in prop::collection::vec(op(10, 60), 200..500),
        again in prop::collection::vec(op(40, 30), 0..200),
    ) {
        let phases = [grow, shrink, again];
        run::<4>(&phases);
        run::<9>(&phases);
        run::<62>(&phases);
    }

    #[test]
    fn lex_bounds_agree_with_a_sorted_vec(members in prop::collection::btree_set(0u64..MEMBERS, 0..200)) {
        let mut pair = Pair::<5>::new(MEMBERS as usize);
        members.iter().for_each(|m| pair.add(1.5, *m));
        for probe in 0..MEMBERS {
            let bytes = pair.names.bytes(probe);
            let below = pair.oracle.partition_point(|e| pair.names.bytes(e.1) < bytes);
            let up_to = pair.oracle.partition_point(|e| pair.names.bytes(e.1) <= bytes);
            prop_assert_eq!(pair.tree.count_below_lex(&pair.names, bytes), below);
            prop_assert_eq!(pair.tree.count_up_to_lex(&pair.names, bytes), up_to);
        }
    }
}

#[test]
fn a_leaf_is_a_kilobyte() {
    assert_eq!(size_of::<Node<u64, 62>>(), 1024);
}

fn bytes_per_element(scores: impl Iterator<Item = f64>) -> f64 {
    let names = Names::new(50_000);
    let mut tree = RankTree::new();
    scores.zip(0..50_000).for_each(|(score, m)| tree.insert(&names, score, m));
    tree.heap_bytes() as f64 / tree.len() as f64
}

#[test]
fn random_inserts_stay_within_24_bytes_per_element() {
    let mut x = 1u64;
    let random = std::iter::repeat_with(|| {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 40) as f64
    });
    let bytes = bytes_per_element(random);
    assert!(bytes < 21.5, "{bytes}");
}

#[test]
fn ordered_inserts_fill_leaves() {
    for bytes in [bytes_per_element((0..).map(f64::from)), bytes_per_element((0..).map(|i| -f64::from(i)))] {
        assert!(bytes < 17.5, "{bytes}");
    }
}

#[test]
fn memory_goes_back_when_elements_do() {
    let names = Names::new(20_000);
    let mut tree = RankTree::new();
    (0..20_000).for_each(|m| tree.insert(&names, (m * 7919 % 20_000) as f64, m));
    for m in 0..20_000u64 {
        if m % 20 != 0 {
            assert!(tree.remove(&names, (m * 7919 % 20_000) as f64, m));
        }
    }
    assert!(tree.heap_bytes() < tree.len() * 48, "{} for {}", tree.heap_bytes(), tree.len());
    tree.remove_range(0..usize::MAX, |_, _| ());
    assert_eq!((tree.len(), tree.heap_bytes()), (0, 0));
}

#[test]
fn zero_has_no_sign_in_the_order() {
    let names = Names(vec![b"b".to_vec(), b"a".to_vec()]);
    let mut tree = RankTree::new();
    tree.insert(&names, -0.0, 0);
    tree.insert(&names, 0.0, 1);
    assert_eq!(tree.rank(&names, 0.0, 1), Some(0));
    assert_eq!(tree.rank(&names, 0.0, 0), Some(1));
    assert_eq!((tree.count_below(0.0), tree.count_up_to(-0.0)), (0, 2));
}
