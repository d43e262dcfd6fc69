//! A random run: writes everywhere, and everything that can go wrong.

use replication::replica::Start;

use crate::world::{Check, Plan, Rules, World};

/// One run from one seed.
pub fn run(seed: u64, rules: Rules) -> Check {
    replication::hashing::hash_alike();
    let mut dice = crate::rng::Rng::new(seed ^ 0xd1ce);
    let plan = Plan {
        nodes: 2 + dice.index(3),
        rules,
        relay: dice.once_in(2),
        volatile: dice.once_in(4),
        log_bytes: if dice.once_in(3) { 600 } else { 1 << 20 },
        spill_entries: if dice.once_in(2) { 10 } else { 0 },
        part_bytes: if dice.once_in(2) { 30 } else { 1 << 16 },
        detach_after_ms: 0,
    };
    let mut world = World::new(seed, plan);
    world.duplicate = dice.once_in(2);
    world.delay_ms = 1 + dice.below(60);
    let crashes = dice.once_in(2);
    let skews = dice.once_in(3);
    let line = plan.relay && dice.once_in(2);
    let outcome = storm(&mut world, 120 + dice.below(200), crashes, skews, line);
    let outcome = outcome.and_then(|()| world.settle());
    let outcome = outcome.and_then(|()| if crashes { Ok(()) } else { world.kept() });
    outcome.map_err(|e| format!("seed {seed}, {plan:?}: {e}\n{:#?}", world.trace))
}

fn storm(world: &mut World, steps: u64, crashes: bool, skews: bool, line: bool) -> Check {
    for _ in 0..steps {
        let ms = world.rng.below(15);
        world.pass(ms)?;
        let i = world.rng.index(world.nodes.len());
        let j = world.rng.index(world.nodes.len());
        match world.rng.below(24) {
            0..=9 => world.write(i)?,
            10..=16 => world.tick(i)?,
            17 => world.sync(i),
            18 if i != j && world.rng.once_in(3) => world.cut(i, j),
            19 if world.rng.once_in(3) => world.heal(),
            20 if skews => world.nodes[i].skew_ms = world.rng.below(3_000) as i64 - 1_500,
            20 if skews && world.rng.once_in(4) => world.nodes[i].skew_ms = 8_000,
            21 if crashes => trouble(world, i),
            _ => {
                if line {
                    (0..world.nodes.len())
                        .for_each(|a| (a + 2..world.nodes.len()).for_each(|b| world.cut(a, b)));
                }
                world.connect()?;
            }
        }
    }
    for i in 0..world.nodes.len() {
        if world.nodes[i].live.is_none() {
            revive(world, i);
        }
    }
    Ok(())
}

fn trouble(world: &mut World, i: usize) {
    if world.nodes[i].live.is_none() {
        revive(world, i);
    } else if world.rng.once_in(4) && !world.plan.volatile {
        world.stop(i);
        world.start(i, Start::Clean);
    } else if !world.plan.volatile || serving(world, i) {
        world.crash(i);
    }
}

/// Whether there is a node but this one that has not lost anything.
fn serving(world: &World, but: usize) -> bool {
    let whole = |node: &crate::world::Node| node.live.as_ref().is_some_and(|live| live.replica.serves());
    world.nodes.iter().enumerate().any(|(i, node)| i != but && whole(node))
}

fn revive(world: &mut World, i: usize) {
    if world.plan.volatile || serving(world, i) && world.rng.once_in(6) {
        world.start_blank(i);
    } else {
        world.start(i, Start::Crashed);
    }
}
