//! Counters. Each worker has its own, written by that worker alone with plain stores and read by anybody: INFO adds
//! them up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use engine::command::CommandId;
use parking_lot::Mutex;

use crate::hotkeys;
use crate::memcached::tally::Tallies;
use crate::scripting::machine::Kind;

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed) + n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }
}

/// Buckets of a latency histogram: eight steps for each doubling from 1 us on.
pub const BUCKETS: usize = 8 * 32;

/// How long one command took, as a histogram.
pub struct Histogram {
    counts: [Count; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: std::array::from_fn(|_| Count::default()) }
    }
}

/// The bucket of a duration in ns.
fn bucket(ns: u64) -> usize {
    let us8 = (ns >> 7).max(8); // eighths of about a microsecond
    let log = 63 - us8.leading_zeros() as usize;
    ((log - 3) * 8 + ((us8 >> (log - 3)) as usize & 7)).min(BUCKETS - 1)
}

/// The largest duration of a bucket, us.
pub fn bucket_us(index: usize) -> f64 {
    let (log, step) = (index / 8, index % 8);
    (((8 + step + 1) as u64) << log) as f64 * 128.0 / 1000.0
}

impl Histogram {
    pub fn record(&self, ns: u64) {
        self.counts[bucket(ns)].add(1);
    }

    pub fn add_to(&self, sums: &mut [u64; BUCKETS]) {
        sums.iter_mut().zip(&self.counts).for_each(|(sum, count)| *sum += count.get());
    }

    fn reset(&self) {
        self.counts.iter().for_each(|c| c.set(0));
    }
}

/// How often a command took how long, added up over the workers.
pub struct Latencies {
    counts: [u64; BUCKETS],
    pub total: u64,
}

impl Latencies {
    /// Adds up the workers' histograms; `None` if none holds anything.
    pub fn sum<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Option<Latencies> {
        let mut counts = [0; BUCKETS];
        histograms.for_each(|h| h.add_to(&mut counts));
        let total = counts.iter().sum();
        (total > 0).then_some(Latencies { counts, total })
    }

    /// The duration, us, that this part of the calls (percent) did not exceed.
    pub fn percentile_us(&self, percent: f64) -> f64 {
        let wanted = ((self.total as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen >= wanted
        };
        bucket_us(self.counts.iter().position(reached).unwrap_or(BUCKETS - 1))
    }

    /// How many calls took at most 1, 2, 4, ... us; only where the number rises.
    pub fn by_power_of_two(&self) -> Vec<(u64, u64)> {
        let mut steps = Vec::new();
        let (mut below, mut limit) = (0, 1u64);
        for (index, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            while bucket_us(index) > limit as f64 {
                limit *= 2;
            }
            below += count;
            match steps.last_mut() {
                Some((at, total)) if *at == limit => *total = below,
                _ => steps.push((limit, below)),
            }
        }
        steps
    }
}

/// The counters of threads that run commands without being workers: links to masters and the mesh. Each thread has its own
/// while it runs; the next one goes on with them.
#[derive(Default)]
pub struct Beside {
    all: Mutex<Vec<&'static WorkerStats>>,
    free: Mutex<Vec<&'static WorkerStats>>,
}

impl Beside {
    pub fn take(&self) -> &'static WorkerStats {
        if let Some(free) = self.free.lock().pop() {
            return free;
        }
        let new: &'static WorkerStats = Box::leak(Box::default());
        self.all.lock().push(new);
        new
    }

    /// The thread ends.
    pub fn give_back(&self, stats: &'static WorkerStats) {
        self.free.lock().push(stats);
    }

    pub fn all(&self) -> Vec<&'static WorkerStats> {
        self.all.lock().clone()
    }
}

/// What is counted per command.
#[derive(Default)]
pub struct CommandStats {
    pub calls: Count,
    pub ticks: Count,
    pub rejected: Count,
    pub failed: Count,
    pub histogram: std::sync::OnceLock<Box<Histogram>>,
}

/// A worker's counters.
pub struct WorkerStats {
    pub commands: Box<[CommandStats]>,
    pub processed: Count,
    pub net_in: Count,
    pub net_out: Count,
    pub reads: Count,
    pub writes: Count,
    pub hits: Count,
    pub misses: Count,
    /// Changes to data.
    pub dirty: Count,
    pub errors_total: Count,
    /// Bytes that Lua has allocated for scripts, and for functions.
    pub lua_scripts: Count,
    pub lua_functions: Count,
    pub clients: Count,
    /// The client whose requests it executes just now, 0 if none: for who reports a crash.
    pub serving: Count,
    /// What memcached's commands did.
    pub memcached: Tallies,
    /// Per mille of the time that the worker was busy lately.
    pub busy: Count,
    /// Time spent on reclaiming expired keys, us, and how often there was too much to do at once.
    pub expire_us: Count,
    pub expire_caps: Count,
    /// Running mean of the share of expired keys among those with a deadline: the bits of a double.
    pub stale_share: Count,
    /// What keys cost, while that is measured.
    pub hot: Mutex<hotkeys::Table>,
    /// Error replies by code; touched only when a command fails.
    pub errors: Mutex<BTreeMap<String, u64>>,
}

impl Default for WorkerStats {
    fn default() -> Self {
        WorkerStats {
            commands: CommandId::all().map(|_| CommandStats::default()).collect(),
            processed: Count::default(),
            net_in: Count::default(),
            net_out: Count::default(),
            reads: Count::default(),
            writes: Count::default(),
            hits: Count::default(),
            misses: Count::default(),
            dirty: Count::default(),
            errors_total: Count::default(),
            lua_scripts: Count::default(),
            lua_functions: Count::default(),
            clients: Count::default(),
            serving: Count::default(),
            memcached: Tallies::default(),
            expire_us: Count::default(),
            expire_caps: Count::default(),
            stale_share: Count::default(),
            busy: Count::default(),
            hot: Mutex::default(),
            errors: Mutex::default(),
        }
    }
}

/// Error codes that are told apart; further ones are counted together, so that clients cannot fill the memory.
const ERROR_CODES_MAX: usize = 128;
const OTHER_ERRORS: &str = "OTHER";

impl WorkerStats {
    /// Counts an error reply by its code.
    pub fn error(&self, code: &str) {
        self.errors_total.add(1);
        let mut errors = self.errors.lock();
        let known = errors.contains_key(code) || errors.len() < ERROR_CODES_MAX;
        let code = if known { code } else { OTHER_ERRORS };
        *errors.entry(code.to_string()).or_insert(0) += 1;
    }

    /// Shows how many bytes a Lua state has.
    #[inline]
    pub fn note_lua(&self, kind: Kind, bytes: usize) {
        match kind {
            Kind::Eval => self.lua_scripts.set(bytes as u64),
            Kind::Functions => self.lua_functions.set(bytes as u64),
        }
    }

    /// Starts all counters anew, but for what is a state.
    pub fn reset(&self) {
        for c in &self.commands {
            [&c.calls, &c.ticks, &c.rejected, &c.failed].iter().for_each(|n| n.set(0));
            if let Some(h) = c.histogram.get() {
                h.reset();
            }
        }
        [&self.processed, &self.net_in, &self.net_out, &self.reads, &self.writes, &self.hits, &self.misses]
            .into_iter()
            .chain([&self.expire_us, &self.expire_caps, &self.stale_share])
            .for_each(|n| n.set(0));
        self.errors_total.set(0);
        self.errors.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_they_say() {
        for ns in [0u64, 500, 1_000, 1_500, 10_000, 123_456, 7_000_000, 3_000_000_000] {
            let b = bucket(ns);
            let us = ns as f64 / 1000.0;
            assert!(
                bucket_us(b) >= us && (b == 0 || bucket_us(b) <= (us * 1.3).max(2.0)),
                "{ns}: {}",
                bucket_us(b)
            );
        }
    }

    #[test]
    fn percentiles_and_powers_of_two() {
        let histogram = Histogram::default();
        (0..99).for_each(|_| histogram.record(10_000));
        histogram.record(5_000_000);
        let sums = Latencies::sum([&histogram].into_iter()).unwrap();
        assert_eq!(sums.total, 100);
        assert!((10.0..13.0).contains(&sums.percentile_us(50.0)));
        assert!((10.0..13.0).contains(&sums.percentile_us(99.0)));
        assert!((5000.0..6500.0).contains(&sums.percentile_us(99.9)));
        assert_eq!(sums.by_power_of_two(), [(16, 99), (8192, 100)]);
        assert!(Latencies::sum(std::iter::empty()).is_none());
    }
}
