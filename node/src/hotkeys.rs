//! HOTKEYS: which keys cost most, in processor time and in bytes of requests and replies, while somebody wants to know.
//!
//! Each worker measures in a table of its own; they are added up when the result is asked for. A table holds a bounded number of keys:
//! when it is full, those that cost least are forgotten, so what is shown of a key is what was seen of it since it came into the table.
//! A command's cost is divided among its keys; of a script its commands are measured.
//!
//! While nobody measures, this costs nothing: workers let all commands through the door for large requests if it is on, see
//! [`Worker::note_size`](crate::worker::Worker::note_size).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

use engine::command::CommandId;
use engine::command::keys::touched;
use parking_lot::Mutex;
use protocol::Args;
use smallvec::SmallVec;

use crate::stats::WorkerStats;
use crate::system::{self, CpuTime};

/// Keys of a table, and how many stay when the others are forgotten.
const KEYS_MAX: usize = 2048;
const KEYS_KEPT: usize = 1024;
/// Longer keys are not measured: they would be the memory that is bounded here.
const KEY_BYTES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Nanoseconds.
    pub time: u64,
    pub bytes: u64,
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.time += other.time;
        self.bytes += other.bytes;
    }
}

/// What one worker has seen.
#[derive(Default)]
pub struct Table {
    round: u64,
    all: Cost,
    keys: HashMap<Box<[u8]>, Cost, ahash::RandomState>,
    dice: u64,
}

impl Table {
    fn note(&mut self, key: &[u8], cost: Cost) {
        match self.keys.get_mut(key) {
            Some(sum) => sum.add(cost),
            None if key.len() > KEY_BYTES_MAX => {}
            None => {
                if self.keys.len() >= KEYS_MAX {
                    self.forget_the_cheap();
                }
                self.keys.insert(key.into(), cost);
            }
        }
    }

    /// Half of what stays costs most in one way, half in the other.
    #[cold]
    fn forget_the_cheap(&mut self) {
        let bound = |part: fn(&Cost) -> u64| {
            let mut costs: Vec<u64> = self.keys.values().map(part).collect();
            let place = costs.len() - KEYS_KEPT / 2;
            *costs.select_nth_unstable(place).1
        };
        let (time, bytes) = (bound(|cost| cost.time), bound(|cost| cost.bytes));
        let mut room = KEYS_KEPT;
        self.keys.retain(|_, cost| {
            let stays = room > 0 && (cost.time > time || cost.bytes > bytes);
            room -= usize::from(stays);
            stays
        });
    }

    /// One of `n` times.
    fn one_of(&mut self, n: u64) -> bool {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        n == 1 || (self.dice >> 33).is_multiple_of(n)
    }
}

/// What HOTKEYS START asks for.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub time: bool,
    pub bytes: bool,
    pub count: usize,
    pub duration_ms: Option<u64>,
    pub sample: u64,
}

/// A measurement, under way or over.
#[derive(Clone, Copy)]
struct Measurement {
    order: Order,
    began_ms: u64,
    cpu: CpuTime,
    /// How long it took, and the processor time of the whole process.
    ended: Option<(u64, CpuTime)>,
}

impl Measurement {
    fn time_is_up(&self, now_ms: u64) -> bool {
        self.order.duration_ms.is_some_and(|ms| now_ms >= self.began_ms + ms)
    }

    fn end(&mut self, now_ms: u64) {
        let ms = now_ms.saturating_sub(self.began_ms);
        let ms = self.order.duration_ms.map_or(ms, |limit| ms.min(limit));
        self.ended = Some((ms, self.used()));
    }

    fn used(&self) -> CpuTime {
        let now = system::cpu_own();
        CpuTime {
            system: now.system.saturating_sub(self.cpu.system),
            user: now.user.saturating_sub(self.cpu.user),
        }
    }
}

/// What HOTKEYS GET tells.
pub struct Report {
    pub order: Order,
    pub active: bool,
    pub began_ms: u64,
    pub lasted_ms: u64,
    pub cpu: CpuTime,
    pub all: Cost,
    pub by_time: Vec<(Box<[u8]>, u64)>,
    pub by_bytes: Vec<(Box<[u8]>, u64)>,
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Hotkeys {
    on: AtomicBool,
    /// Tables of other rounds are empty.
    round: AtomicU64,
    sample: AtomicU64,
    measurement: Mutex<Option<Measurement>>,
}

impl Hotkeys {
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// False: one is under way already.
    pub fn start(&self, order: Order, now_ms: u64) -> bool {
        let mut measurement = self.measurement.lock();
        self.see_to_the_end(&mut measurement, now_ms);
        if self.is_on() {
            return false;
        }
        *measurement = Some(Measurement { order, began_ms: now_ms, cpu: system::cpu_own(), ended: None });
        self.round.fetch_add(1, Relaxed);
        self.sample.store(order.sample, Relaxed);
        self.on.store(true, Release);
        true
    }

    /// False: none is under way.
    pub fn stop(&self, now_ms: u64) -> bool {
        let mut measurement = self.measurement.lock();
        self.see_to_the_end(&mut measurement, now_ms);
        if !self.is_on() {
            return false;
        }
        self.on.store(false, Relaxed);
        if let Some(measurement) = measurement.as_mut() {
            measurement.end(now_ms);
        }
        true
    }

    /// False: one is under way.
    pub fn reset(&self, now_ms: u64) -> bool {
        let mut measurement = self.measurement.lock();
        self.see_to_the_end(&mut measurement, now_ms);
        if self.is_on() {
            return false;
        }
        *measurement = None;
        self.round.fetch_add(1, Relaxed);
        true
    }

    /// What was measured by the workers with these counters. `None`: nothing.
    pub fn report<'a>(&self, workers: impl Iterator<Item = &'a WorkerStats>, now_ms: u64) -> Option<Report> {
        let mut measurement = self.measurement.lock();
        self.see_to_the_end(&mut measurement, now_ms);
        let measurement = (*measurement)?;
        let (mut all, mut keys) = (Cost::default(), HashMap::<Box<[u8]>, Cost>::new());
        for stats in workers {
            let table = stats.hot.lock();
            if table.round == self.round.load(Relaxed) {
                all.add(table.all);
                table.keys.iter().for_each(|(key, cost)| keys.entry(key.clone()).or_default().add(*cost));
            }
        }
        let most = |part: fn(&Cost) -> u64, wanted: bool| {
            let mut costs: Vec<(Box<[u8]>, u64)> =
                keys.iter().filter(|_| wanted).map(|(key, cost)| (key.clone(), part(cost))).collect();
            costs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            costs.truncate(measurement.order.count);
            costs
        };
        let (lasted_ms, cpu) =
            measurement.ended.unwrap_or_else(|| (now_ms - measurement.began_ms, measurement.used()));
        Some(Report {
            order: measurement.order,
            active: measurement.ended.is_none(),
            began_ms: measurement.began_ms,
            lasted_ms,
            cpu,
            all,
            by_time: most(|cost| cost.time, measurement.order.time),
            by_bytes: most(|cost| cost.bytes, measurement.order.bytes),
        })
    }

    /// Ends a measurement whose time is up.
    fn see_to_the_end(&self, measurement: &mut Option<Measurement>, now_ms: u64) {
        if let Some(measurement) = measurement.as_mut().filter(|m| m.ended.is_none() && m.time_is_up(now_ms))
        {
            measurement.end(now_ms);
            self.on.store(false, Relaxed);
        }
    }

    /// Measures a command. True if this was the last one: time is up.
    #[cold]
    pub fn note(&self, stats: &WorkerStats, id: CommandId, args: Args<'_>, cost: Cost, now_ms: u64) -> bool {
        if let Some(mut measurement) = self.measurement.try_lock() {
            self.see_to_the_end(&mut measurement, now_ms);
        }
        if !self.is_on() {
            return true;
        }
        let (mut table, round) = (stats.hot.lock(), self.round.load(Relaxed));
        if table.round != round {
            *table = Table { round, dice: round ^ now_ms, ..Table::default() };
        }
        table.all.add(cost);
        if table.one_of(self.sample.load(Relaxed).max(1)) {
            let mut keys: SmallVec<[usize; 8]> = SmallVec::new();
            touched(id.facts(), args, |at| keys.push(at));
            let n = keys.len().max(1) as u64;
            let part = Cost { time: cost.time / n, bytes: cost.bytes / n };
            keys.iter().for_each(|at| table.note(&args[*at], part));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_keeps_what_costs_most() {
        let mut table = Table::default();
        for i in 0..100_000u64 {
            table.note(b"slow", Cost { time: 50, bytes: 0 });
            table.note(b"large", Cost { time: 0, bytes: 50 });
            table.note(format!("{i}").as_bytes(), Cost { time: 1, bytes: 1 });
            assert!(table.keys.len() <= KEYS_MAX);
        }
        assert_eq!(table.keys[&b"slow"[..]], Cost { time: 5_000_000, bytes: 0 });
        assert_eq!(table.keys[&b"large"[..]], Cost { time: 0, bytes: 5_000_000 });
    }

    #[test]
    fn it_ends_by_itself() {
        let hotkeys = Hotkeys::default();
        let order = Order { time: true, bytes: false, count: 10, duration_ms: Some(1000), sample: 1 };
        assert!(hotkeys.report(std::iter::empty(), 5000).is_none());
        assert!(hotkeys.start(order, 5000) && !hotkeys.start(order, 5999));
        assert!(!hotkeys.reset(5999) && hotkeys.is_on());
        assert!(!hotkeys.stop(6000) && !hotkeys.is_on());
        let report = hotkeys.report(std::iter::empty(), 7000).unwrap();
        assert_eq!((report.active, report.lasted_ms), (false, 1000));
        assert!(hotkeys.reset(7000) && hotkeys.report(std::iter::empty(), 7000).is_none());
    }
}
