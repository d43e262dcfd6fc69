//! How the engine scales, without sockets: GET and SET of random keys by one and by two threads, one hot key, and what a
//! batch of GETs costs against single ones. Two threads that have a keyspace each show what the machine allows.
//!
//! `cargo run --release -p everwrite-engine --example scaling`

use std::sync::Barrier;
use std::time::{Duration, Instant};

use engine::ctx::Ctx;
use engine::effect::{Deadline, Effect, NewValue};
use engine::keyspace::Keyspace;

const KEYS: u64 = 1_000_000;
const BATCH: usize = 64;

/// Commands before it is taken that a shard's lock is fetched, as in a connection.
const AHEAD: usize = 4;
const RUNS: usize = 5;

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
    let mut hashes = [0; BATCH];
    for (hash, key) in hashes.iter_mut().zip(keys) {
        *hash = ctx.keyspace.hash(key.as_bytes());
    }
    let hashes = &hashes[..keys.len()];
    if keys.len() > 1 {
        let pinned = crossbeam_epoch::pin();
        hashes.iter().for_each(|h| ctx.keyspace.prefetch_bucket(0, *h, &pinned));
        hashes.iter().for_each(|h| ctx.keyspace.prefetch_entry(0, *h, &pinned));
    }
    for (i, (key, hash)) in keys.iter().zip(hashes).enumerate() {
        if let Some(later) = hashes.get(i + AHEAD) {
            ctx.keyspace.prefetch_shard(*later);
        }
        ctx.begin();
        ctx.know_hash(key.as_bytes(), *hash);
        ctx.locks.hold_one(ctx.keyspace.shard_of(*hash));
        if write {
            let value = NewValue::String(key.as_bytes());
            ctx.key(key.as_bytes()).apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
        } else if let Some(entry) = ctx.read(key.as_bytes()) {
            *sum += entry.key().len();
        }
    }
    ctx.locks.release();
}

/// Operations per second of `threads` threads together, each in its keyspace if there are several.
fn rate(keyspaces: &[Keyspace], threads: usize, keys: u64, size: usize, write: bool) -> f64 {
    let barrier = Barrier::new(threads);
    let rates = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|t| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut ctx = Ctx::new(&keyspaces[t % keyspaces.len()], t as u64 + 1);
                    ctx.env.tick(1_000_000);
                    let mut random = Random(t as u64 * 7_919 + 12_345);
                    // Keys are made beforehand: only the engine is measured.
                    let pool: Vec<String> = (0..200_000).map(|_| key(random.below(keys))).collect();
                    barrier.wait();
                    let (start, mut done, mut sum) = (Instant::now(), 0usize, 0usize);
                    // Whole stretches of the pool in turn, whatever the batch: all sizes meet the same misses.
                    for stretch in pool.chunks(4_096).cycle() {
                        stretch.chunks(size).for_each(|chunk| batch(&mut ctx, chunk, write, &mut sum));
                        done += stretch.len();
                        if start.elapsed() > Duration::from_millis(700) {
                            break;
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

/// Medians of interleaved runs of several measurements.
fn medians<const N: usize>(of: [&dyn Fn() -> f64; N]) -> [f64; N] {
    let mut runs = [[0.0; RUNS]; N];
    for run in 0..RUNS {
        for (runs, of) in runs.iter_mut().zip(of) {
            runs[run] = of();
        }
    }
    runs.map(|mut runs| {
        runs.sort_by(f64::total_cmp);
        runs[RUNS / 2]
    })
}

fn filled() -> Keyspace {
    let keyspace = Keyspace::new(16, 2);
    let mut ctx = Ctx::new(&keyspace, 1);
    ctx.env.tick(1_000_000);
    for n in 0..KEYS {
        batch(&mut ctx, &[key(n)], true, &mut 0);
    }
    drop(ctx);
    keyspace
}

fn main() {
    let (one, both) = ([filled()], [filled(), filled()]);
    println!(
        "| measured | one thread | two threads | ratio | bar | a keyspace each |\n|---|---|---|---|---|---|"
    );
    for (name, keys, write, bar) in [
        ("GET random keys, batches of 64", KEYS, false, 1.9),
        ("SET random keys, batches of 64", KEYS, true, 1.9),
        ("GET one key, batches of 64", 1, false, 1.0),
        ("SET one key, batches of 64", 1, true, 1.0),
    ] {
        let of = |keyspaces, threads| rate(keyspaces, threads, keys, BATCH, write);
        let [alone, two, apart] = medians([&|| of(&one, 1), &|| of(&one, 2), &|| of(&both, 2)]);
        let (ratio, ceiling) = (two / alone, apart / alone);
        println!(
            "| {name} | {:.2} M/s | {:.2} M/s | {ratio:.2} | {bar} | {ceiling:.2} |",
            alone / 1e6,
            two / 1e6
        );
    }
    let of = |size| rate(&one, 1, KEYS, size, false);
    let [batched, single] = medians([&|| of(BATCH), &|| of(1)]);
    println!(
        "\nOne GET of a random key: {:.0} ns alone, {:.0} ns in a batch of {BATCH}: ratio {:.2} (bar 0.5)",
        1e9 / single,
        1e9 / batched,
        single / batched
    );
}
