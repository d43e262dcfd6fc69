//! How connections are spread over the workers.
//!
//! A loop that serves many connections finds several ready at each wake-up and so spends less processor time on each;
//! spread thinly over loops, every request costs a wake-up of its own. So workers are filled one after the other up to
//! `min-clients-per-thread`, and beyond that evenly. When a worker is busy all the time while processors idle, it hands
//! some of its active connections to the worker that has the least to do.

use std::time::{Duration, Instant};

use crate::server::Server;
use crate::system;
use crate::worker::{Worker, WorkerHandle};

/// How often a worker looks at its load.
pub const EVERY: Duration = Duration::from_millis(100);
/// Part of the time, in per mille, from which a worker counts as overloaded, and below which it may take more.
const BUSY: u64 = 850;
const FREE: u64 = 600;
/// Part of all processors' time, in per mille, that must be unused for a move to be worth it.
const IDLE_SYSTEM: u64 = 100;
/// Looks in a row at which a worker must be overloaded.
const PATIENCE: u32 = 3;
/// Looks after a move during which the worker does not decide again.
const REST: u32 = 10;

/// The worker that a new connection goes to.
pub fn choose(workers: &[WorkerHandle], fill: u64) -> &WorkerHandle {
    let clients = |w: &WorkerHandle| w.stats.clients.get() + w.waiting();
    let open = || workers.iter().filter(|w| w.is_open());
    open()
        .find(|w| clients(w) < fill)
        .or_else(|| open().min_by_key(|w| clients(w)))
        .or_else(|| workers.first())
        .expect("there is at least one worker")
}

/// A worker's view of its own load.
pub struct Load {
    at: Instant,
    cpu: Duration,
    system: (u64, u64),
    overloaded: u32,
    rest: u32,
}

impl Default for Load {
    fn default() -> Self {
        Self::new()
    }
}

impl Load {
    pub fn new() -> Load {
        Load {
            at: Instant::now(),
            cpu: system::thread_cpu(),
            system: system::cpu_times(),
            overloaded: 0,
            rest: 0,
        }
    }

    /// Measures since the last look, and decides whether connections should move: where to, and how many.
    pub fn look(&mut self, worker: &Worker) -> Option<(usize, usize)> {
        let (now, cpu) = (Instant::now(), system::thread_cpu());
        let wall = now.duration_since(self.at).as_nanos().max(1) as u64;
        let busy = (cpu.saturating_sub(self.cpu).as_nanos() as u64).saturating_mul(1000) / wall;
        (self.at, self.cpu) = (now, cpu);
        worker.stats.busy.set(busy);
        self.rest = self.rest.saturating_sub(1);
        self.overloaded = if busy >= BUSY { self.overloaded + 1 } else { 0 };
        let off = !worker.config.borrow().active_client_balancing || worker.server.threads < 2;
        if self.overloaded == 0 || self.rest > 0 || off {
            if self.overloaded <= 1 {
                self.system = (0, 0);
            }
            return None;
        }
        let before = std::mem::replace(&mut self.system, system::cpu_times());
        if self.overloaded < PATIENCE || before.0 == 0 || idle_share(before, self.system) < IDLE_SYSTEM {
            return None;
        }
        let target = freest(worker.server, worker.index)?;
        self.overloaded = 0;
        self.rest = REST;
        let half = (worker.stats.clients.get() / 2) as usize;
        (half > 0).then_some((target, half))
    }
}

/// Per mille of the time between two readings of (idle, total) that was idle.
fn idle_share(before: (u64, u64), after: (u64, u64)) -> u64 {
    let total = after.1.saturating_sub(before.1);
    (after.0.saturating_sub(before.0) * 1000).checked_div(total).unwrap_or(0)
}

/// The worker with the least to do, if it has time.
fn freest(server: &Server, except: usize) -> Option<usize> {
    let others = server.workers().iter().enumerate().filter(|(i, w)| *i != except && w.is_open());
    let (index, least) = others.min_by_key(|(_, w)| w.stats.busy.get())?;
    (least.stats.busy.get() < FREE).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_a_share_of_all_time() {
        assert_eq!(idle_share((100, 1000), (150, 1200)), 250);
        assert_eq!(idle_share((100, 1000), (100, 1000)), 0);
    }
}
