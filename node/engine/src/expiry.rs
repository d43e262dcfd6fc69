//! Reclaims what has expired without anybody asking for it.
//!
//! Keys past their deadline are hidden from reads at once; their memory comes back when somebody touches them or when the
//! sweep finds them. There is no index of deadlines: each segment of a table keeps a lower bound of those of its keys, each
//! database the lower bound of all. So a database in which nothing is due costs one comparison, and a sweep through one
//! in which something is looks at one line of memory per few hundred keys, and at keys only where some are due.
//!
//! The driver in the node decides when and how long to sweep; what is here does one step, under one shard's lock.

use crate::ctx::Ctx;
use crate::keyspace::Keyspace;

/// Segments of a table that one step looks at. A few microseconds' worth.
const SEGMENTS_PER_STEP: usize = 256;

/// What a step has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Keys looked at that had something due: at most what a segment holds, see [`crate::table`].
    pub keys: usize,
    /// There is more to do in this shard, now.
    pub more: bool,
}

/// Whether anything in a shard may be due. Takes its lock for a moment.
pub fn is_due(keyspace: &Keyspace, shard: usize, now_ms: u64) -> bool {
    keyspace.cell(shard).lock.lock().dbs.iter().any(|db| db.next_due() <= now_ms)
}

/// Removes some of what is due in a shard, which must be held. Bounded: some hundred keys at most.
pub fn step(ctx: &mut Ctx<'_>, shard: usize) -> Step {
    let now = ctx.env.due();
    let (mut keys, mut budget) = (Vec::new(), SEGMENTS_PER_STEP);
    let mut step = Step::default();
    for db in 0..ctx.keyspace.databases() {
        while keys.is_empty() && budget > 0 && ctx.locks.get(shard).dbs[db].next_due() <= now {
            ctx.locks.get_mut(shard).dbs[db].sweep(now, &mut budget, &mut keys);
        }
        for key in &keys {
            ctx.begin();
            ctx.reclaim_in(db, key);
        }
        step.keys += keys.len();
        step.more |= ctx.locks.get(shard).dbs[db].next_due() <= now;
        if !keys.is_empty() {
            step.more |=
                (db + 1..ctx.keyspace.databases()).any(|db| ctx.locks.get(shard).dbs[db].next_due() <= now);
            break;
        }
    }
    step
}

/// Removes a key if it is due; when it will be, if it expires later. Takes its shard, and holds it.
pub fn remove_due(ctx: &mut Ctx<'_>, db: usize, key: &[u8]) -> Option<u64> {
    let (hash, now) = (ctx.keyspace.hash(key), ctx.env.due());
    let shard = ctx.keyspace.shard_of(hash);
    ctx.begin();
    ctx.locks.hold_one(shard);
    let deadline = ctx.locks.get(shard).dbs[db].get(hash, key)?.deadline()?;
    if deadline > now {
        return Some(deadline);
    }
    ctx.reclaim_in(db, key);
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::effect::{Deadline, Effect, NewValue};

    fn put(ctx: &mut Ctx<'_>, db: usize, n: u64, deadline: Deadline) {
        ctx.begin();
        let value = NewValue::String(b"some value");
        ctx.key_in(db, n.to_string().as_bytes()).apply(Effect::Put { value, deadline, absent: false });
    }

    /// Sweeps until nothing is due. Returns keys removed and steps taken.
    fn sweep_all(ctx: &mut Ctx<'_>) -> (usize, usize) {
        let (mut removed, mut steps) = (0, 0);
        for shard in 0..ctx.keyspace.shard_count() {
            loop {
                let step = step(ctx, shard);
                removed += step.keys;
                steps += 1;
                if !step.more {
                    break;
                }
            }
        }
        (removed, steps)
    }

    fn sizes(ctx: &mut Ctx<'_>, db: usize) -> (usize, usize) {
        let sizes = ctx.sizes(db);
        ctx.locks.hold_all();
        sizes
    }

    #[test]
    fn what_is_due_goes_and_the_rest_stays() {
        let keyspace = Keyspace::new(2, 1);
        let mut ctx = Ctx::new(&keyspace, 1);
        ctx.env.tick(1_000);
        ctx.locks.hold_all();
        for n in 0..60_000 {
            let deadline = if n % 3 == 0 { Deadline::Clear } else { Deadline::At(2_000 + n % 3) };
            put(&mut ctx, (n % 2) as usize, n, deadline);
        }
        assert_eq!(sweep_all(&mut ctx), (0, 64), "nothing is due");
        ctx.env.tick(2_001);
        let (removed, steps) = sweep_all(&mut ctx);
        assert_eq!(removed, 20_000);
        assert!(steps < 64 * 20, "{steps} steps");
        assert_eq!((sizes(&mut ctx, 0), sizes(&mut ctx, 1)), ((20_000, 10_000), (20_000, 10_000)));
        assert_eq!(sweep_all(&mut ctx), (0, 64), "the bounds are exact after a sweep");
        ctx.env.tick(2_002);
        assert_eq!(sweep_all(&mut ctx).0, 20_000);
        assert_eq!((sizes(&mut ctx, 0), sizes(&mut ctx, 1)), ((10_000, 0), (10_000, 0)));
        ctx.env.tick(u64::MAX - 1);
        assert_eq!(sweep_all(&mut ctx), (0, 64));
    }

    #[test]
    fn steps_are_small_and_announce_what_they_remove() {
        let keyspace = Keyspace::new(1, 1);
        let mut ctx = Ctx::new(&keyspace, 1);
        ctx.env.tuning.notify = u32::MAX;
        ctx.env.tick(1_000);
        ctx.locks.hold_all();
        (0..100_000).for_each(|n| put(&mut ctx, 0, n, Deadline::At(2_000)));
        ctx.out.events.clear();
        ctx.env.tick(2_000);
        let first = step(&mut ctx, 0);
        assert!(first.more && first.keys > 0 && first.keys < 500, "{first:?}");
        assert_eq!(ctx.out.events.len(), first.keys);
        assert!(ctx.out.events.iter().all(|event| event.name == "expired"));
        assert_eq!(ctx.locks.get(0).stats.expired, first.keys as u64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Whatever is written between sweeps that are cut short, what is due at the end is gone in the end.
        #[test]
        fn no_deadline_is_forgotten(
            writes in prop::collection::vec((0u64..2_000, prop::option::of(1u64..40)), 1..3_000),
        ) {
            let keyspace = Keyspace::new(1, 1);
            let mut ctx = Ctx::new(&keyspace, 1);
            ctx.locks.hold_all();
            let mut model = std::collections::BTreeMap::new();
            for (i, (n, deadline)) in writes.iter().enumerate() {
                let now = i as u64 / 100;
                ctx.env.tick(now);
                put(&mut ctx, 0, *n, deadline.map_or(Deadline::Clear, |at| Deadline::At(now + at)));
                model.insert(*n, deadline.map(|at| now + at));
                step(&mut ctx, i % 64);
            }
            let now = writes.len() as u64 / 100 + 20;
            ctx.env.tick(now);
            sweep_all(&mut ctx);
            model.retain(|_, deadline| deadline.is_none_or(|at| at > now));
            let expiring = model.values().flatten().count();
            prop_assert_eq!(sizes(&mut ctx, 0), (model.len(), expiring));
        }
    }
}
