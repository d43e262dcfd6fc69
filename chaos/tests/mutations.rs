//! A rule that can be taken away unnoticed is not tested: with each of these switched off, some run must fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chaos::storm;
use chaos::world::Rules;

/// Seeds tried for each rule; the first failure is enough.
const SEEDS: u64 = 400;

fn must_fail(rule: &str, without: impl Fn(&mut Rules)) {
    let mut rules = Rules::default();
    without(&mut rules);
    // A broken rule may also break an invariant that is asserted.
    let fails = |seed| !matches!(catch_unwind(AssertUnwindSafe(|| storm::run(seed, rules))), Ok(Ok(())));
    let found = (0..SEEDS).find(|seed| fails(*seed));
    println!("{rule}: {found:?}");
    assert!(found.is_some(), "{SEEDS} runs without {rule} do not fail");
}

#[test]
fn s2_dense_positions() {
    must_fail("S2", |rules| rules.streams.dense = false);
}

#[test]
fn s3_resync_by_vector() {
    must_fail("S3", |rules| rules.streams.vector = false);
}

#[test]
fn s5_order_of_checks() {
    must_fail("S5", |rules| rules.streams.order = false);
}

#[test]
fn s7_identity_and_lost_writes() {
    must_fail("S7", |rules| rules.streams.identity = false);
}

#[test]
fn s8_full_sync_merges() {
    must_fail("S8", |rules| rules.merge = false);
}

#[test]
fn m2_every_acknowledged_write_has_a_version() {
    must_fail("M2", |rules| rules.touch = false);
}

#[test]
fn m3_type_conflicts() {
    must_fail("M3", |rules| rules.data.types = false);
}

#[test]
fn m5_identity_of_elements() {
    must_fail("M5", |rules| rules.data.identity = false);
}
