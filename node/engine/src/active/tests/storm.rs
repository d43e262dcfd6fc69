//! Storms with all that a mesh meets: evictions, transactions, partitions, what comes twice, full syncs in between. And that
//! each rule is needed: without it, some storm fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::digest::Digest;

/// What makes room, in storms only.
const EVICTIONS: &[&str] = &["EVICT S", "EVICT H", "EVICT M", "EVICT L", "EVICT Z", "EVICT X", "EVICT K"];
/// Storms without a rule, of which one must fail.
const SEEDS: u64 = 60;

/// Storms with all commands there are. `STORMS` and `SEED` are as above.
#[test]
fn storms_of_all_commands_end_in_the_fold_everywhere() {
    let number = |name, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (from, seeds) = (number("SEED", 0), number("STORMS", 30));
    let commands = [COMMANDS, MORE_COMMANDS, LAST_COMMANDS, EVICTIONS].concat();
    for seed in from..from + seeds {
        let plan = Plan { wide: true, followed: seed % 2 == 1, ..Plan::default() };
        if let Err(error) = run(seed, &commands, plan) {
            panic!("storm {seed}: {error}");
        }
    }
}

fn storm(seed: u64, plan: Plan) -> Result<(), String> {
    let commands = [COMMANDS, MORE_COMMANDS, EVICTIONS].concat();
    run(seed, &commands, Plan { wide: true, ..plan })
}

/// Whether all nodes have the digest of what the naive fold says, for values that clients see as they are stored.
pub(super) fn compare_digests(nodes: &mut [Node], key: &Key) -> Result<(), String> {
    let Some((value, None, deadlines)) = nodes[0].should(key) else { return Ok(()) };
    if !deadlines.is_empty() || matches!(value, Value::Stream(_)) {
        // Of a stream not everything is everywhere the same: consumers' idle times, for one.
        return Ok(());
    }
    let mut folded = Node::new(100, 1);
    with_stage(&mut folded.console.ctx, &key.name, |stage| stage.put(key, value));
    let should = digest(&mut folded, key);
    for node in nodes {
        if digest(node, key) != should {
            return Err(format!("node {}: the digest of {key:?} is another one", node.label));
        }
    }
    Ok(())
}

fn digest(node: &mut Node, key: &Key) -> Digest {
    with_stage(&mut node.console.ctx, &key.name, |stage| {
        let db = &stage.shard.dbs[key.db as usize];
        let mut digest = Digest::default();
        if let Some(entry) = db.get(db.hash(&key.name), &key.name) {
            digest.key(entry);
        }
        digest
    })
}

/// `STORMS` of them from `SEED` on.
#[test]
fn storms_end_in_the_fold_everywhere() {
    let number = |name, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (from, seeds) = (number("SEED", 0), number("STORMS", 30));
    for seed in from..from + seeds {
        if let Err(error) = storm(seed, Plan { followed: seed % 2 == 1, ..Plan::default() }) {
            panic!("storm {seed}: {error}");
        }
    }
}

/// Storms in which nearly all is additions of fractions to a few cells. `STORMS` and `SEED` are as above.
#[test]
fn storms_of_fractions_end_in_the_fold_everywhere() {
    let number = |name, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (from, seeds) = (number("SEED", 0), number("STORMS", 15));
    for seed in from..from + seeds {
        let plan = Plan { wide: true, followed: seed % 2 == 1, ..Plan::default() };
        if let Err(error) = run(seed, FRACTIONS, plan) {
            panic!("storm {seed}: {error}");
        }
    }
}

fn must_fail(rule: &str, plan: Plan) {
    // A broken rule may also break what is asserted.
    let fails = |seed| !matches!(catch_unwind(AssertUnwindSafe(|| storm(seed, plan))), Ok(Ok(())));
    assert!((0..SEEDS).any(fails), "{SEEDS} storms without {rule} do not fail");
}

#[test]
fn types_decide() {
    let rules = Rules { types: false, ..Rules::default() };
    must_fail("M3", Plan { rules, ..Plan::default() });
}

#[test]
fn elements_have_identity() {
    let rules = Rules { identity: false, ..Rules::default() };
    must_fail("M5", Plan { rules, ..Plan::default() });
}

#[test]
fn a_full_sync_merges() {
    must_fail("S8", Plan { replaces: true, ..Plan::default() });
}

#[test]
fn what_others_may_still_lack_is_remembered() {
    must_fail("stability", Plan { forgets: true, ..Plan::default() });
}
