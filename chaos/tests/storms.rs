//! Random runs of the whole mesh.

use chaos::storm;
use chaos::world::Rules;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// `SEEDS` runs from `SEED` on.
#[test]
fn every_node_has_the_fold_of_what_it_received_and_all_agree_at_quiet() {
    let from = number("SEED", 0);
    for seed in from..from + number("SEEDS", 2_000) {
        if let Err(error) = storm::run(seed, Rules::default()) {
            panic!("{error}");
        }
    }
}
