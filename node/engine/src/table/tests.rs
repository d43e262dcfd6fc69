//! The table against a plain map, and the guarantees of scan and random.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number(u64);

impl Item for Number {
    fn to_word(self) -> u64 {
        self.0
    }
    fn from_word(word: u64) -> Self {
        Number(word)
    }
}

fn hash_of(n: Number) -> u64 {
    let mut x = n.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 29)
}

fn rng(seed: u64) -> impl FnMut() -> u64 {
    let mut x = seed.wrapping_mul(2) + 1;
    move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn add(t: &mut Table<Number>, n: u64) {
    t.insert(hash_of(Number(n)), Number(n), hash_of);
}

fn find(t: &Table<Number>, n: u64) -> Option<Pos> {
    t.find(hash_of(Number(n)), |x| x.0 == n)
}

fn published() -> Table<Number> {
    Table::with_published(0, Arc::new(Published::default()))
}

#[test]
fn behaves_like_a_set_while_growing_and_shrinking() {
    for seed in 0..6 {
        let mut rng = rng(seed);
        let mut table = if seed % 2 == 0 { Table::new() } else { published() };
        let mut oracle = BTreeSet::new();
        let steps = if cfg!(miri) { 2_000 } else { 60_000 };
        for step in 0..steps {
            let n = rng() % 20_000 + 1;
            // Mostly additions, then mostly removals, twice.
            let adding = (step / (steps / 4)) % 2 == 0;
            if (rng() % 10 < 8) == adding {
                if find(&table, n).is_none() {
                    add(&mut table, n);
                }
                oracle.insert(n);
            } else if let Some(pos) = find(&table, n) {
                assert_eq!(table.remove(pos, hash_of), Number(n));
                assert!(oracle.remove(&n));
            }
            assert_eq!(table.len(), oracle.len());
        }
        assert!(oracle.iter().all(|n| find(&table, *n).is_some()));
        let all: BTreeSet<u64> = table.iter().map(|n| n.0).collect();
        assert_eq!(all, oracle);
        assert_eq!(table.iter().count(), oracle.len());
        let left: Vec<u64> = oracle.into_iter().collect();
        for n in left {
            let pos = find(&table, n).unwrap();
            table.remove(pos, hash_of);
        }
        assert_eq!(table.heap_bytes(), 0);
    }
}

/// A scan goes from bucket to bucket, whatever share of the positions a bucket has.
#[test]
fn every_bucket_ends_behind_its_last_position() {
    for (buckets, depth) in (1..=BUCKETS_MAX).flat_map(|n| [0, 1, 7, 20, DEPTH_MAX].map(|depth| (n, depth))) {
        let segment = Segment::new(depth, buckets);
        let start = if depth == 0 { 0 } else { 5u64 << (64 - depth) & !((1u64 << (64 - depth)) - 1) };
        let (mut at, mut steps) = (start, 0);
        while let Some(end) = segment.scan_end(at, 0).filter(|end| segment.range_end(at) != Some(*end)) {
            assert!(end > at, "{buckets} buckets of depth {depth}: stuck at {at}");
            assert_ne!(segment.home_address(end), segment.home_address(end - 1));
            (at, steps) = (end, steps + 1);
        }
        assert_eq!(steps, buckets - 1);
        segment.free();
    }
}

#[test]
fn scan_misses_nothing_and_repeats_nothing() {
    for seed in 0..20u64 {
        let mut rng = rng(seed);
        let mut table = Table::new();
        let unit = [12, 0, 18, 22][seed as usize % 4];
        let stay: BTreeSet<u64> = (0..rng() % 5_000).map(|_| rng() % 1_000_000 + 1).collect();
        stay.iter().for_each(|n| add(&mut table, *n));
        let mut seen = BTreeMap::new();
        let mut from = 0;
        loop {
            let next = table.scan(from, unit, hash_of, |n| *seen.entry(n.0).or_insert(0) += 1);
            for _ in 0..rng() % 300 {
                let n = rng() % 20_000 + 2_000_000;
                match find(&table, n) {
                    None => add(&mut table, n),
                    Some(pos) => {
                        table.remove(pos, hash_of);
                    }
                }
            }
            if rng().is_multiple_of(50) {
                let extra: Vec<u64> = table.iter().map(|n| n.0).filter(|n| *n >= 2_000_000).collect();
                for n in extra {
                    let pos = find(&table, n).unwrap();
                    table.remove(pos, hash_of);
                }
            }
            match next {
                Some(next) => {
                    assert!(next > from && next.trailing_zeros() >= unit);
                    from = next;
                }
                None => break,
            }
        }
        for n in &stay {
            assert_eq!(seen.get(n), Some(&1), "seed {seed}");
        }
    }
}

#[test]
fn random_is_uniform() {
    let mut rng = rng(7);
    let mut table = Table::new();
    let n = 1_500u64;
    (1..=n).for_each(|n| add(&mut table, n));
    let mut counts = vec![0u32; n as usize + 1];
    let draws = 300 * n;
    for _ in 0..draws {
        counts[table.random(&mut rng).unwrap().0 as usize] += 1;
    }
    let expected = draws as f64 / n as f64;
    let chi2: f64 = counts[1..].iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
    // 1,499 degrees of freedom: mean 1,499, deviation 55.
    assert!((1_250.0..1_750.0).contains(&chi2), "{chi2}");
}

#[test]
fn memory_per_item_is_below_nineteen_bytes() {
    let mut table = Table::new();
    let mut worst: f64 = 0.0;
    for n in 1..=200_000u64 {
        add(&mut table, n);
        if n > 10_000 && n % 1_000 == 0 {
            worst = worst.max(table.heap_bytes() as f64 / n as f64);
        }
    }
    assert!(worst < 19.0, "{worst}");
}

#[test]
fn due_segments_are_found_and_others_left_alone() {
    let mut table = Table::new();
    for n in 1..=20_000u64 {
        add(&mut table, n);
    }
    table.note_deadline(hash_of(Number(77)), 1_000);
    let mut out = Vec::new();
    let nothing = DueStep { next: None, due: None, bound: 1_000 };
    assert_eq!(table.due_segment(0, 999, &mut usize::MAX.clone(), &mut out), nothing);
    let step = table.due_segment(0, 1_000, &mut usize::MAX.clone(), &mut out);
    assert!(out.contains(&Number(77)) && out.len() < 500, "{}", out.len());
    table.set_due(step.due.unwrap(), u64::MAX);
    let nothing = DueStep { bound: u64::MAX, ..nothing };
    assert_eq!(table.due_segment(0, u64::MAX - 1, &mut usize::MAX.clone(), &mut out), nothing);
}

#[test]
fn a_search_for_what_is_due_goes_on_where_its_budget_ended() {
    let mut table = Table::new();
    (1..=20_000u64).for_each(|n| add(&mut table, n));
    table.note_deadline(hash_of(Number(77)), 1_000);
    let (mut at, mut steps, mut out) = (Some(0), 0, Vec::new());
    while let Some(from) = at {
        let step = table.due_segment(from, 1_000, &mut 3.clone(), &mut out);
        (at, steps) = (step.next, steps + 1);
    }
    assert!(out.iter().filter(|item| **item == Number(77)).count() == 1 && out.len() < 500);
    assert!(steps > 10, "{steps}");
}

#[test]
fn samples_are_of_what_is_wanted_and_found_however_rare() {
    let mut table = Table::new();
    (1..=50_000u64).for_each(|n| add(&mut table, n));
    let mut rng = 1u64;
    for _ in 0..100 {
        rng = rng.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let mut few = Vec::new();
        table.sample(rng, 5, |item: Number| item.0 == 77, |item| few.push(item.0));
        assert_eq!(few, [77]);
        let mut many = Vec::new();
        table.sample(rng, 5, |item| item.0 % 2 == 0, |item| many.push(item.0));
        assert!(many.len() == 5 && many.iter().all(|n| n % 2 == 0));
    }
}

#[test]
fn taking_and_swapping_keep_the_items() {
    let mut a = published();
    let mut b = published();
    (1..=1_000).for_each(|n| add(&mut a, n));
    a.swap(&mut b);
    assert_eq!((a.len(), b.len()), (0, 1_000));
    let mut c = b.take();
    assert!(b.is_empty() && find(&c, 500).is_some());
    let mut n = 0;
    c.drain(|_| n += 1);
    assert_eq!((n, c.len()), (1_000, 0));
}

#[test]
fn room_made_ahead_is_a_table_like_any_other() {
    for expected in [0, 1, 300, 301, 5_000, 20_000] {
        let mut table = published();
        table.reserve(expected);
        assert!(table.is_empty() && table.iter().next().is_none() && table.random(rng(1)).is_none());
        let reserved = table.heap_bytes();
        for n in 1..=10_000 {
            add(&mut table, n);
        }
        table.reserve(1 << 20);
        assert!((1..=10_000).all(|n| find(&table, n).is_some()));
        let (mut seen, mut cursor) = (BTreeSet::new(), 0);
        loop {
            cursor = table.scan_some(cursor, 10, hash_of, |n| assert!(seen.insert(n)));
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), 10_000);
        // Twelve bytes an item, and the least that a table has.
        assert!(reserved <= 12 * expected + 5_000, "{expected}: {reserved}");
        for n in 1..=10_000 {
            let pos = find(&table, n).unwrap();
            assert_eq!(table.remove(pos, hash_of), Number(n));
        }
        assert_eq!((table.len(), table.heap_bytes()), (0, 0));
    }
}
