//! How the engine scales, without sockets: GET and SET of random keys by one and by two threads, one hot key, and what a
//! batch of GETs costs against single ones.
//!
//! `cargo run --release -p everwrite-engine --example scaling`

use std::sync::Barrier;
use std::time::{Duration, Instant};

use engine::ctx::Ctx;
use engine::effect::{Deadline, Effect, NewValue};
use engine::keyspace::Keyspace;

const KEYS: u64 = 1_000_000;
const BATCH: usize = 64;

fn key(n: u64) -> String {
    format!("key:{n:012}")
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }
}

/// Executes one batch as a connection does: prefetch, then command by command under the shard's lock.
fn batch(ctx: &mut Ctx<'_>, keys: &[String], write: bool, sum: &mut usize) {
    if keys.len() > 1 {
        let pinned = crossbeam_epoch::pin();
        let hashes: Vec<u64> = keys.iter().map(|k| ctx.keyspace.hash(k.as_bytes())).collect();
        hashes.iter().for_each(|h| ctx.keyspace.prefetch_bucket(0, *h, &pinned));
        hashes.iter().for_each(|h| ctx.keyspace.prefetch_entry(0, *h, &pinned));
    }
    for key in keys {
        let shard = ctx.keyspace.shard_of(ctx.keyspace.hash(key.as_bytes()));
        ctx.begin();
        ctx.locks.hold_one(shard);
        if write {
            let value = NewValue::String(key.as_bytes());
            ctx.key(key.as_bytes()).apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
        } else if let Some(entry) = ctx.read(key.as_bytes()) {
            *sum += entry.key().len();
        }
    }
    ctx.locks.release();
}

/// Operations per second of `threads` threads together.
fn rate(keyspace: &Keyspace, threads: usize, keys: u64, size: usize, write: bool) -> f64 {
    let barrier = Barrier::new(threads);
    let rates = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|t| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut ctx = Ctx::new(keyspace, t as u64 + 1);
                    ctx.env.tick(1_000_000);
                    let mut random = Random(t as u64 * 7_919 + 12_345);
                    // Keys are made beforehand: only the engine is measured.
                    let pool: Vec<String> = (0..200_000).map(|_| key(random.below(keys))).collect();
                    barrier.wait();
                    let (start, mut done, mut sum) = (Instant::now(), 0usize, 0usize);
                    while start.elapsed() < Duration::from_millis(700) {
                        for chunk in pool.chunks(size).skip(done / size % 100).take(400) {
                            batch(&mut ctx, chunk, write, &mut sum);
                            done += chunk.len();
                        }
                    }
                    std::hint::black_box(sum);
                    done as f64 / start.elapsed().as_secs_f64()
                })
            })
            .collect();
        handles.into_iter().map(|h| h.join().expect("a bench thread does not panic")).collect::<Vec<_>>()
    });
    rates.iter().sum()
}

fn median(mut of: impl FnMut() -> f64) -> f64 {
    let mut runs: Vec<f64> = (0..5).map(|_| of()).collect();
    runs.sort_by(f64::total_cmp);
    runs[2]
}

fn main() {
    let keyspace = Keyspace::new(16, 2);
    let mut ctx = Ctx::new(&keyspace, 1);
    ctx.env.tick(1_000_000);
    for n in 0..KEYS {
        batch(&mut ctx, &[key(n)], true, &mut 0);
    }
    println!("| measured | one thread | two threads | ratio | bar |\n|---|---|---|---|---|");
    for (name, keys, write, bar) in [
        ("GET random keys, batches of 64", KEYS, false, 1.9),
        ("SET random keys, batches of 64", KEYS, true, 1.9),
        ("GET one key, batches of 64", 1, false, 1.0),
        ("SET one key, batches of 64", 1, true, 1.0),
    ] {
        let one = median(|| rate(&keyspace, 1, keys, BATCH, write));
        let two = median(|| rate(&keyspace, 2, keys, BATCH, write));
        println!("| {name} | {:.2} M/s | {:.2} M/s | {:.2} | {bar} |", one / 1e6, two / 1e6, two / one);
    }
    let batched = median(|| rate(&keyspace, 1, KEYS, BATCH, false));
    let single = median(|| rate(&keyspace, 1, KEYS, 1, false));
    println!(
        "\nOne GET of a random key: {:.0} ns alone, {:.0} ns in a batch of 64: ratio {:.2} (bar 0.5)",
        1e9 / single,
        1e9 / batched,
        single / batched
    );
}
