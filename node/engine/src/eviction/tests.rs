use super::*;
use crate::effect::{Deadline, Effect, NewValue};
use crate::keyspace::Keyspace;
use crate::tuning::notify;

fn context(keyspace: &Keyspace, policy: EvictionPolicy) -> Ctx<'_> {
    let mut ctx = Ctx::new(keyspace, 11);
    ctx.env.tuning.policy = policy;
    ctx.env.tuning.notify = notify::EVICTED | notify::EXPIRED;
    ctx.env.tick(1_000_000_000);
    ctx
}

fn name(n: u64) -> Vec<u8> {
    format!("key:{n}").into_bytes()
}

fn put(ctx: &mut Ctx<'_>, n: u64, deadline: Deadline) {
    let key = name(n);
    ctx.locks.hold_one(ctx.keyspace.shard_of(ctx.keyspace.hash(&key)));
    ctx.begin();
    ctx.key(&key).apply(Effect::Put { value: NewValue::String(b"v"), deadline, absent: false });
}

fn get(ctx: &mut Ctx<'_>, n: u64) -> bool {
    let key = name(n);
    ctx.locks.hold_one(ctx.keyspace.shard_of(ctx.keyspace.hash(&key)));
    ctx.read(&key).is_some()
}

/// Evicts and tells which keys went, in order.
fn evicted(ctx: &mut Ctx<'_>, pool: &mut Pool, count: usize) -> Vec<u64> {
    for _ in 0..count {
        assert!(evict(ctx, pool, || 0).is_some());
    }
    let number = |key: &[u8]| std::str::from_utf8(&key[4..]).unwrap().parse().unwrap();
    ctx.out.events.drain(..).filter(|e| e.name == "evicted").map(|e| number(&e.key)).collect()
}

#[test]
fn the_least_recently_used_go_first() {
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = context(&keyspace, EvictionPolicy::AllKeysLru);
    (0..10_000).for_each(|n| put(&mut ctx, n, Deadline::Clear));
    // The higher the number, the later the use: ten keys a second.
    for n in 0..10_000 {
        ctx.env.tick(1_000_000_000 + n * 100);
        assert!(get(&mut ctx, n));
    }
    let gone = evicted(&mut ctx, &mut Pool::default(), 1_000);
    let late = gone.iter().filter(|n| **n >= 4_000).count();
    let mean = gone.iter().sum::<u64>() / 1_000;
    // By chance alone, 600 would be late and the mean 5000; a perfect order has none and 500.
    assert!(late < 40 && mean < 1_300, "{late} late, mean {mean}");
}

#[test]
fn what_is_used_after_it_was_sampled_stays() {
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = context(&keyspace, EvictionPolicy::AllKeysLru);
    (0..10).for_each(|n| put(&mut ctx, n, Deadline::Clear));
    let mut pool = Pool { policy: EvictionPolicy::AllKeysLru, ..Pool::default() };
    while pool.candidates.len() < 10 {
        assert!(pool.fill(&mut ctx));
    }
    ctx.env.tick(1_000_100_000);
    (0..9).for_each(|n| assert!(get(&mut ctx, n)));
    assert_eq!(evicted(&mut ctx, &mut pool, 1), [9]);
}

#[test]
fn the_least_frequently_used_go_first() {
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = context(&keyspace, EvictionPolicy::AllKeysLfu);
    (0..2_000).for_each(|n| put(&mut ctx, n, Deadline::Clear));
    (0..200_000).for_each(|n| assert!(get(&mut ctx, n % 1_000)));
    let gone = evicted(&mut ctx, &mut Pool::default(), 500);
    // A sample may have none but used ones in it.
    let used = gone.iter().filter(|n| **n < 1_000).count();
    assert!(used <= 5, "{used} of them: {gone:?}");
}

#[test]
fn the_first_to_expire_go_first_and_nothing_that_lasts() {
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = context(&keyspace, EvictionPolicy::VolatileTtl);
    (0..1_000).for_each(|n| put(&mut ctx, n, Deadline::At(2_000_000_000 + n * 1000)));
    (1_000..20_000).for_each(|n| put(&mut ctx, n, Deadline::Clear));
    let mut pool = Pool::default();
    let gone = evicted(&mut ctx, &mut pool, 200);
    assert!(gone.iter().all(|n| *n < 700), "{gone:?}");
    evicted(&mut ctx, &mut pool, 800);
    assert!(evict(&mut ctx, &mut pool, || 0).is_none(), "all that is left is to last");
    ctx.locks.release();
    assert_eq!(keyspace.sizes(0), (19_000, 0));
}

#[test]
fn every_policy_evicts_what_it_may_to_the_last_key() {
    use EvictionPolicy::*;
    for policy in
        [AllKeysLru, AllKeysLfu, AllKeysRandom, VolatileLru, VolatileLfu, VolatileRandom, VolatileTtl]
    {
        let keyspace = Keyspace::new(4, 1);
        let mut ctx = context(&keyspace, policy);
        for n in 0..500 {
            ctx.db = n as usize % 3;
            put(&mut ctx, n, if n % 2 == 0 { Deadline::Clear } else { Deadline::At(2_000_000_000) });
        }
        let mut pool = Pool::default();
        let mut count = 0;
        while evict(&mut ctx, &mut pool, || 0).is_some() {
            count += 1;
        }
        assert_eq!(count, if policy.only_expiring() { 250 } else { 500 }, "{policy:?}");
        assert_eq!(ctx.out.events.len(), count);
    }
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = context(&keyspace, NoEviction);
    put(&mut ctx, 1, Deadline::Clear);
    assert!(evict(&mut ctx, &mut Pool::default(), || 0).is_none());
}

#[test]
fn expired_keys_make_room_too() {
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = context(&keyspace, EvictionPolicy::AllKeysLru);
    (0..50).for_each(|n| put(&mut ctx, n, Deadline::At(1_000_000_001)));
    ctx.env.tick(1_000_000_002);
    let mut pool = Pool::default();
    let mut count = 0;
    while evict(&mut ctx, &mut pool, || 0).is_some() {
        count += 1;
    }
    assert_eq!(count, 50);
    assert!(ctx.out.events.iter().all(|event| event.name == "expired"));
}

#[test]
fn a_pool_outlives_what_it_remembers() {
    let keyspace = Keyspace::new(1, 1);
    let mut ctx = context(&keyspace, EvictionPolicy::AllKeysLru);
    (0..100).for_each(|n| put(&mut ctx, n, Deadline::Clear));
    let mut pool = Pool::default();
    evicted(&mut ctx, &mut pool, 5);
    ctx.locks.hold_all();
    ctx.flush(0);
    ctx.locks.release();
    assert!(evict(&mut ctx, &mut pool, || 0).is_none());
    put(&mut ctx, 7, Deadline::Clear);
    assert_eq!(evicted(&mut ctx, &mut pool, 1), [7]);
}
