//! What the ordered half of a big sorted set costs: time per operation and bytes per element, for several node sizes.
//! `cargo run --release -p everwrite-engine --example rank_tree_timing [elements]`

use std::hint::black_box;
use std::time::Instant;

use engine::types::rank_tree::{MemberSource, OrderTree};

/// Members of 11 bytes, each an allocation of its own, as in the set's hash table.
struct Names(Vec<Box<[u8]>>);

impl MemberSource<u64> for Names {
    fn bytes(&self, m: u64) -> &[u8] {
        &self.0[m as usize]
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn time(what: &str, n: usize, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    println!("  {what:<28} {:7.1} ns", start.elapsed().as_nanos() as f64 / n as f64);
}

fn report<const CAP: usize>(tree: &OrderTree<u64, CAP>) {
    println!("  {:<28} {:7.2} bytes", "memory per element", tree.heap_bytes() as f64 / tree.len() as f64);
}

fn run<const CAP: usize>(names: &Names, scores: &[f64]) {
    let n = scores.len();
    println!("{CAP} slots per node, {n} elements");
    let mut tree = OrderTree::<u64, CAP>::new();
    time("insert, random score", n, || {
        scores.iter().enumerate().for_each(|(m, s)| tree.insert(names, *s, m as u64));
    });
    report(&tree);
    let mut r = Random(7);
    let mut picks = std::iter::repeat_with(|| (r.next() % n as u64) as usize);
    let some: Vec<usize> = picks.by_ref().take(n).collect();
    time("rank of member", n, || {
        some.iter().for_each(|m| assert!(black_box(tree.rank(names, scores[*m], *m as u64)).is_some()));
    });
    time("element at rank", n, || some.iter().for_each(|m| assert!(black_box(tree.at(*m)).is_some())));
    time("count below score", n, || {
        some.iter().for_each(|m| assert!(black_box(tree.count_below(scores[*m])) < n));
    });
    time("iterate", n, || assert_eq!(black_box(tree.iter().map(|e| e.1).max()), Some(n as u64 - 1)));
    time("iterate back", n, || {
        assert_eq!(black_box(tree.iter().rev().map(|e| e.1).max()), Some(n as u64 - 1));
    });
    time("range of 10 at score", n, || {
        some.iter().for_each(|m| {
            let from = tree.count_below(scores[*m]);
            assert!(black_box(tree.range(from..from + 10).map(|e| e.1).max()).is_some());
        });
    });
    time("small score change", n, || {
        (0..n as u64).for_each(|m| {
            let s = scores[m as usize];
            assert!(tree.update(names, s, m, s + 1e-12));
            assert!(tree.update(names, s + 1e-12, m, s));
        });
    });
    time("remove, random", n, || {
        (0..n as u64).for_each(|m| assert!(tree.remove(names, scores[m as usize], m)));
    });
    time("insert, ascending", n, || (0..n).for_each(|m| tree.insert(names, m as f64, m as u64)));
    report(&tree);
    time("pop lowest", n, || while black_box(tree.pop_first()).is_some() {});
    let ties = n / 10;
    time("insert, equal scores (n/10)", ties, || {
        (0..ties).for_each(|m| tree.insert(names, 0.0, m as u64));
    });
    time("rank, equal scores (n/10)", ties, || {
        (0..ties).for_each(|m| assert!(black_box(tree.rank(names, 0.0, m as u64)).is_some()));
    });
    report(&tree);
}

fn main() {
    let n = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let mut r = Random(42);
    let names =
        Names((0..n).map(|_| format!("{:011}", r.next() % 100_000_000_000).into_bytes().into()).collect());
    let scores: Vec<f64> = (0..n).map(|_| (r.next() >> 11) as f64 / (1u64 << 53) as f64).collect();
    run::<30>(&names, &scores);
    run::<62>(&names, &scores);
    run::<126>(&names, &scores);
}
