//! The latency monitor: moments at which something took longer than `latency-monitor-threshold`, by the name of what
//! it was. Each event keeps its last [`SAMPLES`]; those of one second count as one, the worst.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

/// Samples kept of each event.
const SAMPLES: usize = 160;

/// One moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unix seconds.
    pub at: u64,
    pub ms: u64,
}

/// What is known of one event.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Oldest first.
    pub samples: VecDeque<Sample>,
    /// The worst since the last reset, ms.
    pub worst_ms: u64,
}

impl Event {
    fn add(&mut self, now: u64, ms: u64) {
        self.worst_ms = self.worst_ms.max(ms);
        match self.samples.back_mut() {
            Some(last) if last.at == now => last.ms = last.ms.max(ms),
            _ => self.samples.push_back(Sample { at: now, ms }),
        }
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    /// Mean of the samples, and mean distance from it, ms.
    pub fn mean(&self) -> (u64, u64) {
        let count = self.samples.len().max(1) as u64;
        let mean = self.samples.iter().map(|s| s.ms).sum::<u64>() / count;
        (mean, self.samples.iter().map(|s| s.ms.abs_diff(mean)).sum::<u64>() / count)
    }
}

/// See the [module's page](self).
#[derive(Default)]
pub struct LatencyMonitor(Mutex<BTreeMap<&'static str, Event>>);

impl LatencyMonitor {
    /// Notes that something took `ms`; the caller has compared that with the threshold.
    #[cold]
    pub fn add(&self, event: &'static str, now: u64, ms: u64) {
        self.0.lock().entry(event).or_default().add(now, ms);
    }

    /// All events by name.
    pub fn events(&self) -> Vec<(&'static str, Event)> {
        self.0.lock().iter().map(|(name, event)| (*name, event.clone())).collect()
    }

    pub fn event(&self, name: &[u8]) -> Option<Event> {
        self.0.lock().get(std::str::from_utf8(name).ok()?).cloned()
    }

    /// Forgets these events, or all if none is named. Returns how many there were.
    pub fn reset(&self, names: &[&[u8]]) -> usize {
        let mut events = self.0.lock();
        let before = events.len();
        events.retain(|name, _| !names.is_empty() && !names.contains(&name.as_bytes()));
        before - events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_the_worst_is_kept() {
        let monitor = LatencyMonitor::default();
        for (at, ms) in [(1, 10), (1, 30), (1, 20), (2, 40)] {
            monitor.add("command", at, ms);
        }
        let event = monitor.event(b"command").unwrap();
        assert_eq!(event.samples, [Sample { at: 1, ms: 30 }, Sample { at: 2, ms: 40 }]);
        assert_eq!((event.worst_ms, event.mean()), (40, (35, 5)));
        (0..1000).for_each(|at| monitor.add("fork", at, 1));
        assert_eq!(monitor.event(b"fork").unwrap().samples.len(), SAMPLES);
        assert_eq!((monitor.reset(&[b"nonesuch"]), monitor.reset(&[b"fork"]), monitor.reset(&[])), (0, 1, 1));
    }
}
