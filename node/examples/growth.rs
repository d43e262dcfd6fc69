//! The longest pause that a growing table causes: twenty million keys are inserted in batches of 16, each of which is timed by the
//! thread's own processor time, so that other processes do not count. For comparison the same again, when all keys are there and
//! nothing grows.
//!
//! `cargo run --release -p everwrite --example growth [KEYS]`
#![expect(unsafe_code, reason = "reads the thread's own clock")]

use engine::ctx::Ctx;
use engine::effect::{Deadline, Effect, NewValue};
use engine::keyspace::Keyspace;

const BATCH: u64 = 16;

/// Nanoseconds that this thread has spent on a processor.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes to the struct it is given.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } != 0;
    assert!(!failed, "every Linux has this clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn set(ctx: &mut Ctx<'_>, n: u64) {
    let (key, value) = (format!("key:{n:012}"), format!("value:{n}"));
    ctx.begin();
    let hash = ctx.keyspace.hash(key.as_bytes());
    ctx.know_hash(key.as_bytes(), hash);
    ctx.locks.hold_one(ctx.keyspace.shard_of(hash));
    let value = NewValue::String(value.as_bytes());
    ctx.key(key.as_bytes()).apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
}

fn main() {
    let keys: u64 = std::env::args().nth(1).map_or(20_000_000, |n| n.parse().expect("a number of keys"));
    // As in the server: whose allocator this is, too.
    node::memory::begin();
    node::memory::keep_ready();
    let keyspace = Keyspace::new(16, 2);
    let mut ctx = Ctx::new(&keyspace, 1);
    ctx.env.tick(1_000_000);
    println!("| pass over {keys} keys | all, s | mean of a batch of {BATCH}, us | 99.99 % | longest |");
    println!("|---|---|---|---|---|");
    for pass in ["first: all are new", "second: none is"] {
        let mut times = Vec::with_capacity((keys / BATCH) as usize);
        for batch in 0..keys / BATCH {
            let before = cpu_ns();
            (batch * BATCH..(batch + 1) * BATCH).for_each(|n| set(&mut ctx, n));
            ctx.locks.release();
            times.push(cpu_ns() - before);
        }
        let all: u64 = times.iter().sum();
        times.sort_unstable();
        let us = |ns: u64| ns as f64 / 1000.0;
        println!(
            "| {pass} | {:.1} | {:.2} | {:.0} | {:.0} |",
            us(all) / 1e6,
            us(all) / times.len() as f64,
            us(times[times.len() / 10_000 * 9_999]),
            us(times[times.len() - 1])
        );
    }
}
