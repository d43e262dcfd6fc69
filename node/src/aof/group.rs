//! Who shares a synchronisation with `appendfsync always`.
//!
//! While one is under way, those whose writes came too late for it gather for the next. If that began at once, whoever has just
//! been let go would miss it in turn: two groups by turns, each of half of all, and every client waits for two
//! synchronisations. So the next one waits for those that were let go, as long as they come back: for no longer than half of what
//! the last one took, and not where nobody has come for an eighth of that. Where synchronising takes less time than serving those
//! clients does, that changes little, and the two overlap.
//!
//! Where synchronising takes little, nobody is woken: each worker does it itself for what it has just served
//! ([`Group::is_quick`]), as Redis does. To hand over and be woken costs more then than the disk does.
//!
//! Two may be under way: who is there when nobody else may come does not wait for the end of the one before. Disks and file
//! systems have them share much of their work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Nobody waits for others for less than this: it takes as long to fall asleep.
const WORTH_WAITING: Duration = Duration::from_micros(50);

/// Below this a worker waits for the disk itself. At 0.14 ms that was measured to be a third more writes a second.
const QUICK: Duration = Duration::from_micros(250);

/// See the [module's page](self).
#[derive(Default)]
pub struct Group {
    /// Connections that hold replies back.
    held: AtomicUsize,
    /// Those of them for whom a synchronisation is under way.
    gone: AtomicUsize,
    last: Mutex<Last>,
    quick: AtomicBool,
}

/// The last synchronisation.
#[derive(Default)]
struct Last {
    /// Connections that held replies back at its end.
    held: usize,
    took: Duration,
    ended: Option<Instant>,
    /// What the last ones took, the younger the more weight.
    usual: Duration,
}

impl Group {
    /// A connection holds replies back.
    pub fn join(&self) {
        self.held.fetch_add(1, Relaxed);
    }

    /// So many do not any longer.
    pub fn leave(&self, count: usize) {
        self.held.fetch_sub(count, Relaxed);
        let _ = self.gone.fetch_update(Relaxed, Relaxed, |gone| Some(gone.saturating_sub(count)));
    }

    /// A synchronisation begins for those that are there.
    pub fn depart(&self) {
        self.gone.store(self.held.load(Relaxed), Relaxed);
    }

    /// Whether there are connections for which none is under way.
    fn is_anybody_here(&self) -> bool {
        self.held.load(Relaxed) > self.gone.load(Relaxed)
    }

    /// A synchronisation has ended; those for whom it was have yet to be let go.
    pub fn synced(&self, took: Duration) {
        let mut last = self.last.lock();
        let usual = last.ended.map_or(took, |_| (last.usual * 7 + took) / 8);
        *last = Last { held: self.held.load(Relaxed), took, ended: Some(Instant::now()), usual };
        drop(last);
        let quick = usual < QUICK;
        if self.quick.load(Relaxed) != quick {
            self.quick.store(quick, Relaxed);
        }
    }

    /// Whether synchronising takes so little that a worker had better not leave it to others.
    #[inline]
    pub fn is_quick(&self) -> bool {
        self.quick.load(Relaxed)
    }

    /// Waits until those that may come are there. Whoever comes wakes this thread.
    pub fn gather(&self) {
        let Last { held: expected, took, ended, .. } = *self.last.lock();
        let Some(ended) = ended else { return };
        let (until, pause) = (ended + took / 2, took / 8);
        let (mut had, mut came) = (self.held.load(Relaxed), Instant::now());
        while self.is_anybody_here() && had < expected {
            let now = Instant::now();
            let left = until.min(came + pause).saturating_duration_since(now);
            if left < WORTH_WAITING {
                return;
            }
            thread::park_timeout(left);
            let held = self.held.load(Relaxed);
            if held > had {
                (had, came) = (held, Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_secs(8);

    fn gathering(group: &Arc<Group>) -> thread::JoinHandle<Duration> {
        let group = group.clone();
        thread::spawn(move || {
            let began = Instant::now();
            group.gather();
            began.elapsed()
        })
    }

    #[test]
    fn a_group_waits_for_those_that_were_let_go() {
        let group = Arc::new(Group::default());
        (0..3).for_each(|_| group.join());
        group.synced(LONG);
        group.leave(3);
        group.join();
        let waits = gathering(&group);
        for _ in 0..2 {
            thread::sleep(Duration::from_millis(20));
            assert!(!waits.is_finished());
            group.join();
            waits.thread().unpark();
        }
        let took = waits.join().expect("it ends");
        assert!(took < LONG / 8, "{took:?}");
    }

    #[test]
    fn what_is_usual_says_who_synchronises() {
        let group = Group::default();
        assert!(!group.is_quick(), "nothing is known yet");
        group.synced(QUICK / 2);
        assert!(group.is_quick());
        group.synced(QUICK * 3);
        assert!(group.is_quick(), "one alone says little");
        (0..8).for_each(|_| group.synced(QUICK * 3));
        assert!(!group.is_quick());
        (0..16).for_each(|_| group.synced(QUICK / 2));
        assert!(group.is_quick());
    }

    #[test]
    fn nobody_waits_for_those_that_do_not_come() {
        let group = Arc::new(Group::default());
        assert!(gathering(&group).join().expect("it ends") < LONG / 8, "nothing is known yet");
        (0..3).for_each(|_| group.join());
        group.synced(Duration::from_millis(80));
        group.leave(2);
        let took = gathering(&group).join().expect("it ends");
        assert!(took < Duration::from_millis(60), "an eighth of what the last one took: {took:?}");
        group.leave(1);
        group.synced(LONG);
        assert!(gathering(&group).join().expect("it ends") < LONG / 8, "nobody is there");
    }
}
